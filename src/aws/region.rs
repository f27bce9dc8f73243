//! One account in one region: what was last seen of every connection, and the poller that keeps it so.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, info, warn};

use super::gate::{Call, Closed, Gate, Urgency};
use super::regions::Woken;
use super::{Client, Identified, MOST_PAGES, Updated};
use crate::clock::{Clock, dice};
use crate::metrics::Metrics;
use directconnect_core::clock::Moment;
use directconnect_core::decide::Settings;
use directconnect_core::fault::{self, Effect, Fault, FaultKind};
use directconnect_core::history::{Change, History, Look};
use directconnect_core::observed::Connection;

/// What is known of one region.
#[derive(Default)]
struct Known {
    lines: HashMap<String, History>,
    /// When the last poll that succeeded began.
    polled: Option<Moment>,
    /// How the last poll failed, if it did.
    fault: Option<Fault>,
    /// Polls in a row that failed.
    failures: u32,
    account: Option<String>,
}

/// The lock of one connection: at most one update of it is in flight, whoever asks.
pub type Line = Arc<tokio::sync::Mutex<()>>;

/// One account in one region.
pub struct Region {
    name: String,
    client: Client,
    gate: Gate,
    clock: Clock,
    settings: Settings,
    known: Mutex<Known>,
    locks: Mutex<HashMap<String, Line>>,
    woken: UnboundedSender<Woken>,
    metrics: Metrics,
}

impl Region {
    pub(super) fn new(
        name: &str,
        client: Client,
        clock: Clock,
        settings: Settings,
        woken: UnboundedSender<Woken>,
        metrics: Metrics,
    ) -> Self {
        Self {
            name: name.to_owned(),
            client,
            gate: Gate::new(clock),
            clock,
            settings,
            known: Mutex::default(),
            locks: Mutex::default(),
            woken,
            metrics,
        }
    }

    /// Its name, as AWS writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Works on the history of one connection.
    pub fn with_history<T>(&self, id: &str, work: impl FnOnce(&mut History) -> T) -> T {
        let mut known = self.known();
        // Looked up before it is inserted: the id of a new line is copied, that of a known one is not.
        if let Some(history) = known.lines.get_mut(id) {
            return work(history);
        }
        let polled = known.polled;
        let history = known.lines.entry(id.to_owned()).or_default();
        if let Some(began) = polled {
            // A whole poll without it is a look at it too.
            history.saw(Look { began, ended: began, by_id: false, connection: None }, self.settings.settle_window);
        }
        work(history)
    }

