//! Starts all parts and supervises them: if one long task ends, the process reports which, and ends too.

mod controller;
mod readiness;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::runtime::controller::Action;
use kube::runtime::reflector::store::Writer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tracing::{error, info, warn};

use self::readiness::{Progress, Readiness};
use self::tasks::Tasks;
use crate::aws::{Aws, Pollers};
use crate::clock::Clock;
use crate::config::{NAME, Run};
use crate::kubernetes::Watched;
use crate::kubernetes::claims::Claims;
use crate::kubernetes::events::EventPublisher;
use crate::kubernetes::kubeconfig;
use crate::kubernetes::lease::{Elector, Leadership};
use crate::kubernetes::watch::{self, Interruptions, Listed};
use crate::metrics::Metrics;
use crate::reconcile::{Context, MAX_SENDING, PassError, ReconcileSlots, reconcile};
use crate::server;
use crate::state::{Budget, State, Wakeup};
use directconnect_core::desired::DefaultRegion;
use directconnect_core::fault::FaultKind;

/// How long updates in flight may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(3500);
/// How long passes may take to end after that, to write the outcome of an update.
const SHORT_GRACE: Duration = Duration::from_millis(300);
/// How long the release of the lease may take.
const RELEASE: Duration = Duration::from_millis(900);
/// How long a connection to the API server may be silent. Watches are shorter, so a longer silence means that the
/// server is gone.
const API_SILENCE: Duration = Duration::from_secs(30);

/// Runs the controller until a signal ends it. An error says why it ended by itself.
pub fn run(flags: &Run) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime does not start: {error}"))?;
    let outcome = runtime.block_on(start(flags));
    // A DNS lookup that hangs would otherwise keep a process alive that has lost its lease.
    runtime.shutdown_background();
    outcome
}

async fn start(flags: &Run) -> Result<(), String> {
    let shutdown = shutdown_signal()?;
    tokio::pin!(shutdown);
    let clock = Clock::start();
    let metrics = Metrics::new();
    let listener = server::listen(flags.http_address).await?;
    let Cluster { client, watch: watching, lease: leasing, own_namespace } = cluster().await?;
    let aws = Aws::from_environment(NAME, metrics.clone()).await;
    let region = default_region(&aws);
    let (wakeups, woken) = mpsc::unbounded_channel();
    let state = Arc::new(State::new(flags.settings(), wakeups));
    let claims = Arc::new(Claims::new(Arc::clone(&state), region, clock, metrics.clone()));
    let (listed, readiness, progress) = (Listed::default(), Readiness::default(), Progress::default());
    let interruptions = Interruptions::new(metrics.clone());
    let writer = Writer::default();
    let store = writer.as_reader();
    let identity = identity();
    let lease_namespace = flags.lease_namespace.clone().unwrap_or(own_namespace);
    let elector = Elector::new(leasing, &lease_namespace, &flags.lease_name, &identity, clock);
    let leadership = if flags.leader_elect { elector.leadership() } else { Leadership::without_lease(clock) };
    let context = Arc::new(Context {
        pollers: Pollers::new(aws.clone(), clock, Arc::clone(&state), metrics.clone()),
        events: EventPublisher::new(client.clone(), &identity),
        slots: ReconcileSlots::new(flags.concurrency),
        sending: Semaphore::new(MAX_SENDING as usize),
        claims: Arc::clone(&claims),
        state,
        client,
        metrics: metrics.clone(),
        leadership,
        clock,
    });

    let mut tasks = Tasks::default();
    if let Ok(address) = listener.local_addr() {
        info!(address = %address, version = env!("CARGO_PKG_VERSION"), "serving");
    }
    let ready = readiness.clone().check(Arc::clone(&context), listed.clone(), interruptions.clone());
    let alive = progress.clone().check();
    tasks.watch_over("the HTTP server", async { match server::run(listener, metrics, ready, alive).await {} });
    let rewound = watch::until_rewound(watching.clone(), flags.namespaces());
    tasks.watch_over("what is known of the cluster", rewound);
    let watching = watch::run(watching, flags.namespaces(), writer, Arc::clone(&claims), listed.clone(), interruptions);
    // If the lease is free, it is taken before the first list, so that no second list is needed.
    let mut lease = if flags.leader_elect { elector.acquire_at_once().await } else { None };
    let mut caught_up = listed.relist();
    tasks.watch_over("the watch on resources", watching);
    if flags.leader_elect && lease.is_none() {
        lease = tokio::select! {
            lease = elector.acquire() => Some(lease),
            ended = tasks.first_to_end() => return Err(ended),
            // It may have taken the lease in this very moment.
            signal = &mut shutdown => return end(signal, tasks, flags, &elector).await,
        };
        caught_up = listed.relist();
    }
    let leading_since = clock.now();
    if let Some(lease) = lease {
        let elector = elector.clone();
        tasks.watch_over("leading", async move { elector.keep(lease).await });
    }
    context.metrics.leads(true);
    // Nothing is sent before the last writes of the previous leader are known.
    tokio::select! {
        () = caught_up => {}
        ended = tasks.first_to_end() => return Err(ended),
        signal = &mut shutdown => return end(signal, tasks, flags, &elector).await,
    }
    context.state.with_fleet(|fleet| fleet.lead(leading_since));
    readiness.lead();

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let polling = Arc::clone(&context);
    tasks.watch_over("polling AWS", async move { polling.pollers.run(polling.claims.regions()).await });
    tasks.watch_over("news from AWS", forward_wakeups(woken, claims));
    tasks.watch_over("the look for AWS credentials", wait_for_credentials(aws, readiness));
    let controlling = tokio::spawn(controller::run_controller(Arc::clone(&context), store, stopped, progress, work));
    tokio::pin!(controlling);
    tokio::select! {
        ended = tasks.first_to_end() => Err(ended),
        ended = &mut controlling => Err(format!("the controller ended: {}", ended.err().map_or_else(String::new, |error| error.to_string()))),
        signal = &mut shutdown => {
            let _ = stop.send(());
            context.slots.close();
            // No update begins from here on. Those in flight end first. Reads are not waited for, since the next leader
            // reads for itself.
            let all_permits = tokio::time::timeout(GRACE, context.sending.acquire_many(MAX_SENDING)).await;
            context.sending.close();
            let _ = tokio::time::timeout(SHORT_GRACE, controlling).await;
            if all_permits.is_err() {
                // While an update may be in flight, no other process may begin one. So the lease is not released, but
                // expires.
                warn!("an update did not end in time; what came of it is read at the next start");
                info!(signal, "ended as told");
                return Ok(());
            }
            end(signal, tasks, flags, &elector).await
        }
    }
}

