//! The claim that a resource makes on its circuit.

use directconnect_core::desired::{Desired, EncryptionTransition, ManagementPolicy};
use directconnect_core::identity::{CircuitId, ConnectionId, RegionName, ResourceId};
use directconnect_core::ledger::Ledger;
use directconnect_core::turn::{Claim, Shown};
use kube::Resource as _;

use super::super::Watched;
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
    }
}

/// What is known of a resource whose spec is invalid, from its status. It changes nothing, but a step that its status says is
/// under way still holds the turn.
pub(super) fn without_valid_spec(object: &Watched) -> Option<Desired> {
    let ledger = &object.status.ledger;
    let about = ledger.circuit.as_ref()?;
    let (region, id) = RegionName::parse(&about.region).zip(ConnectionId::parse(&about.connection_id))?;
    Some(Desired {
        circuit: CircuitId { region, id },
        name: None,
        mode: object.spec.as_ref().map_or(ledger.unproven_step, |spec| spec.encryption_mode),
        transition: EncryptionTransition::Guarded,
        policy: ManagementPolicy::Observe,
        paused: false,
        generation: object.meta().generation.unwrap_or_default(),
    })
}

/// The labels of a resource's gauges.
pub fn labels(object: &Watched, resource: &ResourceId) -> Resource {
    let ResourceId { namespace, name } = resource.clone();
    let connection_id = object.spec.as_ref().map_or("", |spec| &spec.connection_id).into();
    Resource { namespace, name, connection_id }
}
