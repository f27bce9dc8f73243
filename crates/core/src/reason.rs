//! The reasons of conditions, and the phase that each stands for.

use strum::{IntoStaticStr, VariantArray};

/// Every reason that a condition can have. The list is closed and documented in `docs/conditions.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
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

/// How far the operator has come with a resource, as the reason of `Ready` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// AWS has what the spec asks for, or the spec asks only to observe.
    Done,
    /// The operator is making progress without help.
    Reconciling,
    /// A person has to act.
    Stalled,
    /// A person has asked the operator not to act.
    Held,
    /// Not known.
    Unknown,
}

impl Reason {
    /// The value of `reason`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The phase that this reason stands for when it is the reason of a verdict.
    pub fn phase(self) -> Phase {
        match self {
            Self::InSync | Self::Observed => Phase::Done,
            Self::Updating
            | Self::Settling
            | Self::WaitingForAvailable
            | Self::WaitingForEncryptionUp
            | Self::WaitingForTurn
            | Self::Throttled
            | Self::AwsUnavailable => Phase::Reconciling,
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
            | Self::Contended => Phase::Stalled,
            Self::Paused | Self::Drifted => Phase::Held,
            Self::ObservationStale
            | Self::Available
            | Self::NotAvailable
            | Self::EncryptionUp
            | Self::EncryptionDown
            | Self::NotReported => Phase::Unknown,
        }
    }
}
