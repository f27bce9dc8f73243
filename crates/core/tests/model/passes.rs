//! The passes of a process: executes the actions of the core, one I/O at a time.

use directconnect_core::clock::Moment;
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::fleet::Circuit;
use directconnect_core::history::{Change, Observation, Source};
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::Ledger;
use directconnect_core::pass::{Action, Event, Pass};
use directconnect_core::reason::Reason;
use directconnect_core::turn::Shown;

use super::process::{Mishap, Pending, Process, Running};
use super::state::World;
use super::without::Without;
use super::world::{MOMENT, Object, TICK, resource_id};

impl Process {
    /// Makes the next step of the next pass.
    pub fn go(&mut self, world: &mut World, mishap: Option<Mishap>, without: Without) {
        let Some(who) = self.next_up() else { return };
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
        let pass = Pass::begin(&mut self.fleet, resource_id(who), object.uid(), desired, age, world.now);
        let running = Running {
            who,
            link: object.link,
            has_lock: self.fleet.acts(&circuit, &resource_id(who)),
            version: object.version.max(self.written[who]),
            uid: object.uid(),
            pass,
            at: Pending::Read,
            has_sent: false,
        };
        self.resume(running, Event::Decide, world, without);
    }

    /// Gives a pass the outcome of its last action, and begins its next one.
    fn resume(&mut self, mut running: Running, event: Event, world: &mut World, without: Without) {
        let action = running.pass.next(event, &mut self.fleet, None, world.now);
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
            Action::WriteIntention(ledger, plan) => Pending::Write(ledger, shown(&plan)),
            Action::Send(change) => return self.send(running, change, world, without),
            Action::Rest(ledger, plan) => {
                if running.has_sent {
                    self.wake_others(&running);
                }
                if let Some(verdict) = &plan.verdict {
                    self.set_waiting(&running, verdict.reason == Reason::WaitingForTurn);
                }
                let rest = Pending::Rest(ledger, shown(&plan), plan.next_check);
                if !self.has_something_to_write(&running, &rest) {
                    return self.rest(&running, rest, world, None);
                }
                rest
            }
        };
        self.passes.push(running);
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
                self.read(&running, &circuit, world, mishap);
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
                world.witness.answered(running.link, &answer, &self.seen);
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

    fn read(&mut self, running: &Running, circuit: &CircuitId, world: &mut World, mishap: Option<Mishap>) {
        let link = &world.links[running.link];
        let now = world.now;
        if mishap.is_some() || world.is_unreadable[link.region] {
            let fault = Fault::new(FaultKind::Unavailable, "DescribeConnections", "AWS is down");
            self.fleet.with_history(circuit, |history| history.record_read_failure(fault, now, TICK, 1.0));
            return;
        }
        let (connection, is_late) = link.shown(now);
        let is_found = link.is_found_by_id(now);
        if !is_found {
            // It says nothing of the mode.
        } else if self.has_lease {
            world.witness.hears(running.link, &connection, now, now, is_late, true, &self.seen);
        } else {
            world.witness.deposed_hears(running.link, &connection, now);
        }
        let connection = is_found.then(|| std::sync::Arc::new(connection));
        let observation = Observation { began: now, ended: now, source: Source::ById, connection };
        if self.fleet.record_read(circuit, observation) {
            self.wake_others(running);
        }
    }

    /// Wakes the other resources for its link. The operator wakes the one that this pass is for too, but that could only
    /// mend what the pass has left undone, and would make the exploration half as large again.
    fn wake_others(&mut self, running: &Running) {
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

    /// The intention could not be written: the pass ends, and another one follows later.
    fn give_up(&mut self, mut running: Running, world: &World) {
        running.pass.withdraw(&mut self.fleet);
        self.wake[running.who] = Some(world.now + TICK);
    }

    /// Whether the status from the end of the pass differs from the current one. While nothing is known, nothing is
    /// written.
    fn has_something_to_write(&self, running: &Running, rest: &Pending) -> bool {
        let Pending::Rest(ledger, shown, _) = rest else { return false };
        let (resource, circuit) = (resource_id(running.who), &running.pass.desired().circuit);
        let claims = self.fleet.circuit(circuit).map(Circuit::claims);
        let claim = claims.into_iter().flatten().find(|claim| claim.resource == resource && *claim.uid == *running.uid);
        // The claim does not have the ledger that someone else wrote.
        let seen = self.seen[running.who].as_ref().filter(|object| object.version >= self.written[running.who]);
        (shown.is_some() || self.fleet.has_unwritten(circuit, &resource))
            && claim.is_some_and(|claim| {
                let written = seen.map_or(&claim.ledger, |object| &object.ledger);
                written != ledger || shown.as_ref().is_some_and(|shown| *shown != claim.shown)
            })
    }

    fn rest(&mut self, running: &Running, rest: Pending, world: &mut World, mishap: Option<Mishap>) {
        let is_due = self.has_something_to_write(running, &rest);
        let Pending::Rest(ledger, shown, next_check) = rest else { return };
        self.wake[running.who] = next_check;
        let (circuit, resource) = (world.circuit(running.link), resource_id(running.who));
        let says_something = shown.is_some() || self.fleet.has_unwritten(&circuit, &resource);
        let version = if is_due { self.write(running, &ledger, shown, world, mishap) } else { Some(running.version) };
        match version {
            Some(version) if says_something => {
                self.written[running.who] = self.written[running.who].max(version);
                self.fleet.note_written(&circuit, &resource, running.uid, ledger, version);
            }
            Some(_) => {}
            None => {
                self.fleet.note_unwritten(&circuit, &resource, running.uid, ledger);
                self.wake[running.who] = Some(world.now + TICK);
            }
        }
    }

    /// Writes a status, guarded by the known version. `None` if the API server refused it, the mishap prevented it or the
    /// answer is lost.
    fn write(
        &mut self,
        running: &Running,
        ledger: &Ledger,
        shown: Option<Shown>,
        world: &mut World,
        mishap: Option<Mishap>,
    ) -> Option<u64> {
        if matches!(mishap, Some(Mishap::Refused | Mishap::Rejected | Mishap::Lost { took: false })) {
            return None;
        }
        let version = world.write(running.who, running.uid, running.version, ledger, shown);
        let version = version.filter(|_| !matches!(mishap, Some(Mishap::Lost { .. })))?;
        self.stored[running.who] = version;
        Some(version)
    }
}
