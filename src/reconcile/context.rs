//! What passes share and remember, and when one that failed is tried again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::runtime::controller::Action;
use tokio::sync::Semaphore;

use super::{PassError, ReconcileSlots};
use crate::aws::Pollers;
use crate::clock::{Clock, jitter};
use crate::kubernetes::Watched;
use crate::kubernetes::claims::Claims;
use crate::kubernetes::events::EventPublisher;
use crate::kubernetes::lease::Leadership;
use crate::metrics::Metrics;
use crate::state::State;
use directconnect_core::clock::Moment;
use directconnect_core::identity::ResourceId;

/// First and longest wait after a pass that failed.
const SOONEST_RETRY: Duration = Duration::from_millis(100);
const LATEST_RETRY: Duration = Duration::from_secs(30);

/// More updates than can ever be on their way at once.
pub const MAX_SENDING: u32 = 1024;

/// What passes share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The scopes that are polled.
    pub pollers: Pollers,
    /// What is known of circuits.
    pub state: Arc<State>,
    /// The resources of the cluster.
    pub claims: Arc<Claims>,
    /// Whether this process may act.
    pub leadership: Leadership,
    /// Writes events.
    pub events: EventPublisher,
    /// How many passes there may be at once.
    pub slots: ReconcileSlots,
    /// Monotonic time.
    pub clock: Clock,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// A permit for each update that is on its way to AWS: who has all of them knows that there is none.
    pub sending: Semaphore,
    /// What passes remember of a resource. Lost in a restart without harm.
    pub memory: Mutex<HashMap<ResourceId, Memory>>,
}

/// What is remembered of a resource between two passes, where there is anything.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Which object of that name it is about.
    uid: String,
    /// Passes in a row that failed.
    failures: u32,
    /// A read that was asked for by annotation: the value, and when it was first seen.
    pub(super) requested: Option<(String, Moment)>,
}

impl Context {
    /// When to try again after a pass that failed: soon, then ever more rarely.
    pub fn error_policy(&self, object: &Watched, _: &PassError) -> Action {
        let failures = self.with_memory(object, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        });
        let longest = SOONEST_RETRY.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LATEST_RETRY);
        Action::requeue(longest.mul_f64(0.5 + 0.5 * jitter()))
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, resource: &ResourceId) {
        self.memories().remove(resource);
    }

    pub(super) fn reset_failures(&self, object: &Watched) {
        self.with_memory(object, |memory| memory.failures = 0);
    }

    pub(super) fn with_memory<T>(&self, object: &Watched, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memories = self.memories();
        let memory = memories.entry(object.id()).or_default();
        if memory.uid != object.uid() {
            *memory = Memory { uid: object.uid().to_owned(), ..Memory::default() };
        }
        let worked = work(memory);
        let is_idle = memory.failures == 0 && memory.requested.is_none();
        if is_idle {
            memories.remove(&object.id());
        }
        worked
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<ResourceId, Memory>> {
        // A pass that panicked left a status that was written or none; both are true.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
