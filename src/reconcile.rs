//! The one pass over one resource: look, decide, do, say. Read it from top to bottom.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Client, Resource as _, ResourceExt};
use tracing::{debug, info, warn};

use crate::api::{DirectConnectConnection, DirectConnectConnectionStatus, LastUpdate, RECONCILE_REQUESTED_AT};
use crate::aws::{Region, Regions, Urgency};
use crate::clock::{Clock, dice};
use crate::core::clock::Moment;
use crate::core::conditions::{self, Kind, Reason, Verdict};
use crate::core::decide::{Circumstances, Plan, Settings, Step, decide};
use crate::core::desired::{Desired, EncryptionMode};
use crate::core::history::{Change, Look};
use crate::core::observed::Connection;
use crate::core::turn;
use crate::kubernetes::events::{self, News, Teller};
use crate::kubernetes::index::{Index, shown};
use crate::kubernetes::lease::Leadership;
use crate::kubernetes::status::{self, WriteError};
use crate::kubernetes::{Reference, Watched};
use crate::metrics::{Health, Metrics, Resource};

/// More steps than any pass needs; one that takes more goes on in the next.
const MOST_STEPS: usize = 8;
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
    /// Times that people set.
    pub settings: Settings,
    /// Monotonic time.
    pub clock: Clock,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// What passes remember of a resource. Lost in a restart without harm: all of it is in its status.
    pub memory: Mutex<HashMap<String, Memory>>,
}

/// What is known of a resource beyond what the watch has brought so far.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Which object of that name it is about.
    uid: String,
    /// Passes in a row that failed.
    failures: u32,
    /// The status that was written last, and the resource version after it.
    written: Option<(u64, DirectConnectConnectionStatus)>,
    /// A look that was asked for by annotation: the value, and when it was first seen.
    asked: Option<(String, Moment)>,
}

/// Why a pass ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The object changed under the pass.
    #[error("{object} has changed since it was read")]
    Outdated {
        /// `namespace/name`.
        object: String,
    },
    /// Status was not written.
    #[error("status of {object} was not written: {reason}")]
    Status {
        /// `namespace/name`.
        object: String,
        /// What went wrong, with what caused it.
        reason: String,
    },
    /// Somebody else leads now.
    #[error("{object}: the lease is no longer held, so nothing is sent")]
    NotLeading {
        /// `namespace/name`.
        object: String,
    },
    /// A bug.
    #[error("the pass over {object} panicked: {message}")]
    Panicked {
        /// `namespace/name`.
        object: String,
        /// What the panic said.
        message: String,
    },
}

/// One pass over one resource.
struct Pass<'a> {
    operator: &'a Operator,
    object: &'a Watched,
    /// Status before this pass: what its news are told against.
    before: DirectConnectConnectionStatus,
    /// Status as the API server has it, as far as anyone knows.
    written: DirectConnectConnectionStatus,
    resource_version: String,
    /// Status that is being made.
    current: DirectConnectConnectionStatus,
    news: Vec<News>,
    has_looked: bool,
}

/// Looks at one resource, does what is to be done now and says how it stands.
pub async fn reconcile(object: &Watched, operator: &Operator) -> Result<Action, PassError> {
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let mut pass = Pass::new(object, operator);
    let valid = match &object.0 {
        Ok(valid) => valid,
        Err(malformed) => {
            let message = format!("the resource cannot be read: {}; correct it and apply it again", malformed.error);
            return pass.invalid(message).await;
        }
    };
    match operator.index.desired(valid) {
        Ok(desired) => pass.run(valid, &desired).await,
        Err(invalid) => pass.invalid(invalid.to_string()).await,
    }
}

impl<'a> Pass<'a> {
    fn new(object: &'a Watched, operator: &'a Operator) -> Self {
        let brought = match &object.0 {
            Ok(valid) => valid.status.clone().unwrap_or_default(),
            Err(_) => DirectConnectConnectionStatus::default(),
        };
        let version = object.meta().resource_version.clone().unwrap_or_default();
        let written = operator
            .with_memory(object, |memory| memory.written.clone())
            // What was written here last is news to a watch that lags behind.
            .filter(|(written, _)| version.parse().is_ok_and(|version: u64| version < *written));
        let (resource_version, before) = match written {
            Some((version, status)) => (version.to_string(), status),
            None => (version, brought),
        };
        Self {
            operator,
            object,
            current: before.clone(),
            written: before.clone(),
            before,
            resource_version,
            news: Vec::new(),
            has_looked: false,
        }
    }

