//! What people and tools are told: a verdict with its reason, and the conditions that follow from it.

use crate::history::Look;
use crate::observed::{ConnectionState, PortEncryptionStatus};
use crate::text;

/// Every reason a condition can have. Closed, and documented in `docs/conditions.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is described once, in docs/conditions.md; a test holds the two together")]
pub enum Reason {
    InSync,
    Observed,
    Updating,
    Settling,
    WaitingForAvailable,
    WaitingForEncryptionUp,
    WaitingForTurn,
    Throttled,
    AwsUnavailable,
    NoMacSecKey,
    MacSecNotSupported,
    LagMember,
    EncryptionNotUp,
    NotFound,
    ConnectionGone,
    AccessDenied,
    CredentialsInvalid,
    RequestRejected,
    InvalidSpec,
    Conflict,
    Contended,
    Paused,
    Drifted,
    ObservationStale,
    Available,
    NotAvailable,
    EncryptionUp,
    EncryptionDown,
    NotReported,
}

/// What a reason of `Ready` says about the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// AWS has what the spec asks for, or the spec asks only to look.
    Done,
    /// The operator is on its way by itself.
    Reconciling,
    /// A person has to do something.
    Stalled,
    /// A person asked for it to be so.
    Held,
    /// Nobody knows.
    Unknown,
}

impl Reason {
    /// Every reason, for documentation and tests.
    pub const ALL: [Self; 29] = [
        Self::InSync,
        Self::Observed,
        Self::Updating,
        Self::Settling,
        Self::WaitingForAvailable,
        Self::WaitingForEncryptionUp,
        Self::WaitingForTurn,
        Self::Throttled,
        Self::AwsUnavailable,
        Self::NoMacSecKey,
        Self::MacSecNotSupported,
        Self::LagMember,
        Self::EncryptionNotUp,
        Self::NotFound,
        Self::ConnectionGone,
        Self::AccessDenied,
        Self::CredentialsInvalid,
        Self::RequestRejected,
        Self::InvalidSpec,
        Self::Conflict,
        Self::Contended,
        Self::Paused,
        Self::Drifted,
        Self::ObservationStale,
        Self::Available,
        Self::NotAvailable,
        Self::EncryptionUp,
        Self::EncryptionDown,
        Self::NotReported,
    ];

    /// The word in `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "InSync",
            Self::Observed => "Observed",
            Self::Updating => "Updating",
            Self::Settling => "Settling",
            Self::WaitingForAvailable => "WaitingForAvailable",
            Self::WaitingForEncryptionUp => "WaitingForEncryptionUp",
            Self::WaitingForTurn => "WaitingForTurn",
            Self::Throttled => "Throttled",
            Self::AwsUnavailable => "AwsUnavailable",
            Self::NoMacSecKey => "NoMacSecKey",
            Self::MacSecNotSupported => "MacSecNotSupported",
            Self::LagMember => "LagMember",
            Self::EncryptionNotUp => "EncryptionNotUp",
            Self::NotFound => "NotFound",
            Self::ConnectionGone => "ConnectionGone",
            Self::AccessDenied => "AccessDenied",
            Self::CredentialsInvalid => "CredentialsInvalid",
            Self::RequestRejected => "RequestRejected",
            Self::InvalidSpec => "InvalidSpec",
            Self::Conflict => "Conflict",
            Self::Contended => "Contended",
            Self::Paused => "Paused",
            Self::Drifted => "Drifted",
            Self::ObservationStale => "ObservationStale",
            Self::Available => "Available",
            Self::NotAvailable => "NotAvailable",
            Self::EncryptionUp => "EncryptionUp",
            Self::EncryptionDown => "EncryptionDown",
            Self::NotReported => "NotReported",
        }
    }

    /// What it says about the operator when it is the reason of a verdict.
    pub fn stance(self) -> Stance {
        match self {
            Self::InSync | Self::Observed => Stance::Done,
            Self::Updating
            | Self::Settling
            | Self::WaitingForAvailable
            | Self::WaitingForEncryptionUp
            | Self::WaitingForTurn
            | Self::Throttled
            | Self::AwsUnavailable => Stance::Reconciling,
            Self::NoMacSecKey
            | Self::MacSecNotSupported
            | Self::LagMember
            | Self::EncryptionNotUp
            | Self::NotFound
            | Self::ConnectionGone
            | Self::AccessDenied
            | Self::CredentialsInvalid
            | Self::RequestRejected
            | Self::InvalidSpec
            | Self::Conflict
            | Self::Contended => Stance::Stalled,
            Self::Paused | Self::Drifted => Stance::Held,
            Self::ObservationStale
            | Self::Available
            | Self::NotAvailable
            | Self::EncryptionUp
            | Self::EncryptionDown
            | Self::NotReported => Stance::Unknown,
        }
    }
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
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

