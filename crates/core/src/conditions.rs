//! The verdict on a resource, and the status conditions that follow from it.

use strum::{IntoStaticStr, VariantArray};

use crate::history::Observation;
use crate::observed::{Connection, ConnectionState, PortEncryptionStatus};
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
    let read = observation.filter(|_| !verdict.stale).map(|observation| observation.connection.as_deref());
    let unread = || (ConditionStatus::Unknown, Reason::ObservationStale, verdict.message.clone());
    let carries = match verdict.reason.phase() {
        Phase::Reconciling => Some(ConditionType::Reconciling),
        Phase::Stalled => Some(ConditionType::Stalled),
        Phase::Done | Phase::Held | Phase::Unknown => None,
    };
    let mut conditions = vec![
        (ConditionType::Ready, ready(verdict)),
        (ConditionType::LinkUp, read.map_or_else(unread, link_up)),
        (ConditionType::Encrypted, read.map_or_else(unread, encrypted)),
    ];
    conditions.extend(carries.map(|kind| (kind, (ConditionStatus::True, verdict.reason, verdict.message.clone()))));
    let complete = |(condition_type, (status, reason, message)): (ConditionType, Content)| {
        // Messages quote text from AWS, which may contain any character and be of any length.
        let message = text::cut_bytes(&text::printable(&message), text::CONDITION_LIMIT).to_owned();
        Condition { condition_type, status, reason, message }
    };
    conditions.into_iter().map(complete).collect()
}

/// Status, reason and message of a condition.
type Content = (ConditionStatus, Reason, String);

fn ready(verdict: &Verdict) -> Content {
    let status = match verdict.reason.phase() {
        _ if verdict.stale => ConditionStatus::Unknown,
        Phase::Done => ConditionStatus::True,
        Phase::Reconciling | Phase::Stalled | Phase::Held => ConditionStatus::False,
        Phase::Unknown => ConditionStatus::Unknown,
    };
    let reason = if verdict.stale { Reason::ObservationStale } else { verdict.reason };
    (status, reason, verdict.message.clone())
}

fn link_up(connection: Option<&Connection>) -> Content {
    let state = connection.and_then(|connection| connection.connection_state.as_ref());
    let message = match (connection, state) {
        (_, Some(state)) => format!("connectionState is {}", state.as_str()),
        (Some(_), None) => "AWS shows no connectionState".to_owned(),
        (None, None) => "AWS shows no such connection".to_owned(),
    };
    if state == Some(&ConnectionState::Available) {
        (ConditionStatus::True, Reason::Available, message)
    } else {
        (ConditionStatus::False, Reason::NotAvailable, message)
    }
}

fn encrypted(connection: Option<&Connection>) -> Content {
    let shown = connection.and_then(|connection| connection.port_encryption_status.as_ref());
    let says = |status: &PortEncryptionStatus| format!("portEncryptionStatus is {}", status.as_str());
    match shown {
        Some(up @ PortEncryptionStatus::Up) => (ConditionStatus::True, Reason::EncryptionUp, says(up)),
        Some(down @ PortEncryptionStatus::Down) => (ConditionStatus::False, Reason::EncryptionDown, says(down)),
        Some(PortEncryptionStatus::Other(word)) => {
            let message = format!("portEncryptionStatus is {word:?}, which this operator does not know");
            (ConditionStatus::Unknown, Reason::NotReported, message)
        }
        None => (ConditionStatus::Unknown, Reason::NotReported, "AWS shows no portEncryptionStatus".to_owned()),
    }
}
