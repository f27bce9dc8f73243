//! The messages of a plan. Each names the object, the value and what to do next.

use super::{Case, Drift};
use crate::desired::{Desired, EncryptionMode};
use crate::history::Change;
use crate::identity::{CircuitId, ConnectionId, ResourceId};
use crate::observed::{Connection, ConnectionState, ObservedMode, PortEncryptionStatus};
use crate::reason::Reason;
use crate::turn::HoldReason;

pub(super) fn not_found(case: &Case<'_>) -> String {
    let CircuitId { region, id } = &case.desired.circuit;
    let others = others_wait(case);
    format!(
        "{id} was not found in {region}: check spec.connectionId, spec.region and the AWS account of the operator; it is looked for at every poll and never created{others}"
    )
}

pub(super) fn gone(circuit: &CircuitId, connection: &Connection) -> String {
    let state = connection.connection_state.as_ref().map_or("gone", ConnectionState::as_str);
    format!(
        "connectionState of {} is {state}; nothing is sent to it: delete this resource, or create one for the connection that replaces it",
        circuit.id
    )
}

pub(super) fn conflict(older: &ResourceId, circuit: &CircuitId) -> String {
    format!(
        "{} in {} is managed by the older resource {older}: delete one of the two, or set spec.managementPolicy of this one to Observe",
        circuit.id, circuit.region
    )
}

/// The meaning of an unknown mode is unknown, so it is not compared with the spec.
pub(super) fn unknown_mode(connection: &Connection, id: &ConnectionId) -> String {
    let Some(word) = connection.encryption_mode.as_ref().map(ObservedMode::as_str) else {
        return format!(
            "AWS shows no encryptionMode for {id} and did before; nothing is sent until it shows one again"
        );
    };
    format!(
        "AWS shows encryptionMode {word:?} for {id}, which this operator does not know; nothing is sent until it shows one that it knows"
    )
}

pub(super) fn contended(field: &str, value: &str, circuit: &CircuitId) -> String {
    format!(
        "someone else has put {field} of {} back three times within an hour after this operator set it to {value:?}, or AWS stores another value: find the other writer (CloudTrail names it), or unset spec.{field}; it is tried again ever more rarely",
        circuit.id
    )
}

/// The reason and message of a resource for which nothing is sent, because it is paused or its policy is `Observe`.
pub(super) fn nothing_sent(
    desired: &Desired,
    is_met: bool,
    drift: &[Drift],
    blocked: Option<&str>,
) -> (Reason, String) {
    let what = match (drift, blocked) {
        ([], Some(message)) => message.to_owned(),
        (drift, _) => differences(drift),
    };
    match (desired.observes_only(), is_met) {
        (true, true) => (Reason::Observed, "AWS has what the spec says; managementPolicy is Observe".to_owned()),
        (true, false) if drift.is_empty() => {
            (Reason::Drifted, format!("managementPolicy is Observe, so nothing is sent: {what}"))
        }
        (true, false) => (
            Reason::Drifted,
            format!(
                "managementPolicy is Observe, so nothing is sent: {what}; set managementPolicy to Manage to change AWS, or the spec to what AWS has"
            ),
        ),
        (false, true) => (Reason::InSync, "AWS has what the spec asks for; paused by annotation".to_owned()),
        (false, false) => (
            Reason::Paused,
            // Whoever pauses in an emergency does not read the runbook first. Under Flux, the update would follow
            // within minutes.
            format!(
                "paused by annotation, so nothing is sent: {what}; remove the annotation to go on. A pause that git does not have stays under Argo CD, but Flux removes one set with plain kubectl annotate: set it with kubectl dxcon pause, and commit it"
            ),
        ),
    }
}

fn differences(drift: &[Drift]) -> String {
    let each: Vec<String> = drift
        .iter()
        .map(|Drift { field, desired, observed }| match observed {
            Some(observed) => format!("{field} is {observed:?} in AWS and {desired:?} in the spec"),
            None => format!("{field} is absent in AWS and {desired:?} in the spec"),
        })
        .collect();
    each.join(", ")
}

/// While a circuit that holds the turn is not found, or MACsec is down on it: how the circuits that wait for it can be
/// released.
pub(super) fn others_wait(case: &Case<'_>) -> &'static str {
    let is_down = |shown: &Connection| shown.port_encryption_status == Some(PortEncryptionStatus::Down);
    match case.holds {
        Some(_) if !case.history.connection().is_none_or(is_down) => "",
        Some(HoldReason::UnprovenMust) => {
            "; other connections of the AWS account wait for it until it has been seen to work: to let them go on, want another encryptionMode, set managementPolicy to Observe or delete this resource"
        }
        Some(HoldReason::UnprovenStep | HoldReason::UnderWay) => {
            "; other connections of the AWS account wait for it until it has been seen to work: to let them go on, want another encryptionMode or delete this resource"
        }
        Some(HoldReason::RaisedByOther) if case.history.connection().is_none() => {
            "; other connections of the AWS account wait for it, as somebody else has set it to must_encrypt: to let them go on, delete this resource"
        }
        Some(HoldReason::RaisedByOther) | None => "",
    }
}

pub(super) fn in_sync(case: &Case<'_>, connection: &Connection) -> String {
    let desired = case.desired;
    let is_down = desired.mode == Some(EncryptionMode::MustEncrypt)
        && connection.port_encryption_status == Some(PortEncryptionStatus::Down);
    if is_down {
        let others = others_wait(case);
        format!(
            "AWS has what the spec asks for; portEncryptionStatus is Encryption Down, so must_encrypt lets no traffic pass: bring MACsec up, or lower spec.encryptionMode{others}"
        )
    } else if desired.name.is_none() && desired.mode.is_none() {
        "the spec manages neither connectionName nor encryptionMode; AWS is shown as it is".to_owned()
    } else {
        "AWS has what the spec asks for".to_owned()
    }
}

pub(super) fn updating(change: &Change, circuit: &CircuitId) -> String {
    let name = change.name.as_ref().map(|name| format!("connectionName to {name:?}"));
    let mode = change.mode.map(|mode| format!("encryptionMode to {mode}"));
    let what: Vec<String> = name.into_iter().chain(mode).collect();
    format!("setting {} of {}", what.join(" and "), circuit.id)
}