/// Ends a process that has no update in flight: releases the lease.
async fn end(signal: &str, tasks: Tasks, flags: &Run, elector: &Elector) -> Result<(), String> {
    // A renewal now would only conflict with the release.
    drop(tasks);
    if flags.leader_elect && tokio::time::timeout(RELEASE, elector.release()).await.is_err() {
        warn!("the lease was not released in time; it ends by itself");
    }
    info!(signal, "ended as told");
    Ok(())
}

async fn work(object: Arc<Watched>, context: Arc<Context>, budget: Arc<Budget>) -> Result<Action, PassError> {
    reconcile(&object, &context, &budget).await
}

/// The operator's own region. Logs if it is missing or invalid.
fn default_region(aws: &Aws) -> DefaultRegion {
    let region = aws.default_region();
    match &region {
        DefaultRegion::Set(_) => {}
        DefaultRegion::Unset => warn!(
            "the operator has no AWS region of its own: resources without spec.region are not served; set AWS_REGION"
        ),
        DefaultRegion::Invalid(problem) => {
            error!(
                "the operator's own region is set wrong: {problem}. Until then, resources without spec.region are not served"
            );
        }
    }
    region
}

fn shutdown_signal() -> Result<impl Future<Output = &'static str>, String> {
    let handler = |kind| signal(kind).map_err(|error| format!("signals cannot be handled: {error}"));
    let (mut terminate, mut interrupt) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// The API server. Each client has its own connections: where they have fallen silent, as when a NAT forgot them, a request
/// that has to be answered soon does not try those of the others before it makes a new one.
struct Cluster {
    /// For status, events and all the rest.
    client: Client,
    /// For watches.
    watch: Client,
    /// For the Lease.
    lease: Client,
    own_namespace: String,
}

/// The API server that the pod or `KUBECONFIG` names.
async fn cluster() -> Result<Cluster, String> {
    let mut config = kubeconfig::find(None).await.map_err(|error| kubeconfig::unusable(&error))?.config;
    // Without it, requests to an API server that went silent would wait without end.
    config.read_timeout = Some(API_SILENCE);
    config.reset_reader_on_write = true;
    // kube's retry waits as long as the server says. Here each caller decides about its own retries.
    config.default_retry = false;
    let own_namespace = config.default_namespace.clone();
    let client = || {
        Client::try_from(config.clone()).map_err(|error| {
            format!("the Kubernetes configuration does not work: {}", crate::kubernetes::words(&error))
        })
    };
    Ok(Cluster { client: client()?, watch: client()?, lease: client()?, own_namespace })
}

/// The identity of this process among its replicas. It differs after every start.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| NAME.to_owned());
    format!("{host}_{:08x}", fastrand::u32(..))
}

/// Waits until credentials are available. Later the SDK renews them, and conditions show if it cannot.
///
/// Region and credentials may come from the same metadata service, and one that did not answer when the process began
/// left it without a region. So it is asked once more, and if it has a region now, the process begins anew with it.
async fn wait_for_credentials(aws: Aws, readiness: Readiness) -> String {
    let mut tries: u32 = 0;
    while let Err(reason) = aws.check_credentials().await {
        tries = tries.saturating_add(1);
        if tries.is_power_of_two() {
            if reason.kind == FaultKind::Unavailable {
                error!("AWS credentials cannot be fetched: {reason}. It is tried again by itself");
            } else {
                error!(
                    "no AWS credentials: {reason}. Give the operator a role (IRSA, Pod Identity) or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. It is tried again by itself"
                );
            }
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    readiness.has_credentials();
    if aws.default_region() == DefaultRegion::Unset && aws.finds_a_region_now().await {
        return "the operator's own region can be read now, and could not when it started".to_owned();
    }
    std::future::pending().await
}

/// Forwards wakeups to the resources that they name.
async fn forward_wakeups(mut wakeups: mpsc::UnboundedReceiver<Wakeup>, claims: Arc<Claims>) -> String {
    while let Some(wakeup) = wakeups.recv().await {
        claims.wake(&wakeup);
    }
    String::new()
}
