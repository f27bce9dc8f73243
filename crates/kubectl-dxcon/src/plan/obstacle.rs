//! What the operator has met with a resource, and no read of AWS shows: its status says so.

use directconnect_core::conditions::{ConditionStatus, ConditionType, Verdict};
use directconnect_core::reason::Reason;
use directconnect_operator::kubernetes::Watched;
use directconnect_operator::kubernetes::status::condition;
use kube::Resource as _;
use strum::VariantArray as _;

/// What the operator has met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// AWS does not show it the connection, whoever else sees it.
    Unseen(Verdict),
    /// AWS refuses its updates.
    Refused(Verdict),
    /// Somebody else keeps changing these fields back.
    Disputed {
        /// `connectionName`.
        name: bool,
        /// `encryptionMode`.
        mode: bool,
    },
}

/// What the status of a resource says that a plan would not find out. A new generation makes the operator forget what the
/// values of the spec have met, and not what its account and its rights have.
pub fn obstacle(object: &Watched) -> Option<Obstacle> {
    let stalled = condition(&object.status, ConditionType::Stalled)?;
    if stalled.status != ConditionStatus::True.as_str() {
        return None;
    }
    let is_of_this_spec = stalled.observed_generation == object.meta().generation;
    let reason = Reason::VARIANTS.iter().copied().find(|reason| reason.as_str() == stalled.reason)?;
    let verdict = Verdict::new(reason, stalled.message.as_str());
    match reason {
        Reason::NotFound => Some(Obstacle::Unseen(verdict)),
        Reason::AccessDenied | Reason::CredentialsInvalid => Some(Obstacle::Refused(verdict)),
        Reason::RequestRejected if is_of_this_spec => Some(Obstacle::Refused(verdict)),
        Reason::Contended if is_of_this_spec => Some(disputed(&stalled.message)),
        _ => None,
    }
}

/// The message says which field to unset. If it does not, as that of another release may not, it is taken to be both.
fn disputed(message: &str) -> Obstacle {
    let [name, mode] = ["spec.connectionName", "spec.encryptionMode"].map(|field| message.contains(field));
    let is_silent = !name && !mode;
    Obstacle::Disputed { name: name || is_silent, mode: mode || is_silent }
}
