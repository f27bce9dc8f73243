//! The state of the model: the world, and the processes in it.

use std::time::Duration;

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
use super::world::{Found, Link, MOMENT, Object, began};

/// An update of a process that has ended, which still takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Orphan {
    pub link: usize,
    pub change: Change,
    pub known: u8,
    /// Ticks until it takes effect.
    pub ticks: u8,
}

/// For each link in a listing: the connection, and whether that is the state before the last update.
pub type Listing = Vec<(usize, Connection, bool)>;

/// AWS, the API server, people, and the witness.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub settings: Settings,
    pub now: Moment,
    /// How long a step of a pass takes. Not at all in an exploration, where it would tell apart what is the same.
    pub step: Duration,
    /// How much time has passed beside the ticks.
    pub between_ticks: Duration,
    pub links: Vec<Link>,
    pub objects: Vec<Option<Object>>,
    pub is_unreadable: [bool; 2],
    /// A listing whose answer has not arrived yet.
    pub held: Option<(Moment, Listing)>,
    pub orphans: Vec<Orphan>,
    /// Events that the watches have not delivered yet.
    pub pending_events: Vec<(usize, Option<Object>)>,
    pub version: u64,
    pub witness: Witness,
    /// The rule that the operator has violated.
    pub violation: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub world: World,
    pub leader: Process,
    /// A process that has lost the lease without noticing.
    pub deposed: Option<Process>,
    pub standby: Option<Process>,
    /// Deleted objects, in their last state.
    pub gone: Vec<Option<Object>>,
    pub ticks: u32,
    pub moves: u32,
}

impl World {
    pub fn circuit(&self, link: usize) -> CircuitId {
        self.links[link].circuit(link)
    }

