//! One process of the operator: what it has seen, and whose turn it is in it.

use directconnect_core::clock::Moment;
use directconnect_core::fault::{Fault, FaultKind};
use directconnect_core::fleet::Fleet;
use directconnect_core::history::Change;
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::pass::{Outside, Pass};
use directconnect_core::settings::Settings;
use directconnect_core::turn::Shown;

use super::state::World;
use super::without::Without;
use super::world::{Object, connection_id, region, resource_id};

/// Where a pass stands: what it does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pending {
    /// Reads the connection by its id.
    Read,
    /// Waits for its pace.
    Pace,
    /// Sends the intention to the API server.
    Write(Ledger, Option<Shown>),
    /// The API server has the intention, and answers.
    Written(u64),
    /// The update is on its way to AWS; these lines were at risk when it was sent.
    Call(Change, u8),
    /// AWS has carried it out, and answers.
    Answer(Box<Connection>),
    /// The lease is over, and nobody waits for the answer any more.
    Cut,
    /// Writes status, where that differs.
    Rest(Ledger, Option<Shown>, Option<Moment>),
}

/// A pass under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Running {
    pub who: usize,
    pub line: usize,
    /// It has the lock of its circuit.
    pub has_lock: bool,
    /// The version that its writes are guarded by.
    pub version: u64,
    pub uid: &'static str,
    pub pass: Pass,
    pub at: Pending,
}

/// What goes wrong with what a pass does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mishap {
    /// It is refused: a read that fails, a write that met a newer version, an update that was throttled.
    Refused,
    /// An update that AWS does not take as it stands.
    Rejected,
    /// No answer comes; it was carried out or not.
    Lost { took: bool },
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub fleet: Fleet,
    /// The objects as the watch has brought them.
    pub seen: Vec<Option<Object>>,
    circuits: Vec<CircuitId>,
    /// What the watch has yet to bring.
    pub queue: Vec<(usize, Option<Object>)>,
    pub is_stalled: bool,
    /// It holds the lease, whether it knows or not.
    pub has_lease: bool,
    pub passes: Vec<Running>,
    /// The resource whose pass goes on first.
    pub current: Option<usize>,
    pub due: Vec<bool>,
    pub wake: Vec<Option<Moment>>,
    /// Resource versions that its own writes were answered with.
    pub written: Vec<u64>,
    /// The last listing of a region failed.
    pub has_failed: [bool; 2],
}

impl Process {
    /// A process that has just started and listed the objects.
    pub fn new(settings: Settings, world: &World) -> Self {
        let none = world.objects.len();
        let mut process = Self {
            fleet: Fleet::new(settings),
            seen: vec![None; none],
            circuits: (0..world.lines.len()).map(|line| world.circuit(line)).collect(),
            queue: Vec::new(),
            is_stalled: false,
            has_lease: false,
            passes: Vec::new(),
            current: None,
            due: vec![false; none],
            wake: vec![None; none],
            written: vec![0; none],
            has_failed: [false; 2],
        };
        process.relist(world);
        process
    }

    /// Lists the objects anew, from the API server itself.
    pub fn relist(&mut self, world: &World) {
        self.queue.clear();
        self.is_stalled = false;
        for at in 0..world.objects.len() {
            self.hear(at, world.objects[at].clone(), world);
        }
    }

    /// It has the lease from now on, and begins to read.
    pub fn lead(&mut self, world: &mut World, without: Without) {
        if without != Without::WaitForThoseBefore {
            self.fleet.lead(world.now);
        }
        self.has_lease = true;
        world.witness.new_leader();
        for at in world.regions() {
            self.fleet.begin_reading(&region(at), world.now);
        }
        self.due = vec![true; self.due.len()];
        self.list(world);
    }

    /// The watch brings an object as it is now.
    pub fn hear(&mut self, at: usize, object: Option<Object>, world: &World) {
        let circuit = |object: &Object| world.circuit(object.line);
        let before = std::mem::replace(&mut self.seen[at], object);
        let object = &self.seen[at];
        if let Some(before) = &before
            && object.as_ref().is_none_or(|object| object.line != before.line)
        {
            self.fleet.remove(&circuit(before), &resource_id(at));
        }
        if let Some(object) = object {
            self.fleet.apply(&circuit(object), object.claim(at, &circuit(object)));
        }
        let asks = |object: &Option<Object>| {
            object.as_ref().map(|object| (object.uid, object.generation, object.wish, object.is_being_deleted))
        };
        if asks(&before) != asks(object) {
            if before.as_ref().map(|before| before.uid) != object.as_ref().map(|object| object.uid) {
                self.written[at] = 0;
            }
            let lines: Vec<usize> = before.iter().chain(object).map(|object| object.line).collect();
            self.wake(|object| lines.contains(&object.line));
        }
        self.heed_freed();
    }

