//! What Prometheus reads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Account label of a region whose connections have not shown their owner yet.
const UNKNOWN: &str = "unknown";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AwsRequest {
    operation: &'static str,
    region: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    account: String,
    region: String,
}

/// The resource that a gauge is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Resource {
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// `spec.connectionId`.
    pub connection_id: String,
}

/// What the gauges of a resource say.
#[allow(clippy::struct_excessive_bools, reason = "each is a gauge of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// `Ready` is `True`.
    pub ready: bool,
    /// `LinkUp` is `True`.
    pub link_up: bool,
    /// `Encrypted` is `True`.
    pub encrypted: bool,
    /// AWS shows `must_encrypt`.
    pub must_encrypt: bool,
    /// AWS differs from the spec.
    pub drifted: bool,
    /// Paused by annotation.
    pub paused: bool,
}

type Histograms = Family<Operation, Histogram, fn() -> Histogram>;

/// All metrics of the process. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<Outcome, Counter>,
    reconcile_seconds: Histogram,
    aws_requests: Family<AwsRequest, Counter>,
    aws_seconds: Histograms,
    status_writes: Counter,
    observed: Arc<Mutex<HashMap<String, (String, Instant)>>>,
    leader: Gauge,
    ready: Family<Resource, Gauge>,
    link_up: Family<Resource, Gauge>,
    encrypted: Family<Resource, Gauge>,
    must_encrypt: Family<Resource, Gauge>,
    drifted: Family<Resource, Gauge>,
    paused: Family<Resource, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let reconciles = Family::default();
        let reconcile_seconds = Histogram::new([0.001, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0]);
        let aws_requests = Family::default();
        let seconds: fn() -> Histogram = || Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 12.0]);
        let aws_seconds = Family::new_with_constructor(seconds);
        let status_writes = Counter::default();
        let observed: Arc<Mutex<HashMap<String, (String, Instant)>>> = Arc::default();
        let leader = Gauge::default();
        let (ready, link_up, encrypted) = (Family::default(), Family::default(), Family::default());
        let (must_encrypt, drifted, paused) = (Family::default(), Family::default(), Family::default());

        let own = registry.sub_registry_with_prefix("directconnect_operator");
        own.register("reconcile", "Reconciles by outcome", Family::clone(&reconciles));
        own.register_with_unit(
            "reconcile_duration",
            "How long reconciles take",
            Unit::Seconds,
            reconcile_seconds.clone(),
        );
        own.register("aws_requests", "Calls to AWS by outcome", Family::clone(&aws_requests));
        own.register_with_unit(
            "aws_request_duration",
            "How long AWS takes to answer",
            Unit::Seconds,
            Histograms::clone(&aws_seconds),
        );
        own.register("status_writes", "Writes of status to the API server", status_writes.clone());
        own.register("leader", "1 while this process holds the lease", leader.clone());
        let build = vec![("version", env!("CARGO_PKG_VERSION"))];
        own.register("build", "The build that runs", Info::new(build));
        registry.register_collector(Box::new(Ages(Arc::clone(&observed))));

        let each = registry.sub_registry_with_prefix("directconnect_connection");
        each.register("ready", "1 while Ready is True", Family::clone(&ready));
        each.register("link_up", "1 while LinkUp is True", Family::clone(&link_up));
        each.register("encrypted", "1 while Encrypted is True", Family::clone(&encrypted));
        each.register("must_encrypt", "1 while AWS shows must_encrypt", Family::clone(&must_encrypt));
        each.register("drifted", "1 while AWS differs from the spec", Family::clone(&drifted));
        each.register("paused", "1 while paused by annotation", Family::clone(&paused));

        Self {
            registry: Arc::new(registry),
            reconciles,
            reconcile_seconds,
            aws_requests,
            aws_seconds,
            status_writes,
            observed,
            leader,
            ready,
            link_up,
            encrypted,
            must_encrypt,
            drifted,
            paused,
        }
    }

    /// The text that `/metrics` serves, in the `OpenMetrics` format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A call to AWS ended.
    pub fn aws_request(&self, operation: &'static str, region: &str, outcome: &'static str, took: Duration) {
        let region = region.to_owned();
        let labels = AwsRequest { operation, region, outcome };
        self.aws_requests.get_or_create(&labels).inc();
        self.aws_seconds.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
    }

    /// A whole account was read just now.
    pub fn observed(&self, account: Option<&str>, region: &str) {
        let account = account.unwrap_or(UNKNOWN).to_owned();
        self.observed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(region.to_owned(), (account, Instant::now()));
    }

    /// A region is not read any more.
    pub fn forget_region(&self, region: &str) {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner).remove(region);
    }

    /// A reconcile ended.
    pub fn reconciled(&self, outcome: &'static str, took: Duration) {
        self.reconciles.get_or_create(&Outcome { outcome }).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// Status was written.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// How a resource is.
    pub fn health(&self, resource: &Resource, health: Health) {
        let Health { ready, link_up, encrypted, must_encrypt, drifted, paused } = health;
        self.ready.get_or_create(resource).set(i64::from(ready));
        self.link_up.get_or_create(resource).set(i64::from(link_up));
        self.encrypted.get_or_create(resource).set(i64::from(encrypted));
        self.must_encrypt.get_or_create(resource).set(i64::from(must_encrypt));
        self.drifted.get_or_create(resource).set(i64::from(drifted));
        self.paused.get_or_create(resource).set(i64::from(paused));
    }

    /// A resource is gone, and its gauges with it.
    pub fn forget(&self, resource: &Resource) {
        let state = [&self.ready, &self.link_up, &self.encrypted, &self.must_encrypt, &self.drifted, &self.paused];
        for gauges in state {
            gauges.remove(resource);
        }
    }
}

/// The age of the last read of each account and region, reckoned when it is asked for.
#[derive(Debug)]
struct Ages(Arc<Mutex<HashMap<String, (String, Instant)>>>);

impl Collector for Ages {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let observed = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut metric = encoder.encode_descriptor(
            "directconnect_operator_observation_age",
            "Age of the last read of the whole account",
            Some(&Unit::Seconds),
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        for (region, (account, at)) in observed {
            let place = Place { account, region };
            let age = ConstGauge::<f64>::new(at.elapsed().as_secs_f64());
            age.encode(metric.encode_family(&place)?)?;
        }
        Ok(())
    }
}