    pub fn regions(&self) -> Vec<usize> {
        let mut regions: Vec<usize> = self.links.iter().map(|link| link.region).collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    pub fn listing(&self, region: usize) -> Listing {
        let listed =
            self.links.iter().enumerate().filter(|(_, link)| link.region == region && link.found == Found::Always);
        let shown = listed.map(|(at, link)| {
            let (connection, is_late) = link.shown(self.now);
            (at, connection, is_late)
        });
        shown.collect()
    }

    /// Creates, changes or deletes an object. The watches will deliver it.
    pub fn put(&mut self, at: usize, object: Option<Object>) {
        self.version += 1;
        let object = object.map(|object| Object { version: self.version, ..object });
        self.objects[at].clone_from(&object);
        self.pending_events.push((at, object));
    }

    /// Writes a status. `None` if the object is no longer at this version.
    pub fn write(
        &mut self,
        at: usize,
        (uid, version): (&str, u64),
        ledger: &Ledger,
        shown: Option<Shown>,
        served: Option<u32>,
    ) -> Option<u64> {
        let object = self.objects[at].clone().filter(|object| object.uid() == uid && object.version == version)?;
        let shown = shown.unwrap_or_else(|| object.shown.clone());
        let served = served.unwrap_or(object.served);
        self.put(at, Some(Object { ledger: ledger.clone(), shown, served, ..object }));
        Some(self.version)
    }

    /// An update takes effect in AWS, if AWS accepts it.
    pub fn land(&mut self, link: usize, change: &Change, known: u8, seen: &[Option<Object>]) {
        if !self.links[link].accepts(change) {
            return;
        }
        let shown = self.links[link].clone();
        let (now, window) = (self.now, self.settings.settle_window);
        let was_read = self.witness.has_read(link, self.links[link].mode);
        self.links[link].take(change, now, window);
        self.links[link].is_known &= was_read;
        if let Some(mode) = change.mode.filter(|&mode| shown.is_interrupted_by(mode, now)) {
            // Links that came at risk after this update was sent do not count against it, and a step that nobody wants
            // any more holds no turn.
            let others = self.witness.at_risk() & !known & self.sharing(link);
            self.witness.risks(link, mode);
            let wanted = self.wanted(seen);
            if wanted & others != 0 && wanted & (1 << link) != 0 {
                self.violation = self.violation.or(Some("two links of an account at once, by an update that was late"));
            }
        }
        self.witness.notices(&self.links);
    }

    /// Lets this much time pass between two ticks.
    pub fn waits(&mut self, time: Duration) {
        self.now = self.now + time;
        self.between_ticks += time;
    }

    /// The objects that a process has seen and that have not been replaced since.
    pub fn current(&self, seen: &[Option<Object>]) -> Vec<Option<Object>> {
        let is_current = |(seen, now): (&Option<Object>, &Option<Object>)| {
            seen.clone().filter(|seen| now.as_ref().is_some_and(|now| now.life == seen.life))
        };
        seen.iter().zip(&self.objects).map(is_current).collect()
    }

    /// Ends a call to AWS, which takes a moment.
    pub fn call_ended(&mut self, link: usize, may_have_effect: bool) {
        self.now = self.now + MOMENT;
        self.witness.call_ended(link, may_have_effect, self.now);
    }

    /// Links that share an account with this one. A link without an owner shares with all.
    pub fn sharing(&self, link: usize) -> u8 {
        let account = self.links[link].account;
        let shares = |other: &Link| account.is_none() || other.account.is_none() || other.account == account;
        bits(self.links.iter().enumerate().map(|(at, other)| at != link && shares(other)))
    }

    /// Links whose step is still wanted, both by the API server's objects and by those that the leader has seen.
    pub fn wanted(&self, seen: &[Option<Object>]) -> u8 {
        let wanted = |objects: &[Option<Object>], link: usize| {
            self.witness.step(link).is_some_and(|(mode, who)| {
                let acting = acting(objects, link);
                let stepped = who.and_then(|at| objects[at].as_ref()).filter(|object| object.link == link);
                acting.map(|(_, object)| object).into_iter().chain(stepped).any(|object| object.wants(mode))
            })
        };
        bits((0..self.links.len()).map(|link| wanted(&self.objects, link) && wanted(seen, link)))
    }
}

/// The oldest resource that manages a link.
pub fn acting(objects: &[Option<Object>], link: usize) -> Option<(usize, &Object)> {
    let all = objects.iter().enumerate().filter_map(|(at, object)| Some((at, object.as_ref()?)));
    all.filter(|(_, object)| object.link == link && object.is_managed())
        .min_by_key(|(at, object)| (object.created, *at))
}

/// Flags as bits, the first one lowest.
pub fn bits(flags: impl Iterator<Item = bool>) -> u8 {
    flags.enumerate().fold(0, |bits, (at, flag)| bits | (u8::from(flag) << at))
}

impl Link {
    /// Whether AWS accepts this update in the current state.
    pub fn accepts(&self, change: &Change) -> bool {
        let Some(mode) = change.mode else { return !self.is_deleted };
        !self.is_deleted && !self.in_lag && (self.is_available() || mode < self.mode)
    }
}

impl State {
    pub fn begin(links: Vec<Link>, objects: Vec<Option<Object>>, settings: Settings, has_standby: bool) -> Self {
        let witness = Witness::new(&links, objects.len(), settings);
        let mut world = World {
            settings,
            now: began(),
            step: Duration::ZERO,
            between_ticks: Duration::ZERO,
            links,
            objects,
            is_unreadable: [false; 2],
            held: None,
            orphans: Vec::new(),
            pending_events: Vec::new(),
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

    /// Delivers pending events to all processes whose watch is not stalled.
    pub fn deliver(&mut self) {
        let pending_events = std::mem::take(&mut self.world.pending_events);
        let processes = [Some(&mut self.leader), self.deposed.as_mut(), self.standby.as_mut()];
        for process in processes.into_iter().flatten() {
            process.queue.extend(pending_events.iter().cloned());
            if !process.is_stalled {
                process.catch_up(&mut self.world);
            }
        }
    }
}

impl Process {
    /// The watch delivers all pending events.
    pub fn catch_up(&mut self, world: &mut World) {
        for (at, object) in std::mem::take(&mut self.queue) {
            self.hear(at, object, world);
            if self.has_lease {
                world.witness.note_wishes(&self.seen);
            }
        }
    }
}
