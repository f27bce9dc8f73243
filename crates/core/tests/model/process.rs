//! One process of the operator: its fleet, and its passes.

use directconnect_core::clock::Moment;
use directconnect_core::fleet::Fleet;
use directconnect_core::history::Change;
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::pass::Pass;
use directconnect_core::settings::Settings;
use directconnect_core::turn::Shown;

use super::reads::ReadAnswer;
use super::state::World;
use super::world::{Object, resource_id};

/// The next step of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pending {
    /// Read the connection by its id.
    Read,
    /// AWS has answered a read that began then, and the answer is on its way.
    Reading(Moment, ReadAnswer),
    /// Wait for the rate limit.
    Pace,
    /// Send the intention to the API server.
    Write(Ledger, Option<Shown>),
    /// The API server has stored the intention, and answers.
    Written(u64),
    /// The update is on its way to AWS. The bits say which links were at risk when it was sent.
    Call(Change, u8),
    /// AWS has carried out the update, and answers.
    Answer(Box<Connection>),
    /// The lease is over, so the answer is not awaited any more.
    Cut,
    /// Write status, if it differs.
    Rest(Ledger, Option<Shown>, Option<Moment>),
}

/// A running pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Running {
    pub who: usize,
    pub link: usize,
    /// Whether it holds the lock of its circuit.
    pub has_lock: bool,
    /// The version that guards its writes.
    pub version: u64,
    pub uid: &'static str,
    pub pass: Pass,
    pub at: Pending,
    /// Whether it has sent an update.
    pub has_sent: bool,
    /// The read that people have asked for, and when this process first knew of it.
    pub request: Option<(u32, Moment)>,
    /// The request that its read serves.
    pub serves: Option<u32>,
}

/// How the next step of a pass goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mishap {
    /// A read fails, a write meets a newer version, or an update is throttled.
    Refused,
    /// AWS rejects the update.
    Rejected,
    /// The permission for the update is missing.
    Denied,
    /// The update is throttled, and may be tried again at once.
    ThrottledBriefly,
    /// AWS accepts the update, but does not store it.
    NotStored,
    /// The answer is lost; the request was carried out or not.
    Lost { took: bool },
}

/// A process of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub fleet: Fleet,
    /// The objects as the watch has delivered them.
    pub seen: Vec<Option<Object>>,
    pub circuits: Vec<CircuitId>,
    /// Events that the watch has not delivered yet.
    pub queue: Vec<(usize, Option<Object>)>,
    pub is_stalled: bool,
    /// Whether it really holds the lease, even if it does not know that it has lost it.
    pub has_lease: bool,
    pub passes: Vec<Running>,
    /// The resource whose pass goes first.
    pub current: Option<usize>,
    pub due: Vec<bool>,
    pub wake: Vec<Option<Moment>>,
    /// The resources that were told to wait for a turn.
    pub waits: Vec<bool>,
    /// The resource versions of its own last writes.
    pub written: Vec<u64>,
    /// The version of its last write that the API server has stored and answers. Any other status was written by someone
    /// else.
    pub stored: Vec<u64>,
    /// Whether the status that the watch has delivered was written by someone else while this process leads.
    is_distrusted: Vec<bool>,
    /// The last reads that people have asked for, and when this process first knew of them.
    pub requests: Vec<Option<(u32, Moment)>>,
}

impl Process {
    /// A process that has just started and listed the objects.
    pub fn new(settings: Settings, world: &World) -> Self {
        let none = world.objects.len();
        let mut process = Self {
            fleet: Fleet::new(settings),
            seen: vec![None; none],
            circuits: (0..world.links.len()).map(|link| world.circuit(link)).collect(),
            queue: Vec::new(),
            is_stalled: false,
            has_lease: false,
            passes: Vec::new(),
            current: None,
            due: vec![false; none],
            wake: vec![None; none],
            waits: vec![false; none],
            written: vec![0; none],
            stored: vec![0; none],
            is_distrusted: vec![false; none],
            requests: vec![None; none],
        };
        process.relist(world);
        process
    }

    /// Lists the objects again, from the API server itself.
    pub fn relist(&mut self, world: &World) {
        self.queue.clear();
        self.is_stalled = false;
        // In the order of their versions, and deletions last.
        let mut all: Vec<usize> = (0..world.objects.len()).collect();
        all.sort_by_key(|&at| world.objects[at].as_ref().map_or(u64::MAX, |object| object.version));
        for at in all {
            self.hear(at, world.objects[at].clone(), world);
        }
    }

