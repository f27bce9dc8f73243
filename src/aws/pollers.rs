//! Which scopes are polled: those that some resource needs, from the first to the last of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::info;

use super::{Aws, Poller};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::state::State;
use directconnect_core::identity::{RegionName, Scope};

/// The scopes that are polled now.
pub struct Pollers {
    aws: Aws,
    clock: Clock,
    state: Arc<State>,
    metrics: Metrics,
    polled: Mutex<HashMap<RegionName, Arc<Poller>>>,
}

impl Pollers {
    /// No scope yet. What is read goes to `state`.
    pub fn new(aws: Aws, clock: Clock, state: Arc<State>, metrics: Metrics) -> Self {
        Self { aws, clock, state, metrics, polled: Mutex::default() }
    }

    /// The poller of a region, if it is polled.
    pub fn get(&self, region: &RegionName) -> Option<Arc<Poller>> {
        self.polled().get(region).cloned()
    }

    /// Starts and ends pollers as `needed` says, until it is dropped. Ends with the name of a region whose poller died.
    pub async fn run(&self, mut needed: watch::Receiver<BTreeSet<RegionName>>) -> String {
        let mut tasks: JoinSet<String> = JoinSet::new();
        let mut handles: HashMap<RegionName, AbortHandle> = HashMap::new();
        loop {
            let wanted = needed.borrow_and_update().clone();
            handles.retain(|region, handle| {
                let keep = wanted.contains(region);
                if !keep {
                    handle.abort();
                    self.end(region);
                }
                keep
            });
            for region in wanted {
                handles.entry(region).or_insert_with_key(|region| {
                    let poller = self.begin(region);
                    tasks.spawn(async move {
                        poller.run().await;
                        poller.region().to_string()
                    })
                });
            }
            tokio::select! {
                changed = needed.changed() => if changed.is_err() { return String::new() },
                Some(ended) = tasks.join_next() => match ended {
                    Ok(region) => return region,
                    Err(error) if error.is_panic() => return error.to_string(),
                    // Ended on purpose, above.
                    Err(_) => {}
                },
            }
        }
    }

    fn begin(&self, region: &RegionName) -> Arc<Poller> {
        info!(%region, "polling begins");
        let (scope, client) = (Scope::of_operator(region.clone()), self.aws.client(region.as_str()));
        let poller = Poller::new(scope, client, self.clock, Arc::clone(&self.state), self.metrics.clone());
        let poller = Arc::new(poller);
        self.polled().insert(region.clone(), Arc::clone(&poller));
        poller
    }

    /// No resource needs the region any more. Passes that still wait for it are let out, and hear of it.
    fn end(&self, region: &RegionName) {
        info!(%region, "no resource needs the region any more; polling ends");
        if let Some(poller) = self.polled().remove(region) {
            poller.close();
        }
        self.state.end_reading(region);
        self.metrics.forget_region(region.as_str());
    }

    fn polled(&self) -> MutexGuard<'_, HashMap<RegionName, Arc<Poller>>> {
        self.polled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
