//! The reasons that conditions carry, and what each says about the operator.

use strum::{IntoStaticStr, VariantArray};

/// Every reason a condition can have. Closed, and documented in `docs/conditions.md`.
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

/// What a reason of `Ready` says about the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
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
    /// The word in `reason`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What it says about the operator when it is the reason of a verdict.
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