    /// A spec that cannot be acted on.
    async fn invalid(&mut self, message: String) -> Result<Action, PassError> {
        let verdict = Verdict::new(Reason::InvalidSpec, message);
        let mut next = self.current.clone();
        self.judge(&mut next, &verdict, None);
        self.write(next).await?;
        self.finish(false);
        Ok(Action::await_change())
    }

    async fn run(&mut self, object: &DirectConnectConnection, desired: &Desired) -> Result<Action, PassError> {
        let operator = self.operator;
        let Some(region) = operator.regions.get(&desired.key.region) else {
            // Its poller has not begun; the first poll wakes everyone it concerns.
            return Ok(Action::await_change());
        };
        let id = &desired.key.id;
        // At most one update of a connection in flight, and none decided on while one is.
        let line = region.line(id);
        let _line = line.lock().await;
        let asked_at = self.begin(object, desired, &region);
        for _ in 0..MOST_STEPS {
            let plan = self.decide(desired, &region, asked_at);
            self.note_drift(desired, &plan);
            match &plan.step {
                Step::Rest => {
                    self.settle_turn(desired, &region);
                    self.report(desired, &region, &plan, asked_at).await?;
                    self.finish(desired.paused);
                    let wait = plan.look_again.map(|at| at.since(operator.clock.now()));
                    return Ok(wait.map_or_else(Action::await_change, |wait| {
                        Action::requeue(wait.max(Duration::from_millis(10)))
                    }));
                }
                Step::Read => {
                    // A failure is in the history, and the next decision knows what to make of it.
                    let read = region.read(id, self.urgency(desired)).await;
                    debug!(object = %self.name(), %id, ok = read.is_ok(), "read by id");
                }
                Step::Update(change) => self.update(desired, &region, &plan, change).await?,
            }
        }
        Ok(Action::requeue(Duration::from_millis(100)))
    }

    /// Brings the history up to date with what this resource asks for. Returns since when a fresh look is asked for.
    fn begin(&mut self, object: &DirectConnectConnection, desired: &Desired, region: &Region) -> Option<Moment> {
        let (operator, uid, now) = (self.operator, object.uid().unwrap_or_default(), self.operator.clock.now());
        let request = object.annotations().get(RECONCILE_REQUESTED_AT);
        let request = request.filter(|&request| self.before.last_handled_reconcile_at.as_ref() != Some(request));
        let (is_new, asked_at) = operator.with_memory(self.object, |memory| {
            let is_new = memory.asked.as_ref().map(|(value, _)| value) != request;
            if is_new {
                memory.asked = request.map(|request| (request.clone(), now));
            }
            (is_new, memory.asked.as_ref().map(|(_, at)| *at))
        });
        let earlier = self.before.last_update.as_ref().map(|last| {
            let sent = Change { name: last.connection_name.clone(), mode: last.encryption_mode };
            (sent, age_of(last))
        });
        region.with_history(&desired.key.id, |history| {
            history.wished(&uid, desired.generation, now);
            if let Some((sent, age)) = earlier {
                history.resume(sent, age, now);
            }
            if is_new && asked_at.is_some() {
                history.forgive();
            }
        });
        asked_at
    }

    fn decide(&self, desired: &Desired, region: &Region, asked_at: Option<Moment>) -> Plan {
        let operator = self.operator;
        let elder = operator.index.elder(&Reference::from_obj(self.object));
        let poll_fault = region.fault();
        let last = self.current.last_update.as_ref();
        region.with_history(&desired.key.id, |history| {
            let turns = operator.index.turns();
            let account = account_of(history.look().and_then(|look| look.connection.as_ref()));
            let around = Circumstances {
                poll_fault: poll_fault.as_ref(),
                elder: elder.as_deref(),
                other: turns.other(account, &desired.key),
                asked_at,
                met_generation: self.current.met_generation,
                must_sent_for: last
                    .filter(|last| last.encryption_mode == Some(EncryptionMode::MustEncrypt))
                    .map(|last| last.generation),
            };
            decide(desired, history, &around, &operator.settings, operator.clock.now())
        })
    }

    /// What a person asked for goes before what only repairs drift.
    fn urgency(&self, desired: &Desired) -> Urgency {
        if self.current.met_generation == Some(desired.generation) { Urgency::Low } else { Urgency::High }
    }