impl Kind {
    /// The word in `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::LinkUp => "LinkUp",
            Self::Encrypted => "Encrypted",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Nobody knows.
    Unknown,
}

impl Truth {
    /// The word in `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A condition without its times and generation, which the writer of status adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// What it is about.
    pub kind: Kind,
    /// Whether it is so.
    pub truth: Truth,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, and what to do next.
    pub message: String,
}

/// The conditions that follow from a verdict and the last look at the connection, if there ever was one.
///
/// `Reconciling` and `Stalled` are present only while true, and never together.
pub fn conditions(verdict: &Verdict, look: Option<&Look>) -> Vec<Condition> {
    let mut conditions = vec![ready(verdict), link_up(verdict, look), encrypted(verdict, look)];
    let carries = match verdict.reason.stance() {
        Stance::Reconciling => Some(Kind::Reconciling),
        Stance::Stalled => Some(Kind::Stalled),
        Stance::Done | Stance::Held | Stance::Unknown => None,
    };
    conditions.extend(carries.map(|kind| Condition {
        kind,
        truth: Truth::True,
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
    let truth = match verdict.reason.stance() {
        _ if verdict.stale => Truth::Unknown,
        Stance::Done => Truth::True,
        Stance::Reconciling | Stance::Stalled | Stance::Held => Truth::False,
        Stance::Unknown => Truth::Unknown,
    };
    Condition {
        kind: Kind::Ready,
        truth,
        reason: if verdict.stale { Reason::ObservationStale } else { verdict.reason },
        message: verdict.message.clone(),
    }
}

fn link_up(verdict: &Verdict, look: Option<&Look>) -> Condition {
    let told = |truth, reason, message: String| Condition { kind: Kind::LinkUp, truth, reason, message };
    let Some(look) = look.filter(|_| !verdict.stale) else {
        return told(Truth::Unknown, Reason::ObservationStale, verdict.message.clone());
    };
    match look.connection.as_ref().map(|connection| &connection.connection_state) {
        Some(Some(ConnectionState::Available)) => {
            told(Truth::True, Reason::Available, "connectionState is available".into())
        }
        Some(Some(state)) => told(Truth::False, Reason::NotAvailable, format!("connectionState is {}", state.as_str())),
        Some(None) => told(Truth::False, Reason::NotAvailable, "AWS shows no connectionState".into()),
        None => told(Truth::False, Reason::NotAvailable, "AWS shows no such connection".into()),
    }
}

fn encrypted(verdict: &Verdict, look: Option<&Look>) -> Condition {
    let told = |truth, reason, message: String| Condition { kind: Kind::Encrypted, truth, reason, message };
    let Some(look) = look.filter(|_| !verdict.stale) else {
        return told(Truth::Unknown, Reason::ObservationStale, verdict.message.clone());
    };
    let status = look.connection.as_ref().and_then(|connection| connection.port_encryption_status.as_ref());
    match status {
        Some(up @ PortEncryptionStatus::Up) => {
            told(Truth::True, Reason::EncryptionUp, format!("portEncryptionStatus is {}", up.as_str()))
        }
        Some(down @ PortEncryptionStatus::Down) => {
            told(Truth::False, Reason::EncryptionDown, format!("portEncryptionStatus is {}", down.as_str()))
        }
        Some(PortEncryptionStatus::Other(word)) => told(
            Truth::Unknown,
            Reason::NotReported,
            format!("portEncryptionStatus is {word:?}, which this operator does not know"),
        ),
        None => told(Truth::Unknown, Reason::NotReported, "AWS shows no portEncryptionStatus".into()),
    }
}
