//! The operator around the core, as `src/reconcile` and `src/aws/region.rs` drive it, without the waiting.

use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::conditions::Reason;
use directconnect_core::decide::{Circumstances, Plan, Step, decide};
use directconnect_core::desired::{Desired, EncryptionMode, EncryptionTransition};
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::history::{Change, History, Look};
use directconnect_core::observed::{Connection, ConnectionState, PortEncryptionStatus};
use directconnect_core::turn::{self, Turns};

use super::world::{Fate, LastUpdate, Line, Must, No, SET, Should, State, key};

const ACCOUNT: &str = "111122223333";
/// More steps than any pass needs.
const MOST_STEPS: usize = 8;

/// A guard that was mutated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The real one.
    None,
    SkipsTheSoak,
    NeedsNoKey,
    IgnoresTheLag,
    IgnoresTheTurn,
    TakesLostForUnsent,
}

impl Mutant {
    /// The real plan, or one that a rule of the guard no longer holds back.
    fn decide(self, desired: &Desired, history: &History, around: &Circumstances<'_>, now: Moment) -> Plan {
        let around = Circumstances { other: around.other.filter(|_| self != Self::IgnoresTheTurn), ..*around };
        let plan = decide(desired, history, &around, &SET, now);
        let reason = plan.verdict.as_ref().map(|verdict| verdict.reason);
        let works = history.look().and_then(|look| look.connection.as_ref()).is_some_and(Connection::encryption_works);
        let lets_go = match self {
            Self::SkipsTheSoak => reason == Some(Reason::WaitingForEncryptionUp) && works,
            Self::NeedsNoKey => reason == Some(Reason::NoMacSecKey),
            Self::IgnoresTheLag => reason == Some(Reason::LagMember),
            Self::None | Self::IgnoresTheTurn | Self::TakesLostForUnsent => false,
        };
        if !lets_go {
            return plan;
        }
        let step =
            if history.is_fresh(now) { Step::Update(Change { name: None, mode: desired.mode }) } else { Step::Read };
        Plan { step, ..plan }
    }
}

impl State {
    /// A whole poll comes in, and whom it concerns is woken.
    pub fn poll(&mut self, mutant: Mutant) {
        let now = self.now;
        self.call();
        for at in 0..self.lines.len() {
            let line = &mut self.lines[at];
            let before = line.history.look().map(|look| look.connection.clone());
            line.look(false, now);
            let changed = before != line.history.look().map(|look| look.connection.clone());
            let due = line.wake_at.is_some_and(|wake_at| wake_at <= now);
            if changed || due {
                self.pass(at, mutant);
            }
        }
    }

    /// One pass over one resource.
    pub fn pass(&mut self, at: usize, mutant: Mutant) {
        let now = self.now;
        let line = &mut self.lines[at];
        if line.wish.deleted {
            return;
        }
        line.wake_at = None;
        let desired = line.desired(at);
        if line.acts() {
            line.history.wished("uid", line.generation, now);
            if let Some(last) = line.last_update {
                line.history.resume(Change { name: None, mode: Some(last.mode) }, now.since(last.at), now);
            }
        }
        for _ in 0..MOST_STEPS {
            let (line, now) = (&self.lines[at], self.now);
            let around = Circumstances {
                poll_fault: None,
                elder: line.has_elder.then_some("net/elder"),
                other: self.turns.other(ACCOUNT, &desired.key),
                asked_at: None,
                met_generation: line.met_generation,
                mode_sent: line.mode_sent(),
            };
            let plan = mutant.decide(&desired, &line.history, &around, now);
            match plan.step {
                Step::Rest => return self.rest(at, &desired, &plan, mutant),
                Step::Read => {
                    self.lines[at].look(true, now);
                    self.call();
                }
                Step::Update(change) => {
                    self.judge(at, &change);
                    if self.violation.is_some() || !self.update(at, &desired, change, mutant) {
                        return;
                    }
                }
            }
        }
        self.violation = Some("a pass that never rests");
    }

