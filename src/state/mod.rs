//! What this process knows, and which resources wait for a turn. It has one owner that outlives watches, pollers and
//! passes.
//!
//! Must not know: Kubernetes' client, the AWS SDK. The watch and the pollers record what they see; passes query and
//! update it.

mod budget;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

pub use self::budget::{Budget, PASS_CEILING};
use directconnect_core::fleet::Fleet;
use directconnect_core::identity::{CircuitId, RegionName, ResourceId};
use directconnect_core::settings::Settings;

/// Settings of unit tests: every duration is a second.
#[cfg(test)]
pub const SECONDS: Settings = {
    let second = std::time::Duration::from_secs(1);
    Settings { poll_interval: second, encryption_soak: second, settle_window: second, progress_deadline: second }
};

/// The resources to wake, so that they are reconciled again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// All resources of a region.
    Region(RegionName),
    /// All resources for these circuits.
    Circuits(Vec<CircuitId>),
    /// These resources.
    Resources(Vec<ResourceId>),
}

/// The lock of one circuit. At most one pass at a time may change the circuit, whichever resource it is for.
pub type CircuitLock = Arc<tokio::sync::Mutex<()>>;

/// Everything that this process knows.
pub struct State {
    fleet: Mutex<Fleet>,
    locks: Mutex<HashMap<CircuitId, CircuitLock>>,
    /// Resources that wait for a turn.
    waiting: Mutex<BTreeSet<ResourceId>>,
    wakeups: mpsc::UnboundedSender<Wakeup>,
}

impl State {
    /// An empty state. Resources to reconcile again are sent to `wakeups`.
    pub fn new(settings: Settings, wakeups: mpsc::UnboundedSender<Wakeup>) -> Self {
        Self { fleet: Mutex::new(Fleet::new(settings)), locks: Mutex::default(), waiting: Mutex::default(), wakeups }
    }

    /// Runs `work` on the fleet. If a turn becomes free by that, the resources that wait for one are woken. If the hold of a
    /// circuit with several resources begins, ends or passes to another of them, all of them are woken; and those of a
    /// circuit that holds the turn because its proof is gone.
    pub fn with_fleet<T>(&self, work: impl FnOnce(&mut Fleet) -> T) -> T {
        let mut fleet = self.fleet.lock();
        let worked = work(&mut fleet);
        let (is_freed, moved) = (fleet.take_freed(), fleet.take_moved());
        drop(fleet);
        if is_freed {
            let waiting = std::mem::take(&mut *self.waiting.lock());
            // On a standby nobody waits, and nobody receives wakeups yet.
            if !waiting.is_empty() {
                self.wake(Wakeup::Resources(waiting.into_iter().collect()));
            }
        }
        if !moved.is_empty() {
            self.wake(Wakeup::Circuits(moved.into_iter().collect()));
        }
        worked
    }

    /// Records whether a resource waits for a turn. This ends when a turn becomes free.
    pub fn set_waiting(&self, resource: &ResourceId, waits: bool) {
        let mut waiting = self.waiting.lock();
        if waits {
            waiting.insert(resource.clone());
        } else {
            waiting.remove(resource);
        }
    }

    /// The lock of one circuit. It exists as long as someone holds or awaits it, even if the poller of the region is
    /// stopped.
    pub fn circuit_lock(&self, circuit: &CircuitId) -> CircuitLock {
        let mut locks = self.locks.lock();
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(circuit.clone()).or_default())
    }

    /// Wakes resources, so that they are reconciled again.
    pub fn wake(&self, wakeup: Wakeup) {
        // Sending fails only when the receiver is gone, which happens when the process ends.
        let _ = self.wakeups.send(wakeup);
    }
}
