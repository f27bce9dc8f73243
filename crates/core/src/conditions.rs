//! What people and tools are told: a verdict with its reason, and the conditions that follow from it.

use strum::{IntoStaticStr, VariantArray};

use crate::history::Observation;
use crate::observed::{ConnectionState, PortEncryptionStatus};
use crate::reason::{Phase, Reason};
use crate::text;

/// How things stand with one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// The reason that won.
    pub reason: Reason,
    /// What is so and what to do next. Holds no number that changes by itself.
    pub message: String,
    /// AWS has not been read for three poll intervals: what was seen is no longer claimed.
    pub stale: bool,
}

impl Verdict {
    /// A verdict on what was seen lately.
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
    /// The operator is on its way by itself.
    Reconciling,
    /// A person has to do something.
    Stalled,
}

impl ConditionType {
    /// The word in `type`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Nobody knows.
    Unknown,
}

impl ConditionStatus {
    /// The word in `status`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A condition without its times and generation, which the writer of status adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// What it is about.
    pub condition_type: ConditionType,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, and what to do next.
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
    // Messages quote AWS's words, whatever those are.
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
    let told =
        |status, reason, message: String| Condition { condition_type: ConditionType::LinkUp, status, reason, message };
    let Some(observation) = observation.filter(|_| !verdict.stale) else {
        return told(ConditionStatus::Unknown, Reason::ObservationStale, verdict.message.clone());
    };
    match observation.connection.as_ref().map(|connection| &connection.connection_state) {
        Some(Some(ConnectionState::Available)) => {
            told(ConditionStatus::True, Reason::Available, "connectionState is available".into())
        }
        Some(Some(state)) => {
            told(ConditionStatus::False, Reason::NotAvailable, format!("connectionState is {}", state.as_str()))
        }
        Some(None) => told(ConditionStatus::False, Reason::NotAvailable, "AWS shows no connectionState".into()),
        None => told(ConditionStatus::False, Reason::NotAvailable, "AWS shows no such connection".into()),
    }
}

fn encrypted(verdict: &Verdict, observation: Option<&Observation>) -> Condition {
    let told = |status, reason, message: String| Condition {
        condition_type: ConditionType::Encrypted,
        status,
        reason,
        message,
    };
    let Some(observation) = observation.filter(|_| !verdict.stale) else {
        return told(ConditionStatus::Unknown, Reason::ObservationStale, verdict.message.clone());
    };
    let status = observation.connection.as_ref().and_then(|connection| connection.port_encryption_status.as_ref());
    match status {
        Some(up @ PortEncryptionStatus::Up) => {
            told(ConditionStatus::True, Reason::EncryptionUp, format!("portEncryptionStatus is {}", up.as_str()))
        }
        Some(down @ PortEncryptionStatus::Down) => {
            told(ConditionStatus::False, Reason::EncryptionDown, format!("portEncryptionStatus is {}", down.as_str()))
        }
        Some(PortEncryptionStatus::Other(word)) => told(
            ConditionStatus::Unknown,
            Reason::NotReported,
            format!("portEncryptionStatus is {word:?}, which this operator does not know"),
        ),
        None => told(ConditionStatus::Unknown, Reason::NotReported, "AWS shows no portEncryptionStatus".into()),
    }
}
