//! The summary of one resource: its verdict, its step of the ladder, and what it waits for.

use directconnect_core::conditions::{ConditionStatus, ConditionType};
use directconnect_core::desired::EncryptionMode;
use directconnect_core::ledger::LastUpdate;
use directconnect_core::reason::{Phase, Reason};
use directconnect_operator::api::PAUSED;
use directconnect_operator::kubernetes::Watched;
use directconnect_operator::kubernetes::status::{condition, condition_status};
use kube::{Resource as _, ResourceExt as _};
use serde::Serialize;
use strum::VariantArray as _;

use super::turn::{self, TurnHolders};

/// The summary of one resource. It contains no value that changes with time alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// `spec.connectionId`; absent if the spec cannot be parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    /// Region of the connection, if spec or status name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The verdict of the operator.
    pub verdict: Verdict,
    /// The position on the ladder.
    pub step: Step,
    /// What has to happen before it goes on; absent if nothing has to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// The last `UpdateConnection`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update: Option<LastUpdate>,
}

/// The verdict of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Who has to act next.
    pub phase: ShownPhase,
    /// Whether a person has to act.
    pub needs_person: bool,
    /// Status of condition `Ready`; `Unknown` if it does not exist yet.
    pub ready: String,
    /// The reason, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The explanation, and what to do next.
    pub message: String,
    /// Whether condition `LinkUp` is `False`.
    pub link_down: bool,
    /// Value of the pause annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

/// The phase of a verdict, as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ShownPhase {
    /// AWS has what the spec asks for.
    Done,
    /// The operator is making progress without help.
    Reconciling,
    /// A person has to act.
    Stalled,
    /// A person has asked the operator not to act.
    Held,
    /// Not known.
    Unknown,
    /// The operator has not processed this generation of the spec yet.
    NotLookedAt,
}

/// The position of a resource on the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The mode that AWS shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The mode that the spec asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<EncryptionMode>,
    /// A step that can interrupt traffic and is not proven yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproven: Option<EncryptionMode>,
    /// Whether `must_encrypt` is proven.
    pub proven: bool,
    /// Whether other connections of the account wait for this one to be proven.
    pub has_turn: bool,
}

/// What a resource waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitsFor {
    /// A short description; the message of the verdict says more.
    pub what: String,
    /// The holders of the turn, as far as the statuses show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turn_of: Vec<TurnOf>,
}

/// A holder of the turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnOf {
    /// Its resource, as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Its connection.
    pub connection_id: String,
    /// Region of the connection.
    pub region: String,
}

impl Summary {
    /// The summary of a resource, given the holders of turns. `flag` is the end of commands that are printed.
    pub fn of(object: &Watched, holders: &TurnHolders, flag: &str) -> Self {
        let status = &object.status;
        let spec = object.spec.as_ref().ok();
        let verdict = Verdict::of(object, flag);
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            connection_id: spec.map(|spec| spec.connection_id.clone()),
            region: turn::region(object).map(|region| region.to_string()),
            step: Step {
                mode: status.connection.encryption_mode.as_ref().map(|mode| mode.as_str().to_owned()),
                wanted: spec.and_then(|spec| spec.encryption_mode),
                unproven: status.ledger.unproven_step,
                proven: status.ledger.proven,
                has_turn: holders.has(object),
            },
            waits_for: WaitsFor::of(&verdict, object, holders),
            last_update: status.ledger.last_update.clone(),
            verdict,
        }
    }
}

impl Verdict {
    fn of(object: &Watched, flag: &str) -> Self {
        let status = &object.status;
        let is = |kind, wanted: ConditionStatus| condition_status(status, kind) == Some(wanted.as_str());
        let paused = object.annotations().get(PAUSED).filter(|_| object.is_paused()).cloned();
        let generation = object.meta().generation.unwrap_or_default();
        let Some(ready) = condition(status, ConditionType::Ready)
            .filter(|_| status.observed_generation.is_some_and(|observed| observed >= generation))
        else {
            let message = match status.observed_generation {
                Some(observed) if observed >= 0 => {
                    "the operator has not looked at the latest spec yet; what is shown is from before it".to_owned()
                }
                _ => {
                    format!("the operator has not looked at it yet; if this lasts, run `kubectl dxcon check{flag}`")
                }
            };
            return Self {
                phase: ShownPhase::NotLookedAt,
                needs_person: false,
                ready: ConditionStatus::Unknown.as_str().to_owned(),
                reason: None,
                message,
                link_down: is(ConditionType::LinkUp, ConditionStatus::False),
                paused,
            };
        };
        // While the observation is stale, these conditions say why there is no newer one.
        let kinds = [ConditionType::Stalled, ConditionType::Reconciling];
        let carried = kinds.into_iter().filter(|&kind| is(kind, ConditionStatus::True));
        let reported = carried.clone().find_map(|kind| condition(status, kind)).unwrap_or(ready);
        let phase = match carried.clone().next() {
            Some(ConditionType::Stalled) => ShownPhase::Stalled,
            Some(_) => ShownPhase::Reconciling,
            None => reason(&ready.reason).map_or(ShownPhase::Unknown, |reason| reason.phase().into()),
        };
        Self {
            phase,
            needs_person: phase == ShownPhase::Stalled,
            ready: ready.status.clone(),
            reason: Some(reported.reason.clone()),
            message: reported.message.clone(),
            link_down: is(ConditionType::LinkUp, ConditionStatus::False),
            paused,
        }
    }
}

