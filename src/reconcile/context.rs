//! What all passes share, what is remembered between them, and the delay after a failed pass.

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

/// First and longest delay after a failed pass.
const SOONEST_RETRY: Duration = Duration::from_millis(100);
const LATEST_RETRY: Duration = Duration::from_secs(30);

/// Number of permits for sending updates: more than can ever be in flight.
pub const MAX_SENDING: u32 = 1024;

/// What all passes share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The pollers of all scopes.
    pub pollers: Pollers,
    /// What this process knows of circuits and regions.
    pub state: Arc<State>,
    /// The resources of the cluster.
    pub claims: Arc<Claims>,
    /// Whether this process may act.
    pub leadership: Leadership,
    /// Publishes events.
    pub events: EventPublisher,
    /// Limits the number of concurrent passes.
    pub slots: ReconcileSlots,
    /// The monotonic clock.
    pub clock: Clock,
    /// Prometheus metrics.
    pub metrics: Metrics,
    /// One permit is held for each update in flight. Whoever holds all of them knows that none is in flight.
    pub sending: Semaphore,
    /// What passes remember of resources. It is lost in a restart without harm.
    pub memory: Mutex<HashMap<ResourceId, Memory>>,
}

/// What is remembered of a resource from one pass to the next.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// UID of the object.
    uid: String,
    /// Number of failed passes in a row.
    failures: u32,
    /// The request for a read by annotation: its value, and when it was first seen.
    pub(super) requested: Option<(String, Moment)>,
}

impl Context {
    /// The delay after a failed pass. It grows with each failure in a row.
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
        // A panic in a pass does not leave the map inconsistent.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
