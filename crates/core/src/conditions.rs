//! The verdict on a resource, and the status conditions that follow from it.

use strum::{IntoStaticStr, VariantArray};

use crate::history::Observation;
use crate::observed::{ConnectionState, PortEncryptionStatus};
use crate::reason::{Phase, Reason};
use crate::text;

/// The outcome of a decision about one resource, as status reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// The reason of `Ready`. If several apply, this is the most important one.
    pub reason: Reason,
    /// What the situation is and what to do next. It contains no number that changes with time alone, since each change
    /// of the message would cause a status write.
    pub message: String,
    /// AWS has not been read for three poll intervals, so the last observation is no longer reported as current.
    pub stale: bool,
}

impl Verdict {
    /// A verdict that rests on a recent observation.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), stale: false }
    }
}

/// Type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
pub enum ConditionType {
    /// AWS has what the spec asks for.
    Ready,
    /// `connectionState` is `available`.
    LinkUp,
    /// `portEncryptionStatus` is `Encryption Up`.
    Encrypted,
    /// The operator is making progress without help.
    Reconciling,
    /// A person has to act.
    Stalled,
}

impl ConditionType {
    /// The value of `type`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// It is not known whether the condition holds.
    Unknown,
}

impl ConditionStatus {
    /// The value of `status`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A condition without its times and generation; the code that writes status adds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Type of the condition.
    pub condition_type: ConditionType,
    /// Status of the condition.
    pub status: ConditionStatus,
    /// One word that says why.
    pub reason: Reason,
    /// The explanation, and what to do next.
    pub message: String,
}

/// The conditions that follow from a verdict and the last read of the connection, if there ever was one.
///
/// `Reconciling` and `Stalled` are present only while true, and never together.
pub fn conditions(verdict: &Verdict, observation: Option<&Observation>) -> Vec<Condition> {
    let mut conditions = vec![ready(verdict), link_up(verdict, observation), encrypted(verdict, observation)];
    let carries = match verdict.reason.phase() {
        Phase::Reconciling => Some(ConditionType::Reconciling),
        Phase::Stalled => Some(ConditionType::Stalled),
        Phase::Done | Phase::Held | Phase::Unknown => None,
    };
    conditions.extend(carries.map(|condition_type| Condition {
        condition_type,
        status: ConditionStatus::True,
        reason: verdict.reason,
        message: verdict.message.clone(),
    }));
    // Messages quote text from AWS, which may contain any character and be of any length.
    for condition in &mut conditions {
        let printable = text::printable(&condition.message);
        text::cut_bytes(&printable, text::CONDITION_LIMIT).clone_into(&mut condition.message);
    }
    conditions
}

fn ready(verdict: &Verdict) -> Condition {
    let status = match verdict.reason.phase() {
        _ if verdict.stale => ConditionStatus::Unknown,
        Phase::Done => ConditionStatus::True,
        Phase::Reconciling | Phase::Stalled | Phase::Held => ConditionStatus::False,
        Phase::Unknown => ConditionStatus::Unknown,
    };
    Condition {
        condition_type: ConditionType::Ready,
        status,
        reason: if verdict.stale { Reason::ObservationStale } else { verdict.reason },
        message: verdict.message.clone(),
    }
}

fn link_up(verdict: &Verdict, observation: Option<&Observation>) -> Condition {
    let condition =
        |status, reason, message: String| Condition { condition_type: ConditionType::LinkUp, status, reason, message };
    let Some(observation) = observation.filter(|_| !verdict.stale) else {
        return condition(ConditionStatus::Unknown, Reason::ObservationStale, verdict.message.clone());
    };
    match observation.connection.as_ref().map(|connection| &connection.connection_state) {
        Some(Some(ConnectionState::Available)) => {
            condition(ConditionStatus::True, Reason::Available, "connectionState is available".into())
        }
        Some(Some(state)) => {
            condition(ConditionStatus::False, Reason::NotAvailable, format!("connectionState is {}", state.as_str()))
        }
        Some(None) => condition(ConditionStatus::False, Reason::NotAvailable, "AWS shows no connectionState".into()),
        None => condition(ConditionStatus::False, Reason::NotAvailable, "AWS shows no such connection".into()),
    }
}

fn encrypted(verdict: &Verdict, observation: Option<&Observation>) -> Condition {
    let condition = |status, reason, message: String| Condition {
        condition_type: ConditionType::Encrypted,
        status,
        reason,
        message,
    };
    let Some(observation) = observation.filter(|_| !verdict.stale) else {
        return condition(ConditionStatus::Unknown, Reason::ObservationStale, verdict.message.clone());
    };
    let status = observation.connection.as_ref().and_then(|connection| connection.port_encryption_status.as_ref());
    match status {
        Some(up @ PortEncryptionStatus::Up) => {
            condition(ConditionStatus::True, Reason::EncryptionUp, format!("portEncryptionStatus is {}", up.as_str()))
        }
        Some(down @ PortEncryptionStatus::Down) => condition(
            ConditionStatus::False,
            Reason::EncryptionDown,
            format!("portEncryptionStatus is {}", down.as_str()),
        ),
        Some(PortEncryptionStatus::Other(word)) => condition(
            ConditionStatus::Unknown,
            Reason::NotReported,
            format!("portEncryptionStatus is {word:?}, which this operator does not know"),
        ),
        None => condition(ConditionStatus::Unknown, Reason::NotReported, "AWS shows no portEncryptionStatus".into()),
    }
}
