//! What is said of one resource: what would be sent, what then waits for whom, and how it ends.

use directconnect_core::desired::EncryptionMode;
use directconnect_core::identity::{CircuitId, ResourceId};
use directconnect_core::observed::Connection;
use directconnect_core::reason::{Phase, Reason};
use serde::Serialize;

/// What is foreseen for one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The resource.
    pub resource: ResourceId,
    /// The circuit that it is about; absent where its spec is invalid.
    pub circuit: Option<CircuitId>,
    /// What happens, in its order.
    pub steps: Vec<Step>,
    /// How it ends.
    pub end: End,
    /// Who has to do something before it goes on from there, where somebody has to.
    pub needs: Option<Who>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// `UpdateConnection` is called.
    Update {
        /// How many updates of the whole plan were before it.
        order: usize,
        /// `connectionName`, where it is sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        connection_name: Option<Change>,
        /// `encryptionMode`, where it is sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        encryption_mode: Option<Change>,
        /// How it can cut the line, where it can.
        #[serde(skip_serializing_if = "Option::is_none")]
        can_cut: Option<String>,
    },
    /// Nothing is sent until something has happened.
    Wait {
        /// Who or what makes it happen.
        #[serde(rename = "for")]
        on: Who,
        /// Reason of `Ready` meanwhile.
        reason: &'static str,
        /// Its message.
        message: String,
        /// How long it takes, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
}

/// A value before and after an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What AWS had; absent where it showed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What is sent.
    pub to: String,
}

/// How a forecast ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// In one word.
    pub outcome: Outcome,
    /// Reason of `Ready` then.
    pub reason: Reason,
    /// Its message.
    pub message: String,
}

/// How it ends, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Outcome {
    /// AWS has what the spec asks for, or the spec asks only to look and nothing differs.
    Met,
    /// A person has to do something before it goes on.
    Blocked,
    /// A person wants it so: paused, or only observed.
    Held,
    /// It waits for what nobody can foresee.
    Waiting,
}

/// Who or what ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Who {
    /// It passes by itself.
    Time,
    /// Whoever associates MACsec keys.
    Key,
    /// Whoever runs the router at the far end.
    Router,
    /// Another connection of the account, which is on its way.
    Turn,
    /// The link, or whoever sets it up.
    Link,
    /// AWS.
    Aws,
    /// Whoever writes the spec.
    Spec,
    /// Whoever gives the operator its rights in AWS.
    Rights,
}

impl Who {
    /// Who has to act while `Ready` has this reason, and AWS shows this of the connection.
    pub fn ends(reason: Reason, shown: Option<&Connection>) -> Self {
        let works = shown.is_some_and(Connection::encryption_works);
        let has_key = shown.is_some_and(Connection::has_associated_key);
        match reason {
            Reason::WaitingForEncryptionUp if works => Self::Time,
            Reason::WaitingForEncryptionUp if !has_key => Self::Key,
            Reason::WaitingForEncryptionUp | Reason::EncryptionNotUp => Self::Router,
            Reason::NoMacSecKey => Self::Key,
            Reason::WaitingForTurn => Self::Turn,
            Reason::WaitingForAvailable | Reason::NotAvailable => Self::Link,
            Reason::Throttled | Reason::AwsUnavailable | Reason::ObservationStale => Self::Aws,
            Reason::AccessDenied | Reason::CredentialsInvalid => Self::Rights,
            Reason::Updating
            | Reason::Settling
            | Reason::InSync
            | Reason::Observed
            | Reason::Available
            | Reason::EncryptionUp
            | Reason::EncryptionDown
            | Reason::NotReported => Self::Time,
            Reason::MacSecNotSupported
            | Reason::LagMember
            | Reason::NotFound
            | Reason::ConnectionGone
            | Reason::RequestRejected
            | Reason::InvalidSpec
            | Reason::Conflict
            | Reason::Contended
            | Reason::Paused
            | Reason::Drifted => Self::Spec,
        }
    }

    /// In words that go on with "wait for" or "needs".
    pub fn words(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Key => "a MACsec key",
            Self::Router => "the router at the far end",
            Self::Turn => "its turn",
            Self::Link => "the link",
            Self::Aws => "AWS",
            Self::Spec => "whoever writes the spec",
            Self::Rights => "rights in AWS",
        }
    }
}

impl Outcome {
    /// How it ends where nothing changes any more.
    pub fn of(reason: Reason) -> Self {
        match reason.phase() {
            Phase::Done => Self::Met,
            Phase::Stalled => Self::Blocked,
            Phase::Held => Self::Held,
            Phase::Reconciling | Phase::Unknown => Self::Waiting,
        }
    }
}

/// How sending this mode to a connection that is as `shown` can cut the line; `None`: it cannot.
pub fn can_cut(mode: EncryptionMode, shown: &Connection) -> Option<String> {
    let interrupts = directconnect_core::decide::guard::interrupts(mode, shown);
    let words = match mode {
        EncryptionMode::MustEncrypt if !shown.encryption_works() => {
            "no traffic passes until MACsec is up, which it is not"
        }
        EncryptionMode::MustEncrypt => "from then on no traffic passes while MACsec is down",
        EncryptionMode::ShouldEncrypt if interrupts => {
            "a line that carries clear text begins to encrypt; packets can be lost until both ends agree"
        }
        EncryptionMode::NoEncrypt => {
            "if the far end insists on MACsec all traffic stops, and AWS cannot show whether it does"
        }
        EncryptionMode::ShouldEncrypt => return None,
    };
    Some(words.to_owned())
}

impl Forecast {
    /// Whether something would be sent.
    pub fn sends(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Update { .. }))
    }
}
