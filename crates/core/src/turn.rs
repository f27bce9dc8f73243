//! One at a time: of the circuits of an AWS account, at most one is on its way through a step that can interrupt it.
//!
//! Redundant lines exist in pairs. One commit that tightens both must not be able to cut both, so the second waits until
//! the first has proven that it still carries encrypted traffic. Who is on the way is not remembered anywhere: it follows
//! from the ledgers of all resources, from what reads show, and from what this process has decided and not yet seen the
//! end of.

use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::identity::{AccountId, CircuitId, ResourceId};
use crate::ledger::Ledger;
use crate::observed::Connection;

/// What the API server says of one resource about a circuit, and of its spec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The resource.
    pub resource: ResourceId,
    /// Which object of that name.
    pub uid: String,
    /// When it was created, in seconds of wall-clock time: the older one acts, then namespace and name decide.
    pub created: i64,
    /// Whether `managementPolicy` is `Manage`: one that only observes neither claims nor conflicts.
    pub manages: bool,
    /// Whether it is being deleted, perhaps kept by somebody's finalizer.
    pub is_being_deleted: bool,
    /// `spec.encryptionMode`.
    pub wants: Option<EncryptionMode>,
    /// Its ledger, as the API server has it.
    pub ledger: Ledger,
    /// Resource version that the ledger is of.
    pub version: u64,
    /// When its last update was, if that is known; for one with a time that is still to come, now.
    pub updated_at: Option<Moment>,
    /// What its status shows of AWS.
    pub shown: Shown,
}

impl Claim {
    /// What says which of two is the older: when it was created, then its name.
    pub fn age(&self) -> (i64, &ResourceId) {
        (self.created, &self.resource)
    }

    /// Whether it has written down a proof that still counts.
    pub fn carries_proof(&self) -> bool {
        self.ledger.proven && !self.is_being_deleted
    }
}

/// What of a connection bears on the turn, as a read or a status shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shown {
    /// A known mode.
    pub mode: Option<EncryptionMode>,
    /// It is a member of a LAG.
    pub in_lag: bool,
    /// The account that owns it.
    pub account: Option<AccountId>,
}

impl Shown {
    /// What a connection shows.
    pub fn of(connection: &Connection) -> Self {
        Self {
            mode: connection.mode().filter(|_| connection.takes_a_mode()),
            in_lag: connection.lag_id.is_some(),
            account: connection.owner_account.as_deref().map(AccountId::new),
        }
    }
}

/// What this process has read of a circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Nothing yet.
    Never {
        /// The first read of the region has neither ended nor failed for three poll intervals.
        is_awaited: bool,
    },
    /// A read by id found no such connection, or one that is gone.
    Absent,
    /// This, with the last known mode that it showed.
    Seen(Shown),
}

/// A circuit as far as it bears on the turn.
#[derive(Clone, Debug)]
pub struct CircuitView<'a> {
    /// Resources about it, the oldest first.
    pub claims: &'a [Claim],
    /// What this process has read of it.
    pub read: Read,
    /// An interrupting step that this process has decided on, has in flight, or has not seen the end of.
    pub step: Option<EncryptionMode>,
    /// Somebody else has raised it to `must_encrypt`, as this process saw.
    pub was_raised: bool,
}

/// Why a circuit holds the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldReason {
    /// A resource says that a step of this operator is unproven.
    UnprovenStep,
    /// The acting resource wants `must_encrypt`, AWS shows it or may, and nobody has seen it proven.
    UnprovenMust,
    /// This process has decided on a step, has it in flight or in doubt.
    UnderWay,
    /// Somebody else has raised it to `must_encrypt`.
    RaisedByOther,
}

/// A circuit that holds the turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The resource that makes it hold, where there is one about it.
    pub resource: Option<ResourceId>,
    /// Why it holds.
    pub reason: HoldReason,
}

/// Account of a circuit, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Account {
    /// A read or a status shows it.
    Known(AccountId),
    /// AWS shows the connection without an owner.
    Unowned,
    /// Nothing shows it.
    Unknown,
}

impl Account {
    /// Whether circuits of these accounts take turns: those of which one is not known share with all.
    pub fn shares_turn_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(one), Self::Known(other)) => one == other,
            _ => true,
        }
    }
}

/// The resource that holds the turn that another one waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The circuit that is on its way.
    pub circuit: CircuitId,
    /// Which resource makes it so, and why.
    pub hold: Hold,
}

impl CircuitView<'_> {
    /// The resource that may change the circuit, now or when a pause is over.
    pub fn acting(&self) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.manages && !claim.is_being_deleted)
    }

    /// Whether some resource has written down a proof, and none an unproven step. One that is being deleted is not looked
    /// after any more, perhaps for ever: neither its proof nor its step counts.
    pub fn is_proven(&self) -> bool {
        self.claims.iter().any(Claim::carries_proof)
            && self.claims.iter().all(|claim| claim.is_being_deleted || claim.ledger.unproven_step.is_none())
    }

    /// The account: that of the last read, else that of a status.
    pub fn account(&self) -> Account {
        match &self.read {
            Read::Seen(shown) => shown.account.clone().map_or(Account::Unowned, Account::Known),
            Read::Never { .. } | Read::Absent => {
                let shown = self.claims.iter().find_map(|claim| claim.shown.account.clone());
                shown.map_or(Account::Unknown, Account::Known)
            }
        }
    }

    /// Whether the circuit holds the turn of its account, and why.
    pub fn hold(&self) -> Option<Hold> {
        let in_lag = match &self.read {
            Read::Seen(shown) => shown.in_lag,
            Read::Never { .. } => self.claims.iter().any(|claim| claim.shown.in_lag),
            Read::Absent => return None,
        };
        if in_lag {
            return None;
        }
        let held = |claim: &Claim, reason| Some(Hold { resource: Some(claim.resource.clone()), reason });
        let wants = |claim: &&Claim, step| !claim.is_being_deleted && claim.wants.is_some_and(|wanted| wanted >= step);
        let unproven =
            self.claims.iter().find(|claim| claim.ledger.unproven_step.is_some_and(|step| wants(claim, step)));
        if let Some(claim) = unproven {
            return held(claim, HoldReason::UnprovenStep);
        }
        if let Some(claim) = self.step.and_then(|step| self.claims.iter().find(|claim| wants(claim, step))) {
            return held(claim, HoldReason::UnderWay);
        }
        let acting = self.acting().filter(|claim| claim.wants == Some(EncryptionMode::MustEncrypt));
        if let Some(claim) = acting.filter(|_| !self.is_proven() && self.may_be_at_must()) {
            return held(claim, HoldReason::UnprovenMust);
        }
        self.was_raised.then(|| {
            let resource = self.claims.iter().find(|claim| !claim.is_being_deleted);
            Hold { resource: resource.map(|claim| claim.resource.clone()), reason: HoldReason::RaisedByOther }
        })
    }

    /// Whether the last read showed `must_encrypt`. Before the first one it may be there; if that one does not come, what
    /// any status shows last stands for it, and a status that shows nothing stands for nothing.
    fn may_be_at_must(&self) -> bool {
        let is_must = |shown: &Shown| shown.mode == Some(EncryptionMode::MustEncrypt);
        match &self.read {
            Read::Seen(shown) => is_must(shown),
            Read::Never { is_awaited: true } => true,
            Read::Never { is_awaited: false } => self.claims.iter().any(|claim| is_must(&claim.shown)),
            Read::Absent => false,
        }
    }
}
