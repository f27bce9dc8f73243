//! The parts of an object whose change causes a reconcile.

use std::sync::Arc;

use kube::Resource as _;

use super::super::Watched;

/// The parts of an object whose change causes a reconcile. Status is not among them: a controller that writes status must
/// not wake itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    pub(super) uid: Arc<str>,
    pub(super) generation: Option<i64>,
    pub(super) paused: bool,
    pub(super) requested_at: Option<String>,
    pub(super) deleting: bool,
}

impl Trigger {
    pub(super) fn of(object: &Watched) -> Self {
        Self {
            uid: object.uid().into(),
            generation: object.meta().generation,
            paused: object.is_paused(),
            requested_at: object.requested_at().map(str::to_owned),
            deleting: object.is_being_deleted(),
        }
    }
}
