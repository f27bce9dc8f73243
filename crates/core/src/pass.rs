//! One pass over one resource, as a state machine: decide, write the intention, send, record the answer, write status.
//!
//! The pass does no I/O itself: it says what to do next ([`Action`]) and is told the outcome ([`Event`]).
//! `src/reconcile` executes the actions; the model in the tests executes them too, with all kinds of things happening
//! in between.

use std::time::Duration;

use crate::clock::Moment;
use crate::decide::{Case, Plan, Step, decide, guard};
use crate::desired::{Desired, EncryptionMode};
use crate::fault::{Effect, Fault};
use crate::fleet::{Circuit, Fleet};
use crate::history::Change;
use crate::identity::{CircuitId, ResourceId};
use crate::ledger::{AtRest, Ledger};
use crate::observed::Connection;

/// No pass needs this many actions. One that reaches the limit is broken off.
const MAX_ACTIONS: u8 = 24;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the connection by its id and record the read in the fleet.
    Read,
    /// Wait until the rate limit of the region admits an update.
    AwaitPace,
    /// Write this ledger to status, with what the plan reports. It says what is about to be sent.
    WriteIntention(Ledger, Plan),
    /// Check the lease once more, then send this update.
    Send(Change),
    /// Write this ledger and what the plan reports, if status differs from it. The pass is over.
    Rest(Ledger, Plan),
    /// The pass is over, and status is left as it is: it has taken too many actions. The next pass goes on soon.
    BreakOff,
}

/// The outcome of the last action.
#[derive(Clone, Debug)]
pub enum Event {
    /// The pass begins, or a read has ended.
    Decide,
    /// The rate limit admits the update.
    PaceGranted {
        /// The value for `lastUpdate.time`, in RFC 3339 format.
        time: String,
    },
    /// The intention is written to status.
    IntentionWritten {
        /// Resource version after the write.
        version: u64,
    },
    /// AWS answered the update.
    Answered {
        /// The connection as the answer shows it.
        answer: Box<Connection>,
        /// Request id from AWS.
        request_id: Option<String>,
    },
    /// The update failed.
    Failed {
        /// How it failed.
        fault: Fault,
        /// A number from 0 to 1 that spreads the retries of many resources.
        jitter: f64,
    },
}

/// An update that was decided on and whose intention is being written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Intent {
    change: Change,
    /// The ledger before the intention.
    before: Ledger,
    intention: Ledger,
    /// Whether the intention says that the update can interrupt traffic.
    interrupts: bool,
    /// The step that was under way before this update.
    step_before: Option<EncryptionMode>,
}

/// One pass over one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pass {
    resource: ResourceId,
    uid: String,
    desired: Desired,
    /// An update that waits for the rate limit.
    planned: Option<Change>,
    intent: Option<Intent>,
    /// How many actions it was told to take so far.
    actions: u8,
}

impl Pass {
    /// Begins a pass. `age` is how long ago `lastUpdate` was by the wall clock; `None` if it lies in the future.
    pub fn begin(
        fleet: &mut Fleet,
        resource: ResourceId,
        uid: &str,
        desired: Desired,
        age: Option<Duration>,
        now: Moment,
    ) -> Self {
        let circuit = desired.circuit.clone();
        fleet.record_if_unlisted(&circuit);
        // Several resources may be for one circuit; its history follows the one that acts.
        if fleet.acts(&circuit, &resource) {
            fleet.forget_decision(&circuit);
            let (ledger, settings) = (fleet.ledger(&circuit, &resource), *fleet.settings());
            // A pass that has waited for its place may be about an older wish than the watch has brought.
            let claim = fleet.circuit(&circuit).and_then(|circuit| circuit.claim(&resource));
            let wanted = Desired { mode: claim.map_or(desired.mode, |claim| claim.wants), ..desired.clone() };
            fleet.with_history(&circuit, |history| ledger.begin(&wanted, uid, age, history, &settings, now));
        }
        Self { resource, uid: uid.to_owned(), desired, planned: None, intent: None, actions: 0 }
    }

    fn circuit(&self) -> &CircuitId {
        &self.desired.circuit
    }

