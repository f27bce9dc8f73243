//! Turns: of the circuits of an AWS account, at most one at a time takes a step that can interrupt its traffic.
//!
//! Redundant connections exist in pairs. One commit that raises the mode of both must not cut both, so the second waits
//! until the first is proven to carry encrypted traffic. The holder of a turn is stored nowhere. It is derived from the
//! ledgers of all resources, from reads, and from the steps that this process has decided on and whose end it has not
//! seen.

use std::sync::Arc;

use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::identity::{AccountId, CircuitId, ResourceId};
use crate::ledger::Ledger;
use crate::observed::Connection;

/// What the API server says about one resource that names a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The resource.
    pub resource: ResourceId,
    /// UID of the object.
    pub uid: Arc<str>,
    /// Creation time in seconds of the wall clock. Of several resources the oldest acts; if they are equally old,
    /// namespace and name decide.
    pub created: i64,
    /// Whether `managementPolicy` is `Manage`. A resource that only observes neither claims the circuit nor causes a
    /// conflict.
    pub manages: bool,
    /// Whether it is being deleted. A finalizer may keep it in this state for long.
    pub is_being_deleted: bool,
    /// `spec.encryptionMode`.
    pub wants: Option<EncryptionMode>,
    /// Its ledger from status.
    pub ledger: Ledger,
    /// Resource version that the ledger is from.
    pub version: u64,
    /// When its last update was sent, if that is known. A time in the future counts as now.
    pub updated_at: Option<Moment>,
    /// What its status shows of AWS.
    pub shown: Shown,
    /// Its status is about its spec, and says that nothing is on its way.
    pub is_reported: bool,
}

impl Claim {
    /// The sort key that puts the older resource first: creation time, then name.
    pub fn age(&self) -> (i64, &ResourceId) {
        (self.created, &self.resource)
    }

    /// The mode that its status says AWS has shown. If it shows none, that `must_encrypt` was seen counts: AWS may have
    /// lowered it since, but nothing says so.
    pub fn shown_mode(&self) -> Option<EncryptionMode> {
        self.shown.mode.or(self.ledger.must_encrypt_generation.map(|_| EncryptionMode::MustEncrypt))
    }

    /// Whether its ledger holds a proof that counts.
    pub fn carries_proof(&self) -> bool {
        self.ledger.proven && !self.is_being_deleted
    }
}

/// The properties of a connection that turns depend on, from a read or a status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shown {
    /// The mode, if it is known.
    pub mode: Option<EncryptionMode>,
    /// Whether it is a member of a LAG.
    pub in_lag: bool,
    /// The account that owns it.
    pub account: Option<AccountId>,
}

impl Shown {
    /// The properties of a connection.
    pub fn of(connection: &Connection) -> Self {
        Self {
            mode: connection.mode().filter(|_| connection.may_have_a_mode()),
            in_lag: connection.lag_id.is_some(),
            account: connection.owner_account.as_deref().map(AccountId::new),
        }
    }
}

/// What this process has read of a circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Nothing yet, or it was not found. That says nothing of it: with the credentials of another account no connection
    /// is found.
    Nothing {
        /// Whether the first read of the region is still awaited: it has not ended, nor failed for three poll
        /// intervals.
        is_awaited: bool,
        /// The last known mode, if it was found before.
        last_mode: Option<EncryptionMode>,
    },
    /// The connection was deleted or rejected.
    Gone,
    /// What the last read showed, with the last known mode.
    Seen(Shown),
}

/// A circuit, as far as turns depend on it.
#[derive(Clone, Debug)]
pub struct CircuitView<'a> {
    /// Resources for it, the oldest first.
    pub claims: &'a [Claim],
    /// What this process has read of it.
    pub read: Read,
    /// A step that can interrupt traffic and that this process has decided on, has in flight, or whose end it has not
    /// seen.
    pub step: Option<EncryptionMode>,
    /// This process saw another writer raise the circuit to `must_encrypt`.
    pub was_raised: bool,
    /// A read has shown that the proof in the ledgers does not hold any more.
    pub is_proof_over: bool,
}

/// Why a circuit holds the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldReason {
    /// A ledger says that an interrupting step of this operator is unproven.
    UnprovenStep,
    /// The acting resource wants `must_encrypt`, AWS shows or may show it, and there is no proof.
    UnprovenMust,
    /// This process has decided on a step, has it in flight, or does not know its outcome.
    UnderWay,
    /// Another writer has raised the circuit to `must_encrypt`.
    RaisedByOther,
}

/// The fact that a circuit holds the turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The resource because of which it holds the turn, if there is one.
    pub resource: Option<ResourceId>,
    /// Why it holds.
    pub reason: HoldReason,
}

/// Whether circuits of these accounts share a turn. An account that is not known, or that AWS does not show, may be any
/// account, so it shares with all.
pub fn share_turn(one: &Option<AccountId>, other: &Option<AccountId>) -> bool {
    one.as_ref().zip(other.as_ref()).is_none_or(|(one, other)| one == other)
}

/// The circuit that holds the turn that another one waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The circuit.
    pub circuit: CircuitId,
    /// The resource because of which it holds the turn, and why.
    pub hold: Hold,
}

impl CircuitView<'_> {
    /// The resource that may change the circuit, now or after its pause.
    pub fn acting(&self) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.manages && !claim.is_being_deleted)
    }

    /// Whether some ledger holds a proof and none an unproven step. Ledgers of resources that are being deleted do not
    /// count: they are not updated any more, and a finalizer may keep them for ever.
    pub fn is_proven(&self) -> bool {
        !self.is_proof_over
            && self.claims.iter().any(Claim::carries_proof)
            && self.claims.iter().all(|claim| claim.is_being_deleted || claim.ledger.unproven_step.is_none())
    }

    /// The account that the last read shows, otherwise the one that a status shows.
    pub fn account(&self) -> Option<AccountId> {
        match &self.read {
            Read::Seen(shown) => shown.account.clone(),
            Read::Nothing { .. } | Read::Gone => self.claims.iter().find_map(|claim| claim.shown.account.clone()),
        }
    }

    /// Why the circuit holds the turn of its account; `None` if it does not.
    pub fn hold(&self) -> Option<Hold> {
        let in_lag = match &self.read {
            Read::Seen(shown) => shown.in_lag,
            Read::Nothing { .. } => {
                let mut known = self.claims.iter().filter(|claim| !claim.is_being_deleted).peekable();
                known.peek().is_some() && known.all(|claim| claim.shown.in_lag)
            }
            Read::Gone => return None,
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

    /// Whether AWS shows `must_encrypt`, or may. While the first read is awaited, it may. If that read fails for too
    /// long, or does not find the circuit, what was seen before counts, else what the statuses show; a status that shows
    /// nothing does not count.
    fn may_be_at_must(&self) -> bool {
        let is_must = |mode| mode == Some(EncryptionMode::MustEncrypt);
        match &self.read {
            Read::Seen(shown) => is_must(shown.mode),
            Read::Nothing { is_awaited: true, .. } => true,
            Read::Nothing { last_mode: Some(mode), .. } => is_must(Some(*mode)),
            Read::Nothing { last_mode: None, .. } => self.claims.iter().any(|claim| is_must(claim.shown_mode())),
            Read::Gone => false,
        }
    }
}
