//! Reports beside the status of a decision: an invalid spec, and the gauges.

use kube::runtime::controller::Action as Requeue;

use super::PassError;
use super::status::StatusWriter;
use crate::api::DirectConnectConnectionStatus;
use crate::kubernetes::status::condition_status;
use crate::metrics::Health;
use directconnect_core::conditions::{ConditionType, Verdict};
use directconnect_core::observed::ObservedMode;
use directconnect_core::reason::Reason;

/// Reports a spec that is invalid.
pub(super) async fn invalid(mut status: StatusWriter<'_>, message: String) -> Result<Requeue, PassError> {
    status.report_invalid(&Verdict::new(Reason::InvalidSpec, message)).await?;
    Ok(Requeue::await_change())
}

/// The gauges of a resource, from its status.
pub(super) fn health(status: &DirectConnectConnectionStatus, paused: bool) -> Health {
    let known = |kind| match condition_status(status, kind) {
        Some("True") => Some(true),
        Some("False") => Some(false),
        _ => None,
    };
    Health {
        ready: known(ConditionType::Ready) == Some(true),
        link_up: known(ConditionType::LinkUp),
        encrypted: known(ConditionType::Encrypted),
        must_encrypt: status.connection.encryption_mode == Some(ObservedMode::MustEncrypt),
        drifted: !status.drift.is_empty(),
        paused,
    }
}
