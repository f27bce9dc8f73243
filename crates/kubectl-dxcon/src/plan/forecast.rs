//! The forecast for one resource: what would be sent, what it would wait for, and how it ends.

use std::collections::BTreeSet;

use directconnect_core::desired::EncryptionMode;
use directconnect_core::history;
use directconnect_core::identity::{CircuitId, ResourceId};
use directconnect_core::observed::Connection;
use directconnect_core::reason::{Phase, Reason};
use serde::Serialize;

/// The forecast for one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The resource.
    pub resource: ResourceId,
    /// Its circuit; absent if the spec is invalid.
    pub circuit: Option<CircuitId>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// How it ends.
    pub end: End,
    /// Who has to act before it goes on from there, if anyone.
    pub needs: Option<Who>,
    /// The resource that holds it up at the end, if its removal would let it go on.
    pub held_up_by: Option<ResourceId>,
    /// What its reader has to know besides.
    pub notes: Vec<String>,
}

/// One step of a forecast.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// `UpdateConnection` is called.
    Update {
        /// Number of updates in the whole plan before this one.
        order: usize,
        /// Change of `connectionName`, if it is sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        connection_name: Option<Change>,
        /// Change of `encryptionMode`, if it is sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        encryption_mode: Option<Change>,
        /// How the update can interrupt traffic, if it can.
        #[serde(skip_serializing_if = "Option::is_none")]
        can_cut: Option<String>,
    },
    /// Nothing is sent until something happens.
    Wait {
        /// Who or what has to act.
        #[serde(rename = "for")]
        on: Who,
        /// Reason of `Ready` during the wait.
        reason: &'static str,
        /// Its message.
        message: String,
        /// How long it takes, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
}

/// A value before and after an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The value in AWS before; absent if AWS showed none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The value that is sent.
    pub to: String,
}

/// The end of a forecast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The outcome.
    pub outcome: Outcome,
    /// Reason of `Ready` at the end; absent if the operator does not look at the resource any more.
    pub reason: Option<Reason>,
    /// Its message.
    pub message: String,
}

/// The outcome of a forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Outcome {
    /// AWS has what the spec asks for, or the spec only observes and nothing differs.
    Met,
    /// A person has to act before it goes on.
    Blocked,
    /// A person does not want the operator to act: the resource is paused, or only observed.
    Held,
    /// It waits for something that cannot be predicted.
    Waiting,
}

/// Who or what ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Who {
    /// Time alone.
    Time,
    /// The person who associates MACsec keys.
    Key,
    /// The person who runs the router at the far end.
    Router,
    /// Another connection of the account, which holds the turn.
    Turn,
    /// The link, or the person who sets it up.
    Link,
    /// AWS.
    Aws,
    /// The person who writes the spec.
    Spec,
    /// The person who grants the operator's AWS permissions.
    Rights,
}

impl Who {
    /// Who has to act while `Ready` has this reason and AWS shows this connection.
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

    /// A phrase that fits after "wait for" or "needs".
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
    /// The outcome if nothing changes after this reason.
    pub fn of(reason: Reason) -> Self {
        match reason.phase() {
            Phase::Done => Self::Met,
            Phase::Stalled => Self::Blocked,
            Phase::Held => Self::Held,
            Phase::Reconciling | Phase::Unknown => Self::Waiting,
        }
    }
}

/// How sending this mode to a connection in the state `shown` can interrupt traffic; `None` if it cannot.
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

impl Step {
    /// An update that is sent to a connection in the state `before`.
    pub fn update(order: usize, change: &history::Change, before: &Connection) -> Self {
        let name = change.name.clone().map(|to| Change { from: before.connection_name.clone(), to });
        let mode =
            |mode: EncryptionMode| Change { from: before.mode().map(|mode| mode.to_string()), to: mode.to_string() };
        Self::Update {
            order,
            connection_name: name,
            encryption_mode: change.mode.map(mode),
            can_cut: change.mode.and_then(|mode| can_cut(mode, before)),
        }
    }
}

impl Forecast {
    /// The forecast for a resource that is being deleted. The operator does nothing more for it, and whatever keeps the
    /// object decides when it can be created anew.
    pub fn of_deleted(resource: ResourceId) -> Self {
        let message = "the object is being deleted; it is planned once it is created anew".to_owned();
        let end = End { outcome: Outcome::Waiting, reason: None, message };
        Self { resource, circuit: None, steps: Vec::new(), end, needs: None, held_up_by: None, notes: Vec::new() }
    }

    /// Whether an update would be sent.
    pub fn sends(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Update { .. }))
    }

    /// All values that are sent, each with its field.
    pub fn sent_values(&self) -> BTreeSet<(&'static str, &str)> {
        let updates = self.steps.iter().filter_map(|step| match step {
            Step::Update { connection_name, encryption_mode, .. } => Some((connection_name, encryption_mode)),
            Step::Wait { .. } => None,
        });
        let values = updates.flat_map(|(name, mode)| {
            let name = name.iter().map(|change| ("connectionName", change.to.as_str()));
            name.chain(mode.iter().map(|change| ("encryptionMode", change.to.as_str())))
        });
        values.collect()
    }
}
