//! What this process knows of one circuit.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::history::History;
use crate::identity::ResourceId;
use crate::ledger::{LastUpdate, Ledger, contradicts_proof, is_step_over};
use crate::observed::Connection;
use crate::settings::{RECENT_UPDATE, Settings};
use crate::turn::{CircuitView, Claim, Read, Shown};

/// What this process knows of one circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and asked for by itself")]
pub struct Circuit {
    /// Reads and sent values. They may be lost at any time without harm.
    pub history: History,
    /// Resources for this circuit, the oldest first.
    pub(super) claims: Vec<Claim>,
    /// Ledgers that are newer than what status says, because they are not written yet, by resource.
    pub(super) unwritten: BTreeMap<ResourceId, Ledger>,
    /// The last update that this process wrote to status as intention, by resource.
    pub(super) own_updates: BTreeMap<ResourceId, LastUpdate>,
    /// A status shows a recent update that an earlier leader made; that call may still take effect.
    pub(super) is_inherited: bool,
    /// When the last update was sent of which only the status of a resource told that is gone.
    pub(super) gone_update: Option<Moment>,
    /// A step that can interrupt traffic and that this process has decided on, has in flight, or whose end it has not
    /// seen.
    pub(super) step: Option<EncryptionMode>,
    /// The step is decided on but not yet sent or withdrawn, so no read can say that it is over.
    pub(super) is_decided: bool,
    /// This process saw another writer raise the circuit to `must_encrypt`.
    pub(super) was_raised: bool,
    /// A read has shown that a proof in the ledgers does not hold any more. It stays so until the circuit is proven anew,
    /// whatever later reads show and whenever the ledgers follow.
    pub(super) is_proof_over: bool,
    /// A pass asked for reads at the soak cadence.
    pub(super) is_watched: bool,
    /// What the status of a resource shows, to share memory with reads that show the same.
    pub(super) in_status: Option<Arc<Connection>>,
}