    /// How the last poll failed, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.known().fault.clone()
    }

    /// Whether a whole poll has succeeded.
    pub fn is_polled(&self) -> bool {
        self.known().polled.is_some()
    }

    /// The lock of one connection.
    pub fn line(&self, id: &str) -> Line {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, line| Arc::strong_count(line) > 1);
        Arc::clone(locks.entry(id.to_owned()).or_default())
    }

    /// Lets everyone out who waits for a call, and nobody in any more.
    pub(super) fn close(&self) {
        self.gate.close();
    }

    /// Reads one connection by itself and remembers what AWS shows.
    pub async fn read(&self, id: &str, urgency: Urgency) -> Result<Result<(), Fault>, Closed> {
        let call = self.gate.acquire(urgency).await?;
        let began = self.clock.now();
        let outcome = self.client.connection(id).await;
        call.record(&outcome, dice());
        Ok(match outcome {
            Ok(connection) => {
                let look = Look { began, ended: self.clock.now(), by_id: true, connection };
                self.take_in(id, |history| {
                    history.saw(look, self.settings.settle_window);
                });
                Ok(())
            }
            Err(fault) => {
                let (now, interval) = (self.clock.now(), self.settings.poll_interval);
                self.with_history(id, |history| history.read_failed(fault.clone(), now, interval, dice()));
                Err(fault)
            }
        })
    }

    /// Waits until an update may be sent, ahead of all that does not have its read yet.
    pub async fn wait_to_update(&self) -> Result<Call<'_>, Closed> {
        self.gate.acquire(Urgency::Finish).await
    }

    /// Sends an update, of which nothing is done any more at `until`, and remembers how it went.
    pub async fn update(&self, call: Call<'_>, id: &str, change: Change, until: Moment) -> Result<Updated, Fault> {
        let update = self.client.update(id, &change, until.since(self.clock.now()));
        let outcome = self.clock.unless_past(until, update).await.unwrap_or_else(|| {
            let words = "no answer before the lease ended";
            Err(Fault { effect: Effect::Unknown, ..Fault::new(FaultKind::Unavailable, super::UPDATE, words) })
        });
        call.record(&outcome, dice());
        let (now, interval) = (self.clock.now(), self.settings.poll_interval);
        self.take_in(id, |history| match &outcome {
            Ok(updated) => history.answered(change, &updated.connection, now),
            Err(fault) => history.refused(change, fault.clone(), now, interval, dice()),
        });
        outcome
    }

    /// Takes in what a call about one connection showed. Who else is about it hears of what changed: to the next poll it
    /// is no news.
    fn take_in(&self, id: &str, work: impl FnOnce(&mut History)) {
        let changed = self.with_history(id, |history| {
            let before = history.look().map(|look| look.connection.clone());
            work(history);
            before != history.look().map(|look| look.connection.clone())
        });
        if changed {
            self.wake(Woken::Connections(self.name.clone(), vec![id.to_owned()]));
        }
    }

    /// Polls the whole account, for ever.
    pub(super) async fn run(&self) {
        loop {
            let began = self.clock.now();
            let next = match self.poll().await {
                Ok(Ok(connections)) => {
                    self.commit(began, connections);
                    began + jittered(self.settings.poll_interval)
                }
                Ok(Err(fault)) => self.note(fault),
                // Whoever closed it ends this task; a task that ends by itself would be taken for one that died.
                Err(Closed) => std::future::pending().await,
            };
            self.clock.sleep_until(next).await;
        }
    }

    /// Every connection of the account. A round counts only when every page came.
    async fn poll(&self) -> Result<Result<Vec<Identified>, Fault>, Closed> {
        let mut connections = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let call = self.gate.acquire(Urgency::High).await?;
            let outcome = self.client.page(token.clone()).await;
            call.record(&outcome, dice());
            let (page, next) = match outcome {
                Ok(page) => page,
                Err(fault) => return Ok(Err(fault)),
            };
            connections.extend(page);
            match next {
                None => return Ok(Ok(connections)),
                next if next == token => break,
                next => token = next,
            }
        }
        Ok(Err(Fault::new(FaultKind::Unavailable, super::DESCRIBE, "AWS hands out pages without end")))
    }

    /// Takes in a whole round and wakes whom it concerns.
    fn commit(&self, began: Moment, connections: Vec<Identified>) {
        let window = self.settings.settle_window;
        let ended = self.clock.now();
        let mut known = self.known();
        let first = known.polled.is_none();
        let recovered = known.fault.take().is_some();
        known.polled = Some(began);
        known.failures = 0;
        if let Some(account) = connections.iter().find_map(|(_, connection)| connection.owner_account.clone()) {
            known.account = Some(account);
        }
        self.metrics.observed(known.account.as_deref(), &self.name);

        let mut changed = Vec::new();
        let mut seen = HashSet::with_capacity(connections.len());
        let mut see = |history: &mut History, id: &str, connection: Option<Connection>| {
            let before = history.look().map(|look| look.connection.clone());
            let look = Look { began, ended, by_id: false, connection };
            history.saw(look, window);
            if before != history.look().map(|look| look.connection.clone()) {
                changed.push(id.to_owned());
            }
        };
        for (id, connection) in connections {
            see(known.lines.entry(id.clone()).or_default(), &id, Some(connection));
            seen.insert(id);
        }
        for (id, history) in known.lines.iter_mut().filter(|(id, _)| !seen.contains(*id)) {
            see(history, id, None);
        }
        drop(known);
        debug!(region = %self.name, connections = seen.len(), changed = changed.len(), "polled");
        if first || recovered {
            info!(region = %self.name, connections = seen.len(), "AWS was read");
            self.wake(Woken::Region(self.name.clone()));
        } else if !changed.is_empty() {
            self.wake(Woken::Connections(self.name.clone(), changed));
        }
    }

    /// Remembers a failed poll and says when to try again.
    fn note(&self, fault: Fault) -> Moment {
        let interval = self.settings.poll_interval;
        let mut known = self.known();
        known.failures = known.failures.saturating_add(1);
        let news = known.fault.as_ref().is_none_or(|earlier| earlier.kind != fault.kind);
        let wait = fault::retry_after(fault.kind, known.failures, interval, dice()).min(interval);
        if news {
            warn!(
                region = %self.name,
                reason = fault.reason().as_str(),
                request_id = fault.request_id.as_deref(),
                "AWS could not be read: {}. It is tried again by itself",
                fault.message.trim_end_matches('.')
            );
        }
        known.fault = Some(fault);
        drop(known);
        if news {
            self.wake(Woken::Region(self.name.clone()));
        }
        // Never at once: a refused connection is refused in no time.
        self.clock.now() + wait.max(interval.min(Duration::from_millis(250)))
    }

    fn wake(&self, woken: Woken) {
        // Nobody listens any more only when the process ends.
        let _ = self.woken.send(woken);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whatever panicked held a value that is whole between two statements.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spreads what would else happen in step: up to 10 % more or less.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * dice())
}
