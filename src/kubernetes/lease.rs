//! Who leads: one process at a time acts, by a Lease with the resource version as guard and a monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tracing::{debug, info, warn};

use crate::clock::{Clock, jitter};
use directconnect_core::clock::Moment;

/// How long a lease holds without being renewed.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(5);
/// So long before it ends nothing is begun any more: clocks run at slightly different speeds.
const MARGIN: Duration = Duration::from_secs(2);
/// How soon a renewal that failed is tried again.
const RENEW_AGAIN: Duration = Duration::from_millis(500);
/// What kept a process from renewing that met with no error: it was stopped, or got no processor.
const HELD_UP: &str = "this process was held up";
/// How long the API server may take for one request about it.
const REQUEST: Duration = Duration::from_secs(4);
/// How often one that waits looks whether the lease is free. Well below the second that a takeover may take.
const LOOK: Duration = Duration::from_millis(400);

/// Whether this process may act, and for how long still.
#[derive(Clone, Debug)]
pub struct Leadership {
    clock: Clock,
    /// Milliseconds since the start of the process; `u64::MAX` without leader election.
    until: Arc<AtomicU64>,
}

impl Leadership {
    /// For a process that needs no lease.
    pub fn without_lease(clock: Clock) -> Self {
        Self { clock, until: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    fn none(clock: Clock) -> Self {
        Self { clock, until: Arc::default() }
    }

    fn extend(&self, until: Moment) {
        let millis = until.since(Moment::START).as_millis();
        self.until.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Until when this process may act, unless the lease is renewed; `None`: not any more.
    ///
    /// A moment and not a span: a process that is halted between this and what it does next must not count from then.
    pub fn until(&self) -> Option<Moment> {
        let until = Moment::after_start(Duration::from_millis(self.until.load(Ordering::Acquire)));
        Some(until).filter(|until| !until.since(self.clock.now()).is_zero())
    }

    fn time_left(&self) -> Duration {
        self.until().map_or(Duration::ZERO, |until| until.since(self.clock.now()))
    }
}

/// Takes the lease and keeps it.
#[derive(Clone)]
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: Clock,
    leadership: Leadership,
}

/// Why the lease was lost.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Another process has it.
    #[error("the lease {lease} was lost to {}", if holder.is_empty() { "nobody: it is gone or was released" } else { holder })]
    Taken {
        /// Name of the Lease.
        lease: String,
        /// Who holds it now.
        holder: String,
    },
    /// It could not be renewed in time.
    #[error("the lease {lease} could not be renewed in time: {reason}")]
    Expired {
        /// Name of the Lease.
        lease: String,
        /// What the last try met with.
        reason: String,
    },
}

/// Why it was not renewed this time.
enum Refusal {
    /// This process holds it no more.
    Taken(String),
    /// It may go better the next time.
    Failed(String),
}

impl Elector {
    /// For the Lease `name` in `namespace`, as `identity`.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, clock: Clock) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            clock,
            leadership: Leadership::none(clock),
        }
    }

    /// Whether this process may act.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Takes the lease if nobody else has it, as in a process that starts alone: `None` where another holds it, or the
    /// API server does not say. [`Self::acquire`] goes on from there.
    pub async fn acquire_at_once(&self) -> Option<Lease> {
        let taken = self.try_acquire(&mut None).await.ok()?.ok();
        taken.inspect(|_| self.log_leading())
    }

    /// Waits until this process holds the lease.
    pub async fn acquire(&self) -> Lease {
        let mut seen: Option<(Option<String>, Moment)> = None;
        let mut holder = None;
        let mut failures: u32 = 0;
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(Ok(lease)) => {
                    self.log_leading();
                    return lease;
                }
                Ok(Err(other)) => {
                    failures = 0;
                    if holder.as_ref() != Some(&other) {
                        info!(lease = %self.name, holder = %other, "waiting for the lease");
                        holder = Some(other);
                    }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if failures.is_power_of_two() {
                        warn!(lease = %self.name, "the lease could not be looked at: {error}. It is tried again by itself");
                    }
                }
            }
            // The end of what was seen is known to the moment.
            let ends = seen.as_ref().map(|(_, since)| *since + LEASE).filter(|&ends| ends > self.clock.now());
            let look = LOOK.mul_f64(0.75 + 0.5 * jitter());
            tokio::time::sleep(ends.map_or(look, |ends| ends.since(self.clock.now()).min(look))).await;
        }
    }

    /// Takes the lease if it is free, was released or has not been renewed for its whole length, as seen from here.
    async fn try_acquire(&self, seen: &mut Option<(Option<String>, Moment)>) -> Result<Result<Lease, String>, String> {
        let began = self.clock.now();
        let Some(lease) = bounded(self.api.get_opt(&self.name)).await? else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                spec: Some(self.spec(0)),
            };
            let lease = bounded(self.api.create(&PostParams::default(), &lease)).await?;
            self.leadership.extend(began + LEASE - MARGIN);
            return Ok(Ok(lease));
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let version = lease.metadata.resource_version.clone();
        let since = match seen {
            Some((known, since)) if *known == version => *since,
            _ => seen.insert((version, began)).1,
        };
        // A lease of this process is one that it took without hearing so: the answer was lost.
        let is_free = holder.is_empty() || holder == self.identity;
        if !is_free && began.since(since) < LEASE {
            return Ok(Err(holder));
        }
        let transitions = spec.lease_transitions.unwrap_or_default().saturating_add(1);
        match self.put(lease, self.spec(transitions)).await {
            Ok(lease) => {
                self.leadership.extend(began + LEASE - MARGIN);
                Ok(Ok(lease))
            }
            Err(error) => Err(error),
        }
    }

    fn log_leading(&self) {
        info!(lease = %self.name, identity = %self.identity, "leading");
    }

    /// Renews the lease until it is lost.
    pub async fn keep(&self, mut lease: Lease) -> Lost {
        let mut reason = HELD_UP.to_owned();
        let mut wait = RENEW;
        loop {
            // Never past the end: what holds the lease must know in time that it does not any more.
            tokio::time::sleep(wait.min(self.leadership.time_left())).await;
            let left = self.leadership.time_left();
            if left.is_zero() {
                return Lost::Expired { lease: self.name.clone(), reason };
            }
            match tokio::time::timeout(left, self.renew(&mut lease)).await {
                Ok(Ok(())) => (wait, reason) = (RENEW, HELD_UP.to_owned()),
                Ok(Err(Refusal::Taken(holder))) => {
                    self.leadership.extend(Moment::START);
                    return Lost::Taken { lease: self.name.clone(), holder };
                }
                Ok(Err(Refusal::Failed(error))) => {
                    debug!(error, "the lease was not renewed");
                    (wait, reason) = (RENEW_AGAIN, error);
                }
                Err(_) => "the API server does not answer".clone_into(&mut reason),
            }
        }
    }

    async fn renew(&self, lease: &mut Lease) -> Result<(), Refusal> {
        let began = self.clock.now();
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let error = match self.put(lease.clone(), self.spec(transitions)).await {
            Ok(renewed) => {
                *lease = renewed;
                self.leadership.extend(began + LEASE - MARGIN);
                return Ok(());
            }
            Err(error) => error,
        };
        // An answer that was lost leaves a newer version behind, which is ours all the same.
        match bounded(self.api.get_opt(&self.name)).await {
            Ok(Some(newer)) => {
                let holder = newer.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
                if holder.as_deref() != Some(&self.identity) {
                    return Err(Refusal::Taken(holder.unwrap_or_default()));
                }
                *lease = newer;
            }
            // Whoever looks next finds it free.
            Ok(None) => return Err(Refusal::Taken(String::new())),
            Err(_) => {}
        }
        Err(Refusal::Failed(error))
    }

    /// Gives the lease up, so that the next need not wait for its end.
    pub async fn release(&self) {
        self.leadership.extend(Moment::START);
        // A renewal that was under way may come in between once, and not twice.
        for _ in 0..2 {
            let Ok(Some(mut lease)) = bounded(self.api.get_opt(&self.name)).await else { return };
            let Some(spec) = lease.spec.as_mut() else { return };
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return;
            }
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            match bounded(self.api.replace(&self.name, &PostParams::default(), &lease)).await {
                Ok(_) => return,
                Err(error) => debug!(error, "the lease was not released"),
            }
        }
    }

    fn spec(&self, transitions: i32) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            lease_transitions: Some(transitions),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }

    /// Writes the lease over the version that was read; refused if anyone wrote in between.
    async fn put(&self, lease: Lease, mut spec: LeaseSpec) -> Result<Lease, String> {
        let before = lease.spec.unwrap_or_default();
        if before.holder_identity == spec.holder_identity {
            spec.acquire_time = before.acquire_time;
        }
        let lease = Lease { metadata: lease.metadata, spec: Some(spec) };
        bounded(self.api.replace(&self.name, &PostParams::default(), &lease)).await
    }
}

async fn bounded<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(super::words(&error)),
        Err(_) => Err(format!("the API server did not answer within {} s", REQUEST.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leadership_ends_by_itself_unless_it_is_extended() {
        let clock = Clock::start();
        let leadership = Leadership::none(clock);
        assert_eq!(leadership.until(), None, "nobody leads by birth");
        let later = clock.now() + Duration::from_hours(1);
        leadership.extend(later);
        assert_eq!(leadership.until(), Some(later));
        leadership.extend(clock.now());
        assert_eq!(leadership.until(), None);
        assert!(Leadership::without_lease(clock).until().is_some());
    }
}