    fn rest(&mut self, at: usize, desired: &Desired, plan: &Plan, mutant: Mutant) {
        let now = self.now;
        let line = &mut self.lines[at];
        line.wake_at = plan.look_again;
        if plan.met {
            line.met_generation = line.met_generation.max(Some(desired.generation));
        }
        match line.wish.mode {
            Some(Must) if plan.met => line.must_generation = Some(desired.generation),
            Some(Must) => {}
            Some(No | Should) | None => line.must_generation = None,
        }
        let on_its_way = line.acts() && turn::is_on_its_way(desired, &line.history, &SET, now);
        if on_its_way {
            self.turns.hold(ACCOUNT, &desired.key, &name(at));
        } else {
            if line.acts() {
                line.history.prove_if_soaked(SET.encryption_soak);
            }
            self.release(at, mutant);
        }
    }

    fn release(&mut self, at: usize, mutant: Mutant) {
        if self.turns.release(&key(at), &name(at)) {
            for other in (0..self.lines.len()).filter(|other| *other != at) {
                self.pass(other, mutant);
            }
        }
    }

    /// The resource goes; AWS is not touched.
    pub fn delete(&mut self, at: usize, mutant: Mutant) {
        self.release(at, mutant);
    }

    /// The process dies, and another one begins with what is in status and in AWS.
    pub fn crash(&mut self, mutant: Mutant) {
        self.turns = Turns::default();
        for (at, line) in self.lines.iter_mut().enumerate() {
            (line.history, line.wake_at) = (History::default(), None);
            let sent_must = line.last_update.is_some_and(|last| last.mode == Must);
            if sent_must && line.wish.wants_must() && !line.wish.deleted {
                self.turns.hold(ACCOUNT, &key(at), &name(at));
            }
        }
        self.poll(mutant);
    }

    /// Sends an update. False when the process does not live to see what came of it.
    fn update(&mut self, at: usize, desired: &Desired, change: Change, mutant: Mutant) -> bool {
        self.call();
        let now = self.now;
        let mode = change.mode.expect("names are not part of the model");
        if mode == Must && !self.turns.try_take(ACCOUNT, &desired.key, &name(at)) && mutant != Mutant::IgnoresTheTurn {
            self.violation = Some("a turn that was decided on and could not be taken");
            return true;
        }
        let line = &mut self.lines[at];
        let earlier = (line.last_update, line.must_generation);
        line.last_update = Some(LastUpdate { mode, generation: line.generation, at: now });
        if mode == Must {
            line.must_generation = Some(line.generation);
        }
        let fate = std::mem::replace(&mut line.fate, Fate::Done);
        let took = match fate {
            Fate::Done | Fate::DoneButReadsLag => true,
            Fate::Lost { took } | Fate::Failed { took } | Fate::Crash { took } => took,
            Fate::Throttled => false,
        };
        // What was throttled was not looked at.
        if fate != Fate::Throttled {
            line.witness.was_read = false;
            (line.witness.works_since, line.witness.last_look) = (None, None);
        }
        if took {
            let old = line.mode;
            line.set(mode);
            line.witness.is_on_its_way = mode == Must;
            if fate == Fate::DoneButReadsLag {
                line.lag = Some((old, now + Duration::from_secs(59)));
            }
        }
        if mode == Must && fate != Fate::Throttled {
            line.witness.had_must = line.generation;
        }
        let unavailable = Fault::new(FaultKind::Unavailable, "UpdateConnection", "it failed");
        let fault = match fate {
            Fate::Done | Fate::DoneButReadsLag => {
                let answer = Line { lag: None, ..line.clone() }.shown(now);
                line.history.answered(change, &answer, now);
                self.call();
                return true;
            }
            Fate::Crash { .. } => {
                self.crash(mutant);
                return false;
            }
            Fate::Lost { .. } | Fate::Failed { .. } => Fault { effect: Effect::Unknown, ..unavailable },
            Fate::Throttled => Fault::new(FaultKind::Throttled, "UpdateConnection", "slow down"),
        };
        if fault.effect == Effect::None {
            (line.last_update, line.must_generation) = earlier;
        }
        if fault.effect == Effect::Unknown && mutant == Mutant::TakesLostForUnsent {
            return true;
        }
        // The die is such that the next try is at the next tick.
        line.history.refused(change, fault, now, SET.poll_interval, 1.0);
        self.call();
        true
    }

