//! The passes of a process: executes the actions of the core, one I/O at a time.

use directconnect_core::clock::Moment;
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::history::{Change, History};
use directconnect_core::pass::{Action, Event, Pass};
use directconnect_core::reason::Reason;
use directconnect_core::turn::Shown;

use super::process::{Mishap, Pending, Process, Running};
use super::reads::ReadAnswer;
use super::state::World;
use super::without::Without;
use super::world::{MOMENT, Object, TICK, resource_id};

impl Process {
    /// Makes the next step of the next pass.
    pub fn go(&mut self, world: &mut World, mishap: Option<Mishap>, without: Without) {
        let Some(who) = self.next_up() else { return };
        world.waits(world.step);
        self.current = Some(who);
        if let Some(at) = self.passes.iter().position(|running| running.who == who) {
            let running = self.passes.remove(at);
            self.go_on(running, world, mishap, without);
        } else {
            self.begin(who, world, without);
        }
        self.wake_waiting();
    }

    fn begin(&mut self, who: usize, world: &mut World, without: Without) {
        let Some(object) = self.seen[who].clone() else { return };
        (self.due[who], self.wake[who]) = (false, None);
        let circuit = world.circuit(object.link);
        let desired = object.desired(&circuit);
        // The ledger from its own last write may be newer than that from the watch.
        let ledger = self.fleet.ledger(&circuit, &resource_id(who));
        let updated_at = Object { ledger, ..object.clone() }.updated_at();
        let age = updated_at.map(|at| world.now.since(at));
        let acts = self.fleet.acts(&circuit, &resource_id(who));
        let request = self.request(who, &object, acts, world.now);
        let pass = Pass::begin(&mut self.fleet, resource_id(who), object.uid(), desired, age, world.now);
        let running = Running {
            who,
            link: object.link,
            has_lock: acts,
            version: object.version.max(self.written[who]),
            uid: object.uid(),
            pass,
            at: Pending::Read,
            has_sent: false,
            request,
            serves: None,
        };
        self.resume(running, Event::Decide, world, without);
    }

    /// The read that people have asked for and that is not served yet, and when this process first knew of it.
    fn request(&mut self, who: usize, object: &Object, acts: bool, now: Moment) -> Option<(u32, Moment)> {
        let asked = Some(object.requests).filter(|&asked| asked > object.served);
        if let Some(asked) = asked.filter(|&asked| self.requests[who].is_none_or(|(known, _)| known != asked)) {
            self.requests[who] = Some((asked, now));
            if acts {
                self.fleet.with_history(&self.circuits[object.link], History::reset_backoff);
            }
        }
        self.requests[who].filter(|_| asked.is_some())
    }

    /// Gives a pass the outcome of its last action, and begins its next one.
    fn resume(&mut self, mut running: Running, event: Event, world: &mut World, without: Without) {
        let asked_at = running.request.map(|(_, at)| at);
        let action = running.pass.next(event, &mut self.fleet, asked_at, world.now);
        let shown = |plan: &directconnect_core::decide::Plan| {
            let read = plan.observation.as_ref();
            read.map(|read| read.connection.as_deref().map_or_else(Shown::default, Shown::of))
        };
        running.at = match action {
            Action::Read => Pending::Read,
            // The resource was not allowed to act when the pass began, so it has no lock. The next pass takes it.
            Action::AwaitPace if !running.has_lock => {
                self.due[running.who] = true;
                return;
            }
            Action::BreakOff => {
                self.due[running.who] = true;
                return;
            }
            Action::AwaitPace => Pending::Pace,
            Action::WriteIntention(ledger, plan) => {
                self.tells_of_decision(running.who, world);
                Pending::Write(ledger, shown(&plan))
            }
            Action::Send(change) => return self.send(running, change, world, without),
            Action::Rest(ledger, plan) => {
                if running.has_sent {
                    self.wake_others(&running);
                }
                let verdict = plan.verdict.as_ref();
                self.set_waiting(&running, verdict.is_some_and(|verdict| verdict.reason == Reason::WaitingForTurn));
                let read_at = plan.observation.as_ref().filter(|_| verdict.is_some()).map(|read| read.began);
                let serves = running.request.filter(|&(_, at)| read_at.is_some_and(|read_at| read_at >= at));
                running.serves = serves.map(|(request, _)| request);
                self.tells_of_decision(running.who, world);
                let rest = Pending::Rest(ledger, shown(&plan), plan.next_check);
                if !self.has_something_to_write(&running, &rest) {
                    return self.rest(&running, rest, world, None);
                }
                rest
            }
        };
        self.passes.push(running);
    }

