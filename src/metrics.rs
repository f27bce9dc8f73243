//! Prometheus metrics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Account label of a region in which no connection has shown its owner yet.
const UNKNOWN: &str = "unknown";

/// Names of labels and their values.
type Labels<const N: usize, V = &'static str> = [(&'static str, V); N];

/// The labels of a resource's gauges.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct Resource {
    /// Namespace of the resource.
    pub namespace: Arc<str>,
    /// Name of the resource.
    pub name: Arc<str>,
    /// `spec.connectionId`.
    pub connection_id: Arc<str>,
}

/// The values of a resource's gauges.
#[allow(clippy::struct_excessive_bools, reason = "each is a gauge of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// `Ready` is `True`.
    pub ready: bool,
    /// `LinkUp`, unless it is `Unknown`.
    pub link_up: Option<bool>,
    /// `Encrypted`, unless it is `Unknown`.
    pub encrypted: Option<bool>,
    /// AWS shows `must_encrypt`.
    pub must_encrypt: bool,
    /// AWS differs from the spec.
    pub drifted: bool,
    /// Paused by annotation.
    pub paused: bool,
}

type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// All metrics of the process. Clones are cheap and share their state.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<Labels<1>, Counter>,
    reconcile_seconds: Histogram,
    aws_requests: Family<Labels<3, String>, Counter>,
    aws_seconds: Histograms,
    status_writes: Counter,
    passes_timed_out: Counter,
    observed: Arc<Mutex<HashMap<String, (String, Instant)>>>,
    leader: Gauge,
    watch_interrupted: Gauge<f64, AtomicU64>,
    watch_interrupted_since: Arc<Mutex<Option<tokio::time::Instant>>>,
    resources: Arc<Resources>,
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
        let own = registry.sub_registry_with_prefix("directconnect_operator");
        let reconciles = register(own, "reconcile", "Reconciles by outcome", None, Family::default());
        let buckets = Histogram::new([0.001, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0]);
        let seconds = Some(Unit::Seconds);
        let reconcile_seconds =
            register(own, "reconcile_duration", "How long reconciles take", seconds.clone(), buckets);
        let aws_requests = register(own, "aws_requests", "Calls to AWS by outcome", None, Family::default());
        let buckets: fn() -> Histogram = || Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 12.0]);
        let buckets = Family::new_with_constructor(buckets);
        let aws_seconds =
            register(own, "aws_request_duration", "How long AWS takes to answer", seconds.clone(), buckets);
        let writes = "Writes of status to the API server";
        let status_writes = register(own, "status_writes", writes, None, Counter::default());
        let given_up = "Reconciles given up because they took longer than any may";
        let passes_timed_out = register(own, "passes_timed_out", given_up, None, Counter::default());
        let leader = register(own, "leader", "1 while this process holds the lease", None, Gauge::default());
        let interrupted = "How long the watch on resources has been interrupted, 0 while it works";
        let watch_interrupted = register(own, "watch_interrupted", interrupted, seconds, Gauge::default());
        let build = vec![("version", env!("CARGO_PKG_VERSION"))];
        own.register("build", "The build that runs", Info::new(build));
        let observed = Arc::default();
        registry.register_collector(Box::new(Ages(Arc::clone(&observed))));

        let resources = Arc::<Resources>::default();
        let each = registry.sub_registry_with_prefix("directconnect_connection");
        each.register_collector(Box::new(Arc::clone(&resources)));

        Self {
            registry: Arc::new(registry),
            reconciles,
            reconcile_seconds,
            aws_requests,
            aws_seconds,
            status_writes,
            passes_timed_out,
            observed,
            leader,
            watch_interrupted,
            watch_interrupted_since: Arc::default(),
            resources,
        }
    }

    /// The text that `/metrics` serves, in the `OpenMetrics` format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let since = *self.watch_interrupted_since.lock();
        self.watch_interrupted.set(since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Counts a call to AWS that ended.
    pub fn aws_request(&self, operation: &'static str, region: &str, outcome: &'static str, took: Duration) {
        let labels = [("operation", operation), ("region", region), ("outcome", outcome)];
        self.aws_requests.get_or_create(&labels.map(|(name, value)| (name, value.to_owned()))).inc();
        self.aws_seconds.get_or_create(&[("operation", operation)]).observe(took.as_secs_f64());
    }

    /// Records that a whole account was read just now.
    pub fn observed(&self, account: Option<&str>, region: &str) {
        let account = account.unwrap_or(UNKNOWN).to_owned();
        self.observed.lock().insert(region.to_owned(), (account, Instant::now()));
    }

    /// Removes the metrics of a region that is no longer read.
    pub fn forget_region(&self, region: &str) {
        self.observed.lock().remove(region);
    }

    /// Counts a reconcile that ended.
    pub fn reconciled(&self, outcome: &'static str, took: Duration) {
        self.reconciles.get_or_create(&[("outcome", outcome)]).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// Counts a status write.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// Counts a pass that was given up because it exceeded its time limit.
    pub fn pass_timed_out(&self) {
        self.passes_timed_out.inc();
    }

    /// Sets whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Sets since when the watch on resources has been interrupted; `None` while it works.
    pub fn watch_interrupted(&self, since: Option<tokio::time::Instant>) {
        *self.watch_interrupted_since.lock() = since;
    }

    /// Registers a resource. Its gauges are exposed once they are set.
    pub fn track(&self, resource: Arc<Resource>) {
        self.resources.0.lock().insert(resource, None);
    }

    /// Sets the gauges of a resource. Ignored if the resource is gone, since a pass may outlast its resource.
    pub fn health(&self, resource: &Resource, health: Health) {
        if let Some(known) = self.resources.0.lock().get_mut(resource) {
            *known = Some(health);
        }
    }

    /// Removes the gauges of a resource that is gone.
    pub fn forget(&self, resource: &Resource) {
        self.resources.0.lock().remove(resource);
    }
}

/// Registers a metric; what is returned shares its state.
fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, unit: Option<Unit>, metric: M) -> M {
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric.clone()),
        None => registry.register(name, help, metric.clone()),
    }
    metric
}