    /// Sends an update, if it still holds when its turn has come. Whatever comes of it, the next decision knows.
    async fn update(
        &mut self,
        desired: &Desired,
        region: &Region,
        plan: &Plan,
        change: &Change,
    ) -> Result<(), PassError> {
        let operator = self.operator;
        let id = &desired.key.id;
        region.wait_to_update().await;
        // The wait may have made the read old, and another connection may have taken the turn.
        let again = self.decide(desired, region, None);
        if again.step != plan.step || !self.take_turn(desired, region, change) {
            return Ok(());
        }
        let before = region.with_history(id, |history| {
            let connection = history.look().and_then(|look| look.connection.clone()).unwrap_or_default();
            Change { mode: connection.mode(), name: connection.connection_name }
        });
        if operator.leadership.time_left().is_none() {
            return Err(PassError::NotLeading { object: self.name() });
        }
        // What is about to be sent is written down first. That keeps it through a crash, and the API server refuses to
        // write it if the spec is not the newest any more.
        let earlier = self.current.last_update.take();
        self.current.last_update = Some(LastUpdate {
            time: status::whole_seconds(Timestamp::now()).to_string(),
            generation: desired.generation,
            request_id: None,
            connection_name: change.name.clone(),
            encryption_mode: change.mode,
        });
        let mut next = self.current.clone();
        if let Some(verdict) = &plan.verdict {
            self.show(&mut next, desired, region, plan, verdict);
        }
        if let Err(error) = self.write_now(next).await {
            self.settle_turn(desired, region);
            return Err(error);
        }
        let Some(limit) = operator.leadership.time_left() else {
            return Err(PassError::NotLeading { object: self.name() });
        };
        match region.update(id, change.clone(), limit).await {
            Ok(updated) => {
                let request_id = updated.request_id;
                info!(
                    object = %self.name(), %id, region = region.name(), request_id,
                    name = change.name, mode = change.mode.map(|mode| mode.to_string()),
                    "AWS was updated"
                );
                self.news.extend(events::updated(id, change, &before, request_id.as_deref()));
                if let Some(last) = &mut self.current.last_update {
                    last.request_id = request_id;
                }
            }
            Err(fault) => {
                warn!(
                    object = %self.name(), %id, region = region.name(), reason = fault.reason().as_str(),
                    request_id = fault.request_id, in_doubt = fault.in_doubt,
                    name = change.name, mode = change.mode.map(|mode| mode.to_string()),
                    "an update of AWS failed: {}", fault.words
                );
                if !fault.in_doubt {
                    self.current.last_update = earlier;
                }
            }
        }
        Ok(())
    }

    /// Takes the account's turn for a change to `must_encrypt`; any other change needs none.
    fn take_turn(&self, desired: &Desired, region: &Region, change: &Change) -> bool {
        if change.mode != Some(EncryptionMode::MustEncrypt) {
            return true;
        }
        let resource = shown(&Reference::from_obj(self.object));
        region.with_history(&desired.key.id, |history| {
            let account = account_of(history.look().and_then(|look| look.connection.as_ref()));
            self.operator.index.turns().try_take(account, &desired.key, &resource)
        })
    }

    /// Gives the turn up once the connection has proven itself or is no longer wanted at `must_encrypt`.
    fn settle_turn(&self, desired: &Desired, region: &Region) {
        let operator = self.operator;
        let resource = shown(&Reference::from_obj(self.object));
        let released = region.with_history(&desired.key.id, |history| {
            let mut turns = operator.index.turns();
            let account = account_of(history.look().and_then(|look| look.connection.as_ref()));
            let now = operator.clock.now();
            if turn::is_on_its_way(desired, history, &operator.settings, now) {
                turns.hold(account, &desired.key, &resource);
                return false;
            }
            history.prove_if_soaked(operator.settings.encryption_soak);
            turns.release(&desired.key)
        });
        if released {
            operator.index.wake_all();
        }
    }

    /// Says how the resource stands, if that is news.
    async fn report(
        &mut self,
        desired: &Desired,
        region: &Region,
        plan: &Plan,
        asked_at: Option<Moment>,
    ) -> Result<(), PassError> {
        let Some(verdict) = &plan.verdict else { return Ok(()) };
        let mut next = self.current.clone();
        if plan.met {
            next.met_generation = next.met_generation.max(Some(desired.generation));
        }
        let began = region.with_history(&desired.key.id, |history| history.look().map(|look| look.began));
        if asked_at.is_some_and(|asked_at| began.is_some_and(|began| began >= asked_at))
            && let Some(served) = self.object.annotations().get(RECONCILE_REQUESTED_AT)
        {
            next.last_handled_reconcile_at = Some(served.clone());
        }
        self.show(&mut next, desired, region, plan, verdict);
        self.write(next).await
    }

    /// Puts what AWS shows and what is thought of it into a status.
    fn show(
        &self,
        next: &mut DirectConnectConnectionStatus,
        desired: &Desired,
        region: &Region,
        plan: &Plan,
        verdict: &Verdict,
    ) {
        let id = &desired.key.id;
        let look = region.with_history(id, |history| history.look().cloned());
        next.connection_id = Some(id.clone());
        next.drift = status::drift(&plan.drift);
        if let Some(look) = &look {
            next.connection = look.connection.clone().unwrap_or_default();
            next.arn = status::arn(&desired.key.region, id, &next.connection);
        }
        self.judge(next, verdict, look.as_ref());
    }

