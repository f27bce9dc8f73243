//! All moves: everything that can happen between any two steps of a pass.

use directconnect_core::desired::EncryptionMode;

use super::process::{Mishap, Pending, Process};
use super::state::{Orphan, State};
use super::without::Without;
use super::world::{Must, No, Object, Should, Spec, TICK, began};

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// The leader makes its next step.
    Go,
    /// Time passes by one tick, and AWS is listed.
    Tick,
    /// The process that has lost the lease makes its next step.
    DeposedGoes,
    /// The watch of the leader continues after a stall.
    WatchGoesOn,
    // All moves below count.
    /// A tick passes in the middle of a pass.
    Dawdles,
    /// Three ticks pass without any listing, so that reads become too old.
    Blackout,
    /// Another pass makes its next step first.
    Switches(usize),
    /// The next step of the leader fails.
    Fails(Mishap),
    /// The leader crashes. An update in flight takes effect later (`lands`) or never.
    Crash {
        lands: bool,
    },
    /// The leader loses the lease without noticing.
    Deposed {
        lands: bool,
    },
    WatchStalls,
    StandbyStalls,
    /// The watch of the leader delivers one of its pending events.
    WatchBringsOne,
    /// AWS is listed now.
    Listed,
    /// AWS is listed now, and the answer comes at the next tick.
    ListedSlowly,
    RegionTurns(usize),
    LeftOutTurns(usize),
    /// Reads show the mode from before the last update, within the settle window.
    ReadsLate(usize),
    KeyTurns(usize),
    SessionTurns(usize),
    LightTurns(usize),
    JoinsLag(usize),
    StrangeTurns(usize),
    /// Another writer sets the mode.
    SomeoneSets(usize, EncryptionMode),
    /// People change the spec.
    ChangesSpec(usize, Spec),
    /// The object is deleted, but kept by a finalizer.
    BeginsToGo(usize),
    Goes(usize),
    /// The object is created again.
    Comes(usize),
}

impl Move {
    /// Whether the move counts against the bound.
    pub fn counts(self) -> bool {
        !matches!(self, Self::Go | Self::Tick | Self::DeposedGoes | Self::WatchGoesOn)
    }
}

/// All moves that are possible in a state.
pub fn moves(state: &State, specs: &[Spec], moves: &mut Vec<Move>) {
    let leader = &state.leader;
    let next = leader.next_up();
    moves.push(if next.is_some() { Move::Go } else { Move::Tick });
    if state.deposed.is_some() {
        moves.push(Move::DeposedGoes);
    }
    if leader.is_stalled && next.is_none() {
        moves.push(Move::WatchGoesOn);
    }
    if !leader.queue.is_empty() {
        moves.push(Move::WatchBringsOne);
    }
    if !leader.is_stalled {
        moves.push(Move::WatchStalls);
    }
    if state.standby.as_ref().is_some_and(|standby| !standby.is_stalled) {
        moves.push(Move::StandbyStalls);
    }
    moves.push(Move::Blackout);
    if next.is_some() {
        moves.push(Move::Dawdles);
    }
    moves.extend(leader.others().map(Move::Switches));
    if let Some(pending) = leader.pending() {
        moves.extend(mishaps(pending).iter().map(|&mishap| Move::Fails(mishap)));
    }
    let is_calling = leader.passes.iter().any(|running| matches!(running.at, Pending::Call(..)));
    let fates = if is_calling { &[false, true][..] } else { &[false] };
    moves.extend(fates.iter().map(|&lands| Move::Crash { lands }));
    if state.standby.is_some() && state.deposed.is_none() && !leader.passes.is_empty() {
        moves.extend(fates.iter().map(|&lands| Move::Deposed { lands }));
    }
    moves.extend([Move::Listed, Move::ListedSlowly]);
    moves.extend(state.world.regions().into_iter().map(Move::RegionTurns));
    for (at, link) in state.world.links.iter().enumerate() {
        moves.extend([Move::KeyTurns(at), Move::SessionTurns(at), Move::LightTurns(at)]);
        moves.extend([Move::StrangeTurns(at), Move::LeftOutTurns(at)]);
        if !link.in_lag {
            moves.push(Move::JoinsLag(at));
        }
        if !link.is_late && link.before.is_some_and(|(_, until)| state.world.now <= until) {
            moves.push(Move::ReadsLate(at));
        }
        let others = [No, Should, Must].into_iter().filter(|mode| *mode != link.mode);
        moves.extend(others.map(|mode| Move::SomeoneSets(at, mode)));
    }
    for (at, object) in state.world.objects.iter().enumerate() {
        match object {
            None => moves.push(Move::Comes(at)),
            Some(object) => {
                moves.push(Move::Goes(at));
                if !object.is_being_deleted {
                    moves.push(Move::BeginsToGo(at));
                    moves.extend(
                        specs.iter().filter(|&spec| *spec != object.spec).map(|&spec| Move::ChangesSpec(at, spec)),
                    );
                }
            }
        }
    }
}

