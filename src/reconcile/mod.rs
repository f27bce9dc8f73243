//! One pass over one resource: asks the core for the next action, and executes it, until the pass is over.

mod context;
mod slots;
mod status;

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action as Requeue;
use tracing::{debug, info, warn};

pub use self::context::{Context, MAX_SENDING};
pub use self::slots::{Permit, ReconcileSlots};
use self::status::StatusWriter;
use crate::aws::{Closed, Poller, Urgency};
use crate::clock::jitter;
use crate::kubernetes::claims::{age_of, without_valid_spec};
use crate::kubernetes::status::whole_seconds;
use crate::kubernetes::{Watched, events};
use crate::state::{Budget, Wakeup};
use directconnect_core::clock::Moment;
use directconnect_core::conditions::Verdict;
use directconnect_core::decide::Plan;
use directconnect_core::desired::{Desired, EncryptionMode};
use directconnect_core::fault::{Effect, Fault, FaultKind, UPDATE};
use directconnect_core::history::Change;
use directconnect_core::identity::ResourceId;
use directconnect_core::ledger::Ledger;
use directconnect_core::pass::{Action, Event, Pass};
use directconnect_core::reason::Reason;

/// Why a pass failed. Its name is the outcome in metrics.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
pub enum PassError {
    /// The object changed during the pass.
    #[error("{0} has changed since it was read")]
    Outdated(ResourceId),
    /// Status was not written; the text says why.
    #[error("status of {0} was not written: {1}")]
    StatusNotWritten(ResourceId, String),
    /// This process does not hold the lease any more, or is ending.
    #[error("{0}: this process may not act any more, so nothing is sent")]
    NotLeading(ResourceId),
    /// The poller of the region was closed while the pass waited for it.
    #[error("{0}: {1}")]
    RegionClosed(ResourceId, Closed),
    /// The pass exceeded its time limit.
    #[error("the pass over {0} took longer than {ceiling} s and was given up", ceiling = .1.as_secs())]
    TimedOut(ResourceId, Duration),
    /// The pass panicked, which is a bug.
    #[error("the pass over {0} panicked: {1}")]
    Panicked(ResourceId, String),
}

/// One pass over one resource with a valid spec, and what it needs.
struct Reconcile<'a> {
    context: &'a Context,
    object: &'a Watched,
    budget: &'a Budget,
    poller: &'a Poller,
    requested_at: Option<Moment>,
    status: StatusWriter<'a>,
    /// Why the spec is invalid. Then the pass is about the circuit that the ledger is about, and sends nothing.
    invalid: Option<String>,
    has_sent: bool,
}

/// Runs one pass over a resource and returns when to run the next.
pub async fn reconcile(object: &Watched, context: &Context, budget: &Budget) -> Result<Requeue, PassError> {
    if object.is_being_deleted() {
        return Ok(Requeue::await_change());
    }
    let mut status = StatusWriter::new(object, context);
    let (known, invalid) = match context.claims.desired(object) {
        Ok(desired) => (Some(desired), None),
        Err(message) => (without_valid_spec(object), Some(message)),
    };
    let known = known.and_then(|desired| Some((context.pollers.get(&desired.circuit.region)?, desired)));
    let Some((poller, desired)) = known else {
        if let Some(message) = invalid {
            status.report_invalid(message).await?;
        }
        // If the region is about to be polled, its first listing wakes all its resources.
        return Ok(Requeue::await_change());
    };
    // The lock ensures that a circuit has at most one update in flight, and that no update is decided on meanwhile.
    // Resources that may not change the circuit do not need the lock.
    let lock = context.state.circuit_lock(&desired.circuit);
    let acts = context.state.with_fleet(|fleet| fleet.acts(&desired.circuit, &object.id()));
    let _lock = if acts { Some(budget.without_counting(lock.lock()).await) } else { None };
    let requested_at = if invalid.is_none() { status.read_requested(&desired, acts) } else { None };
    let pass = Reconcile { context, object, budget, poller: &poller, requested_at, status, invalid, has_sent: false };
    pass.run(desired, acts).await
}

