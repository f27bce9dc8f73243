//! All there is: the world, and the processes in it.

use directconnect_core::clock::Moment;
use directconnect_core::history::Change;
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::settings::Settings;
use directconnect_core::turn::Shown;

use super::process::Process;
use super::without::Without;
use super::witness::Witness;
use super::world::{Line, Must, Object, began};

/// An update of a process that has ended, which takes effect all the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Orphan {
    pub line: usize,
    pub change: Change,
    pub known: u8,
    /// Ticks until it does.
    pub ticks: u8,
}

/// What a listing shows of each line, and whether that is not how it is.
pub type Listing = Vec<(usize, Connection, bool)>;

/// AWS, the API server, people, and who watches it all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub settings: Settings,
    pub now: Moment,
    pub lines: Vec<Line>,
    pub objects: Vec<Option<Object>>,
    pub is_unreadable: [bool; 2],
    /// A listing that was made and has not come in yet.
    pub held: Option<(Moment, Listing)>,
    pub orphans: Vec<Orphan>,
    /// What the watches have to bring.
    pub news: Vec<(usize, Option<Object>)>,
    pub version: u64,
    pub witness: Witness,
    /// What the operator did that it must never do.
    pub violation: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub world: World,
    pub leader: Process,
    /// It has lost the lease and does not know.
    pub deposed: Option<Process>,
    pub standby: Option<Process>,
    /// Objects that are gone, as they were.
    pub gone: Vec<Option<Object>>,
    pub ticks: u8,
    pub moves: u8,
}

impl World {
    pub fn circuit(&self, line: usize) -> CircuitId {
        self.lines[line].circuit(line)
    }

    pub fn regions(&self) -> Vec<usize> {
        let mut regions: Vec<usize> = self.lines.iter().map(|line| line.region).collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    pub fn listing(&self, region: usize) -> Listing {
        let listed = self.lines.iter().enumerate().filter(|(_, line)| line.region == region && !line.is_left_out);
        let shown = listed.map(|(at, line)| {
            let (connection, is_late) = line.shown(self.now);
            (at, connection, is_late)
        });
        shown.collect()
    }

    /// An object is made, changed or gone; the watches will bring it.
    pub fn put(&mut self, at: usize, object: Option<Object>) {
        self.version += 1;
        let object = object.map(|object| Object { version: self.version, ..object });
        self.objects[at].clone_from(&object);
        self.news.push((at, object));
    }

    /// Writes a status. `None` where the object is not of this version.
    pub fn write(&mut self, at: usize, uid: &str, version: u64, ledger: &Ledger, shown: Option<Shown>) -> Option<u64> {
        let object = self.objects[at].clone().filter(|object| object.uid() == uid && object.version == version)?;
        let shown = shown.unwrap_or_else(|| object.shown.clone());
        self.put(at, Some(Object { ledger: ledger.clone(), shown, ..object }));
        self.witness.wrote(at);
        Some(self.version)
    }

    /// An update takes effect in AWS, where it is taken.
    pub fn land(&mut self, line: usize, change: &Change, known: u8, seen: &[Option<Object>]) {
        if !self.lines[line].accepts(change) {
            return;
        }
        let shown = self.lines[line].clone();
        let (now, window) = (self.now, self.settings.settle_window);
        self.lines[line].take(change, now, window);
        if let Some(mode) = change.mode.filter(|&mode| shown.is_interrupted_by(mode, now)) {
            // What became a risk since this was sent was sent beside it. What nobody wants any more holds no turn.
            let others = self.witness.at_risk() & !known & self.sharing(line);
            self.witness.risks(line, mode);
            let wanted = self.wanted(seen);
            if wanted & others != 0 && wanted & (1 << line) != 0 {
                self.violation = self.violation.or(Some("two lines of an account at once, by an update that was late"));
            }
        }
        self.witness.notices(&self.lines);
    }

    /// A call to AWS takes a moment.
    pub fn call_ended(&mut self, line: usize, may_have_effect: bool) {
        self.now = self.now + std::time::Duration::from_millis(1);
        self.witness.call_ended(line, may_have_effect, self.now);
        self.now = self.now + std::time::Duration::from_millis(1);
    }

    /// Lines that share an account with this one, as far as AWS shows accounts at all.
    pub fn sharing(&self, line: usize) -> u8 {
        let account = self.lines[line].account;
        let shares = |other: &Line| account.is_none() || other.account.is_none() || other.account == account;
        bits(self.lines.iter().enumerate().map(|(at, other)| at != line && shares(other)))
    }

    /// Lines whose step is still wanted, by what the API server has and by what the leader was brought.
    pub fn wanted(&self, seen: &[Option<Object>]) -> u8 {
        let wanted = |objects: &[Option<Object>], line: usize| {
            self.witness.step(line).is_some_and(|(mode, who)| {
                let acting = acting(objects, line);
                let stepped = who.and_then(|at| objects[at].as_ref()).filter(|object| object.line == line);
                acting.map(|(_, object)| object).into_iter().chain(stepped).any(|object| object.wants(mode))
            })
        };
        bits((0..self.lines.len()).map(|line| wanted(&self.objects, line) && wanted(seen, line)))
    }
}

/// The oldest resource that manages a line.
pub fn acting(objects: &[Option<Object>], line: usize) -> Option<(usize, &Object)> {
    let all = objects.iter().enumerate().filter_map(|(at, object)| Some((at, object.as_ref()?)));
    all.filter(|(_, object)| object.line == line && object.is_managed())
        .min_by_key(|(at, object)| (object.created, *at))
}

fn bits(flags: impl Iterator<Item = bool>) -> u8 {
    flags.enumerate().fold(0, |bits, (at, flag)| bits | (u8::from(flag) << at))
}

impl Line {
    /// Whether AWS takes this update as things stand.
    pub fn accepts(&self, change: &Change) -> bool {
        let Some(mode) = change.mode else { return true };
        let is_available = self.has_light && (self.mode != Must || self.works());
        !self.in_lag && (is_available || mode < self.mode)
    }
}

impl State {
    pub fn begin(lines: Vec<Line>, objects: Vec<Option<Object>>, settings: Settings, has_standby: bool) -> Self {
        let witness = Witness::new(&lines, objects.len(), settings);
        let mut world = World {
            settings,
            now: began(),
            lines,
            objects,
            is_unreadable: [false; 2],
            held: None,
            orphans: Vec::new(),
            news: Vec::new(),
            version: 1,
            witness,
            violation: None,
        };
        let mut leader = Process::new(settings, &world);
        leader.lead(&mut world, Without::Nothing);
        let standby = has_standby.then(|| Process::new(settings, &world));
        let gone = vec![None; world.objects.len()];
        Self { world, leader, deposed: None, standby, gone, ticks: 0, moves: 0 }
    }

    /// The watches bring what there is, but for those that stand still.
    pub fn deliver(&mut self) {
        let news = std::mem::take(&mut self.world.news);
        let processes = [Some(&mut self.leader), self.deposed.as_mut(), self.standby.as_mut()];
        for process in processes.into_iter().flatten() {
            process.queue.extend(news.iter().cloned());
            if !process.is_stalled {
                process.catch_up(&self.world);
            }
        }
    }
}

impl Process {
    /// The watch brings all that it has not brought yet.
    pub fn catch_up(&mut self, world: &World) {
        for (at, object) in std::mem::take(&mut self.queue) {
            self.hear(at, object, world);
        }
    }
}
