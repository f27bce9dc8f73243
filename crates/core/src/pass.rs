//! One pass over one resource, as an order of steps: decide, write down, send, hear the answer, write.
//!
//! The pass itself does nothing: it says what is to be done next ([`Action`]) and is told what came of it ([`Event`]).
//! `src/reconcile` does it for real; the model does it with everything else happening in between.

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

/// More actions than any pass needs; one that takes more goes on in the next.
pub const MAX_ACTIONS: usize = 24;

/// What a decision rests on beside the fleet.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// The last listing of the region failed so.
    pub poll_fault: Option<Fault>,
    /// A read that began no earlier than this was asked for.
    pub read_requested_at: Option<Moment>,
    /// Listings are read at the cadence of a soak.
    pub is_swept: bool,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the connection by its id, and have the fleet take it in.
    Read,
    /// Wait until the pace of the region lets an update through.
    AwaitPace,
    /// Write this ledger into status, with what the plan says: what is about to be sent.
    WriteIntention(Ledger, Plan),
    /// Send this update, after a last look at the lease.
    Send(Change),
    /// Write this ledger and what the plan says, where that differs from status; the pass is over.
    Rest(Ledger, Plan),
}

/// What came of the last action.
#[derive(Clone, Debug)]
pub enum Event {
    /// The pass begins, or a read has ended.
    Decide,
    /// The pace lets the update through. The time is RFC 3339.
    PaceGranted {
        /// What `lastUpdate.time` is to say.
        time: String,
    },
    /// The intention is in status.
    IntentionWritten {
        /// Resource version after it.
        version: u64,
    },
    /// AWS answered the update.
    Answered {
        /// The connection after it.
        answer: Box<Connection>,
        /// Request id of AWS.
        request_id: Option<String>,
    },
    /// The update failed. `jitter` is a number from 0 to 1.
    Failed {
        /// How.
        fault: Fault,
        /// Spreads the next tries of many.
        jitter: f64,
    },
}

/// An update that was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Intent {
    change: Change,
    /// What the ledger said before it.
    before: Ledger,
    intention: Ledger,
    /// Whether the intention says that it can interrupt the line.
    interrupts: bool,
    /// The step that was under way before it.
    step_before: Option<EncryptionMode>,
}

/// One pass over one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pass {
    resource: ResourceId,
    uid: String,
    desired: Desired,
    /// An update that waits for its pace.
    planned: Option<Change>,
    intent: Option<Intent>,
}

impl Pass {
    /// Begins a pass. `age` is how long ago `lastUpdate` was by the wall clock; `None` if that is a time to come.
    pub fn begin(
        fleet: &mut Fleet,
        resource: ResourceId,
        uid: &str,
        desired: Desired,
        age: Option<Duration>,
        now: Moment,
    ) -> Self {
        let circuit = desired.circuit.clone();
        fleet.meet(&circuit);
        // Several resources may be about one circuit; its history is about the one that acts.
        if fleet.acts(&circuit, &resource) {
            fleet.forget_decision(&circuit);
            let (ledger, settings) = (fleet.ledger(&circuit, &resource), *fleet.settings());
            fleet.with_history(&circuit, |history| ledger.begin(&desired, uid, age, history, &settings, now));
        }
        Self { resource, uid: uid.to_owned(), desired, planned: None, intent: None }
    }

    fn circuit(&self) -> &CircuitId {
        &self.desired.circuit
    }

    /// What the spec asks for.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What is to be done next, after what came of the last action.
    pub fn next(&mut self, event: Event, fleet: &mut Fleet, outside: &Outside, now: Moment) -> Action {
        match event {
            Event::Decide => self.decide(fleet, outside, now),
            Event::PaceGranted { time } => self.intend(fleet, outside, time, now),
            Event::IntentionWritten { version } => self.confirm(version, fleet, outside, now),
            Event::Answered { answer, request_id } => {
                self.answered(fleet, &answer, request_id, now);
                self.decide(fleet, outside, now)
            }
            Event::Failed { fault, jitter } => {
                self.failed(fleet, fault, jitter, now);
                self.decide(fleet, outside, now)
            }
        }
    }

    /// The intention was not written, or nothing may be sent any more: it is taken back, and the pass is over. Where the
    /// write may have come through all the same, the next one puts right what status says.
    pub fn withdraw(&mut self, fleet: &mut Fleet) {
        if let Some(intent) = self.intent.take() {
            fleet.withdraw_step(self.circuit(), intent.step_before);
            fleet.note_unwritten(self.circuit(), &self.resource, &self.uid, intent.before);
        }
    }

