//! The status of one resource during one pass: how it was, how it changes, and the events for the changes.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Resource as _;
use tracing::info;

use super::{Context, PassError};
use crate::api::DirectConnectConnectionStatus;
use crate::kubernetes::Watched;
use crate::kubernetes::claims::{Trigger, age_of, labels};
use crate::kubernetes::events::{self, EventSpec};
use crate::kubernetes::status::{self, WriteError};
use crate::metrics::Health;
use crate::state::Wakeup;
use directconnect_core::clock::Moment;
use directconnect_core::conditions::{ConditionType, Verdict, conditions};
use directconnect_core::decide::{Drift, Plan};
use directconnect_core::desired::{Desired, EncryptionTransition};
use directconnect_core::fault::Fault;
use directconnect_core::history::{History, Observation};
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::ObservedMode;
use directconnect_core::reason::Reason;
use directconnect_core::settings::RECENT_UPDATE;
use directconnect_core::turn::HoldReason;

/// How many times a write is attempted if others keep writing the same object.
const MAX_REFRESHES: usize = 5;

/// Writes the status of one resource.
pub(super) struct StatusWriter<'a> {
    context: &'a Context,
    object: &'a Watched,
    /// The last status that events have told of. Events are published for the changes since.
    before: Arc<DirectConnectConnectionStatus>,
    /// The same if it is not what the API server has: a write had no answer, or someone else has written.
    untold: Option<Arc<DirectConnectConnectionStatus>>,
    /// The last known status on the API server.
    written: Arc<DirectConnectConnectionStatus>,
    version: u64,
    /// Events to publish with the next write or at the end of the pass.
    events: Vec<EventSpec>,
    has_noted_drift: bool,
}

impl<'a> StatusWriter<'a> {
    pub(super) fn new(object: &'a Watched, context: &'a Context) -> Self {
        // The watch may lag behind, so the last status that this process wrote is used if it is newer.
        let written = context.claims.latest_status(object);
        let (version, written) = written.unwrap_or_else(|| (object.version(), Arc::new(object.status.clone())));
        let untold = context.claims.with_memory(object, |memory| memory.untold.clone());
        Self {
            context,
            object,
            before: Arc::clone(untold.as_ref().unwrap_or(&written)),
            untold,
            written,
            version,
            events: Vec::new(),
            has_noted_drift: false,
        }
    }

    /// A ledger with the matched generation that status says.
    pub(super) fn keep_met_generation(&self, ledger: Ledger) -> Ledger {
        Ledger { met_generation: self.written.ledger.met_generation, ..ledger }
    }

    /// When the annotation first asked for a read that status does not show as served yet. If this resource acts, what
    /// AWS refused or somebody disputes is tried again at once, too.
    pub(super) fn read_requested(&self, desired: &Desired, acts: bool) -> Option<Moment> {
        let (context, now) = (self.context, self.context.clock.now());
        let served = self.written.last_handled_reconcile_at.as_deref();
        let request = self.object.requested_at().filter(|&request| served != Some(request));
        let (is_new, requested_at) = context.claims.with_memory(self.object, |memory| {
            let is_new = memory.requested.as_ref().map(|asked| asked.0.as_str()) != request;
            if is_new {
                memory.requested = request.map(|request| Box::new((request.to_owned(), now)));
            }
            (is_new, memory.requested.as_ref().map(|asked| asked.1))
        });
        if is_new && acts && requested_at.is_some() {
            context.state.with_fleet(|fleet| fleet.with_history(&desired.circuit, History::reset_backoff));
        }
        requested_at
    }

    /// Whether this update skips the ladder: the transition is `Immediate`, and `must_encrypt` was neither sent nor
    /// seen before while it has been wanted.
    pub(super) fn skips_ladder(&self, desired: &Desired) -> bool {
        desired.transition == EncryptionTransition::Immediate && self.before.ledger.must_encrypt_generation.is_none()
    }

