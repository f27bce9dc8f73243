//! The poller of one scope: reads the whole account, and makes the calls for single circuits. It records what it reads
//! in the state and keeps nothing itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::gate::{Call, Closed, Gate, Urgency};
use super::{Client, Listed, Pages, Updated};
use crate::clock::{Clock, jitter};
use crate::metrics::Metrics;
use crate::state::{State, Wakeup};
use directconnect_core::clock::Moment;
use directconnect_core::fault::{self, Fault, UPDATE};
use directconnect_core::fleet::Fleet;
use directconnect_core::history::{Change, Observation, Source};
use directconnect_core::identity::{CircuitId, RegionName, Scope};
use directconnect_core::settings::Settings;

/// The connections of a whole account, and the number of pages.
type Listing = (Vec<Listed>, usize);

/// Makes all calls of one scope.
pub struct Poller {
    scope: Scope,
    client: Client,
    gate: Gate,
    clock: Clock,
    settings: Settings,
    state: Arc<State>,
    metrics: Metrics,
}

impl Poller {
    pub(super) fn new(scope: Scope, client: Client, clock: Clock, state: Arc<State>, metrics: Metrics) -> Self {
        let settings = state.with_fleet(|fleet| *fleet.settings());
        Self { scope, client, gate: Gate::new(clock), clock, settings, state, metrics }
    }

    /// The region that is read.
    pub fn region(&self) -> &RegionName {
        &self.scope.region
    }

    /// Closes the gate: everyone who waits for a call leaves with an error, and calls in flight record nothing any more.
    pub(super) fn close(&self) {
        self.gate.close();
    }

    /// Reads one circuit by its id and records the result. An error means that no calls are made for this scope any
    /// more, and that nothing was recorded.
    pub async fn read(&self, circuit: &CircuitId, urgency: Urgency) -> Result<(), Closed> {
        let call = self.gate.acquire(urgency).await?;
        let began = self.clock.now();
        let outcome = self.client.connection(circuit.id.as_str()).await;
        call.record(&outcome, jitter());
        let ended = self.clock.now();
        let is_news = self.record(|fleet| match outcome {
            Ok(connection) => {
                let connection = connection.map(Arc::new);
                fleet.record_read(circuit, Observation { began, ended, source: Source::ById, connection })
            }
            Err(fault) => {
                let interval = self.settings.poll_interval;
                fleet.with_history(circuit, |history| history.record_read_failure(fault, ended, interval, jitter()));
                false
            }
        })?;
        // The next listing will show the same and wake nobody, so the other resources for the circuit are woken now.
        if is_news {
            self.state.wake(Wakeup::Circuits(vec![circuit.clone()]));
        }
        Ok(())
    }