    fn decide(&mut self, fleet: &mut Fleet, outside: &Outside, now: Moment) -> Action {
        let ledger = fleet.ledger(self.circuit(), &self.resource);
        let plan = plan(fleet, &self.resource, &self.desired, &ledger, outside, now);
        fleet.set_watched(self.circuit(), plan.is_watched);
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

    /// Whether the watch still shows the resource that this pass is about, and as one that wants what the pass knows. If
    /// not, its next pass decides, or nobody does.
    fn is_current(&self, fleet: &Fleet) -> bool {
        let claims = fleet.circuit(self.circuit()).map_or(&[][..], Circuit::claims);
        claims.iter().any(|claim| {
            claim.resource == self.resource
                && claim.uid == self.uid
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
        };
        let history = fleet.circuit(circuit).map(|circuit| &circuit.history);
        let next = history.map(|history| ledger.at_rest(&self.desired, history, end, fleet.settings()));
        Action::Rest(next.unwrap_or_else(|| ledger.clone()), plan)
    }

    /// The wait may have made the read old, and another circuit may have taken the turn: it is decided anew, and what is
    /// about to be sent is written down first.
    fn intend(&mut self, fleet: &mut Fleet, outside: &Outside, time: String, now: Moment) -> Action {
        let planned = self.planned.take();
        let before = fleet.ledger(self.circuit(), &self.resource);
        let plan = plan(fleet, &self.resource, &self.desired, &before, outside, now);
        let is_same = |change: &Change| plan.step == Step::Update(change.clone()) && self.is_current(fleet);
        let Some(change) = planned.filter(is_same) else {
            return self.decide(fleet, outside, now);
        };
        let interrupts = self.interrupts(fleet, &change);
        let step_before = fleet.step(self.circuit());
        if let Some(mode) = change.mode.filter(|_| interrupts)
            && !fleet.begin_step(self.circuit(), mode)
        {
            return self.decide(fleet, outside, now);
        }
        let intention = before.before_send(&self.desired, &change, interrupts, time);
        fleet.note_own_update(self.circuit(), &self.resource, intention.last_update.clone());
        self.intent = Some(Intent { change, before, intention: intention.clone(), interrupts, step_before });
        Action::WriteIntention(intention, plan)
    }

    fn interrupts(&self, fleet: &Fleet, change: &Change) -> bool {
        let history = fleet.circuit(self.circuit()).map(|circuit| &circuit.history);
        let shown = history.and_then(|history| history.connection());
        change.mode.zip(shown).is_some_and(|(mode, shown)| guard::interrupts(mode, shown))
    }

    /// It is decided once more after the write, on the ledger as it was before the intention and on all that has been seen
    /// since: a newer version of the resource may ask for something else. Only the same update is sent, and not where it can
    /// interrupt the line by now and the intention does not say so. There is no I/O between this and the send but the look at
    /// the lease.
    fn confirm(&mut self, version: u64, fleet: &mut Fleet, outside: &Outside, now: Moment) -> Action {
        let Some(intent) = &self.intent else { return self.decide(fleet, outside, now) };
        let (intention, change) = (intent.intention.clone(), intent.change.clone());
        fleet.note_written(self.circuit(), &self.resource, &self.uid, intention, version);
        let plan = plan(fleet, &self.resource, &self.desired, &intent.before, outside, now);
        let is_as_written = intent.interrupts || !self.interrupts(fleet, &change);
        let is_newest = fleet.is_newest(self.circuit(), &self.resource, &self.uid, version);
        if is_newest && plan.step == Step::Update(change.clone()) && is_as_written && self.is_current(fleet) {
            fleet.record_send(self.circuit(), now);
            return Action::Send(change);
        }
        self.withdraw(fleet);
        self.decide(fleet, outside, now)
    }

    fn answered(&mut self, fleet: &mut Fleet, answer: &Connection, request_id: Option<String>, now: Moment) {
        let Some(intent) = self.intent.take() else { return };
        fleet.with_history(self.circuit(), |history| history.record_answer(&intent.change, answer, now));
        let ledger = intent.intention.after_answer(request_id);
        fleet.note_unwritten(self.circuit(), &self.resource, &self.uid, ledger);
    }

    fn failed(&mut self, fleet: &mut Fleet, fault: Fault, jitter: f64, now: Moment) {
        let Some(intent) = self.intent.take() else { return };
        let (effect, interval) = (fault.effect, fleet.settings().poll_interval);
        fleet.with_history(self.circuit(), |history| {
            history.record_update_failure(&intent.change, fault, now, interval, jitter);
        });
        if effect == Effect::None {
            fleet.withdraw_step(self.circuit(), intent.step_before);
        }
        let ledger = intent.intention.after_failure(&intent.before, effect);
        fleet.note_unwritten(self.circuit(), &self.resource, &self.uid, ledger);
    }
}

/// The plan for one resource, with this ledger.
pub fn plan(
    fleet: &Fleet,
    resource: &ResourceId,
    desired: &Desired,
    ledger: &Ledger,
    outside: &Outside,
    now: Moment,
) -> Plan {
    let circuit = &desired.circuit;
    let unknown = crate::history::History::default();
    let history = fleet.circuit(circuit).map_or(&unknown, |circuit| &circuit.history);
    let holder = desired.mode.and_then(|_| fleet.holder(circuit));
    let held_by = fleet.hold(circuit).filter(|hold| hold.resource.as_ref() == Some(resource));
    decide(&Case {
        desired,
        ledger,
        history,
        settings: fleet.settings(),
        now,
        poll_fault: outside.poll_fault.as_ref(),
        reading_since: fleet.reading_since(&circuit.region),
        read_requested_at: outside.read_requested_at,
        older_claim: fleet.older_claim(circuit, resource),
        holder: holder.as_ref(),
        other_proof: fleet.other_proof(circuit, resource),
        holds: held_by.map(|hold| hold.reason),
        settles_at: fleet.settles_at(circuit),
        is_swept: outside.is_swept,
    })
}
