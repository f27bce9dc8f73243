//! What passes share and remember, and when one that failed is tried again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Client, ResourceExt};
use tokio::sync::Semaphore;

use super::{PassError, ReconcileSlots};
use crate::api::{DirectConnectConnectionStatus, LastUpdate};
use crate::aws::Regions;
use crate::clock::{Clock, dice};
use crate::kubernetes::events::Teller;
use crate::kubernetes::index::{Index, shown};
use crate::kubernetes::lease::Leadership;
use crate::kubernetes::{Reference, Watched};
use crate::metrics::Metrics;
use directconnect_core::clock::Moment;
use directconnect_core::decide::Settings;

/// First and longest wait after a pass that failed.
const SOONEST_RETRY: Duration = Duration::from_millis(100);
const LATEST_RETRY: Duration = Duration::from_secs(30);

/// What passes share.
pub struct Operator {
    /// The API server.
    pub client: Client,
    /// The regions that are polled.
    pub regions: Regions,
    /// The resources by connection.
    pub index: Arc<Index>,
    /// Whether this process may act.
    pub leadership: Leadership,
    /// Writes events.
    pub teller: Teller,
    /// How many passes there may be at once.
    pub shares: ReconcileSlots,
    /// Times that people set.
    pub settings: Settings,
    /// Monotonic time.
    pub clock: Clock,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// What passes remember of a resource. Lost in a restart without harm: all of it is in its status.
    pub memory: Mutex<HashMap<String, Memory>>,
    /// A permit for each update that is on its way to AWS: who has all of them knows that there is none.
    pub sending: Semaphore,
}

/// `status.lastUpdate` as it has to be: absent where no update has had, or may have had, an effect.
#[derive(Clone, Debug)]
pub struct Sent(pub(super) Option<LastUpdate>);

/// More updates than can ever be on their way at once.
pub const MOST_SENDING: u32 = 1024;

/// What is known of a resource beyond what the watch has brought so far.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Which object of that name it is about.
    pub(super) uid: String,
    /// Passes in a row that failed.
    pub(super) failures: u32,
    /// The status that was written last, and the resource version after it.
    pub(super) written: Option<(u64, DirectConnectConnectionStatus)>,
    /// Set by the first update that this process made for it.
    pub(super) sent: Option<Sent>,
    /// A look that was asked for by annotation: the value, and when it was first seen.
    pub(super) asked: Option<(String, Moment)>,
}

impl Operator {
    /// When to try again after a pass that failed: soon, then ever more rarely.
    pub fn retry(&self, object: &Watched, _: &PassError) -> Action {
        let failures = self.with_memory(object, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        });
        let longest = SOONEST_RETRY.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LATEST_RETRY);
        Action::requeue(longest.mul_f64(0.5 + 0.5 * dice()))
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.memories().remove(&format!("{namespace}/{name}"));
    }

    pub(super) fn with_memory<T>(&self, object: &Watched, work: impl FnOnce(&mut Memory) -> T) -> T {
        let uid = object.uid().unwrap_or_default();
        let mut memories = self.memories();
        let memory = memories.entry(shown(&Reference::from_obj(object))).or_default();
        if memory.uid != uid {
            *memory = Memory { uid, ..Memory::default() };
        }
        work(memory)
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<String, Memory>> {
        // A pass that panicked left a status that was written or none; both are true.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