    fn tells_of_decision(&self, who: usize, world: &mut World) {
        if self.has_lease {
            world.witness.decides(who);
        }
    }

    /// The only I/O between the second decision and the call is the check of the lease.
    fn send(&mut self, mut running: Running, change: Change, world: &mut World, without: Without) {
        if !self.has_lease && without != Without::CheckLease {
            running.pass.withdraw(&mut self.fleet);
            return;
        }
        if self.has_lease {
            world.check_update(running.who, running.link, &change, &self.seen);
        } else {
            world.check_risk(running.who, running.link, &change, &self.seen);
        }
        running.has_sent = true;
        running.at = Pending::Call(change, world.witness.at_risk());
        self.passes.push(running);
    }

    /// Records whether a resource waits for a turn. The turn may have become free before.
    fn set_waiting(&mut self, running: &Running, waits: bool) {
        let (circuit, resource) = (&running.pass.desired().circuit, resource_id(running.who));
        let is_held = self.fleet.holder(circuit).is_some() || self.fleet.other_proof(circuit, &resource).is_some();
        self.waits[running.who] = waits;
        self.due[running.who] |= waits && !is_held;
    }

    fn go_on(&mut self, mut running: Running, world: &mut World, mishap: Option<Mishap>, without: Without) {
        let circuit = world.circuit(running.link);
        match std::mem::replace(&mut running.at, Pending::Read) {
            Pending::Read => {
                let read = (world.now, world.answers_read(running.link, mishap));
                self.read(&running, &circuit, read, world);
                self.resume(running, Event::Decide, world, without);
            }
            Pending::Reading(began, answer) => {
                let answer = if mishap.is_some() { ReadAnswer::Fails } else { answer };
                self.read(&running, &circuit, (began, answer), world);
                self.resume(running, Event::Decide, world, without);
            }
            Pending::Pace => {
                let time = world.now.since(Moment::START).as_millis().to_string();
                self.resume(running, Event::PaceGranted { time }, world, without);
            }
            Pending::Write(..) if without == Without::IntentionFirst => {
                running.at = Pending::Written(running.version);
                self.passes.push(running);
            }
            Pending::Write(ledger, shown) => match self.write(&running, &ledger, shown, world, mishap) {
                Some(version) => {
                    running.version = version;
                    running.at = Pending::Written(version);
                    self.passes.push(running);
                }
                None => self.give_up(running, world),
            },
            Pending::Written(version) => {
                self.written[running.who] = self.written[running.who].max(version);
                self.resume(running, Event::IntentionWritten { version }, world, without);
            }
            Pending::Call(change, known) => self.call(running, (change, known), world, mishap, without),
            Pending::Answer(answer) => {
                world.call_ended(running.link, true);
                let current = world.current(&self.seen);
                world.witness.answered(running.link, &answer, &current);
                self.resume(running, Event::Answered { answer, request_id: None }, world, without);
                // The next read begins after the update has ended.
                world.now = world.now + MOMENT;
            }
            Pending::Cut => {
                let fault = Fault::new(FaultKind::Unavailable, "UpdateConnection", "the lease is over");
                let fault = Fault { effect: Effect::Unknown, ..fault };
                self.resume(running, Event::Failed { fault, jitter: 1.0 }, world, without);
            }
            rest @ Pending::Rest(..) => self.rest(&running, rest, world, mishap),
        }
    }