    /// The watch delivers the current state of an object.
    pub fn hear(&mut self, at: usize, object: Option<Object>, world: &World) {
        let circuit = |object: &Object| world.circuit(object.link);
        let before = std::mem::replace(&mut self.seen[at], object);
        let object = &self.seen[at];
        if let Some(before) = &before
            && object.as_ref().is_none_or(|object| object.link != before.link)
        {
            self.fleet.remove(&circuit(before), &resource_id(at));
        }
        if let Some(object) = object {
            let mut claim = object.claim(at, &circuit(object));
            let before = before.as_ref().filter(|before| before.life == object.life);
            let is_same = before.is_none_or(|before| before.status() == object.status());
            let is_by_other = self.has_lease && !is_same && self.stored[at] != object.version;
            self.due[at] |= is_by_other && self.stored[at] < object.version;
            self.is_distrusted[at] = is_by_other || (is_same && before.is_some() && self.is_distrusted[at]);
            // The status that someone else wrote is not trusted, and the next pass overwrites it.
            if self.is_distrusted[at] {
                claim.ledger = self.fleet.ledger(&circuit(object), &resource_id(at));
            }
            self.fleet.apply(&circuit(object), claim);
        }
        let asks = |object: &Option<Object>| {
            object
                .as_ref()
                .map(|object| (object.life, object.generation, object.spec, object.is_being_deleted, object.requests))
        };
        if asks(&before) != asks(object) {
            if before.as_ref().map(|before| before.life) != object.as_ref().map(|object| object.life) {
                (self.written[at], self.stored[at], self.requests[at]) = (0, 0, None);
            }
            self.due[at] |= object.is_some();
            self.waits[at] &= object.is_some();
        }
        // The other resources for a link are woken only if it may now be another one that acts, as the operator does.
        let claims = |object: &Option<Object>| {
            object.as_ref().map(|object| (object.life, object.link, object.spec.observes, object.is_being_deleted))
        };
        if claims(&before) != claims(object) {
            let links: Vec<usize> = before.iter().chain(object).map(|object| object.link).collect();
            self.wake(|object| links.contains(&object.link));
        }
        self.wake_waiting();
    }

    pub fn wake(&mut self, whom: impl Fn(&Object) -> bool) {
        for (due, object) in self.due.iter_mut().zip(&self.seen) {
            *due |= object.as_ref().is_some_and(&whom);
        }
    }

    pub fn wake_waiting(&mut self) {
        if self.fleet.take_freed() {
            for (due, waits) in self.due.iter_mut().zip(&mut self.waits) {
                *due |= std::mem::take(waits);
            }
        }
        let moved = self.fleet.take_moved();
        let circuits = self.circuits.clone();
        self.wake(|object| moved.contains(&circuits[object.link]));
    }

    /// Wakes the resources whose next check is due.
    pub fn wake_by_time(&mut self, now: Moment) {
        for (due, wake) in self.due.iter_mut().zip(&mut self.wake) {
            *due |= wake.take_if(|wake| *wake <= now).is_some();
        }
    }

    /// The resource whose pass makes the next step, or begins.
    pub fn next_up(&self) -> Option<usize> {
        let may_begin = |at: usize| self.may_begin(at);
        let may_go_on = |at: usize| self.passes.iter().any(|running| running.who == at);
        let all = || 0..self.seen.len();
        self.current
            .filter(|&at| may_go_on(at) || may_begin(at))
            .or_else(|| all().find(|&at| may_go_on(at)))
            .or_else(|| all().find(|&at| may_begin(at)))
    }

    /// A pass can begin if its resource is due and has no running pass. If the resource may change the circuit, it
    /// needs the lock.
    pub fn may_begin(&self, at: usize) -> bool {
        // A process without the lease begins no pass; only running passes go on for a moment.
        if !self.has_lease {
            return false;
        }
        let Some(object) = self.seen[at].as_ref().filter(|object| self.due[at] && !object.is_being_deleted) else {
            return false;
        };
        if !self.reads(&self.circuits[object.link].region) {
            return false;
        }
        let acts = self.fleet.acts(&self.circuits[object.link], &resource_id(at));
        let is_locked = |running: &Running| running.link == object.link && running.has_lock && acts;
        !self.passes.iter().any(|running| running.who == at || is_locked(running))
    }

    /// The other resources whose passes could make a step.
    pub fn others(&self) -> impl Iterator<Item = usize> + '_ {
        let first = self.next_up();
        (0..self.seen.len()).filter(move |at| {
            Some(*at) != first && (self.may_begin(*at) || self.passes.iter().any(|pass| pass.who == *at))
        })
    }

    /// The next step of the pass that goes first.
    pub fn pending(&self) -> Option<&Pending> {
        let next = self.next_up()?;
        self.passes.iter().find(|running| running.who == next).map(|running| &running.at)
    }
}
