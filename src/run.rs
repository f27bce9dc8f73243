//! The whole put together, and watched: if one long task ends, the process says which and ends too.

mod control;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use kube::Client;
use kube::runtime::reflector::store::Writer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::aws::{Aws, Regions, Woken};
use crate::clock::Clock;
use crate::config::{NAME, Run};
use crate::kubernetes::Watched;
use crate::kubernetes::events::Teller;
use crate::kubernetes::index::Index;
use crate::kubernetes::lease::{Elector, Leadership};
use crate::kubernetes::watch::{self, Listed};
use crate::metrics::Metrics;
use crate::reconcile::{MOST_SENDING, Operator, ReconcileSlots, reconcile};
use crate::server;

/// How long updates that are under way may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(3500);
/// How long all else may take: passes that write down what came of an update.
const SHORT_GRACE: Duration = Duration::from_millis(300);
/// How long everything may take after SIGTERM; what is left of it, the API server may take to let the lease go.
const FAREWELL: Duration = Duration::from_millis(4700);
/// How long a connection to the API server may be silent. Watches are shorter, so this is a server that has gone away.
const API_SILENCE: Duration = Duration::from_secs(30);

/// Runs the controller until it is told to end. The error says why it ended by itself.
pub fn run(flags: &Run) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime does not start: {error}"))?;
    let outcome = runtime.block_on(start(flags));
    // A look-up of a name that hangs would keep a process alive that has lost its lease.
    runtime.shutdown_background();
    outcome
}

async fn start(flags: &Run) -> Result<(), String> {
    let told = told_to_end()?;
    tokio::pin!(told);
    let clock = Clock::start();
    let metrics = Metrics::new();
    let listener = server::listen(flags.http_address).await?;
    let Cluster { client, watching, own_namespace } = cluster().await?;
    let aws = Aws::from_environment(metrics.clone()).await;
    let region = aws.default_region().map(str::to_owned);
    if region.is_none() {
        warn!(
            "the operator has no AWS region of its own: resources without spec.region are not served; set AWS_REGION"
        );
    }
    let index = Arc::new(Index::new(region, metrics.clone()));
    let (listed, standing) = (Listed::default(), Standing::default());
    let writer = Writer::default();
    let store = writer.as_reader();
    let (woken, news) = mpsc::unbounded_channel();
    let identity = identity();
    let lease_namespace = flags.lease_namespace.clone().unwrap_or(own_namespace);
    let elector = Elector::new(client.clone(), &lease_namespace, &flags.lease_name, &identity, clock);
    let leadership = if flags.leader_elect { elector.leadership() } else { Leadership::without_lease(clock) };
    let operator = Arc::new(Operator {
        regions: Regions::new(aws.clone(), clock, flags.settings(), woken, metrics.clone()),
        teller: Teller::new(client.clone(), NAME, &identity),
        shares: ReconcileSlots::new(flags.concurrency),
        settings: flags.settings(),
        memory: Mutex::default(),
        sending: Semaphore::new(MOST_SENDING as usize),
        index: Arc::clone(&index),
        client: client.clone(),
        metrics: metrics.clone(),
        leadership,
        clock,
    });

    let mut tasks = Tasks::default();
    if let Ok(address) = listener.local_addr() {
        info!(address = %address, version = env!("CARGO_PKG_VERSION"), "serving");
    }
    let readiness = readiness(Arc::clone(&operator), listed.clone(), standing.clone());
    tasks.watch_over("the HTTP server", async {
        server::run(listener, metrics, readiness, Arc::new(|| Ok(()))).await.to_string()
    });
    let rewound = watch::until_rewound(watching.clone(), flags.namespaces());
    tasks.watch_over("what is known of the cluster", rewound);
    let watching = watch::run(watching, flags.namespaces(), writer, Arc::clone(&index), listed);
    tasks.watch_over("the watch on resources", watching);

    if flags.leader_elect {
        let lease = tokio::select! {
            lease = elector.acquire() => lease,
            ended = tasks.first_to_end() => return Err(ended),
            signal = &mut told => {
                info!(signal, "ended as told");
                return Ok(());
            }
        };
        let elector = elector.clone();
        tasks.watch_over("leading", async move { elector.keep(lease).await.to_string() });
    }
    operator.metrics.leads(true);
    standing.lead();

    let ending = Arc::clone(&operator);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let regions = Arc::clone(&operator);
    tasks.watch_over("polling AWS", async move { regions.regions.run(regions.index.regions()).await });
    tasks.watch_over("news from AWS", hand_on(news, Arc::clone(&index)));
    tasks.watch_over("the look for AWS credentials", look_for_credentials(aws, standing));
    let work = |object: Arc<Watched>, operator: Arc<Operator>| async move { reconcile(&object, &operator).await };
    let controlling = tokio::spawn(control::control(operator, store, stopped, work));
    tokio::pin!(controlling);
    tokio::select! {
        ended = tasks.first_to_end() => Err(ended),
        ended = &mut controlling => Err(format!("the controller ended: {}", ended.err().map_or_else(String::new, |error| error.to_string()))),
        signal = &mut told => {
            let end = tokio::time::Instant::now() + FAREWELL;
            let _ = stop.send(());
            ending.shares.close();
            // From here on no update begins. Those on their way end first; reads are not waited for, since whoever leads
            // next reads for itself.
            let all_permits = tokio::time::timeout(GRACE, ending.sending.acquire_many(MOST_SENDING)).await;
            let _ = tokio::time::timeout(SHORT_GRACE, controlling).await;
            // A renewal now would only get in the way of the release.
            drop(tasks);
            // While an update may be on its way nobody else may begin one, so the lease then ends by itself.
            if all_permits.is_err() {
                warn!("an update did not end in time; what came of it is read at the next start");
            } else if flags.leader_elect && tokio::time::timeout_at(end, elector.release()).await.is_err() {
                warn!("the lease was not released in time; it ends by itself");
            }
            info!(signal, "ended as told");
            Ok(())
        }
    }
}