    /// The desired state.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What to do next, given the outcome of the last action. `requested_at` is when a person asked for a read. What came
    /// of an update is always taken in, however many actions there were before.
    pub fn next(&mut self, event: Event, fleet: &mut Fleet, requested_at: Option<Moment>, now: Moment) -> Action {
        let is_outcome = matches!(event, Event::Answered { .. } | Event::Failed { .. });
        if self.actions >= MAX_ACTIONS && !is_outcome {
            self.withdraw(fleet);
            return Action::BreakOff;
        }
        self.actions = self.actions.saturating_add(1);
        match event {
            Event::Decide => self.decide(fleet, requested_at, now),
            Event::PaceGranted { time } => self.intend(fleet, requested_at, time, now),
            Event::IntentionWritten { version } => self.confirm(version, fleet, requested_at, now),
            Event::Answered { answer, request_id } => {
                self.answered(fleet, &answer, request_id, now);
                self.decide(fleet, requested_at, now)
            }
            Event::Failed { fault, jitter } => {
                self.failed(fleet, fault, jitter, now);
                self.decide(fleet, requested_at, now)
            }
        }
    }

    /// Takes the intention back and ends the pass: it was not written, or nothing may be sent any more. If the write
    /// succeeded without an answer, the next pass corrects status.
    pub fn withdraw(&mut self, fleet: &mut Fleet) {
        if let Some(intent) = self.intent.take() {
            // One that interrupts nothing began no step, and what has become of another one meanwhile stays.
            if intent.interrupts {
                fleet.withdraw_step(self.circuit(), intent.step_before);
            }
            fleet.note_unwritten(self.circuit(), &self.resource, &self.uid, intent.before);
        }
    }

    fn decide(&mut self, fleet: &mut Fleet, requested_at: Option<Moment>, now: Moment) -> Action {
        let ledger = fleet.ledger(self.circuit(), &self.resource);
        let plan = plan(fleet, &self.resource, &self.desired, &ledger, requested_at, now);
        fleet.set_watched(self.circuit(), &self.resource, plan.is_watched);
        match &plan.step {
            Step::Rest => self.rest(fleet, &ledger, plan),
            Step::Update(_) if !self.is_current(fleet) => {
                let next_check = Some(now + fleet.settings().soak_cadence());
                self.rest(fleet, &ledger, Plan { step: Step::Rest, verdict: None, next_check, ..plan })
            }
            Step::Read => Action::Read,
            Step::Update(change) => {
                self.planned = Some(change.clone());
                Action::AwaitPace
            }
        }
    }

    /// Whether the watch still shows this resource with the desired mode and policy that this pass works with. If not,
    /// the next pass decides.
    fn is_current(&self, fleet: &Fleet) -> bool {
        let claim = fleet.circuit(self.circuit()).and_then(|circuit| circuit.claim(&self.resource));
        claim.is_some_and(|claim| {
            *claim.uid == *self.uid
                && !claim.is_being_deleted
                && claim.manages != self.desired.observes_only()
                && claim.wants == self.desired.mode
        })
    }

    fn rest(&self, fleet: &Fleet, ledger: &Ledger, plan: Plan) -> Action {
        let circuit = self.circuit();
        let end = AtRest {
            is_met: plan.is_met,
            acts: fleet.acts(circuit, &self.resource),
            is_settled: fleet.is_settled(circuit),
            is_proof_over: fleet.circuit(circuit).is_some_and(Circuit::is_proof_over),
        };
        let history = fleet.circuit(circuit).map(|circuit| &circuit.history);
        let next = history.map(|history| ledger.at_rest(&self.desired, history, end, fleet.settings()));
        Action::Rest(next.unwrap_or_else(|| ledger.clone()), plan)
    }

    /// Decides again, since during the wait the read may have become too old and another circuit may have taken the
    /// turn. If the plan is still the same, the intention is written before the update is sent.
    fn intend(&mut self, fleet: &mut Fleet, requested_at: Option<Moment>, time: String, now: Moment) -> Action {
        let planned = self.planned.take();
        let before = fleet.ledger(self.circuit(), &self.resource);
        let plan = plan(fleet, &self.resource, &self.desired, &before, requested_at, now);
        let is_same = |change: &Change| plan.step == Step::Update(change.clone()) && self.is_current(fleet);
        let Some(change) = planned.filter(is_same) else {
            return self.decide(fleet, requested_at, now);
        };
        let interrupts = self.interrupts(fleet, &change);
        let step_before = fleet.step(self.circuit());
        if let Some(mode) = change.mode.filter(|_| interrupts)
            && !fleet.begin_step(self.circuit(), mode)
        {
            return self.decide(fleet, requested_at, now);
        }
        let had_must = fleet.circuit(self.circuit()).is_some_and(|circuit| circuit.history.had_must());
        let intention = before.before_send(&self.desired, &change, interrupts, had_must, time);
        fleet.note_own_update(self.circuit(), &self.resource, intention.last_update.clone());
        self.intent = Some(Intent { change, before, intention: intention.clone(), interrupts, step_before });
        Action::WriteIntention(intention, plan)
    }