    /// Adds an event, once per pass, if AWS matched the spec before and differs now. It may still show what was there
    /// before an update, of this process or of the one before.
    pub(super) fn note_drift(&mut self, desired: &Desired, plan: &Plan) {
        if plan.verdict.as_ref().is_some_and(|verdict| verdict.reason == Reason::Settling) {
            return;
        }
        let is_first = !std::mem::replace(&mut self.has_noted_drift, true);
        // What was seen while reads could be late was not told then.
        let was_settling = status::condition(&self.before, ConditionType::Ready)
            .is_some_and(|ready| ready.reason == Reason::Settling.as_str());
        let was_met = self.before.ledger.met_generation == Some(desired.generation)
            && (self.before.drift.is_empty() || was_settling);
        if is_first && was_met && !plan.drift.is_empty() {
            let each = plan.drift.iter().map(|Drift { field, desired, observed }| {
                let observed =
                    observed.as_ref().map_or_else(|| "absent".to_owned(), |observed| format!("{observed:?}"));
                format!("{field} is {observed} in AWS, {desired:?} in the spec")
            });
            self.events.push(events::drifted(&each.collect::<Vec<_>>().join("; ")));
        }
    }

    /// Writes a ledger, and what the plan reports if there is one. Returns the new resource version.
    pub(super) async fn write_ledger(
        &mut self,
        desired: &Desired,
        ledger: Ledger,
        plan: Option<&Plan>,
    ) -> Result<u64, PassError> {
        let mut next = DirectConnectConnectionStatus { ledger, ..(*self.written).clone() };
        if let Some((plan, verdict)) = plan.and_then(|plan| Some((plan, plan.verdict.as_ref()?))) {
            self.show(&mut next, desired, plan, verdict);
        }
        self.set_gauges(&next);
        self.write(next).await?;
        Ok(self.version)
    }

    /// Writes status if it changed, and publishes the events of this pass.
    pub(super) async fn report(
        &mut self,
        desired: &Desired,
        ledger: Ledger,
        plan: &Plan,
        requested_at: Option<Moment>,
    ) -> Result<(), PassError> {
        let mut next = DirectConnectConnectionStatus { ledger: ledger.clone(), ..(*self.written).clone() };
        if let Some(verdict) = &plan.verdict {
            let began = plan.observation.as_ref().map(|observation| observation.began);
            if requested_at.is_some_and(|at| began.is_some_and(|began| began >= at))
                && let Some(served) = self.object.requested_at()
            {
                next.last_handled_reconcile_at = Some(served.to_owned());
            }
            self.show(&mut next, desired, plan, verdict);
        }
        self.set_gauges(&next);
        // While nothing is known of the circuit yet, status is written only if the ledger would otherwise be lost.
        let (state, id) = (&self.context.state, self.object.id());
        let has_unwritten = || state.with_fleet(|fleet| fleet.has_unwritten(&desired.circuit, &id));
        let may_write = plan.verdict.is_some() || has_unwritten();
        if may_write && next != *self.written {
            let written = self.write(next).await;
            if written.is_err() {
                // If the write fails, the next pass still has the ledger.
                let (object, state) = (self.object, &self.context.state);
                state.with_fleet(|fleet| {
                    fleet.note_unwritten(&desired.circuit, &object.id(), object.uid(), ledger.clone());
                });
            }
            written?;
        }
        if may_write {
            let (object, version) = (self.object, self.version);
            self.context.state.with_fleet(|fleet| {
                fleet.note_written(&desired.circuit, &object.id(), object.uid(), ledger, version);
            });
        }
        self.finish(Some((desired, plan)));
        Ok(())
    }

    /// Reports that the spec is invalid.
    pub(super) async fn report_invalid(&mut self, message: String) -> Result<(), PassError> {
        let mut next = (*self.written).clone();
        self.set_conditions(&mut next, &Verdict::new(Reason::InvalidSpec, message), None);
        self.set_gauges(&next);
        if next != *self.written {
            self.write(next).await?;
        }
        self.finish(None);
        Ok(())
    }