fn told_to_end() -> Result<impl Future<Output = &'static str>, String> {
    let handler = |kind| signal(kind).map_err(|error| format!("signals cannot be handled: {error}"));
    let (mut terminate, mut interrupt) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

struct Cluster {
    client: Client,
    /// With connections of its own: a watch that has to begin anew does not try those first that fell silent with it.
    watching: Client,
    own_namespace: String,
}

/// The API server, from the pod or `KUBECONFIG`, and the namespace that is the operator's own.
async fn cluster() -> Result<Cluster, String> {
    let mut config = kube::Config::infer().await.map_err(|error| {
        format!("no Kubernetes cluster: neither a pod's service account nor a kubeconfig was found (set KUBECONFIG): {error}")
    })?;
    // Without it, an API server that went silent would be waited for without end.
    config.read_timeout = Some(API_SILENCE);
    config.reset_reader_on_write = true;
    // It would sleep as long as a server says. What is tried again here is tried by those who know why.
    config.default_retry = false;
    let own_namespace = config.default_namespace.clone();
    let client = |config| {
        Client::try_from(config).map_err(|error| format!("the Kubernetes configuration does not work: {error}"))
    };
    Ok(Cluster { watching: client(config.clone())?, client: client(config)?, own_namespace })
}

/// Name of this process among its replicas, different after every start.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| NAME.to_owned());
    format!("{host}_{:08x}", fastrand::u32(..))
}

/// How far this process has come.
#[derive(Clone, Default)]
struct Standing(Arc<Mutex<Progress>>);

#[derive(Default)]
struct Progress {
    leads: bool,
    has_credentials: bool,
}

impl Standing {
    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn lead(&self) {
        self.change(|progress| progress.leads = true);
    }
}

/// Ready: the resources are listed and, once this process leads, AWS has been read where there are resources.
fn readiness(operator: Arc<Operator>, listed: Listed, standing: Standing) -> server::Readiness {
    Arc::new(move || {
        let progress = standing.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !listed.is_done() {
            Err("the resources have not been listed yet; is the CRD installed, and may the operator list it?"
                .to_owned())
        } else if !progress.leads {
            Ok(())
        } else if !progress.has_credentials {
            Err("there are no AWS credentials".to_owned())
        } else if !operator.regions.are_polled(&operator.index.regions().borrow()) {
            Err("AWS has not been read yet".to_owned())
        } else {
            Ok(())
        }
    })
}

/// Looks until there are credentials. Afterwards the SDK renews them, and conditions tell if it cannot.
async fn look_for_credentials(aws: Aws, standing: Standing) -> String {
    let mut tries: u32 = 0;
    while let Err(reason) = aws.check_credentials().await {
        tries = tries.saturating_add(1);
        if tries.is_power_of_two() {
            error!(
                "no AWS credentials: {reason}. Give the operator a role (IRSA, Pod Identity) or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. It is tried again by itself"
            );
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    standing.change(|progress| progress.has_credentials = true);
    std::future::pending().await
}

/// Hands what polls have news of to the resources it concerns.
async fn hand_on(mut news: mpsc::UnboundedReceiver<Woken>, index: Arc<Index>) -> String {
    while let Some(woken) = news.recv().await {
        match woken {
            Woken::Region(region) => index.wake_region(&region),
            Woken::Connections(region, ids) => index.wake_connections(&region, &ids),
        }
    }
    String::new()
}

/// Long tasks, none of which may end.
#[derive(Default)]
struct Tasks {
    running: JoinSet<String>,
}

impl Tasks {
    fn watch_over(&mut self, name: &'static str, task: impl Future<Output = String> + Send + 'static) {
        self.running.spawn(async move {
            let why = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(why) if why.is_empty() => "it stopped".to_owned(),
                Ok(why) => why,
                Err(_) => "it panicked".to_owned(),
            };
            format!("{name} ended: {why}")
        });
    }

    async fn first_to_end(&mut self) -> String {
        match self.running.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => error.to_string(),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_long_task_that_ends_is_told_by_name() {
        for (ends, told) in [("", "polling ended: it stopped"), ("a reason", "polling ended: a reason")] {
            let mut tasks = Tasks::default();
            tasks.watch_over("watching", std::future::pending());
            tasks.watch_over("polling", async move { ends.to_owned() });
            assert_eq!(tasks.first_to_end().await, told);
        }
    }

    #[tokio::test]
    async fn a_long_task_that_panics_is_told_by_name() {
        let mut tasks = Tasks::default();
        tasks.watch_over("watching", std::future::pending());
        tasks.watch_over("polling", async { panic!("boom") });
        assert_eq!(tasks.first_to_end().await, "polling ended: it panicked");
    }
}