    fn interrupts(&self, fleet: &Fleet, change: &Change) -> bool {
        let history = fleet.circuit(self.circuit()).map(|circuit| &circuit.history);
        let shown = history.and_then(|history| history.connection());
        change.mode.zip(shown).is_some_and(|(mode, shown)| guard::interrupts(mode, shown))
    }

    /// Decides once more after the intention was written, with the ledger from before it and everything seen since,
    /// such as a newer version of the resource. The update is sent only if the plan is still the same. It is not sent
    /// if it can interrupt traffic by now and the intention does not say so. The only I/O between this decision and the
    /// call is the check of the lease.
    fn confirm(&mut self, version: u64, fleet: &mut Fleet, requested_at: Option<Moment>, now: Moment) -> Action {
        let Some(intent) = &self.intent else { return self.decide(fleet, requested_at, now) };
        let (intention, change) = (intent.intention.clone(), intent.change.clone());
        fleet.note_written(self.circuit(), &self.resource, &self.uid, intention, version);
        let plan = plan(fleet, &self.resource, &self.desired, &intent.before, requested_at, now);
        let is_as_written = intent.interrupts || !self.interrupts(fleet, &change);
        let is_newest = fleet.is_newest(self.circuit(), &self.resource, &self.uid, version);
        if is_newest && plan.step == Step::Update(change.clone()) && is_as_written && self.is_current(fleet) {
            fleet.record_send(self.circuit(), now);
            return Action::Send(change);
        }
        self.withdraw(fleet);
        self.decide(fleet, requested_at, now)
    }

    fn answered(&mut self, fleet: &mut Fleet, answer: &Connection, request_id: Option<String>, now: Moment) {
        let Some(intent) = self.intent.take() else { return };
        fleet.record_answer(self.circuit(), &intent.change, answer, now);
        let ledger = intent.intention.after_answer(request_id);
        fleet.note_unwritten(self.circuit(), &self.resource, &self.uid, ledger);
    }

    fn failed(&mut self, fleet: &mut Fleet, fault: Fault, jitter: f64, now: Moment) {
        let Some(intent) = self.intent.take() else { return };
        let (effect, interval) = (fault.effect, fleet.settings().poll_interval);
        fleet.with_history(self.circuit(), |history| {
            history.record_update_failure(&intent.change, fault, now, interval, jitter);
        });
        if effect == Effect::None && intent.interrupts {
            fleet.withdraw_step(self.circuit(), intent.step_before);
        }
        let ledger = intent.intention.after_failure(&intent.before, effect);
        fleet.note_unwritten(self.circuit(), &self.resource, &self.uid, ledger);
    }
}

/// The plan for one resource with this ledger. `requested_at` is when a person asked for a read.
pub fn plan(
    fleet: &Fleet,
    resource: &ResourceId,
    desired: &Desired,
    ledger: &Ledger,
    requested_at: Option<Moment>,
    now: Moment,
) -> Plan {
    let circuit = &desired.circuit;
    let unknown = crate::history::History::default();
    let history = fleet.circuit(circuit).map_or(&unknown, |circuit| &circuit.history);
    let region = fleet.region(&circuit.region);
    let holder = desired.mode.and_then(|_| fleet.holder(circuit));
    let claim = fleet.circuit(circuit).and_then(|circuit| circuit.claim(resource));
    let held_by = fleet.hold(circuit).filter(|hold| hold.resource.as_ref() == Some(resource));
    decide(&Case {
        desired,
        ledger,
        history,
        settings: fleet.settings(),
        now,
        is_reported: claim.is_some_and(|claim| claim.is_reported),
        poll_fault: region.and_then(|region| region.fault.as_ref()),
        reading_since: region.map(|region| region.reading_since),
        read_requested_at: requested_at,
        older_claim: fleet.older_claim(circuit, resource),
        holder: holder.as_ref(),
        other_proof: fleet.other_proof(circuit, resource),
        holds: held_by.map(|hold| hold.reason),
        settles_at: fleet.settles_at(circuit),
        polls_at_soak_cadence: region.is_some_and(|region| region.polls_at_soak_cadence),
    })
}