    /// Waits until an update may be sent. It goes before all calls of lower urgency.
    pub async fn wait_to_update(&self) -> Result<Call<'_>, Closed> {
        self.gate.acquire(Urgency::Finish).await
    }

    /// Calls `UpdateConnection`, and cancels it at `until` (end of the lease).
    pub async fn update(
        &self,
        call: Call<'_>,
        circuit: &CircuitId,
        change: &Change,
        until: Moment,
    ) -> Result<Updated, Fault> {
        let update = self.client.update(circuit.id.as_str(), change, until.since(self.clock.now()));
        let outcome = self
            .clock
            .unless_past(until, update)
            .await
            .unwrap_or_else(|| Err(Fault::in_doubt(UPDATE, "no answer before the lease ended")));
        call.record(&outcome, jitter());
        outcome
    }

    /// Reads the whole account periodically until the poller is closed.
    pub(super) async fn run(&self) -> Result<Infallible, Closed> {
        self.record(|fleet| fleet.begin_reading(self.region(), self.clock.now()))?;
        let (mut pages, mut failures) = (1, 0_u32);
        loop {
            let (began, jitter) = (self.clock.now(), jitter());
            let retry_at = match self.list().await? {
                Ok((connections, read)) => {
                    (pages, failures) = (read, 0);
                    self.hand_over(began, connections)?;
                    None
                }
                Err(fault) => {
                    failures = failures.saturating_add(1);
                    Some(self.hand_over_failure(&fault, failures)?)
                }
            };
            // A soak that begins during the wait may make the next listing due earlier.
            loop {
                let due = match retry_at {
                    Some(retry_at) => retry_at,
                    None => began + spread(self.interval(pages)?, jitter),
                };
                let now = self.clock.now();
                if now >= due {
                    break;
                }
                self.clock.sleep_until(due.min(now + self.settings.soak_cadence())).await;
            }
        }
    }

    /// Runs `work`, which records in the state, unless the poller is closed.
    ///
    /// A call in flight outlives the closing. `Pollers` closes the poller before it drops what the state has of the region,
    /// and both happen under the fleet's lock, so nothing that was dropped comes back.
    fn record<T>(&self, work: impl FnOnce(&mut Fleet) -> T) -> Result<T, Closed> {
        self.state.with_fleet(|fleet| if self.gate.is_closed() { Err(Closed) } else { Ok(work(fleet)) })
    }

    /// The time until the next listing.
    fn interval(&self, pages: usize) -> Result<Duration, Closed> {
        self.record(|fleet| fleet.plan_listing(self.region(), pages))
    }

    /// Reads all connections of the account.
    async fn list(&self) -> Result<Result<Listing, Fault>, Closed> {
        let mut pages = Pages::default();
        loop {
            let call = self.gate.acquire(Urgency::Low).await?;
            let outcome = self.client.page(pages.token.clone()).await;
            call.record(&outcome, jitter());
            let earlier = pages.connections.len();
            let outcome = outcome.and_then(|page| pages.take(page));
            let page = pages.connections.iter_mut().skip(earlier);
            self.state.with_fleet(|fleet| fleet.share_page(self.region(), page));
            match outcome {
                Ok(false) => {}
                Ok(true) => return Ok(Ok((pages.connections, pages.count))),
                Err(fault) => return Ok(Err(fault)),
            }
        }
    }

    /// Records a complete listing and wakes the resources whose circuits changed.
    fn hand_over(&self, began: Moment, connections: Vec<Listed>) -> Result<(), Closed> {
        let (region, count) = (self.region(), connections.len());
        let account = connections.iter().find_map(|(_, connection)| connection.owner_account.clone());
        let times = (began, self.clock.now());
        let (changed, is_first) = self.record(|fleet| {
            self.metrics.observed(account.as_deref(), region.as_str());
            let before = fleet.region(region);
            let is_first = before.is_none_or(|before| before.listed.is_none() || before.fault.is_some());
            (fleet.record_listing(region, times, connections), is_first)
        })?;
        debug!(%region, connections = count, changed = changed.len(), "polled");
        if is_first {
            info!(%region, connections = count, "AWS was read");
            self.state.wake(Wakeup::Region(region.clone()));
        } else if !changed.is_empty() {
            let circuit = |id| CircuitId { region: region.clone(), id };
            self.state.wake(Wakeup::Circuits(changed.into_iter().map(circuit).collect()));
        }
        Ok(())
    }

    /// Records a failed listing, one of `failures` in a row, and returns when to try again.
    fn hand_over_failure(&self, fault: &Fault, failures: u32) -> Result<Moment, Closed> {
        let (region, interval, now) = (self.region(), self.settings.poll_interval, self.clock.now());
        let is_news = self.record(|fleet| fleet.record_failed_listing(region, fault.clone(), now))?;
        if is_news {
            warn!(
                %region,
                reason = fault.reason().as_str(),
                request_id = fault.request_id.as_deref(),
                "AWS could not be read: {}. It is tried again by itself",
                fault.message.trim_end_matches('.')
            );
            self.state.wake(Wakeup::Region(region.clone()));
        }
        let wait = fault::retry_after(fault.kind, failures, interval, jitter()).min(interval);
        // Never at once: a refused connection fails without delay.
        Ok(now + wait.max(interval.min(Duration::from_millis(250))))
    }
}

/// An interval within a tenth of this one, so that the listings of many regions do not come at once. `jitter` is a number from
/// 0 to 1.
fn spread(interval: Duration, jitter: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * jitter)
}

#[cfg(test)]
mod tests;
