//! What somebody outside the operator knows of each line: what AWS was sent, what it did, what reads were delivered, and
//! what was wanted. Nothing that the operator believes.

use directconnect_core::clock::Moment;
use directconnect_core::desired::EncryptionMode;
use directconnect_core::history::Change;
use directconnect_core::observed::{Connection, ConnectionState};
use directconnect_core::settings::{FRESH, Settings};

use super::state::{World, acting};
use super::world::{Line, Must, No, Object, Should};

/// Looks without a gap that all showed the same mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Looks {
    mode: EncryptionMode,
    since: Moment,
    last: Moment,
}

/// What is known of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    /// A step of this operator that took effect and has not been seen to work, and the resource that it was made for.
    risk: Option<(EncryptionMode, Option<usize>)>,
    /// For which resource the last update was sent, and whether what was read before showed that it can interrupt.
    sender: Option<usize>,
    interrupts: bool,
    up: Option<Looks>,
    down: Option<Looks>,
    /// What the process that led before has seen.
    up_before: Option<Looks>,
    /// When the newest read that was delivered began.
    newest: Option<Moment>,
    /// When the last update of this leader ended that AWS looked at.
    ended: Option<Moment>,
    /// The last read by id, and whether it showed something else than there was.
    by_id: Option<(Moment, Connection, bool)>,
}

/// Whether `must_encrypt` has gone out for an unbroken wish of a resource, or was seen while it was wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct HadMust {
    sent: bool,
    /// This process has seen it, and has not written since.
    seen: bool,
    written: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    settings: Settings,
    lines: Vec<Seen>,
    had_must: Vec<HadMust>,
}

impl Witness {
    pub fn new(lines: &[Line], objects: usize, settings: Settings) -> Self {
        // One that is found at `must_encrypt` is at risk as one that was brought there.
        let found = |line: &Line| Seen { risk: (line.mode == Must).then_some((Must, None)), ..Seen::default() };
        Self { settings, lines: lines.iter().map(found).collect(), had_must: vec![HadMust::default(); objects] }
    }

    /// Another process leads: what was seen before is nothing to it.
    pub fn new_leader(&mut self) {
        for line in &mut self.lines {
            line.up_before = line.up;
            (line.up, line.down, line.newest, line.ended, line.by_id) = (None, None, None, None, None);
        }
        for had in &mut self.had_must {
            had.seen = false;
        }
    }

    /// A read is delivered.
    #[allow(clippy::too_many_arguments, reason = "all of it is what there is to a read")]
    pub fn hears(
        &mut self,
        at: usize,
        shown: &Connection,
        began: Moment,
        ended: Moment,
        is_late: bool,
        is_by_id: bool,
        objects: &[Option<Object>],
    ) {
        let (soak, deadline) = (self.settings.encryption_soak, self.settings.progress_deadline);
        let gap = self.settings.longest_gap();
        let line = &mut self.lines[at];
        if line.ended.is_some_and(|ended| began <= ended) || line.newest.is_some_and(|newest| began < newest) {
            return;
        }
        line.newest = Some(began);
        if is_by_id {
            line.by_id = Some((began, shown.clone(), is_late));
        }
        let Some(mode) = shown.mode() else { return };
        // What may be late may count for what it shows, but breaks nothing.
        if is_late && (!shown.encryption_works() || line.up.is_some_and(|up| up.mode != mode)) {
            return;
        }
        let extend = |looks: &mut Option<Looks>| match looks {
            Some(looks) if looks.mode == mode && began.since(looks.last) <= gap => looks.last = began,
            _ => *looks = Some(Looks { mode, since: ended, last: began }),
        };
        if shown.encryption_works() {
            line.down = None;
            extend(&mut line.up);
        } else {
            line.up = None;
            extend(&mut line.down);
        }
        let (up, down) = (line.up, line.down);
        line.risk = line.risk.filter(|&(step, _)| {
            let is_proven = up.is_some_and(|up| up.mode >= step && up.last.since(up.since) >= soak);
            let is_given_back = step == Should && down.is_some_and(|down| down.last.since(down.since) >= deadline);
            !is_proven && !is_given_back
        });
        if mode == Must && !is_late {
            self.see_must(at, objects);
        }
    }

    /// A read is delivered to a process that does not lead any more: it may be the last one of a soak.
    pub fn deposed_hears(&mut self, at: usize, shown: &Connection, began: Moment) {
        let line = &mut self.lines[at];
        let gap = self.settings.longest_gap();
        let goes_on = |up: &Looks| shown.mode() == Some(up.mode) && began.since(up.last) <= gap;
        line.up_before = line.up_before.filter(|up| shown.encryption_works() && goes_on(up));
        if let Some(up) = line.up_before {
            let is_soaked = began.since(up.since) >= self.settings.encryption_soak;
            line.risk = line.risk.filter(|&(step, _)| !is_soaked || up.mode < step);
        }
    }

    /// An update is answered, which counts as a read of the mode.
    pub fn answered(&mut self, at: usize, answer: &Connection, objects: &[Option<Object>]) {
        if answer.mode() == Some(Must) {
            self.see_must(at, objects);
        }
    }

    fn see_must(&mut self, line: usize, objects: &[Option<Object>]) {
        for (had, object) in self.had_must.iter_mut().zip(objects) {
            had.seen |= object.as_ref().is_some_and(|object| object.line == line && object.wants(Must));
        }
    }

    /// An update has ended, as its sender sees it.
    pub fn call_ended(&mut self, at: usize, may_have_effect: bool, now: Moment) {
        let line = &mut self.lines[at];
        line.ended = Some(now);
        if may_have_effect {
            (line.up, line.down) = (None, None);
        }
    }

