//! One pass over one resource, read from top to bottom: it has the core say what is to be done, and does it.

mod context;
mod report;
mod slots;
mod status;

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action as Requeue;
use tracing::{debug, info, warn};

pub use self::context::{Context, MAX_SENDING, Memory};
pub use self::slots::{Permit, ReconcileSlots};
use self::status::StatusWriter;
use crate::aws::{Closed, Poller, Urgency};
use crate::clock::jitter;
use crate::kubernetes::claims::age_of;
use crate::kubernetes::status::whole_seconds;
use crate::kubernetes::{Watched, events};
use crate::state::{Budget, Wakeup};
use directconnect_core::clock::Moment;
use directconnect_core::decide::Plan;
use directconnect_core::desired::{Desired, EncryptionMode};
use directconnect_core::fault::{Effect, Fault, FaultKind, UPDATE};
use directconnect_core::history::{Change, History};
use directconnect_core::identity::ResourceId;
use directconnect_core::ledger::Ledger;
use directconnect_core::pass::{Action, Event, MAX_ACTIONS, Outside, Pass};

/// Why a pass ended without a result.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
pub enum PassError {
    /// The object changed under the pass.
    #[error("{0} has changed since it was read")]
    Outdated(ResourceId),
    /// Status was not written: what went wrong, with what caused it.
    #[error("status of {0} was not written: {1}")]
    StatusNotWritten(ResourceId, String),
    /// Somebody else leads now.
    #[error("{0}: the lease is no longer held, so nothing is sent")]
    NotLeading(ResourceId),
    /// The region was given up while the pass waited for it.
    #[error("{0}: {1}")]
    RegionClosed(ResourceId, Closed),
    /// It stood still.
    #[error("the pass over {0} took longer than {ceiling} s and was given up", ceiling = .1.as_secs())]
    TimedOut(ResourceId, Duration),
    /// A bug.
    #[error("the pass over {0} panicked: {1}")]
    Panicked(ResourceId, String),
}

/// One pass over one valid resource, and what it needs.
struct Reconcile<'a> {
    context: &'a Context,
    object: &'a Watched,
    budget: &'a Budget,
    poller: &'a Poller,
    outside: Outside,
    status: StatusWriter<'a>,
    has_sent: bool,
}

/// Looks at one resource, does what is to be done now and says how it stands.
pub async fn reconcile(object: &Watched, context: &Context, budget: &Budget) -> Result<Requeue, PassError> {
    if object.is_being_deleted() {
        return Ok(Requeue::await_change());
    }
    let status = StatusWriter::new(object, context);
    let desired = match context.claims.desired(object) {
        Ok(desired) => desired,
        Err(invalid) => return report::invalid(status, invalid).await,
    };
    let Some(poller) = context.pollers.get(&desired.circuit.region) else {
        // It is about to be polled; the first listing wakes everyone it concerns.
        return Ok(Requeue::await_change());
    };
    // At most one update of a circuit in flight, and none decided on while one is. Who changes nothing need not wait.
    let lock = context.state.circuit_lock(&desired.circuit);
    let acts = context.state.with_fleet(|fleet| fleet.acts(&desired.circuit, &object.id()));
    let _lock = if acts { Some(budget.apart(lock.lock()).await) } else { None };
    let outside = Outside { read_requested_at: read_requested(&status, &desired, context), ..Outside::default() };
    let pass = Reconcile { context, object, budget, poller: &poller, outside, status, has_sent: false };
    pass.run(desired, acts).await
}

/// Since when a read is asked for by annotation that no status says was served.
fn read_requested(status: &StatusWriter<'_>, desired: &Desired, context: &Context) -> Option<Moment> {
    let (object, now) = (status.object(), context.clock.now());
    let request = object.requested_at().filter(|&request| status.last_served() != Some(request));
    let (is_new, requested_at) = context.with_memory(object, |memory| {
        let is_new = memory.requested.as_ref().map(|(value, _)| value.as_str()) != request;
        if is_new {
            memory.requested = request.map(|request| (request.to_owned(), now));
        }
        (is_new, memory.requested.as_ref().map(|(_, at)| *at))
    });
    if is_new && requested_at.is_some() {
        context.state.with_fleet(|fleet| fleet.with_history(&desired.circuit, History::reset_backoff));
    }
    requested_at
}