impl From<Phase> for ShownPhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Done => Self::Done,
            Phase::Reconciling => Self::Reconciling,
            Phase::Stalled => Self::Stalled,
            Phase::Held => Self::Held,
            Phase::Unknown => Self::Unknown,
        }
    }
}

impl WaitsFor {
    fn of(verdict: &Verdict, object: &Watched, holders: &TurnHolders) -> Option<Self> {
        let reason = verdict.reason.as_deref().and_then(reason);
        if verdict.phase == ShownPhase::NotLookedAt {
            return Some(Self { what: "the operator to look at it".to_owned(), turn_of: Vec::new() });
        }
        let what = waits_for(reason?)?.to_owned();
        let is_turn = reason == Some(Reason::WaitingForTurn);
        let turn_of = holders.before(object).filter(|_| is_turn).map(|holder| TurnOf {
            resource: holder.hold.resource.as_ref().map(ToString::to_string),
            connection_id: holder.circuit.id.to_string(),
            region: holder.circuit.region.to_string(),
        });
        Some(Self { what, turn_of: turn_of.collect() })
    }
}

fn reason(word: &str) -> Option<Reason> {
    Reason::VARIANTS.iter().copied().find(|reason| reason.as_str() == word)
}

/// What has to happen before a resource with this reason goes on, and who has to act.
fn waits_for(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::Updating => Some("AWS to show the update"),
        Reason::Settling => Some("AWS to settle after the update"),
        Reason::WaitingForAvailable => Some("AWS: connectionState available"),
        Reason::WaitingForEncryptionUp => Some("the routers: Encryption Up for a whole soak"),
        Reason::WaitingForTurn => Some("its turn"),
        Reason::Throttled => Some("AWS to take calls again"),
        Reason::AwsUnavailable => Some("AWS to answer"),
        Reason::NoMacSecKey => Some("a person: associate a MACsec key"),
        Reason::MacSecNotSupported => Some("a person: the port has no MACsec"),
        Reason::LagMember => Some("a person: set the mode on the LAG"),
        Reason::EncryptionNotUp => Some("a person: bring MACsec up on the router"),
        Reason::NotFound => Some("a person: AWS has no such connection"),
        Reason::ConnectionGone => Some("a person: the connection is gone"),
        Reason::AccessDenied => Some("a person: the operator's AWS rights"),
        Reason::CredentialsInvalid => Some("a person: the operator's AWS credentials"),
        Reason::RequestRejected => Some("a person: AWS refuses the update"),
        Reason::InvalidSpec => Some("a person: correct the spec"),
        Reason::Conflict => Some("a person: an older resource manages it"),
        Reason::Contended => Some("a person: someone else changes it back"),
        Reason::Paused => Some("a person: kubectl dxcon resume"),
        Reason::Drifted => Some("a person: it is only observed"),
        Reason::ObservationStale => Some("the operator to read AWS again"),
        Reason::InSync
        | Reason::Observed
        | Reason::Available
        | Reason::NotAvailable
        | Reason::EncryptionUp
        | Reason::EncryptionDown
        | Reason::NotReported => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[allow(clippy::needless_pass_by_value, reason = "what is made of `json!` is handed over")]
    pub fn object(name: &str, spec: Value, status: Value) -> Watched {
        let metadata = json!({ "name": name, "namespace": "net", "uid": name, "generation": 2,
            "creationTimestamp": "2026-01-01T00:00:00Z" });
        serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).expect("it is read")
    }

    fn condition(kind: &str, status: &str, reason: &str) -> Value {
        json!({ "type": kind, "status": status, "reason": reason, "message": format!("{reason} it is"),
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 2 })
    }

    fn summary(observed: i64, conditions: &[Value]) -> Summary {
        let status = json!({ "observedGeneration": observed, "conditions": conditions });
        let object = object("line", json!({ "connectionId": "dxcon-fg1234ab" }), status);
        Summary::of(&object, &TurnHolders::of(&[]), "")
    }

    #[test]
    fn every_reason_says_who_has_the_next_move_as_the_core_does() {
        let carriers = |reason: Reason| match reason.phase() {
            Phase::Reconciling => vec![condition("Reconciling", "True", reason.as_str())],
            Phase::Stalled => vec![condition("Stalled", "True", reason.as_str())],
            Phase::Done | Phase::Held | Phase::Unknown => vec![],
        };
        for &reason in Reason::VARIANTS {
            let ready = condition("Ready", "False", reason.as_str());
            let summary = summary(2, &[vec![ready], carriers(reason)].concat());
            assert_eq!(summary.verdict.phase, reason.phase().into(), "{reason:?}");
            assert_eq!(summary.verdict.needs_person, reason.phase() == Phase::Stalled, "{reason:?}");
            assert_eq!(summary.waits_for.is_some(), waits_for(reason).is_some(), "{reason:?}");
        }
    }

    #[test]
    fn what_the_operator_has_not_looked_at_is_told_so_and_needs_nobody() {
        for (observed, conditions) in [
            (-1, vec![]),
            (1, vec![condition("Ready", "False", "NoMacSecKey"), condition("Stalled", "True", "NoMacSecKey")]),
        ] {
            let verdict = summary(observed, &conditions).verdict;
            assert_eq!((verdict.phase, verdict.needs_person), (ShownPhase::NotLookedAt, false), "{verdict:?}");
        }
    }

    #[test]
    fn a_stale_observation_is_told_with_the_fault_that_keeps_it_stale() {
        let stale = condition("Ready", "Unknown", "ObservationStale");
        let denied = summary(2, &[stale.clone(), condition("Stalled", "True", "AccessDenied")]).verdict;
        assert_eq!((denied.reason.as_deref(), denied.ready.as_str()), (Some("AccessDenied"), "Unknown"));
        assert!(denied.needs_person);
        let throttled = summary(2, &[stale, condition("Reconciling", "True", "Throttled")]).verdict;
        assert_eq!((throttled.reason.as_deref(), throttled.needs_person), (Some("Throttled"), false));
    }

    #[test]
    fn a_reason_of_a_newer_operator_is_judged_by_its_conditions() {
        let ready = condition("Ready", "False", "SomethingNew");
        let stalled = summary(2, &[ready.clone(), condition("Stalled", "True", "SomethingNew")]).verdict;
        assert!(stalled.needs_person);
        assert_eq!(summary(2, &[ready]).verdict.phase, ShownPhase::Unknown);
    }

    #[test]
    fn one_that_waits_for_its_turn_names_who_has_it() {
        let spec = |id: &str| json!({ "connectionId": id, "region": "eu-central-1", "encryptionMode": "must_encrypt" });
        let first = object(
            "first",
            spec("dxcon-aaaaaaaa"),
            json!({ "observedGeneration": 2, "encryptionMode": "must_encrypt", "ownerAccount": "1",
                "unprovenStep": "must_encrypt" }),
        );
        let elsewhere = object(
            "elsewhere",
            spec("dxcon-cccccccc"),
            json!({ "observedGeneration": 2, "encryptionMode": "must_encrypt", "ownerAccount": "2",
                "unprovenStep": "must_encrypt" }),
        );
        let ready = condition("Ready", "False", "WaitingForTurn");
        let second = object(
            "second",
            spec("dxcon-bbbbbbbb"),
            json!({ "observedGeneration": 2, "encryptionMode": "should_encrypt", "ownerAccount": "1",
                "conditions": [ready, condition("Reconciling", "True", "WaitingForTurn")] }),
        );
        let holders = TurnHolders::of(&[first.clone(), elsewhere, second.clone()]);
        let waits_for = Summary::of(&second, &holders, "").waits_for.expect("it waits");
        let names: Vec<_> = waits_for.turn_of.iter().filter_map(|turn| turn.resource.as_deref()).collect();
        assert_eq!(names, ["net/first"]);
        assert!(Summary::of(&first, &holders, "").step.has_turn && !Summary::of(&second, &holders, "").step.has_turn);
    }
}
