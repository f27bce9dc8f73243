//! What each move does.

use std::time::Duration;

use directconnect_core::ledger::Ledger;
use directconnect_core::turn::Shown;

use super::moves::Move;
use super::process::{Pending, Process};
use super::state::{Orphan, State};
use super::without::Without;
use super::world::{Must, Object, Spec, TICK, began};

impl State {
    pub fn happens(&mut self, what: Move, without: Without) {
        self.moves += u32::from(what.counts());
        match what {
            Move::Go => self.leader.go(&mut self.world, None, without),
            Move::Fails(mishap) => self.leader.go(&mut self.world, Some(mishap), without),
            Move::Switches(who) => {
                self.leader.current = Some(who);
                self.leader.go(&mut self.world, None, without);
            }
            Move::DeposedGoes => {
                if let Some(deposed) = &mut self.deposed {
                    deposed.go(&mut self.world, None, without);
                    if deposed.passes.is_empty() {
                        self.deposed = None;
                    }
                }
            }
            Move::Tick | Move::Dawdles => self.tick(true),
            Move::Blackout => (0..3).for_each(|_| self.tick(false)),
            Move::Crash { lands } => {
                self.orphan(lands, without);
                self.take_over(without);
            }
            Move::Deposed { lands } => {
                self.orphan(lands, without);
                let mut deposed = self.leader.clone();
                deposed.has_lease = false;
                for running in &mut deposed.passes {
                    if matches!(running.at, Pending::Call(..) | Pending::Answer(_)) {
                        running.at = Pending::Cut;
                    }
                }
                self.take_over(without);
                self.deposed = Some(deposed);
            }
            Move::WatchStalls => self.leader.is_stalled = true,
            Move::WatchBringsOne => {
                let (at, object) = self.leader.queue.remove(0);
                self.leader.hear(at, object, &self.world);
            }
            Move::StandbyStalls => {
                if let Some(standby) = &mut self.standby {
                    standby.is_stalled = true;
                }
            }
            Move::WatchGoesOn => {
                self.leader.is_stalled = false;
                self.leader.catch_up(&mut self.world);
            }
            Move::Listed => self.leader.list(&mut self.world),
            Move::ListedSlowly => self.world.held = Some((self.world.now, self.world.listing(0))),
            Move::RegionTurns(at) => self.world.is_unreadable[at] ^= true,
            Move::Waits => self.waits(Duration::from_secs(5)),
            Move::HourPasses => {
                self.tick(false);
                self.waits(Duration::from_mins(65));
            }
            Move::WatchBeginsAnew => self.leader.relist(&self.world),
            Move::StandbyBeginsAnew => {
                if let Some(standby) = &mut self.standby {
                    standby.relist(&self.world);
                }
            }
            Move::PollersFollow => self.leader.follow(&mut self.world),
            Move::ReadsSlowly => self.leader.reads_slowly(&self.world),
            Move::BreaksOff(who, took) => self.leader.breaks_off(who, took, &mut self.world),
            Move::ChangesSpec(..)
            | Move::BeginsToGo(_)
            | Move::Goes(_)
            | Move::Comes(_)
            | Move::ComesFor(..)
            | Move::IsRestored(_)
            | Move::AsksForRead(_)
            | Move::WipesStatus(_) => self.people(what),
            _ => self.aws(what),
        }
        self.world.witness.notices(&self.world.links);
        self.deliver();
        self.witness_claims();
        let wanted = self.world.wanted(&self.leader.seen);
        for link in (0..self.world.links.len()).filter(|link| wanted & (1 << link) == 0) {
            self.world.witness.lets_go(link);
        }
    }

    /// What the witness knows of the resources for each link.
    fn witness_claims(&mut self) {
        let (witness, objects) = (&mut self.world.witness, &self.world.objects);
        witness.tells(objects);
        witness.note_wishes(objects);
        // Between a change and the watch that brings it, what the leader reads counts for the wish that it knows.
        witness.note_wishes(&self.leader.seen);
        for link in 0..self.world.links.len() {
            let about = |object: &&Object| object.link == link;
            if objects.iter().flatten().filter(about).all(|object| object.is_being_deleted) {
                witness.is_unclaimed(link);
            }
        }
    }

    fn waits(&mut self, time: Duration) {
        self.world.waits(time);
        self.leader.wake_by_time(self.world.now);
    }

