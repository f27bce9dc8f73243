//! What is known of one circuit.

use std::collections::BTreeMap;

use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::history::History;
use crate::identity::ResourceId;
use crate::ledger::{LastUpdate, Ledger, is_step_over};
use crate::settings::{RECENT_UPDATE, Settings};
use crate::turn::{CircuitView, Claim, Read, Shown};

/// What is known of one circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and asked for by itself")]
pub struct Circuit {
    /// Between reads; may be lost.
    pub history: History,
    /// Resources about it, the oldest first.
    pub(super) claims: Vec<Claim>,
    /// What passes know and status does not say yet, by resource.
    pub(super) unwritten: BTreeMap<ResourceId, Ledger>,
    /// The last update that this process has written down, by resource.
    pub(super) own_updates: BTreeMap<ResourceId, LastUpdate>,
    /// A resource has shown a recent update of a process before this one: it may still be on its way.
    pub(super) is_inherited: bool,
    /// An interrupting step that this process has decided on, has in flight, or has not seen the end of.
    pub(super) step: Option<EncryptionMode>,
    /// That step is decided on and neither sent nor withdrawn: no read says anything about it.
    pub(super) is_decided: bool,
    /// Somebody else has raised it to `must_encrypt`, as this process saw.
    pub(super) was_raised: bool,
    /// A pass wants to have it read at the cadence of a soak.
    pub(super) is_watched: bool,
}

impl Circuit {
    pub(super) fn view(&self, is_awaited: bool) -> CircuitView<'_> {
        let read = match self.history.observation() {
            None => Read::Never { is_awaited },
            // One that only a listing has left out is not absent before it was read by id.
            Some(_) if self.history.connection().is_none() && self.history.is_missing() => {
                Read::Never { is_awaited: true }
            }
            Some(observation) => match observation.connection.as_deref() {
                None => Read::Absent,
                Some(connection) if connection.is_gone() => Read::Absent,
                Some(connection) => {
                    // A mode that nobody knows does not say that the last known one is not there.
                    let mode = self.history.last_mode().filter(|_| connection.has_macsec_port());
                    Read::Seen(Shown { mode, ..Shown::of(connection) })
                }
            },
        };
        CircuitView { claims: &self.claims, read, step: self.step, was_raised: self.was_raised }
    }

    /// The resources about it, the oldest first.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// A read came in; `before` is the last known mode that was shown before it.
    pub(super) fn end_what_is_over(&mut self, before: Option<EncryptionMode>, is_settled: bool, settings: &Settings) {
        const MUST: EncryptionMode = EncryptionMode::MustEncrypt;
        let history = &self.history;
        let mode = history.last_mode();
        let is_ours = self.step == Some(MUST)
            || history.sent_mode() == Some(MUST)
            || self.claims.iter().any(|claim| claim.ledger.unproven_step == Some(MUST));
        if before.is_some_and(|before| before < MUST) && mode == Some(MUST) && !is_ours {
            self.was_raised = true;
        }
        let is_down = history.was_down_for(MUST, settings.progress_deadline);
        if mode != Some(MUST) || is_down || is_step_over(MUST, history, false, settings) {
            self.was_raised = false;
        }
        let is_over = |step| !self.is_decided && is_step_over(step, history, is_settled, settings);
        self.step = self.step.filter(|&step| !is_over(step));
    }

    /// A resource that says `unprovenStep` is no longer there to say so. Somebody else may still want that mode here, and a
    /// call of a process that has ended may still carry it out: the step is in doubt.
    pub(super) fn inherit_step(&mut self, gone: &Claim) {
        self.step = self.step.max(gone.ledger.unproven_step);
    }

    /// Whether no resource looks after it.
    pub(super) fn is_unclaimed(&self) -> bool {
        self.claims.iter().all(|claim| claim.is_being_deleted)
    }

    /// Notes whether a resource shows an update of the last hour that this process has not made. It stays so when a later
    /// update takes its place in status.
    pub(super) fn note_inherited(&mut self, leading_since: Moment) {
        self.is_inherited |= self.claims.iter().any(|claim| {
            let own = self.own_updates.get(&claim.resource);
            let is_own = |last: &LastUpdate| own.is_some_and(|own| own.is_same_call(last));
            claim.updated_at.is_some_and(|at| leading_since.since(at) < RECENT_UPDATE)
                && !claim.ledger.last_update.as_ref().is_some_and(is_own)
        });
    }

    pub(super) fn is_of_use(&self) -> bool {
        !self.claims.is_empty() || self.step.is_some() || self.history.last_update_ended().is_some()
    }
}