    /// Whether this update may go, by what the witness knows.
    fn judge(&mut self, at: usize, change: &Change) {
        let line = &self.lines[at];
        let Change { name: None, mode: Some(mode) } = *change else {
            self.violation = Some("a field that is not managed");
            return;
        };
        let soaked = line
            .witness
            .works_since
            .zip(line.witness.last_look)
            .is_some_and(|(since, last)| last.since(since) >= SET.encryption_soak);
        let at_once = line.wish.transition == EncryptionTransition::Immediate
            && line.witness.had_must < line.generation
            && !line.witness.was_met;
        let others = self.lines.iter().enumerate().filter(|(other, _)| *other != at);
        let another = others.into_iter().any(|(_, line)| line.witness.is_on_its_way && line.mode == Must);
        // Things may have changed since the read, which is as old as a read may be.
        let Some(read) = line.history.look().and_then(|look| look.connection.as_ref()) else {
            self.violation = Some("an update without a look");
            return;
        };
        let shown = read.mode();
        let goes_down = Some(mode) < shown;
        let is_available = read.connection_state == Some(ConnectionState::Available);
        let works = !read.mac_sec_keys.is_empty() && read.port_encryption_status == Some(PortEncryptionStatus::Up);
        let rules = [
            (!line.wish.is_managed() || line.wish.mode.is_none(), "an update of what is not managed"),
            (line.has_elder, "an update of what another resource manages"),
            (shown.is_none(), "an update from a value that nobody knows"),
            (line.wish.paused, "an update while paused"),
            (read.lag_id.is_some(), "a mode to a member of a LAG"),
            (!is_available && !goes_down, "a mode up the ladder while not available"),
            (shown == Some(mode), "a mode that AWS shows already"),
            (
                Some(mode) != line.wish.mode && !(line.wish.wants_must() && mode == Should),
                "a mode that nobody asked for",
            ),
            (!line.witness.was_read, "an update without a read since the last"),
            (mode == Must && !at_once && !works, "must_encrypt without a working key"),
            (mode == Must && !at_once && !soaked, "must_encrypt without a soaked Encryption Up"),
            (mode == Must && another, "two connections on their way to must_encrypt"),
        ];
        self.violation = rules.into_iter().find(|(broken, _)| *broken).map(|(_, rule)| rule);
    }
}

impl Line {
    /// A mode that was sent before, as status tells it.
    fn mode_sent(&self) -> Option<(EncryptionMode, i64)> {
        let last = self.last_update.map(|last| (last.mode, last.generation));
        let must = self.must_generation.map(|generation| (Must, generation));
        last.filter(|(_, generation)| *generation >= self.generation).or(must).or(last)
    }

    /// A read of this line, by itself or with the whole account.
    fn look(&mut self, by_id: bool, now: Moment) {
        let connection = self.shown(now);
        self.witness.was_read |= by_id;
        self.witness.last_look = Some(now);
        if self.works() {
            let since = *self.witness.works_since.get_or_insert(now);
            self.witness.is_on_its_way &= now.since(since) < SET.encryption_soak;
        } else {
            self.witness.works_since = None;
        }
        self.history.saw(Look { began: now, ended: now, by_id, connection: Some(connection) }, SET.settle_window);
        // A read within the settle window may be late, and is then no proof that the wish was met.
        let shown = self.history.look().and_then(|look| look.connection.as_ref()).and_then(Connection::mode);
        if shown == Some(Must) && self.wish.wants_must() {
            self.witness.had_must = self.witness.had_must.max(self.generation);
            self.witness.was_met = true;
        }
    }
}

fn name(at: usize) -> String {
    let names: [&str; 2] = ["net/fra-1", "net/fra-2"];
    names[at].to_owned()
}