    /// Puts a verdict into a status.
    fn judge(&self, next: &mut DirectConnectConnectionStatus, verdict: &Verdict, look: Option<&Look>) {
        let generation = self.object.meta().generation;
        let wanted = conditions::conditions(verdict, look);
        next.observed_generation = generation;
        next.conditions = status::conditions(wanted, &self.written.conditions, generation, Timestamp::now());
    }

    /// Writes a status that differs from the last.
    async fn write(&mut self, next: DirectConnectConnectionStatus) -> Result<(), PassError> {
        if next == self.written { Ok(()) } else { self.write_now(next).await }
    }

    async fn write_now(&mut self, next: DirectConnectConnectionStatus) -> Result<(), PassError> {
        let (namespace, name) = (self.object.namespace().unwrap_or_default(), self.object.name_any());
        let written = status::write(&self.operator.client, &namespace, &name, &self.resource_version, &next).await;
        let version = written.map_err(|error| self.unwritten(&error))?;
        self.operator.metrics.status_written();
        let reason = status::condition(&next, Kind::Ready).map(|ready| ready.reason.clone());
        info!(object = %self.name(), id = next.connection_id, reason, "status written");
        if let Some(version) = version {
            self.operator.with_memory(self.object, |memory| {
                memory.written = version.parse().ok().map(|version| (version, next.clone()));
            });
            self.resource_version = version;
        }
        self.written = next.clone();
        self.current = next;
        Ok(())
    }

    fn unwritten(&self, error: &WriteError) -> PassError {
        if matches!(error, WriteError::Outdated) {
            return PassError::Outdated { object: self.name() };
        }
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        PassError::Status { object: self.name(), reason: format!("{error}{cause}") }
    }

    /// What was as the spec asked and is not any more is news once.
    fn note_drift(&mut self, desired: &Desired, plan: &Plan) {
        let first = !std::mem::replace(&mut self.has_looked, true);
        let was_met = self.before.met_generation == Some(desired.generation) && self.before.drift.is_empty();
        if first && was_met && !plan.drift.is_empty() {
            let each = plan.drift.iter().map(|drift| {
                let observed = drift.observed.as_deref().unwrap_or("absent");
                format!("{} is {observed:?} in AWS, {:?} in the spec", drift.field, drift.desired)
            });
            let what: Vec<String> = each.collect();
            self.news.push(events::drifted(&what.join("; ")));
        }
    }

    /// Tells the news of the whole pass, and how the resource is now.
    fn finish(&mut self, paused: bool) {
        self.operator.with_memory(self.object, |memory| memory.failures = 0);
        let mut news = std::mem::take(&mut self.news);
        news.extend(events::transitions(&self.before, &self.current));
        self.operator.teller.tell(self.object, news);
        let is = |kind| status::truth(&self.current, kind) == Some("True");
        let id = match &self.object.0 {
            Ok(valid) => valid.spec.connection_id.clone(),
            Err(_) => String::new(),
        };
        let resource = Resource {
            namespace: self.object.namespace().unwrap_or_default(),
            name: self.object.name_any(),
            connection_id: id,
        };
        let health =
            Health { ready: is(Kind::Ready), link_up: is(Kind::LinkUp), encrypted: is(Kind::Encrypted), paused };
        self.operator.metrics.health(&resource, health);
    }

    fn name(&self) -> String {
        shown(&Reference::from_obj(self.object))
    }
}

impl PassError {
    /// The word that metrics carry.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Outdated { .. } => "Outdated",
            Self::Status { .. } => "StatusNotWritten",
            Self::NotLeading { .. } => "NotLeading",
            Self::Panicked { .. } => "Panicked",
        }
    }
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

    fn with_memory<T>(&self, object: &Watched, work: impl FnOnce(&mut Memory) -> T) -> T {
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

/// Account that shares a turn. Connections whose owner AWS does not show share one too.
fn account_of(connection: Option<&Connection>) -> &str {
    connection.and_then(|connection| connection.owner_account.as_deref()).unwrap_or_default()
}

/// How long ago an update was made, by the wall clock; no time at all if that has been set back since.
fn age_of(last: &LastUpdate) -> Duration {
    let sent: Option<Timestamp> = last.time.parse().ok();
    sent.and_then(|sent| Timestamp::now().duration_since(sent).try_into().ok()).unwrap_or_default()
}