impl Reconcile<'_> {
    async fn run(mut self, desired: Desired, has_lock: bool) -> Result<Requeue, PassError> {
        let (context, resource) = (self.context, self.object.id());
        let circuit = desired.circuit.clone();
        let now = context.clock.now();
        let mut pass = context.state.with_fleet(|fleet| {
            let last = fleet.ledger(&circuit, &resource).last_update;
            let age = last.and_then(|last| age_of(&last.time));
            Pass::begin(fleet, resource.clone(), self.object.uid(), desired, age, now)
        });
        let mut call = None;
        let mut event = Event::Decide;
        for _ in 0..MAX_ACTIONS {
            event = match self.next(&mut pass, event) {
                Action::Rest(ledger, plan) => return self.rest(pass.desired(), ledger, &plan).await,
                Action::Read => {
                    let read = self.budget.apart(self.poller.read(&circuit, self.urgency(&pass)));
                    read.await.map_err(|closed| PassError::RegionClosed(resource.clone(), closed))?;
                    Event::Decide
                }
                // It came to act only now: the next pass takes the lock.
                Action::AwaitPace if !has_lock => return Ok(Requeue::requeue(Duration::ZERO)),
                Action::AwaitPace => {
                    let paced = self.budget.apart(self.poller.wait_to_update()).await;
                    call = Some(paced.map_err(|closed| PassError::RegionClosed(resource.clone(), closed))?);
                    Event::PaceGranted { time: whole_seconds(Timestamp::now()).to_string() }
                }
                Action::WriteIntention(ledger, plan) => match self.write_intention(&pass, ledger, &plan).await {
                    Ok(version) => Event::IntentionWritten { version },
                    Err(error) => {
                        context.state.with_fleet(|fleet| pass.withdraw(fleet));
                        return Err(error);
                    }
                },
                Action::Send(change) => {
                    // Looked at last, after every wait: whoever leads next may begin when this lease ends.
                    let permit = context.sending.try_acquire();
                    let until = context.leadership.until().filter(|_| permit.is_ok());
                    let (Some(until), Some(call)) = (until, call.take()) else {
                        context.state.with_fleet(|fleet| pass.withdraw(fleet));
                        return Err(PassError::NotLeading(resource));
                    };
                    self.has_sent = true;
                    self.send(&mut pass, call, change, until).await
                }
            };
        }
        Ok(Requeue::requeue(Duration::from_millis(100)))
    }

    fn next(&mut self, pass: &mut Pass, event: Event) -> Action {
        let region = self.poller.region();
        let reading = self.context.state.reading(region);
        (self.outside.poll_fault, self.outside.is_swept) = (reading.fault, reading.is_swept);
        let (context, now) = (self.context, self.context.clock.now());
        context.state.with_fleet(|fleet| pass.next(event, fleet, &self.outside, now))
    }

    /// What a person asked for goes before what only repairs drift.
    fn urgency(&self, pass: &Pass) -> Urgency {
        let desired = pass.desired();
        let ledger = self.context.state.with_fleet(|fleet| fleet.ledger(&desired.circuit, &self.object.id()));
        if ledger.met_generation == Some(desired.generation) { Urgency::Low } else { Urgency::High }
    }

    /// What is about to be sent is written down first. That keeps it through a crash, and the API server refuses to write
    /// it if the spec is not the newest any more.
    async fn write_intention(&mut self, pass: &Pass, ledger: Ledger, plan: &Plan) -> Result<u64, PassError> {
        if self.context.leadership.until().is_none() {
            return Err(PassError::NotLeading(self.object.id()));
        }
        self.status.note_drift(pass.desired(), plan);
        let state = &self.context.state;
        // A failure stands until a try succeeds; else conditions would flicker with each.
        let failed = state.with_fleet(|fleet| {
            fleet.circuit(&pass.desired().circuit).is_some_and(|circuit| circuit.history.update_failure().is_some())
        });
        let shown = if failed { None } else { Some(plan) };
        self.status.write_ledger(pass.desired(), ledger, shown).await
    }

    /// Calls `UpdateConnection`. Should this be dropped before the answer is here, the update counts as in doubt.
    async fn send(&self, pass: &mut Pass, call: crate::aws::Call<'_>, change: Change, until: Moment) -> Event {
        let (context, circuit) = (self.context, pass.desired().circuit.clone());
        let before = context.state.with_fleet(|fleet| {
            let shown = fleet.circuit(&circuit).and_then(|circuit| circuit.history.connection());
            shown.map(|shown| Change { name: shown.connection_name.clone(), mode: shown.mode() }).unwrap_or_default()
        });
        if change.mode == Some(EncryptionMode::MustEncrypt) && self.status.skips_ladder(pass.desired()) {
            context.events.publish(self.object, vec![events::sent_at_once(&circuit.id)]);
        }
        let mut unheard = Unheard { context, circuit: &circuit, change: Some(change.clone()) };
        let outcome = self.poller.update(call, &circuit, &change, until).await;
        unheard.change = None;
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

    /// The pass is over: says how the resource stands, if that is news, and when to look again.
    async fn rest(mut self, desired: &Desired, ledger: Ledger, plan: &Plan) -> Result<Requeue, PassError> {
        let context = self.context;
        let requested_at = self.outside.read_requested_at;
        self.status.note_drift(desired, plan);
        // Who else is about the circuit hears of what the answer showed: to the next listing it is no news.
        if self.has_sent {
            context.state.wake(Wakeup::Circuits(vec![desired.circuit.clone()]));
        }
        self.status.report(desired, ledger, plan, requested_at).await?;
        debug!(object = %self.object.id(), id = %desired.circuit.id, "looked at");
        let wait = plan.next_check.map(|at| at.since(context.clock.now()));
        Ok(wait.map_or_else(Requeue::await_change, |wait| Requeue::requeue(wait.max(Duration::from_millis(10)))))
    }
}

/// An update of which nobody may hear how it ended.
struct Unheard<'a> {
    context: &'a Context,
    circuit: &'a directconnect_core::identity::CircuitId,
    change: Option<Change>,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        let Some(change) = self.change.take() else { return };
        let message = "the pass ended before the answer came";
        let fault = Fault { effect: Effect::Unknown, ..Fault::new(FaultKind::Unavailable, UPDATE, message) };
        let now = self.context.clock.now();
        self.context.state.with_fleet(|fleet| {
            let interval = fleet.settings().poll_interval;
            fleet.with_history(self.circuit, |history| {
                history.record_update_failure(&change, fault, now, interval, jitter());
            });
        });
    }
}

impl PassError {
    /// The word that metrics carry.
    pub fn as_str(&self) -> &'static str {
        self.into()
    }
}