    pub fn wake(&mut self, whom: impl Fn(&Object) -> bool) {
        for (due, object) in self.due.iter_mut().zip(&self.seen) {
            *due |= object.as_ref().is_some_and(&whom);
        }
    }

    pub fn heed_freed(&mut self) {
        if self.fleet.take_freed() {
            self.wake(|object| object.wish.mode.is_some());
        }
    }

    /// Who has waited long enough is due.
    pub fn wake_by_time(&mut self, now: Moment) {
        for (due, wake) in self.due.iter_mut().zip(&mut self.wake) {
            *due |= wake.take_if(|wake| *wake <= now).is_some();
        }
    }

    /// The regions are listed.
    pub fn list(&mut self, world: &mut World) {
        for at in world.regions() {
            if world.is_unreadable[at] {
                if !std::mem::replace(&mut self.has_failed[at], true) {
                    self.wake(|object| world.lines[object.line].region == at);
                }
                self.fleet.record_failed_listing(&region(at), world.now);
            } else {
                let shown = world.listing(at);
                self.take_in_listing(world, at, world.now, shown);
            }
        }
    }

    /// A listing of a region comes in.
    pub fn take_in_listing(
        &mut self,
        world: &mut World,
        at: usize,
        began: Moment,
        shown: Vec<(usize, Connection, bool)>,
    ) {
        if std::mem::replace(&mut self.has_failed[at], false) {
            self.wake(|object| world.lines[object.line].region == at);
        }
        for (line, connection, is_late) in &shown {
            world.witness.hears(*line, connection, began, world.now, *is_late, false, &self.seen);
        }
        let shown = shown.into_iter().map(|(line, connection, _)| (connection_id(line), connection)).collect();
        let changed = self.fleet.record_listing(&region(at), (began, world.now), shown);
        self.wake(|object| changed.contains(&connection_id(object.line)));
        self.heed_freed();
    }

    pub fn outside(&self, region: usize) -> Outside {
        let fault = Fault::new(FaultKind::Unavailable, "DescribeConnections", "AWS is down");
        Outside { poll_fault: self.has_failed[region].then_some(fault), ..Outside::default() }
    }

    /// Whose pass goes on, or begins, next.
    pub fn next_up(&self) -> Option<usize> {
        let may_begin = |at: usize| self.may_begin(at);
        let may_go_on = |at: usize| self.passes.iter().any(|running| running.who == at);
        let all = || 0..self.seen.len();
        self.current
            .filter(|&at| may_go_on(at) || may_begin(at))
            .or_else(|| all().find(|&at| may_go_on(at)))
            .or_else(|| all().find(|&at| may_begin(at)))
    }

    /// One that is due and is not under way begins; who may change the circuit needs its lock.
    pub fn may_begin(&self, at: usize) -> bool {
        // A process that has lost the lease ends; only what is under way goes on for a moment.
        if !self.has_lease {
            return false;
        }
        let Some(object) = self.seen[at].as_ref().filter(|object| self.due[at] && !object.is_being_deleted) else {
            return false;
        };
        let acts = self.fleet.acts(&self.circuits[object.line], &resource_id(at));
        let is_locked = |running: &Running| running.line == object.line && running.has_lock && acts;
        !self.passes.iter().any(|running| running.who == at || is_locked(running))
    }

    /// Others than the one that goes on by itself, who could.
    pub fn others(&self) -> impl Iterator<Item = usize> + '_ {
        let first = self.next_up();
        (0..self.seen.len()).filter(move |at| {
            Some(*at) != first && (self.may_begin(*at) || self.passes.iter().any(|pass| pass.who == *at))
        })
    }

    /// What the pass that goes on does next.
    pub fn pending(&self) -> Option<&Pending> {
        let next = self.next_up()?;
        self.passes.iter().find(|running| running.who == next).map(|running| &running.at)
    }
}
