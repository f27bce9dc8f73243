//! Which regions are polled: those that some resource needs, from the first to the last of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::info;

use super::{Aws, Region};
use crate::clock::Clock;
use crate::metrics::Metrics;
use directconnect_core::decide::Settings;

/// What a poll has news of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Every connection of a region.
    Region(String),
    /// These connections of a region.
    Connections(String, Vec<String>),
}

/// The regions that are polled now.
pub struct Regions {
    aws: Aws,
    clock: Clock,
    settings: Settings,
    woken: mpsc::UnboundedSender<Woken>,
    metrics: Metrics,
    polled: Mutex<HashMap<String, Arc<Region>>>,
}

impl Regions {
    /// No region yet. What polls have news of goes to `woken`.
    pub fn new(
        aws: Aws,
        clock: Clock,
        settings: Settings,
        woken: mpsc::UnboundedSender<Woken>,
        metrics: Metrics,
    ) -> Self {
        Self { aws, clock, settings, woken, metrics, polled: Mutex::default() }
    }

    /// A region that is polled.
    pub fn get(&self, name: &str) -> Option<Arc<Region>> {
        self.polled().get(name).cloned()
    }

    /// Whether polls have shown something: no region is needed, or one has been read.
    pub fn are_polled(&self, needed: &BTreeSet<String>) -> bool {
        needed.is_empty() || self.polled().values().any(|region| region.is_polled())
    }

    /// Starts and ends pollers as `needed` says, until it is dropped. Ends with the name of a region whose poller died.
    pub async fn run(&self, mut needed: watch::Receiver<BTreeSet<String>>) -> String {
        let mut pollers: JoinSet<String> = JoinSet::new();
        let mut handles = HashMap::new();
        loop {
            let wanted = needed.borrow_and_update().clone();
            handles.retain(|name: &String, handle: &mut tokio::task::AbortHandle| {
                let keep = wanted.contains(name);
                if !keep {
                    info!(region = %name, "no resource needs the region any more; polling ends");
                    handle.abort();
                    if let Some(region) = self.polled().remove(name) {
                        region.close();
                    }
                    self.metrics.forget_region(name);
                }
                keep
            });
            for name in wanted {
                if handles.contains_key(&name) {
                    continue;
                }
                info!(region = %name, "polling begins");
                let region = Arc::new(Region::new(
                    &name,
                    self.aws.client(&name),
                    self.clock,
                    self.settings,
                    self.woken.clone(),
                    self.metrics.clone(),
                ));
                self.polled().insert(name.clone(), Arc::clone(&region));
                let poller = async move {
                    region.run().await;
                    region.name().to_owned()
                };
                handles.insert(name, pollers.spawn(poller));
            }
            tokio::select! {
                changed = needed.changed() => if changed.is_err() { return String::new() },
                Some(ended) = pollers.join_next() => match ended {
                    Ok(name) => return name,
                    Err(error) if error.is_panic() => return error.to_string(),
                    // Ended on purpose, above.
                    Err(_) => {}
                },
            }
        }
    }

    fn polled(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Region>>> {
        self.polled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