    fn aws(&mut self, what: Move) {
        let (links, now) = (&mut self.world.links, self.world.now);
        match what {
            Move::FoundTurns(at) => links[at].found_turns(),
            Move::ReadsLate(at) => links[at].is_late = true,
            Move::KeyTurns(at) => {
                links[at].key = if links[at].key.is_some() { None } else { Some(now) };
                links[at].keep_up();
            }
            Move::SessionTurns(at) => links[at].is_up ^= true,
            Move::LightTurns(at) => links[at].has_light ^= true,
            Move::LagTurns(at) => {
                // Its own keys are removed. It keeps the mode, which is now that of the LAG, and does so when it leaves it.
                (links[at].in_lag, links[at].key) = (!links[at].in_lag, None);
            }
            Move::StrangeTurns(at) => links[at].is_strange ^= true,
            Move::HidesMode(at) => links[at].hides_mode ^= true,
            Move::HidesOwner(at) => links[at].hides_owner ^= true,
            Move::HidesCapability(at) => links[at].hides_capability ^= true,
            Move::AssociationTurns(at) => links[at].is_associating ^= true,
            Move::LinkGoes(at) => links[at].is_deleted = true,
            Move::SomeoneSets(at, mode) => {
                links[at].mode = mode;
                links[at].keep_up();
            }
            _ => unreachable!("{what:?} does nothing"),
        }
    }

    fn people(&mut self, what: Move) {
        match what {
            Move::ChangesSpec(at, spec) => {
                let Some(object) = self.world.objects[at].clone() else { return };
                // The pause is an annotation and does not change the generation.
                let is_new = Spec { paused: false, ..spec } != Spec { paused: false, ..object.spec };
                if spec.mode != Some(Must) {
                    self.world.witness.reset_had_must(at);
                }
                let generation = object.generation + i64::from(is_new);
                self.world.put(at, Some(Object { spec, generation, ..object }));
            }
            Move::BeginsToGo(at) => {
                let object = self.world.objects[at].clone();
                self.world.put(at, object.map(|object| Object { is_being_deleted: true, ..object }));
            }
            Move::Goes(at) => {
                self.gone[at] = self.world.objects[at].clone();
                self.world.witness.reset_had_must(at);
                if let Some(gone) = &self.gone[at] {
                    self.world.witness.loses_status(at, gone.link);
                }
                self.world.put(at, None);
            }
            Move::Comes(at) => {
                let made = self.gone[at].take().map(|object| Object {
                    life: object.life + 1,
                    created: object.created + 100,
                    ..Object::new(object.link, 0, object.spec)
                });
                self.world.put(at, made);
            }
            Move::ComesFor(at, link) => {
                self.gone[at] = self.gone[at].take().map(|object| Object { link, ..object });
                self.people(Move::Comes(at));
            }
            Move::IsRestored(at) => {
                let made = self.gone[at].take().map(|object| Object {
                    life: object.life + 1,
                    created: object.created + 100,
                    generation: 1,
                    is_being_deleted: false,
                    requests: 0,
                    ..object
                });
                self.world.put(at, made);
            }
            Move::AsksForRead(at) => {
                let object = self.world.objects[at].clone();
                self.world.put(at, object.map(|object| Object { requests: object.requests + 1, ..object }));
            }
            Move::WipesStatus(at) => {
                let wiped = self.world.objects[at].clone().map(|object| Object {
                    ledger: Ledger::default(),
                    shown: Shown::default(),
                    served: 0,
                    ..object
                });
                self.world.put(at, wiped);
            }
            _ => unreachable!("{what:?} does nothing"),
        }
    }

    fn tick(&mut self, is_listed: bool) {
        self.deposed = None;
        self.ticks += 1;
        self.world.now = began() + TICK * self.ticks + self.world.between_ticks;
        for orphan in std::mem::take(&mut self.world.orphans) {
            let Orphan { link, change, known, ticks } = orphan;
            if ticks > 1 {
                self.world.orphans.push(Orphan { link, change, known, ticks: ticks - 1 });
            } else {
                self.world.land(link, &change, known, &self.leader.seen);
                let link = &mut self.world.links[link];
                (link.is_late, link.is_known) = (true, false);
            }
        }
        self.leader.follow(&mut self.world);
        self.leader.wake_by_time(self.world.now);
        if !is_listed {
            return;
        }
        if let Some((made, listing)) = self.world.held.take() {
            self.leader.record_listing(&mut self.world, 0, made, listing);
        }
        self.leader.list(&mut self.world);
    }

    /// An update in flight when its process ends takes effect as late as possible, or never.
    fn orphan(&mut self, lands: bool, without: Without) {
        let ticks = if without == Without::EndWithTheLease { 3 } else { 1 };
        for running in &self.leader.passes {
            if let Pending::Call(change, known) = &running.at {
                let orphan = Orphan { link: running.link, change: change.clone(), known: *known, ticks };
                self.world.orphans.extend(lands.then_some(orphan));
            }
        }
    }

    fn take_over(&mut self, without: Without) {
        self.world.held = None;
        for link in &mut self.world.links {
            link.is_known = false;
        }
        let mut next = match self.standby.take() {
            Some(standby) => {
                self.standby = Some(Process::new(self.world.settings, &self.world));
                standby
            }
            None => Process::new(self.world.settings, &self.world),
        };
        if without != Without::ListAtTakeOver {
            next.relist(&self.world);
        }
        next.lead(&mut self.world, without);
        self.leader = next;
    }
}
