//! What is known of one resource.

use std::sync::Arc;

use super::claim::Trigger;
use super::contest::Contest;
use crate::api::DirectConnectConnectionStatus;
use crate::metrics::Resource;
use directconnect_core::clock::Moment;
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::LastUpdate;

/// What is known of one resource.
pub(super) struct Entry {
    pub(super) trigger: Trigger,
    /// The circuit that the spec names. If the spec is invalid: the one that status is about.
    pub(super) circuit: Option<CircuitId>,
    /// Hashes of the status that the watch delivered last and of the one that this process wrote last. No other status is
    /// believed.
    pub(super) fingerprint: u64,
    pub(super) written: u64,
    /// Hash of the last status that this process tried to write without an answer. The API server may have stored it.
    pub(super) unanswered: u64,
    /// Whether the status is of someone else, while this process leads. It stays so until another one comes.
    pub(super) is_foreign: bool,
    /// Whether what status shows of the connection may come from someone else: a pass that has read nothing writes it again
    /// as it stands. It stays so until a read shows the connection.
    pub(super) shows_foreign: bool,
    /// Set once someone else has overwritten what this process wrote.
    pub(super) contest: Option<Box<Contest>>,
    /// Resource version that the watch delivered.
    pub(super) version: u64,
    /// The last status that this process wrote and its version, until the watch has delivered it.
    pub(super) latest: Option<(u64, Arc<DirectConnectConnectionStatus>)>,
    /// Set if the status of an earlier release proves the circuit, and nothing that this proof depends on has changed.
    pub(super) proven_before: Option<Box<ProvenBefore>>,
    pub(super) memory: Memory,
    pub(super) labels: Arc<Resource>,
}

/// What passes remember of a resource from one to the next. It is lost in a restart without harm.
#[derive(Clone, Default)]
pub struct Memory {
    /// Number of failed passes in a row.
    pub failures: u32,
    /// The request for a read by annotation: its value, and when a pass first saw it.
    pub requested: Option<Box<(String, Moment)>>,
    /// The status before a write that has had no answer, or before one of someone else. What changed since is not told yet.
    pub untold: Option<Arc<DirectConnectConnectionStatus>>,
    /// The time of an update whose answer was lost, and the reasons of the events that have told of it.
    pub shown_later: Option<Box<(String, Vec<&'static str>)>>,
}

/// A proof that was derived from a status of an earlier release.
#[derive(Clone, PartialEq)]
pub(super) struct ProvenBefore {
    /// The last update in that status. The proof does not hold after another update.
    pub(super) last_update: Option<LastUpdate>,
}