    /// Puts into a status what AWS showed in the read that the plan is based on, and the conditions of the verdict.
    fn show(&self, next: &mut DirectConnectConnectionStatus, desired: &Desired, plan: &Plan, verdict: &Verdict) {
        next.connection_id = Some(desired.circuit.id.to_string());
        if let Some(observation) = &plan.observation {
            next.drift.clone_from(&plan.drift);
            next.connection = observation.connection.clone().unwrap_or_default();
            next.arn = status::arn(&desired.circuit, &next.connection);
        }
        self.set_conditions(next, verdict, plan.observation.as_ref());
    }

    fn set_conditions(
        &self,
        next: &mut DirectConnectConnectionStatus,
        verdict: &Verdict,
        observation: Option<&Observation>,
    ) {
        let generation = self.object.meta().generation;
        let wanted = conditions(verdict, observation);
        // An invalid spec asks for nothing, so nothing differs from it.
        if verdict.reason == Reason::InvalidSpec {
            next.drift.clear();
        }
        next.observed_generation = generation;
        next.conditions = status::conditions(wanted, &self.written.conditions, generation, Timestamp::now());
    }

    async fn write(&mut self, next: DirectConnectConnectionStatus) -> Result<(), PassError> {
        let resource = self.object.id();
        self.context.claims.will_write(&resource, &next);
        for _ in 0..MAX_REFRESHES {
            match status::write(&self.context.client, &resource, self.version, &next).await {
                Ok(version) => {
                    self.written(version, next);
                    return Ok(());
                }
                // Only labels or annotations have changed, so the decision still holds.
                Err(WriteError::Outdated) if self.refresh().await => {}
                Err(WriteError::Outdated) => break,
                Err(error) => {
                    self.context.claims.note_unanswered(&resource, &self.written);
                    if let WriteError::Dropped(_, version) = error {
                        self.put_back(version).await;
                    } else {
                        let written = &self.written;
                        self.context.claims.with_memory(self.object, |memory| {
                            memory.untold.get_or_insert_with(|| Arc::clone(written));
                        });
                    }
                    return Err(PassError::StatusNotWritten(resource, error.to_string()));
                }
            }
        }
        self.context.claims.will_write(&resource, &self.written);
        Err(PassError::Outdated(resource))
    }

    /// Writes the status from before over one that was stored with a part of it missing. That one speaks of an update that
    /// is not sent now. If this fails too, the next pass has the status that the watch brings.
    async fn put_back(&mut self, version: u64) {
        let before = Arc::clone(&self.written);
        if let Ok(version) = status::write(&self.context.client, &self.object.id(), version, &before).await {
            self.written(version, (*before).clone());
        }
    }

    /// Reads the object again. Returns whether nothing has changed that the decision depends on, and status is as
    /// written by this process.
    async fn refresh(&mut self) -> bool {
        let Some(now) = status::read(&self.context.client, &self.object.id()).await else { return false };
        let is_same = Trigger::of(&now) == Trigger::of(self.object)
            && now.status == *self.written
            && now.version() > self.version;
        if is_same {
            self.version = now.version();
        }
        is_same
    }

    /// What a write shows of the line is told at once: the next pass compares with what was written, even if this one fails.
    fn written(&mut self, version: u64, next: DirectConnectConnectionStatus) {
        let told = self.take_untold().unwrap_or_else(|| Arc::clone(&self.written));
        let news = self.of_line(&told, &next);
        self.events.extend(news);
        self.context.events.publish(self.object, std::mem::take(&mut self.events));
        self.context.metrics.status_written();
        let reason = status::condition(&next, ConditionType::Ready).map(|ready| ready.reason.clone());
        info!(object = %self.object.id(), id = next.connection_id, reason, "status written");
        self.version = version;
        self.written = Arc::new(next);
        self.context.claims.note_written(self.object, version, Arc::clone(&self.written));
    }

    /// What was not told when the pass began, once. Someone else may have written again since: that is for the next pass.
    fn take_untold(&mut self) -> Option<Arc<DirectConnectConnectionStatus>> {
        let untold = self.untold.take()?;
        self.context.claims.with_memory(self.object, |memory| {
            memory.untold.take_if(|known| Arc::ptr_eq(known, &untold));
        });
        Some(untold)
    }