    /// Wakes the other resources for its link. The operator wakes the one that this pass is for too, but that could only
    /// mend what the pass has left undone, and would make the exploration half as large again.
    pub fn wake_others(&mut self, running: &Running) {
        let was_due = self.due[running.who];
        self.wake(|object| object.link == running.link);
        self.due[running.who] = was_due;
    }

    /// The update arrives at AWS.
    fn call(
        &mut self,
        mut running: Running,
        (change, known): (Change, u8),
        world: &mut World,
        mishap: Option<Mishap>,
        without: Without,
    ) {
        let fails = |kind, effect| {
            let fault = Fault::new(kind, "UpdateConnection", "it failed");
            Event::Failed { fault: Fault { effect, ..fault }, jitter: 1.0 }
        };
        let event = match mishap {
            Some(Mishap::Refused) => fails(FaultKind::Throttled, Effect::None),
            Some(Mishap::ThrottledBriefly) => {
                let fault = Fault::new(FaultKind::Throttled, "UpdateConnection", "too many at once");
                Event::Failed { fault, jitter: 0.0 }
            }
            Some(Mishap::Denied) => fails(FaultKind::AccessDenied, Effect::None),
            Some(Mishap::NotStored) => {
                world.witness.unsent(running.who, &change);
                running.at = Pending::Answer(Box::new(world.links[running.link].as_it_is()));
                self.passes.push(running);
                return;
            }
            Some(Mishap::Lost { took }) => {
                if took {
                    world.land(running.link, &change, known, &self.seen);
                }
                fails(FaultKind::Unavailable, Effect::Unknown)
            }
            None if world.links[running.link].accepts(&change) => {
                world.land(running.link, &change, known, &self.seen);
                running.at = Pending::Answer(Box::new(world.links[running.link].as_it_is()));
                self.passes.push(running);
                return;
            }
            Some(Mishap::Rejected) | None => fails(FaultKind::Rejected, Effect::None),
        };
        if let Event::Failed { fault, .. } = &event {
            if fault.effect == Effect::None {
                world.witness.unsent(running.who, &change);
            }
            if fault.kind != FaultKind::Throttled {
                world.call_ended(running.link, fault.effect == Effect::Unknown);
            }
        }
        self.resume(running, event, world, without);
    }

    /// A pass panics or takes too long. What it has on its way is carried out (`took`) or not.
    pub fn breaks_off(&mut self, who: usize, took: bool, world: &mut World) {
        let Some(at) = self.passes.iter().position(|running| running.who == who) else { return };
        let mut running = self.passes.remove(at);
        self.wake[who] = Some(world.now + TICK);
        match std::mem::replace(&mut running.at, Pending::Read) {
            Pending::Call(change, known) => {
                if took {
                    world.land(running.link, &change, known, &self.seen);
                }
                self.loses_answer(running, world);
            }
            Pending::Answer(_) | Pending::Cut => self.loses_answer(running, world),
            Pending::Write(ledger, shown) | Pending::Rest(ledger, shown, _) => {
                let mishap = Some(Mishap::Lost { took });
                self.write(&running, &ledger, shown, world, mishap);
                running.pass.withdraw(&mut self.fleet);
            }
            Pending::Read | Pending::Reading(..) | Pending::Pace | Pending::Written(_) => {
                running.pass.withdraw(&mut self.fleet);
            }
        }
        self.wake_waiting();
    }

    fn loses_answer(&mut self, mut running: Running, world: &mut World) {
        world.call_ended(running.link, true);
        let fault = Fault::new(FaultKind::Unavailable, "UpdateConnection", "the pass has ended");
        let fault = Fault { effect: Effect::Unknown, ..fault };
        running.pass.next(Event::Failed { fault, jitter: 1.0 }, &mut self.fleet, None, world.now);
        world.now = world.now + MOMENT;
    }

    /// The intention could not be written: the pass ends, and another one follows later.
    fn give_up(&mut self, mut running: Running, world: &World) {
        running.pass.withdraw(&mut self.fleet);
        self.wake[running.who] = Some(world.now + TICK);
    }
}