/// The gauges of all resources. Six separate families would store the labels of each resource six times.
#[derive(Debug, Default)]
struct Resources(Mutex<BTreeMap<Arc<Resource>, Option<Health>>>);

/// Name, help text and value of a gauge. One without a value is not exposed, since 0 would
/// raise the alert that the line is down.
type Meaning = (&'static str, &'static str, fn(&Health) -> Option<bool>);

impl Resources {
    const GAUGES: [Meaning; 6] = [
        ("ready", "1 while Ready is True.", |health| Some(health.ready)),
        ("link_up", "1 while LinkUp is True, none while it is Unknown.", |health| health.link_up),
        ("encrypted", "1 while Encrypted is True, none while it is Unknown.", |health| health.encrypted),
        ("must_encrypt", "1 while AWS shows must_encrypt.", |health| Some(health.must_encrypt)),
        ("drifted", "1 while AWS differs from the spec.", |health| Some(health.drifted)),
        ("paused", "1 while paused by annotation.", |health| Some(health.paused)),
    ];
}

impl Collector for Resources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // The values are copied first, so that passes do not wait for the encoding.
        let known =
            self.0.lock().iter().filter_map(|(labels, health)| Some((Arc::clone(labels), (*health)?))).collect();
        let resources: Vec<(Arc<Resource>, Health)> = known;
        if resources.is_empty() {
            return Ok(());
        }
        for (name, help, value) in Self::GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, health) in &resources {
                if let Some(is_true) = value(health) {
                    ConstGauge::new(i64::from(is_true)).encode(metric.encode_family(&**labels)?)?;
                }
            }
        }
        Ok(())
    }
}

/// The age of the last read of each account and region, computed at each scrape.
#[derive(Debug)]
struct Ages(Arc<Mutex<HashMap<String, (String, Instant)>>>);

impl Collector for Ages {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let observed = self.0.lock().clone();
        let mut metric = encoder.encode_descriptor(
            "directconnect_operator_observation_age",
            "Age of the last read of the whole account",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (region, (account, at)) in observed {
            let age = ConstGauge::<f64>::new(at.elapsed().as_secs_f64());
            age.encode(metric.encode_family(&[("account", account), ("region", region)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str) -> Resource {
        Resource { namespace: "net".into(), name: name.into(), connection_id: "dxcon-fg1234ab".into() }
    }

    const SOUND: Health = Health {
        ready: true,
        link_up: Some(true),
        encrypted: Some(true),
        must_encrypt: true,
        drifted: false,
        paused: false,
    };

    /// The exposed metrics of resources.
    fn exposed(metrics: &Metrics) -> String {
        let text = metrics.encode().expect("metrics");
        let lines: Vec<_> = text.lines().filter(|line| line.contains("directconnect_connection")).collect();
        lines.join("\n")
    }

    #[test]
    fn the_gauges_of_all_resources_come_together_and_none_without_a_resource() {
        let metrics = Metrics::new();
        for name in ["a", "b", "c"] {
            metrics.track(Arc::new(resource(name)));
        }
        assert_eq!(exposed(&metrics), "", "nothing is known of them yet");
        metrics.health(&resource("b"), Health { ready: false, must_encrypt: false, drifted: true, ..SOUND });
        metrics.health(&resource("a"), SOUND);
        metrics.health(&resource("b"), Health { link_up: Some(false), encrypted: Some(false), paused: true, ..SOUND });
        let expected = [
            ("ready", "Ready is True", 1, 1),
            ("link_up", "LinkUp is True, none while it is Unknown", 1, 0),
            ("encrypted", "Encrypted is True, none while it is Unknown", 1, 0),
            ("must_encrypt", "AWS shows must_encrypt", 1, 1),
            ("drifted", "AWS differs from the spec", 0, 0),
            ("paused", "paused by annotation", 0, 1),
        ];
        let each = expected.map(|(gauge, meaning, a, b)| {
            let name = format!("directconnect_connection_{gauge}");
            let of = |it| format!("{name}{{namespace=\"net\",name=\"{it}\",connection_id=\"dxcon-fg1234ab\"}}");
            let about = format!("# HELP {name} 1 while {meaning}.\n# TYPE {name} gauge");
            format!("{about}\n{} {a}\n{} {b}", of("a"), of("b"))
        });
        assert_eq!(exposed(&metrics), each.join("\n"));
        metrics.forget(&resource("a"));
        metrics.forget(&resource("b"));
        assert_eq!(exposed(&metrics), "");
    }

    #[test]
    fn of_a_condition_that_is_unknown_there_is_no_gauge_since_zero_would_say_that_the_line_is_down() {
        let metrics = Metrics::new();
        metrics.track(Arc::new(resource("line")));
        metrics.health(&resource("line"), Health { ready: false, link_up: None, encrypted: None, ..SOUND });
        let text = exposed(&metrics);
        for (gauge, there) in [("ready", true), ("link_up", false), ("encrypted", false), ("must_encrypt", true)] {
            assert_eq!(text.contains(&format!("directconnect_connection_{gauge}{{")), there, "{gauge} in\n{text}");
        }
    }
}
