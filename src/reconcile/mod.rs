//! The one pass over one resource: look, decide, do, say. Read it from top to bottom.

mod operator;
mod report;
mod send;
mod slots;

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use tracing::debug;

use self::operator::Sent;
pub use self::operator::{MOST_SENDING, Operator};
use self::send::account_of;
pub use self::slots::{Permit, ReconcileSlots};
use crate::api::{DirectConnectConnection, DirectConnectConnectionStatus, LastUpdate};
use crate::aws::{Region, Urgency};
use crate::kubernetes::events::News;
use crate::kubernetes::index::{requested_at, shown};
use crate::kubernetes::{Reference, Watched};
use directconnect_core::clock::Moment;
use directconnect_core::conditions::{Reason, Verdict};
use directconnect_core::decide::{Circumstances, Plan, Step, decide};
use directconnect_core::desired::{Desired, EncryptionMode, ManagementPolicy};
use directconnect_core::history::Change;

/// More steps than any pass needs; one that takes more goes on in the next.
const MOST_STEPS: usize = 8;

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
        let (written, sent) = operator.with_memory(object, |memory| (memory.written.clone(), memory.sent.clone()));
        // What was written here last is news to a watch that lags behind.
        let written = written.filter(|(written, _)| version.parse().is_ok_and(|version: u64| version < *written));
        let (resource_version, before) = match written {
            Some((version, status)) => (version.to_string(), status),
            None => (version, brought),
        };
        let last_update = sent.map_or_else(|| before.last_update.clone(), |Sent(last)| last);
        Self {
            operator,
            object,
            current: DirectConnectConnectionStatus { last_update, ..before.clone() },
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
                    let Ok(read) = region.read(id, self.urgency(desired)).await else { break };
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
        let request = requested_at(object);
        let request = request.filter(|&request| self.before.last_handled_reconcile_at.as_deref() != Some(request));
        let (is_new, asked_at) = operator.with_memory(self.object, |memory| {
            let is_new = memory.asked.as_ref().map(|(value, _)| value.as_str()) != request;
            if is_new {
                memory.asked = request.map(|request| (request.to_owned(), now));
            }
            (is_new, memory.asked.as_ref().map(|(_, at)| *at))
        });
        // Two resources may be about one connection; its history is about the one that acts.
        if !self.acts(desired) {
            return asked_at;
        }
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
        region.with_history(&desired.key.id, |history| {
            let turns = operator.index.turns();
            let account = account_of(history.look().and_then(|look| look.connection.as_ref()));
            let around = Circumstances {
                poll_fault: poll_fault.as_ref(),
                elder: elder.as_deref(),
                other: turns.other(account, &desired.key),
                asked_at,
                met_generation: self.current.met_generation,
                mode_sent: self.mode_sent(desired),
            };
            decide(desired, history, &around, &operator.settings, operator.clock.now())
        })
    }

    /// A mode that was sent before, for this wish or for an earlier one.
    fn mode_sent(&self, desired: &Desired) -> Option<(EncryptionMode, i64)> {
        let last = self.current.last_update.as_ref().and_then(|last| Some((last.encryption_mode?, last.generation)));
        let must = self.current.must_encrypt_generation.map(|generation| (EncryptionMode::MustEncrypt, generation));
        last.filter(|(_, generation)| *generation >= desired.generation).or(must).or(last)
    }

    /// Whether this is the resource that may change the connection.
    fn acts(&self, desired: &Desired) -> bool {
        desired.policy == ManagementPolicy::Manage
            && self.operator.index.elder(&Reference::from_obj(self.object)).is_none()
    }

    /// What a person asked for goes before what only repairs drift.
    fn urgency(&self, desired: &Desired) -> Urgency {
        if self.current.met_generation == Some(desired.generation) { Urgency::Low } else { Urgency::High }
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

/// How long ago an update was made, by the wall clock; no time at all if that has been set back since.
fn age_of(last: &LastUpdate) -> Duration {
    let sent: Option<Timestamp> = last.time.parse().ok();
    sent.and_then(|sent| Timestamp::now().duration_since(sent).try_into().ok()).unwrap_or_default()
}