impl Circuit {
    pub(super) fn view(&self, is_awaited: bool) -> CircuitView<'_> {
        let read = match self.history.connection() {
            None => Read::Nothing { is_awaited, last_mode: self.history.last_mode() },
            Some(connection) if connection.is_gone() => Read::Gone,
            Some(connection) => {
                // An unknown mode does not prove that the last known mode is gone, so the last known one counts, of the
                // reads of this process or else of a status. Nor does a read prove it that does not say whether the port
                // is capable of MACsec.
                let in_statuses = || self.claims.iter().filter_map(Claim::shown_mode).max();
                let known = self.history.last_mode().or_else(in_statuses);
                // A read of `must_encrypt` counts, even if it may be from before an update.
                let shown = connection.mode().filter(|&mode| mode == EncryptionMode::MustEncrypt);
                let mode = known.max(shown).filter(|_| connection.may_have_a_mode());
                Read::Seen(Shown { mode, ..Shown::of(connection) })
            }
        };
        let Self { step, was_raised, is_proof_over, .. } = *self;
        CircuitView { claims: &self.claims, read, step, was_raised, is_proof_over }
    }

    /// Shares memory: if a read shows the same as a status or the last read, it refers to the copy that is kept.
    pub(super) fn share_kept(&self, shown: Option<&mut Arc<Connection>>) {
        let Some(shown) = shown else { return };
        let last_read = self.history.observation().and_then(|read| read.connection.as_ref());
        if let Some(kept) = self.in_status.iter().chain(last_read).find(|kept| *kept == shown) {
            *shown = Arc::clone(kept);
        }
    }

    /// Whether a read has shown that the proof in the ledgers does not hold any more.
    pub fn is_proof_over(&self) -> bool {
        self.is_proof_over
    }

    /// The resources for this circuit, the oldest first.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// What the API server says about one of them.
    pub fn claim(&self, resource: &ResourceId) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.resource == *resource)
    }

    /// A step to `must_encrypt` is withdrawn, which passed for what made reads show that mode.
    pub(super) fn note_raise_beside_step(&mut self, before: Option<EncryptionMode>) {
        const MUST: Option<EncryptionMode> = Some(EncryptionMode::MustEncrypt);
        let is_first = self.step == MUST && before != MUST && self.history.mode().sent().copied() != MUST;
        self.was_raised |= is_first && self.history.last_mode() == MUST;
    }

    /// Called after each read: clears the step and the raise by another writer if the read shows that they are over.
    /// `before` is the last known mode before this read.
    pub(super) fn clear_finished(&mut self, before: Option<EncryptionMode>, is_settled: bool, settings: &Settings) {
        const MUST: EncryptionMode = EncryptionMode::MustEncrypt;
        let history = &self.history;
        let mode = history.last_mode();
        let is_ours = self.step == Some(MUST)
            || history.mode().sent() == Some(&MUST)
            || self.claims.iter().any(|claim| !claim.is_being_deleted && self.unproven_step(claim) == Some(MUST));
        if before.is_some_and(|before| before < MUST) && mode == Some(MUST) && !is_ours {
            self.was_raised = true;
        }
        let is_down = history.was_down_for(MUST, settings.progress_deadline);
        if mode != Some(MUST) || is_down || is_step_over(MUST, history, false, settings) {
            self.was_raised = false;
        }
        let is_proven_anew = history.is_soaked(MUST, settings.encryption_soak);
        self.is_proof_over = self.claims.iter().any(Claim::carries_proof)
            && !is_proven_anew
            && (self.is_proof_over || contradicts_proof(history, is_settled));
        let is_over = |step| !self.is_decided && is_step_over(step, history, is_settled, settings);
        self.step = self.step.filter(|&step| !is_over(step));
    }

    /// Tells the history what the acting resource wants, as the watch shows it: reads between this wish and the pass for it
    /// count for it, and a pass may be about an older one.
    pub(super) fn note_wish(&mut self) {
        if let Some(wanted) = self.view(false).acting().map(|acting| acting.wants) {
            self.history.note_wish(wanted);
        }
    }

    /// A resource that said `unprovenStep` is gone. Another resource may still want that mode, and a call of a process
    /// that has ended may still carry the step out, so this process goes on as if the step were its own.
    ///
    /// A proof in another ledger is younger than that step, since nothing goes up the ladder beside a proof.
    pub(super) fn inherit_step(&mut self, gone: &Claim) {
        if !self.view(false).is_proven() {
            self.step = self.step.max(self.unproven_step(gone));
        }
        if !self.is_own_update(gone) {
            self.gone_update = self.gone_update.max(gone.updated_at);
        }
    }

    /// A resource that says `unprovenStep` does not want that mode any more, so its next status will not say it. Before a
    /// settled read only that tells of the step, should the mode be wanted again; so this process goes on as if it were its
    /// own.
    pub(super) fn keep_unwanted_steps(&mut self) {
        let of_living = self.claims.iter().filter(|claim| !claim.is_being_deleted);
        let unwanted = of_living.filter_map(|claim| self.unproven_step(claim).filter(|&step| claim.wants < Some(step)));
        self.step = self.step.max(unwanted.max());
    }

    /// The step that the status of a resource says, unless it was certainly not carried out and the next write clears it.
    fn unproven_step(&self, claim: &Claim) -> Option<EncryptionMode> {
        let unwritten = self.unwritten.get(&claim.resource);
        claim.ledger.unproven_step.filter(|_| unwritten.is_none_or(|ledger| ledger.unproven_step.is_some()))
    }

    /// Whether it has not been read yet, and the reads have not failed for so long that they are given up.
    pub(super) fn is_awaited(&self, region_is_awaited: bool, settings: &Settings) -> bool {
        match self.history.observation() {
            None => region_is_awaited,
            Some(_) => self.history.is_missing() && !self.history.has_failed_for(settings.stale_after()),
        }
    }

    /// Whether no resource manages or observes it, apart from those being deleted.
    pub(super) fn is_unclaimed(&self) -> bool {
        self.claims.iter().all(|claim| claim.is_being_deleted)
    }

    /// Notes whether a status shows an update of the last hour that this process did not make. The note stays when a
    /// later update replaces that one in status.
    pub(super) fn note_inherited(&mut self, leading_since: Moment) {
        let others = self.claims.iter().filter(|claim| !self.is_own_update(claim)).filter_map(|claim| claim.updated_at);
        self.is_inherited |= others.chain(self.gone_update).any(|at| leading_since.since(at) < RECENT_UPDATE);
    }

    /// Whether this process made the last update that a status shows.
    fn is_own_update(&self, claim: &Claim) -> bool {
        let own = self.own_updates.get(&claim.resource).zip(claim.ledger.last_update.as_ref());
        own.is_some_and(|(own, last)| own.is_same_call(last))
    }

    pub(super) fn is_worth_keeping(&self) -> bool {
        !self.claims.is_empty() || self.step.is_some() || self.history.last_update_ended().is_some()
    }
}
