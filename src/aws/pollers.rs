//! The pollers: one for each scope that at least one resource needs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use super::{Aws, Poller};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::state::State;
use directconnect_core::identity::{RegionName, Scope};

/// How often to ask whether a region that no resource needs may be given up.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// The pollers that run now.
pub struct Pollers {
    aws: Aws,
    clock: Clock,
    state: Arc<State>,
    metrics: Metrics,
    polled: Mutex<HashMap<RegionName, Arc<Poller>>>,
}

impl Pollers {
    /// Starts with no pollers. They will record what they read in `state`.
    pub fn new(aws: Aws, clock: Clock, state: Arc<State>, metrics: Metrics) -> Self {
        Self { aws, clock, state, metrics, polled: Mutex::default() }
    }

    /// The poller of a region, if there is one.
    pub fn get(&self, region: &RegionName) -> Option<Arc<Poller>> {
        self.polled.lock().get(region).cloned()
    }

    /// Starts and stops pollers as `needed` changes, until its sender is dropped. Returns early, with what happened, if a
    /// poller panics; only one that was stopped ends by itself.
    pub async fn run(&self, mut needed: watch::Receiver<BTreeSet<RegionName>>) -> String {
        let mut tasks = JoinSet::new();
        loop {
            let wanted = needed.borrow_and_update().clone();
            let running: BTreeSet<RegionName> = self.polled.lock().keys().cloned().collect();
            let mut lingers = false;
            for region in running.difference(&wanted) {
                // A line that somebody else raised holds the turn until reads show how that ends, resource or not.
                if self.state.with_fleet(|fleet| fleet.watched(region).1) {
                    lingers = true;
                } else {
                    self.end(region);
                }
            }
            for region in wanted.difference(&running) {
                let poller = self.begin(region);
                tasks.spawn(async move { poller.run().await });
            }
            tokio::select! {
                changed = needed.changed() => if changed.is_err() { return String::new() },
                () = tokio::time::sleep(ASK_AGAIN), if lingers => {}
                Some(ended) = tasks.join_next() => if let Err(error) = ended { return error.to_string() },
            }
        }
    }

    pub(super) fn begin(&self, region: &RegionName) -> Arc<Poller> {
        info!(%region, "polling begins");
        let (scope, client) = (Scope::of_operator(region.clone()), self.aws.client(region.as_str()));
        let poller = Poller::new(scope, client, self.clock, Arc::clone(&self.state), self.metrics.clone());
        let poller = Arc::new(poller);
        self.polled.lock().insert(region.clone(), Arc::clone(&poller));
        poller
    }

    /// Stops the poller of a region that no resource needs any more. Passes that wait in its gate get an error.
    pub(super) fn end(&self, region: &RegionName) {
        info!(%region, "no resource needs the region any more; polling ends");
        if let Some(poller) = self.polled.lock().remove(region) {
            poller.close();
        }
        // The gate is closed first, so that the poller records nothing once its region is dropped.
        self.state.with_fleet(|fleet| fleet.end_reading(region));
        self.metrics.forget_region(region.as_str());
    }
}
