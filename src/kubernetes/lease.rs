//! Leader election by a Lease, so that only one process acts at a time. Writes are guarded by the resource version, and
//! times are measured with a monotonic clock.

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

/// How long a lease is valid without being renewed.
const LEASE: Duration = Duration::from_secs(15);
/// How often the lease is renewed.
const RENEW: Duration = Duration::from_secs(5);
/// No update is begun this long before the lease ends, since clocks run at slightly different speeds.
const MARGIN: Duration = Duration::from_secs(2);
/// The delay after a failed renewal.
const RENEW_AGAIN: Duration = Duration::from_millis(500);
/// The reason if a renewal did not happen although no request failed: the process was stopped or got no CPU time.
const HELD_UP: &str = "this process was held up";
/// Time limit of one request for the lease.
const REQUEST: Duration = Duration::from_secs(4);
/// How often a waiting process checks whether the lease is free. This is well below the second that a takeover may
/// take.
const CHECK_INTERVAL: Duration = Duration::from_millis(400);

/// Whether this process may act, and until when.
#[derive(Clone, Debug)]
pub struct Leadership {
    clock: Clock,
    /// Milliseconds since the start of the process; `u64::MAX` without leader election.
    until: Arc<AtomicU64>,
}

impl Leadership {
    /// For a process without leader election.
    pub fn without_lease(clock: Clock) -> Self {
        Self { clock, until: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    fn extend(&self, until: Moment) {
        let millis = until.since(Moment::START).as_millis();
        self.until.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Until when this process may act unless the lease is renewed; `None` if it may not act any more.
    ///
    /// The result is a moment and not a duration: if the process is halted after this call, a duration would count from
    /// the end of the halt.
    pub fn until(&self) -> Option<Moment> {
        let until = Moment::after_start(Duration::from_millis(self.until.load(Ordering::Acquire)));
        Some(until).filter(|until| !until.since(self.clock.now()).is_zero())
    }

    fn time_left(&self) -> Duration {
        self.until().map_or(Duration::ZERO, |until| until.since(self.clock.now()))
    }
}

/// Acquires the lease and keeps it.
#[derive(Clone)]
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: Clock,
    leadership: Leadership,
}

impl Elector {
    /// An elector for the Lease `name` in `namespace`, as `identity`.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, clock: Clock) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            clock,
            leadership: Leadership { clock, until: Arc::default() },
        }
    }

    /// The leadership that this elector maintains.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Tries once to acquire the lease, which succeeds for a process that starts alone. `None` if another process holds
    /// it or the request fails; then [`Self::acquire`] waits for it.
    pub async fn acquire_at_once(&self) -> Option<Lease> {
        self.try_acquire(&mut None).await.ok()?.ok()
    }

    /// Waits until this process holds the lease.
    pub async fn acquire(&self) -> Lease {
        let mut seen: Option<(Option<String>, Moment)> = None;
        let mut holder = None;
        let mut failures: u32 = 0;
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(Ok(lease)) => return lease,
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
            // Spread, so that several that wait do not ask at the same moment.
            tokio::time::sleep(CHECK_INTERVAL.mul_f64(0.75 + 0.5 * jitter())).await;
        }
    }

    /// Acquires the lease if it is free, was released, or has not changed for its whole duration as observed by this
    /// process. The inner error says who holds it.
    async fn try_acquire(&self, seen: &mut Option<(Option<String>, Moment)>) -> Result<Result<Lease, String>, String> {
        let began = self.clock.now();
        let lease = if let Some(lease) = bounded(self.api.get_opt(&self.name)).await? {
            let spec = lease.spec.clone().unwrap_or_default();
            let holder = spec.holder_identity.unwrap_or_default();
            let version = lease.metadata.resource_version.clone();
            // Its age counts from the answer, since the leader may have renewed while the request was under way.
            let now = self.clock.now();
            let since = match seen {
                Some((known, since)) if *known == version => *since,
                _ => seen.insert((version, now)).1,
            };
            // If this process already holds the lease, it acquired it earlier but the answer was lost.
            let is_free = holder.is_empty() || holder == self.identity;
            if !is_free && began.since(since) < LEASE {
                return Ok(Err(holder));
            }
            let transitions = spec.lease_transitions.unwrap_or_default().saturating_add(1);
            self.put(lease, self.spec(transitions)).await?
        } else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(0)) };
            bounded(self.api.create(&PostParams::default(), &lease)).await?
        };
        self.leadership.extend(began + LEASE - MARGIN);
        info!(lease = %self.name, identity = %self.identity, "leading");
        Ok(Ok(lease))
    }

    /// Renews the lease until it is lost. Returns how it was.
    pub async fn keep(&self, mut lease: Lease) -> String {
        let name = &self.name;
        let mut reason = HELD_UP.to_owned();
        let mut wait = RENEW;
        loop {
            // The wait ends with the lease at the latest, so that its loss is noticed in time.
            tokio::time::sleep(wait.min(self.leadership.time_left())).await;
            let left = self.leadership.time_left();
            if left.is_zero() {
                return format!("the lease {name} could not be renewed in time: {reason}");
            }
            match tokio::time::timeout(left, self.renew(&mut lease)).await {
                Ok(Ok(None)) => (wait, reason) = (RENEW, HELD_UP.to_owned()),
                Ok(Ok(Some(holder))) => {
                    self.leadership.extend(Moment::START);
                    let to = if holder.is_empty() { "nobody: it is gone or was released" } else { &holder };
                    return format!("the lease {name} was lost to {to}");
                }
                Ok(Err(error)) => {
                    debug!(error, "the lease was not renewed");
                    (wait, reason) = (RENEW_AGAIN, error);
                }
                Err(_) => "the API server does not answer".clone_into(&mut reason),
            }
        }
    }

    /// Renews the lease. If this process no longer holds it, returns who does; empty if nobody does.
    async fn renew(&self, lease: &mut Lease) -> Result<Option<String>, String> {
        let began = self.clock.now();
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let error = match self.put(lease.clone(), self.spec(transitions)).await {
            Ok(renewed) => {
                *lease = renewed;
                self.leadership.extend(began + LEASE - MARGIN);
                return Ok(None);
            }
            Err(error) => error,
        };
        // If only the answer was lost, the lease has a newer version that this process still holds.
        match bounded(self.api.get_opt(&self.name)).await {
            Ok(Some(newer)) => {
                let holder = newer.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
                if holder.as_deref() != Some(&self.identity) {
                    return Ok(Some(holder.unwrap_or_default()));
                }
                *lease = newer;
            }
            // The Lease is gone, so another process may take it at any time.
            Ok(None) => return Ok(Some(String::new())),
            Err(_) => {}
        }
        Err(error)
    }

    /// Releases the lease, so that the next leader need not wait until it ends.
    pub async fn release(&self) {
        self.leadership.extend(Moment::START);
        // A renewal in flight can cause a conflict once, but not twice.
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

    /// Replaces the lease at the version that was read. The request fails if anyone wrote in between.
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
