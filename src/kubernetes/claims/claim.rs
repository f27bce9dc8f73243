//! The claim that a resource makes on its circuit, and what else the claims take from an object.

use std::sync::Arc;
use std::time::Duration;

use directconnect_core::conditions::ConditionType;
use directconnect_core::desired::{Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::identity::{CircuitId, ConnectionId, RegionName, ResourceId};
use directconnect_core::ledger::Ledger;
use directconnect_core::reason::Reason;
use directconnect_core::settings::RECENT_UPDATE;
use directconnect_core::turn::{Claim, Shown};
use jiff::Timestamp;
use kube::Resource as _;

use super::super::Watched;
use super::super::status::{condition, condition_status};
use crate::metrics::Resource;

/// The claim of a resource, except for the time of its last update.
pub fn claim(object: &Watched, desired: &Desired) -> Claim {
    let status = &object.status;
    let is_elsewhere =
        status.connection.region.as_deref().is_some_and(|region| region != desired.circuit.region.as_str());
    // Earlier releases did not write which circuit a ledger belongs to.
    let ledger =
        if status.ledger.circuit.is_none() && is_elsewhere { Ledger::default() } else { status.ledger.clone() };
    Claim {
        resource: object.id(),
        uid: object.uid().into(),
        created: object.meta().creation_timestamp.as_ref().map(|time| time.0.as_second()).unwrap_or_default(),
        manages: desired.policy == ManagementPolicy::Manage,
        is_being_deleted: object.is_being_deleted(),
        wants: desired.mode,
        updated_at: None,
        ledger: ledger.about(&desired.circuit, desired.generation),
        version: object.version(),
        shown: Shown::of(&status.connection),
        is_reported: status.observed_generation == Some(desired.generation)
            && !is_elsewhere
            && condition_status(status, ConditionType::LinkUp).is_some_and(|status| status != "Unknown")
            && condition_status(status, ConditionType::Reconciling).is_none()
            && condition(status, ConditionType::Ready).is_some_and(|ready| still_holds(&ready.reason, object)),
    }
}

/// Whether a reason of `Ready` still holds as far as the cluster goes. Those left out may be over: the spec was checked by a
/// process with another region of its own, the older resource may be gone, the pause may have ended.
fn still_holds(reason: &str, object: &Watched) -> bool {
    let is = |other: Reason| reason == other.as_str();
    !is(Reason::InvalidSpec) && !is(Reason::Conflict) && (!is(Reason::Paused) || object.is_paused())
}

/// What is known of a resource whose spec is invalid, from its status. It changes nothing, but a step that its status says is
/// under way still holds the turn. So the circuit is read, and what its ledger says is kept true.
pub fn without_valid_spec(object: &Watched) -> Option<Desired> {
    let ledger = &object.status.ledger;
    let about = ledger.circuit.as_ref()?;
    let (region, id) = RegionName::parse(&about.region).zip(ConnectionId::parse(&about.connection_id))?;
    let had_must = (ledger.proven || ledger.must_encrypt_generation.is_some()).then_some(EncryptionMode::MustEncrypt);
    Some(Desired {
        circuit: CircuitId { region, id },
        name: object.spec.as_ref().ok().and_then(|spec| spec.connection_name.clone()),
        // What cannot be read does not say that nothing is wanted any more.
        mode: object.spec.as_ref().map_or(ledger.unproven_step.or(had_must), |spec| spec.encryption_mode),
        transition: EncryptionTransition::Guarded,
        policy: ManagementPolicy::Observe,
        paused: object.is_paused(),
        generation: object.meta().generation.unwrap_or_default(),
    })
}

/// The labels of a resource's gauges.
pub fn labels(object: &Watched, resource: &ResourceId) -> Resource {
    let ResourceId { namespace, name } = resource.clone();
    let connection_id = object.spec.as_ref().map_or("", |spec| &spec.connection_id).into();
    Resource { namespace, name, connection_id }
}

/// The parts of an object whose change causes a reconcile. Status is not among them: a controller that writes status must
/// not wake itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub(super) uid: Arc<str>,
    pub(super) generation: Option<i64>,
    pub(super) paused: bool,
    pub(super) requested_at: Option<String>,
    pub(super) deleting: bool,
}

impl Trigger {
    /// Takes them from an object.
    pub fn of(object: &Watched) -> Self {
        Self {
            uid: object.uid().into(),
            generation: object.meta().generation,
            paused: object.is_paused(),
            requested_at: object.requested_at().map(str::to_owned),
            deleting: object.is_being_deleted(),
        }
    }
}

/// How long ago a time from a status was, by the wall clock. The clock of the process that wrote it may be ahead, so a time
/// in the next hour counts as now; `None` if it is later or is not a valid time.
pub fn age_of(time: &str) -> Option<Duration> {
    let time: Timestamp = time.parse().ok()?;
    let is_almost_now = Timestamp::now() + RECENT_UPDATE > time;
    age_since(time).or(is_almost_now.then_some(Duration::ZERO))
}

pub(super) fn age_since(time: Timestamp) -> Option<Duration> {
    Timestamp::now().duration_since(time).try_into().ok()
}
