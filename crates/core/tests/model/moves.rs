//! Everything that can happen, between any two steps of a pass.

use directconnect_core::desired::EncryptionMode;

use super::process::{Mishap, Pending, Process};
use super::state::{Orphan, State};
use super::without::Without;
use super::world::{Must, No, Object, Should, TICK, Wish, began};

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// The leader does what is next.
    Go,
    /// Time goes by, and AWS is listed.
    Tick,
    /// The process that has lost the lease does what is next.
    DeposedGoes,
    /// The watch of the leader goes on.
    WatchGoesOn,
    // All that follows counts.
    /// Time goes by in the middle of a pass.
    Dawdles,
    /// So long that a read gets too old, and nothing is read meanwhile.
    Blackout,
    /// Another pass goes on first.
    Switches(usize),
    /// What the leader does next goes wrong.
    Fails(Mishap),
    /// The leader dies; an update that is on its way takes effect later or never.
    Crash {
        lands: bool,
    },
    /// The leader loses the lease and does not know.
    Deposed {
        lands: bool,
    },
    WatchStalls,
    StandbyStalls,
    /// Of what the watch of the leader has not brought yet, it brings the first.
    WatchBringsOne,
    /// AWS is listed now.
    Listed,
    /// AWS is listed now, and the answer comes at the next tick.
    ListedSlowly,
    RegionTurns(usize),
    LeftOutTurns(usize),
    /// Reads show the mode from before the last update, while they may.
    ReadsLate(usize),
    KeyTurns(usize),
    SessionTurns(usize),
    LightTurns(usize),
    JoinsLag(usize),
    StrangeTurns(usize),
    /// Another writer.
    SomeoneSets(usize, EncryptionMode),
    /// People.
    Wishes(usize, Wish),
    /// Deleted, and kept by a finalizer.
    BeginsToGo(usize),
    Goes(usize),
    /// Made again.
    Comes(usize),
}

impl Move {
    /// Whether it counts against the bound.
    pub fn counts(self) -> bool {
        !matches!(self, Self::Go | Self::Tick | Self::DeposedGoes | Self::WatchGoesOn)
    }
}

/// What can happen now, whatever it costs.
pub fn moves(state: &State, wishes: &[Wish], moves: &mut Vec<Move>) {
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
    for (at, line) in state.world.lines.iter().enumerate() {
        moves.extend([Move::KeyTurns(at), Move::SessionTurns(at), Move::LightTurns(at)]);
        moves.extend([Move::StrangeTurns(at), Move::LeftOutTurns(at)]);
        if !line.in_lag {
            moves.push(Move::JoinsLag(at));
        }
        if !line.is_late && line.before.is_some_and(|(_, until)| state.world.now <= until) {
            moves.push(Move::ReadsLate(at));
        }
        let others = [No, Should, Must].into_iter().filter(|mode| *mode != line.mode);
        moves.extend(others.map(|mode| Move::SomeoneSets(at, mode)));
    }
    for (at, object) in state.world.objects.iter().enumerate() {
        match object {
            None => moves.push(Move::Comes(at)),
            Some(object) => {
                moves.push(Move::Goes(at));
                if !object.is_being_deleted {
                    moves.push(Move::BeginsToGo(at));
                    moves
                        .extend(wishes.iter().filter(|&wish| *wish != object.wish).map(|&wish| Move::Wishes(at, wish)));
                }
            }
        }
    }
}

fn mishaps(pending: &Pending) -> &'static [Mishap] {
    const LOST: [Mishap; 2] = [Mishap::Lost { took: true }, Mishap::Lost { took: false }];
    match pending {
        Pending::Read => &[Mishap::Refused],
        // A write whose answer is lost and that was not carried out is as good as one that was refused.
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
            Move::Wishes(..) | Move::BeginsToGo(_) | Move::Goes(_) | Move::Comes(_) => self.people(what),
            _ => self.aws(what),
        }
        self.world.witness.notices(&self.world.lines);
        self.deliver();
        let wanted = self.world.wanted(&self.leader.seen);
        for line in (0..self.world.lines.len()).filter(|line| wanted & (1 << line) == 0) {
            self.world.witness.lets_go(line);
        }
    }

    fn aws(&mut self, what: Move) {
        let (lines, now) = (&mut self.world.lines, self.world.now);
        match what {
            Move::LeftOutTurns(at) => lines[at].is_left_out ^= true,
            Move::ReadsLate(at) => lines[at].is_late = true,
            Move::KeyTurns(at) => {
                lines[at].key = if lines[at].key.is_some() { None } else { Some(now) };
                lines[at].keep_up();
            }
            Move::SessionTurns(at) => lines[at].is_up ^= true,
            Move::LightTurns(at) => lines[at].has_light ^= true,
            Move::JoinsLag(at) => {
                // Its own keys go; its mode is the group's, and stays here.
                (lines[at].in_lag, lines[at].key) = (true, None);
            }
            Move::StrangeTurns(at) => lines[at].is_strange ^= true,
            Move::SomeoneSets(at, mode) => {
                lines[at].mode = mode;
                lines[at].keep_up();
            }
            _ => {}
        }
    }

    fn people(&mut self, what: Move) {
        match what {
            Move::Wishes(at, wish) => {
                let Some(object) = self.world.objects[at].clone() else { return };
                // An annotation is not part of the spec.
                let is_new = Wish { paused: false, ..wish } != Wish { paused: false, ..object.wish };
                if wish.mode != Some(Must) {
                    self.world.witness.wishes_anew(at);
                }
                let generation = object.generation + i64::from(is_new);
                self.world.put(at, Some(Object { wish, generation, ..object }));
            }
            Move::BeginsToGo(at) => {
                let object = self.world.objects[at].clone();
                self.world.put(at, object.map(|object| Object { is_being_deleted: true, ..object }));
            }
            Move::Goes(at) => {
                self.gone[at] = self.world.objects[at].clone();
                self.world.witness.wishes_anew(at);
                self.world.put(at, None);
            }
            Move::Comes(at) => {
                let made = self.gone[at].take().map(|object| Object {
                    uid: object.uid + 1,
                    created: object.created + 100,
                    ..Object::new(object.line, 0, object.wish)
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
            let Orphan { line, change, known, ticks } = orphan;
            if ticks > 1 {
                self.world.orphans.push(Orphan { line, change, known, ticks: ticks - 1 });
            } else {
                self.world.land(line, &change, known, &self.leader.seen);
                let line = &mut self.world.lines[line];
                (line.is_late, line.is_known) = (true, false);
            }
        }
        self.leader.wake_by_time(self.world.now);
        if !is_listed {
            return;
        }
        if let Some((made, listing)) = self.world.held.take() {
            self.leader.take_in_listing(&mut self.world, 0, made, listing);
        }
        self.leader.list(&mut self.world);
    }

    /// What is on its way to AWS when its process ends takes effect as late as it can, or never.
    fn orphan(&mut self, lands: bool, without: Without) {
        let ticks = if without == Without::EndWithTheLease { 3 } else { 1 };
        for running in &self.leader.passes {
            if let Pending::Call(change, known) = &running.at {
                let orphan = Orphan { line: running.line, change: change.clone(), known: *known, ticks };
                self.world.orphans.extend(lands.then_some(orphan));
            }
        }
    }

    fn take_over(&mut self, without: Without) {
        self.world.held = None;
        for line in &mut self.world.lines {
            line.is_known = false;
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
