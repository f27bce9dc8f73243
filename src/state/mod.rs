//! What this process knows, and who waits for what: one owner, which outlives watches, pollers and passes.
//!
//! Must not know: Kubernetes' client, the AWS SDK. The watch and the pollers hand over what they saw; passes ask and tell.

mod budget;
mod wakeups;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

pub use self::budget::{Budget, PASS_CEILING};
pub use self::wakeups::Wakeup;
use directconnect_core::fault::Fault;
use directconnect_core::fleet::Fleet;
use directconnect_core::identity::{CircuitId, RegionName, ResourceId};
use directconnect_core::settings::Settings;

/// The lock of one circuit: at most one pass that may change it at a time, whoever asks for it.
pub type CircuitLock = Arc<tokio::sync::Mutex<()>>;

/// How the reading of one region goes.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// How the last listing failed, if it did.
    pub fault: Option<Fault>,
    /// Listings in a row that failed.
    pub failures: u32,
    /// Whether a whole listing has come in.
    pub has_read: bool,
    /// Whether listings are read at the cadence of a soak.
    pub is_swept: bool,
}

/// All that is known.
pub struct State {
    fleet: Mutex<Fleet>,
    locks: Mutex<HashMap<CircuitId, CircuitLock>>,
    readings: Mutex<HashMap<RegionName, Reading>>,
    /// Resources that wait for a turn.
    waiting: Mutex<BTreeSet<ResourceId>>,
    wakeups: mpsc::UnboundedSender<Wakeup>,
}

impl State {
    /// Nothing is known yet. What is to be looked at again goes to `wakeups`.
    pub fn new(settings: Settings, wakeups: mpsc::UnboundedSender<Wakeup>) -> Self {
        Self {
            fleet: Mutex::new(Fleet::new(settings)),
            locks: Mutex::default(),
            readings: Mutex::default(),
            waiting: Mutex::default(),
            wakeups,
        }
    }

    /// Works on the circuits. Should a turn become free by that, those who wait for one are woken.
    pub fn with_fleet<T>(&self, work: impl FnOnce(&mut Fleet) -> T) -> T {
        let mut fleet = lock(&self.fleet);
        let worked = work(&mut fleet);
        if fleet.take_freed() {
            let waiting = std::mem::take(&mut *lock(&self.waiting));
            drop(fleet);
            self.wake(Wakeup::Resources(waiting.into_iter().collect()));
        }
        worked
    }

    /// A resource waits for a turn, until one becomes free.
    pub fn set_waiting(&self, resource: &ResourceId, waits: bool) {
        let mut waiting = lock(&self.waiting);
        if waits {
            waiting.insert(resource.clone());
        } else {
            waiting.remove(resource);
        }
    }

    /// The lock of one circuit. It outlives the region's poller, and whoever holds it.
    pub fn circuit_lock(&self, circuit: &CircuitId) -> CircuitLock {
        let mut locks = lock(&self.locks);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(circuit.clone()).or_default())
    }

    /// How the reading of a region goes.
    pub fn reading(&self, region: &RegionName) -> Reading {
        lock(&self.readings).get(region).cloned().unwrap_or_default()
    }

    /// Works on how the reading of a region goes.
    pub fn with_reading<T>(&self, region: &RegionName, work: impl FnOnce(&mut Reading) -> T) -> T {
        work(lock(&self.readings).entry(region.clone()).or_default())
    }

    /// A region is not read any more.
    pub fn end_reading(&self, region: &RegionName) {
        lock(&self.readings).remove(region);
        self.with_fleet(|fleet| fleet.end_reading(region));
    }

    /// Whether any region has been read.
    pub fn has_read_any(&self) -> bool {
        lock(&self.readings).values().any(|reading| reading.has_read)
    }

    /// Has resources looked at again.
    pub fn wake(&self, wakeup: Wakeup) {
        // Nobody listens any more only when the process ends.
        let _ = self.wakeups.send(wakeup);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever panicked held a value that is whole between two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