    /// The events for what a status shows of the line. Each field of an update whose answer was lost is told once, and not
    /// long after: later others may have set it.
    fn of_line(&self, told: &DirectConnectConnectionStatus, next: &DirectConnectConnectionStatus) -> Vec<EventSpec> {
        let mut news = events::of_line(told, next);
        let last = next.ledger.last_update.as_ref().filter(|last| last.request_id.is_none());
        let Some(last) = last.filter(|last| age_of(&last.time).is_some_and(|age| age < RECENT_UPDATE)) else {
            return news;
        };
        self.context.claims.with_memory(self.object, |memory| {
            let known = memory.shown_later.get_or_insert_default();
            if known.0 != last.time {
                **known = (last.time.clone(), Vec::new());
            }
            let later = events::shown_later(told, next).into_iter().filter(|event| !known.1.contains(&event.reason));
            let later: Vec<EventSpec> = later.collect();
            known.1.extend(later.iter().map(|event| event.reason));
            news.extend(later);
        });
        news
    }

    /// Called before status is written: even if it cannot be, alerts about the line must go on.
    fn set_gauges(&self, next: &DirectConnectConnectionStatus) {
        let known = |kind| match status::condition_status(next, kind) {
            Some("True") => Some(true),
            Some("False") => Some(false),
            _ => None,
        };
        let health = Health {
            ready: known(ConditionType::Ready) == Some(true),
            link_up: known(ConditionType::LinkUp),
            encrypted: known(ConditionType::Encrypted),
            must_encrypt: next.connection.encryption_mode == Some(ObservedMode::MustEncrypt),
            drifted: !next.drift.is_empty(),
            paused: self.object.is_paused(),
        };
        self.context.metrics.health(&labels(self.object, &self.object.id()), health);
    }

    /// Publishes the events at the end of the pass.
    fn finish(&mut self, about: Option<(&Desired, &Plan)>) {
        self.context.claims.with_memory(self.object, |memory| memory.failures = 0);
        let untold = self.take_untold();
        let mut events = std::mem::take(&mut self.events);
        events.extend(untold.into_iter().flat_map(|told| self.of_line(&told, &self.written)));
        let failed = about.and_then(|(desired, plan)| self.failed_update(desired, plan));
        events.extend(events::of_ready(&self.before, &self.written, failed.as_ref()));
        events.extend(about.and_then(|(desired, plan)| self.waits_for_other(desired, plan)));
        self.context.events.publish(self.object, events);
    }

    /// The fault of the last update, if the plan reports it and none did before. A read may have failed since, or the line
    /// may have another problem.
    fn failed_update(&self, desired: &Desired, plan: &Plan) -> Option<Fault> {
        let (circuit, verdict) = (&desired.circuit, plan.verdict.as_ref()?);
        let is_reported = |fault: &Fault| verdict.message == fault.describe(circuit);
        self.context
            .state
            .with_fleet(|fleet| fleet.with_history(circuit, |history| history.take_untold_failure(is_reported)))
    }

    /// Records whether the resource waits for a turn. Returns an event if the circuit it waits for was raised by
    /// another writer.
    fn waits_for_other(&self, desired: &Desired, plan: &Plan) -> Option<EventSpec> {
        let (resource, state) = (self.object.id(), &self.context.state);
        state.set_waiting(&resource, plan.waits_for_turn);
        let (holder, other_proof) = state.with_fleet(|fleet| {
            (fleet.holder(&desired.circuit), fleet.other_proof(&desired.circuit, &resource).is_some())
        });
        // The turn may have become free before this resource was recorded as waiting.
        if plan.waits_for_turn && holder.is_none() && !other_proof {
            state.wake(Wakeup::Resources(vec![resource]));
        }
        let is_other = holder.is_some_and(|holder| holder.hold.reason == HoldReason::RaisedByOther);
        let ready = |status: &DirectConnectConnectionStatus| {
            status::condition(status, ConditionType::Ready).map(|ready| ready.message.clone())
        };
        let verdict = plan.verdict.as_ref().filter(|verdict| verdict.reason == Reason::WaitingForTurn);
        verdict
            .filter(|_| is_other && ready(&self.before) != ready(&self.written))
            .map(|verdict| events::waits_for_other(&verdict.message))
    }
}