impl Reconcile<'_> {
    async fn run(mut self, desired: Desired, has_lock: bool) -> Result<Requeue, PassError> {
        let (context, resource) = (self.context, self.object.id());
        let circuit = desired.circuit.clone();
        let now = context.clock.now();
        let pass = context.state.with_fleet(|fleet| {
            let last = fleet.ledger(&circuit, &resource).last_update;
            let age = last.and_then(|last| age_of(&last.time));
            Pass::begin(fleet, resource.clone(), self.object.uid(), desired, age, now)
        });
        let mut running = Running { context, pass, is_sent: false };
        let (mut call, mut permit) = (None, None);
        let mut event = Event::Decide;
        loop {
            let pass = &mut running.pass;
            let now = context.clock.now();
            let action = context.state.with_fleet(|fleet| pass.next(event, fleet, self.requested_at, now));
            running.is_sent = false;
            event = match action {
                Action::Rest(ledger, plan) => {
                    drop((call.take(), permit.take()));
                    return self.rest(pass.desired(), ledger, &plan).await;
                }
                Action::Read => {
                    // A call that was admitted and is not made any more would count against the limit of the region while
                    // this pass waits for the next one: enough of such passes would wait for each other for ever.
                    drop((call.take(), permit.take()));
                    let read = self.budget.without_counting(self.poller.read(&circuit, self.urgency(pass)));
                    read.await.map_err(|closed| PassError::RegionClosed(resource.clone(), closed))?;
                    Event::Decide
                }
                // The resource was not allowed to act when the pass began, so it has no lock. The next pass takes it.
                Action::AwaitPace if !has_lock => return Ok(Requeue::requeue(Duration::ZERO)),
                Action::AwaitPace => {
                    drop((call.take(), permit.take()));
                    let paced = self.budget.without_counting(self.poller.wait_to_update()).await;
                    call = Some(paced.map_err(|closed| PassError::RegionClosed(resource.clone(), closed))?);
                    Event::PaceGranted { time: whole_seconds(Timestamp::now()).to_string() }
                }
                Action::WriteIntention(ledger, plan) => {
                    // Held until the answer: a process that is told to end waits for write and call together, and where
                    // it does not wait, not even the intention is written.
                    permit = Some(context.sending.try_acquire().map_err(|_| PassError::NotLeading(resource.clone()))?);
                    let version = self.write_intention(pass, ledger, &plan).await?;
                    Event::IntentionWritten { version }
                }
                Action::Send(change) => {
                    // The lease is checked last, after every wait: the next leader may act as soon as this lease ends. Nor
                    // does an update begin once the grace of SIGTERM is over.
                    let until = context.leadership.until().filter(|_| !context.sending.is_closed());
                    let (Some(until), Some(call)) = (until, call.take()) else {
                        return Err(PassError::NotLeading(resource));
                    };
                    (self.has_sent, running.is_sent) = (true, true);
                    let outcome = self.send(&running.pass, call, change, until).await;
                    permit = None;
                    outcome
                }
                Action::BreakOff => return Ok(Requeue::requeue(Duration::from_millis(100))),
            };
        }
    }

    /// What a person asked for is more urgent than a repair of drift, and than another try of what has failed.
    fn urgency(&self, pass: &Pass) -> Urgency {
        let desired = pass.desired();
        let (met, has_failed) = self.context.state.with_fleet(|fleet| {
            let history = fleet.circuit(&desired.circuit).map(|circuit| &circuit.history);
            let failure = history.and_then(|history| history.update_failure());
            let has_failed = failure.is_some_and(|failure| failure.fault.kind != FaultKind::Throttled);
            (fleet.ledger(&desired.circuit, &self.object.id()).met_generation, has_failed)
        });
        let is_news = met != Some(desired.generation) && !has_failed;
        if is_news || self.requested_at.is_some() { Urgency::High } else { Urgency::Low }
    }

    /// Writes to status what is about to be sent. A crash does not lose it, and the API server refuses the write if the
    /// spec is no longer the newest.
    async fn write_intention(&mut self, pass: &Pass, ledger: Ledger, plan: &Plan) -> Result<u64, PassError> {
        if self.context.leadership.until().is_none() {
            return Err(PassError::NotLeading(self.object.id()));
        }
        self.status.note_drift(pass.desired(), plan);
        let state = &self.context.state;
        // A failed update is shown until an attempt succeeds. Otherwise conditions would change with each attempt.
        let failed = state.with_fleet(|fleet| {
            fleet.circuit(&pass.desired().circuit).is_some_and(|circuit| circuit.history.update_failure().is_some())
        });
        let shown = if failed { None } else { Some(plan) };
        self.status.write_ledger(pass.desired(), ledger, shown).await
    }

    /// Calls `UpdateConnection`.
    async fn send(&mut self, pass: &Pass, call: crate::aws::Call<'_>, change: Change, until: Moment) -> Event {
        let (context, circuit) = (self.context, pass.desired().circuit.clone());
        let before = context.state.with_fleet(|fleet| {
            let shown = fleet.circuit(&circuit).and_then(|circuit| circuit.history.connection());
            shown.map(|shown| Change { name: shown.connection_name.clone(), mode: shown.mode() }).unwrap_or_default()
        });
        if change.mode == Some(EncryptionMode::MustEncrypt) && self.status.skips_ladder(pass.desired()) {
            context.events.publish(self.object, vec![events::sent_at_once(&circuit.id)]);
        }
        let outcome = self.poller.update(call, &circuit, &change, until).await;
        let (object, mode) = (self.object.id(), change.mode.map(|mode| mode.to_string()));
        match outcome {
            Ok(updated) => {
                let (answer, request_id) = (updated.connection, updated.request_id);
                info!(
                    %object, id = %circuit.id, region = %circuit.region, request_id, name = change.name, mode,
                    "AWS was updated"
                );
                let done = events::updated(&circuit.id, &change, &before, &answer, request_id.as_deref());
                context.events.publish(self.object, done);
                Event::Answered { answer: Box::new(answer), request_id }
            }
            Err(fault) => {
                warn!(
                    %object, id = %circuit.id, region = %circuit.region, reason = fault.reason().as_str(),
                    request_id = fault.request_id, in_doubt = fault.effect == Effect::Unknown, name = change.name, mode,
                    "an update of AWS failed: {}", fault.message
                );
                Event::Failed { fault, jitter: jitter() }
            }
        }
    }

    /// Ends the pass: writes status if it changed, publishes events, and returns when to run the next pass.
    async fn rest(mut self, desired: &Desired, ledger: Ledger, plan: &Plan) -> Result<Requeue, PassError> {
        let context = self.context;
        let instead = self.invalid.take().map(|message| Plan {
            verdict: Some(Verdict::new(Reason::InvalidSpec, message)),
            next_check: plan.next_check,
            ..Plan::default()
        });
        // A spec that is invalid is met by nothing.
        let ledger = if instead.is_some() { self.status.keep_met_generation(ledger) } else { ledger };
        let plan = instead.as_ref().unwrap_or(plan);
        self.status.note_drift(desired, plan);
        // The other resources for the circuit are woken now: the next listing will show what the answer showed, and
        // wake nobody.
        if self.has_sent {
            context.state.wake(Wakeup::Circuits(vec![desired.circuit.clone()]));
        }
        self.status.report(desired, ledger, plan, self.requested_at).await?;
        debug!(object = %self.object.id(), id = %desired.circuit.id, "looked at");
        let wait = plan.next_check.map(|at| at.since(context.clock.now()));
        Ok(wait.map_or_else(Requeue::await_change, |wait| Requeue::requeue(wait.max(Duration::from_millis(10)))))
    }
}

/// A pass that is running. If it ends, for whatever reason, before what came of an update was taken in, the effect of the
/// update counts as unknown. If it ends after an intention was written and before the update was sent, it takes the
/// intention back.
struct Running<'a> {
    context: &'a Context,
    pass: Pass,
    /// Whether the update was sent, and what came of it is not taken in yet.
    is_sent: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let (now, is_sent) = (self.context.clock.now(), self.is_sent);
        self.context.state.with_fleet(|fleet| {
            if is_sent {
                let fault = Fault::in_doubt(UPDATE, "the pass ended before the answer came");
                let lost = Event::Failed { fault, jitter: jitter() };
                self.pass.next(lost, fleet, None, now);
            } else {
                self.pass.withdraw(fleet);
            }
        });
    }
}

#[cfg(test)]
pub(crate) mod tests;