    /// AWS has certainly not carried it out.
    pub fn unsent(&mut self, who: usize, change: &Change) {
        if change.mode == Some(Must) {
            self.had_must[who].sent = false;
        }
    }

    /// A status was written.
    pub fn wrote(&mut self, who: usize) {
        let had = &mut self.had_must[who];
        had.written |= had.seen;
    }

    /// A resource wants another mode, or is another one.
    pub fn wishes_anew(&mut self, who: usize) {
        self.had_must[who] = HadMust::default();
    }

    /// A step took effect.
    pub fn risks(&mut self, at: usize, mode: EncryptionMode) {
        let line = &mut self.lines[at];
        if line.interrupts {
            line.risk = Some((mode, line.sender));
        }
    }

    /// What is not there any more is no risk.
    pub fn notices(&mut self, lines: &[Line]) {
        for (seen, line) in self.lines.iter_mut().zip(lines) {
            seen.risk = seen
                .risk
                .filter(|&(mode, _)| line.mode >= mode && !line.in_lag && (mode == Must || line.key.is_some()));
        }
    }

    /// Nobody wants to encrypt it any more, as the leader knows.
    pub fn lets_go(&mut self, at: usize) {
        self.lines[at].risk = self.lines[at].risk.filter(|&(mode, _)| mode == Must);
    }

    pub fn step(&self, at: usize) -> Option<(EncryptionMode, Option<usize>)> {
        self.lines[at].risk
    }

    /// The lines at risk, a bit each.
    pub fn at_risk(&self) -> u8 {
        self.lines.iter().enumerate().fold(0, |bits, (at, line)| bits | (u8::from(line.risk.is_some()) << at))
    }
}

impl Line {
    /// Whether this mode can interrupt it as it is. A key that came within the age of a read is not counted.
    pub fn is_interrupted_by(&self, mode: EncryptionMode, now: Moment) -> bool {
        match mode {
            No => false,
            Should => self.mode == No && self.key.is_some_and(|since| now.since(since) > FRESH),
            Must => self.mode != Must,
        }
    }
}

impl World {
    /// Whether this update puts a second line at risk.
    pub fn judge_risk(&mut self, who: usize, line: usize, change: &Change, seen: &[Option<Object>]) {
        let known = &mut self.witness.lines[line];
        let shows_clear_text = known
            .by_id
            .as_ref()
            .is_none_or(|(_, read, is_late)| !is_late && read.mode() == Some(No) && read.has_key_at_all());
        known.interrupts = change.mode == Some(Must) || shows_clear_text;
        let is_risky =
            known.interrupts && change.mode.is_some_and(|mode| self.lines[line].is_interrupted_by(mode, self.now));
        if is_risky && self.witness.at_risk() & self.wanted(seen) & self.sharing(line) != 0 {
            self.violation = self.violation.or(Some("two lines of an account at once"));
        }
        self.witness.lines[line].sender = Some(who);
    }

    /// Whether this update may be sent, by what the witness knows.
    pub fn judge(&mut self, who: usize, line: usize, change: &Change, seen: &[Option<Object>]) {
        let broken = self.broken_by(who, line, change, seen);
        self.violation = self.violation.or(broken);
        self.judge_risk(who, line, change, seen);
        if change.mode == Some(Must) {
            self.witness.had_must[who].sent = true;
        }
    }

    fn broken_by(&self, who: usize, line: usize, change: &Change, seen: &[Option<Object>]) -> Option<&'static str> {
        let known = &self.witness.lines[line];
        let Some(object) = &seen[who] else { return Some("an update for a resource that is gone") };
        let Some((began, read, is_late)) = &known.by_id else { return Some("an update without a read") };
        let shown = read.mode().filter(|_| !is_late);
        let goes_up = change.mode.zip(read.mode()).is_some_and(|(mode, shown)| mode > shown);
        let is_available = read.connection_state == Some(ConnectionState::Available);
        let is_on_the_way = change.mode == object.wish.mode || (object.wants(Must) && change.mode == Some(Should));
        let had = &self.witness.had_must[who];
        let at_once = object.wish.is_immediate && !had.sent && !had.seen && !had.written;
        let is_soaked = known.up.is_some_and(|up| {
            up.last.since(up.since) >= self.settings.encryption_soak && self.now.since(up.last) <= FRESH
        });
        let rules = [
            (object.is_being_deleted, "an update for a resource that is being deleted"),
            (object.wish.observes, "an update for one that only observes"),
            (object.wish.paused, "an update while paused"),
            (acting(seen, line).is_none_or(|(at, _)| at != who), "an update of what another resource manages"),
            (change.mode.is_some() && !is_on_the_way, "a mode that nobody asked for"),
            (change.name.is_some() && (!object.wish.renames), "a name that nobody asked for"),
            (change.mode.is_none() && change.name.is_none(), "an update of nothing"),
            (change.mode.is_some() && read.lag_id.is_some(), "a mode to a member of a LAG"),
            (change.mode.is_some() && read.mode().is_none(), "a mode from one that nobody knows"),
            (change.mode.is_some() && shown == change.mode, "a mode that AWS shows already"),
            (change.name.is_some() && read.connection_name == change.name, "a name that AWS shows already"),
            (goes_up && !is_available, "a mode up the ladder while not available"),
            (self.now.since(*began) > FRESH, "an update on a read that is too old"),
            (known.ended.is_some_and(|ended| *began <= ended), "an update on a read from before the last one"),
            (change.mode == Some(Must) && !at_once && !is_soaked, "must_encrypt without a soak"),
        ];
        rules.into_iter().find(|(broken, _)| *broken).map(|(_, rule)| rule)
    }
}
