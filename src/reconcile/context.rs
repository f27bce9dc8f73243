//! What all passes share, and the delay after a failed pass.

use std::sync::Arc;
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

/// First and longest delay after a failed pass.
const SOONEST_RETRY: Duration = Duration::from_millis(100);
const LATEST_RETRY: Duration = Duration::from_secs(30);

/// Number of permits for sending updates: as many as there can be passes at once.
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
}

impl Context {
    /// The delay after a failed pass. It grows with each failure in a row.
    pub fn error_policy(&self, object: &Watched, _: &PassError) -> Action {
        let failures = self.claims.with_memory(object, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        });
        let longest = SOONEST_RETRY.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LATEST_RETRY);
        Action::requeue(longest.mul_f64(0.5 + 0.5 * jitter()))
    }
}