fn mishaps(pending: &Pending) -> &'static [Mishap] {
    const LOST: [Mishap; 2] = [Mishap::Lost { took: true }, Mishap::Lost { took: false }];
    match pending {
        Pending::Read => &[Mishap::Refused],
        // A lost write that was not carried out is the same as a refused one.
        Pending::Write(..) | Pending::Rest(..) => &[Mishap::Refused, LOST[0]],
        Pending::Call(..) => &[Mishap::Refused, Mishap::Rejected, LOST[0], LOST[1]],
        Pending::Pace | Pending::Written(_) | Pending::Answer(_) | Pending::Cut => &[],
    }
}

impl State {
    pub fn happens(&mut self, what: Move, without: Without) {
        self.moves += u8::from(what.counts());
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
                self.leader.catch_up(&self.world);
            }
            Move::Listed => self.leader.list(&mut self.world),
            Move::ListedSlowly => self.world.held = Some((self.world.now, self.world.listing(0))),
            Move::RegionTurns(at) => self.world.is_unreadable[at] ^= true,
            Move::ChangesSpec(..) | Move::BeginsToGo(_) | Move::Goes(_) | Move::Comes(_) => self.people(what),
            _ => self.aws(what),
        }
        self.world.witness.notices(&self.world.links);
        self.deliver();
        let wanted = self.world.wanted(&self.leader.seen);
        for link in (0..self.world.links.len()).filter(|link| wanted & (1 << link) == 0) {
            self.world.witness.lets_go(link);
        }
    }

    fn aws(&mut self, what: Move) {
        let (links, now) = (&mut self.world.links, self.world.now);
        match what {
            Move::LeftOutTurns(at) => links[at].is_left_out ^= true,
            Move::ReadsLate(at) => links[at].is_late = true,
            Move::KeyTurns(at) => {
                links[at].key = if links[at].key.is_some() { None } else { Some(now) };
                links[at].keep_up();
            }
            Move::SessionTurns(at) => links[at].is_up ^= true,
            Move::LightTurns(at) => links[at].has_light ^= true,
            Move::JoinsLag(at) => {
                // Its own keys are removed. It keeps the mode, which is now that of the LAG.
                (links[at].in_lag, links[at].key) = (true, None);
            }
            Move::StrangeTurns(at) => links[at].is_strange ^= true,
            Move::SomeoneSets(at, mode) => {
                links[at].mode = mode;
                links[at].keep_up();
            }
            _ => {}
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
                self.world.put(at, None);
            }
            Move::Comes(at) => {
                let made = self.gone[at].take().map(|object| Object {
                    uid: object.uid + 1,
                    created: object.created + 100,
                    ..Object::new(object.link, 0, object.spec)
                });
                self.world.put(at, made);
            }
            _ => {}
        }
    }

    fn tick(&mut self, is_listed: bool) {
        self.deposed = None;
        self.ticks += 1;
        self.world.now = began() + TICK * u32::from(self.ticks);
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
