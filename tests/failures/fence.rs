//! The last check of the Lease before an update is sent, and the time limit that the Lease sets for the call.
//!
//! A process ends when its Lease ends, so an observer cannot tell whether the limit or the check held an update back.
//! These tests run one pass by itself, on the real API server and through the real SDK, and nothing ends it.

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use direct_connect_simulator::{Connection, Fault, FaultKind};
use directconnect_core::desired::DefaultRegion;
use directconnect_core::identity::RegionName;
use directconnect_core::settings::Settings;
use directconnect_operator::aws::{Aws, Pollers};
use directconnect_operator::clock::Clock;
use directconnect_operator::kubernetes::Watched;
use directconnect_operator::kubernetes::claims::Claims;
use directconnect_operator::kubernetes::events::EventPublisher;
use directconnect_operator::kubernetes::lease::{Elector, Leadership};
use directconnect_operator::metrics::Metrics;
use directconnect_operator::reconcile::{Context, MAX_SENDING, PassError, ReconcileSlots, reconcile};
use directconnect_operator::state::{Budget, State};
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::watcher::Event;
use kube::{Api, Client, Config};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use test_support::{Front, Passing, REGION, Trouble, World, connection, kubeconfig_via, wait};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use crate::replicas::LEASE;

const ID: &str = "dxcon-aaaaaaaa";
/// Longer than any test; the tests themselves decide when something ends.
const NEVER: Duration = Duration::from_hours(1);

/// Everything that a pass needs, with a Lease that nobody renews.
struct Bench {
    world: World,
    /// A front between the operator and the API server. Requests for the Lease do not go through it.
    front: Front,
    elector: Elector,
    lease: Lease,
    leadership: Leadership,
    context: Arc<Context>,
    clock: Clock,
    poller: AbortHandle,
    halt: Halt,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.poller.abort();
    }
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).expect("it can be read");
    let config = Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await;
    let mut config = config.expect("the kubeconfig is whole");
    config.default_retry = false;
    Client::try_from(config).expect("a client can be made")
}

impl Bench {
    /// A process that leads, has read AWS, and knows a resource that wants another name than AWS has.
    async fn new() -> Self {
        let world = World::builder().without_operator().build().await;
        world.aws.add(REGION, Connection::new(ID, "old"));
        world.apply(connection("line").id(ID).name("new")).await;
        let front = Front::of_api_server(&world.kubeconfig).await;
        let through = client(&kubeconfig_via(&world.kubeconfig, &front.url(), "front")).await;

        let (clock, metrics, halt) = (Clock::start(), Metrics::new(), Halt::default());
        let settings = Settings {
            poll_interval: NEVER,
            encryption_soak: Duration::ZERO,
            settle_window: Duration::ZERO,
            progress_deadline: NEVER,
        };
        let from = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12())
            .endpoint_url(world.aws.endpoint())
            .region(REGION)
            .credentials_provider(halt.clone());
        let state = Arc::new(State::new(settings, mpsc::unbounded_channel().0));
        let region = RegionName::parse(REGION).expect("a region");
        let own = DefaultRegion::Set(region.clone());
        let claims = Arc::new(Claims::new(Arc::clone(&state), own, clock, metrics.clone()));
        let elector =
            Elector::new(client(&world.kubeconfig).await, &world.namespace, "directconnect-operator", "this_1", clock);
        let leadership = elector.leadership();
        let aws = Aws::load(from, metrics.clone()).await;
        let context = Arc::new(Context {
            pollers: Pollers::new(aws, clock, Arc::clone(&state), metrics.clone()),
            events: EventPublisher::new(through.clone(), "test", "test"),
            slots: ReconcileSlots::new(1),
            memory: Mutex::default(),
            sending: Semaphore::new(MAX_SENDING as usize),
            leadership: leadership.clone(),
            client: through,
            state,
            claims,
            metrics,
            clock,
        });
        let polling = Arc::clone(&context);
        let poller = tokio::spawn(async move { polling.pollers.run(polling.claims.regions()).await }).abort_handle();
        let lease = tokio::time::timeout(wait::SOON, elector.acquire()).await.expect("nobody else has it");
        let bench = Self { world, front, elector, lease, leadership, context, clock, poller, halt };
        bench.object().await;
        let has_read = || bench.context.state.reading(&region).has_read;
        wait::until(wait::SOON, "AWS to be read", async || has_read()).await;
        bench
    }

    /// The current resource, which the operator is made aware of.
    async fn object(&self) -> Watched {
        let api: Api<Watched> = Api::namespaced(self.world.client.clone(), &self.world.namespace);
        let object = api.get("line").await.expect("it is there");
        self.context.claims.note(&Event::Apply(object.clone()));
        object
    }

    /// How long the lease is still valid.
    fn left(&self) -> Duration {
        self.leadership.until().map_or(Duration::ZERO, |until| until.since(self.clock.now()))
    }

    /// A pass that has decided on its update and whose write of the intention is held back.
    async fn pass_held(&self) -> tokio::task::JoinHandle<Result<(), PassError>> {
        self.front.trouble_from(0, 1, Trouble::Held, Passing::writes_status);
        let (object, context) = (self.object().await, Arc::clone(&self.context));
        let pass = tokio::spawn(async move { reconcile(&object, &context, &Budget::new(NEVER)).await.map(|_| ()) });
        tokio::time::timeout(wait::SOON, self.front.strikes()).await.expect("it comes to the writing");
        pass
    }
}

/// Credentials that are requested for each call, and held back while the process is halted.
#[derive(Clone, Debug, Default)]
struct Halt(Arc<Mutex<Option<Halted>>>);

#[derive(Debug)]
struct Halted {
    begins: mpsc::UnboundedSender<()>,
    goes_on: tokio::sync::oneshot::Receiver<()>,
}

impl ProvideCredentials for Halt {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let halted = self.0.lock().expect("nobody panicked").take();
            if let Some(halted) = halted {
                let _ = halted.begins.send(());
                let _ = halted.goes_on.await;
            }
            provider::Result::Ok(Credentials::new("AKIAEXAMPLE", "any", None, Some(SystemTime::now()), "test"))
        })
    }
}

#[tokio::test]
async fn an_update_is_not_sent_when_the_lease_ends_after_all_else_was_done_for_it() {
    let bench = Bench::new().await;
    let pass = bench.pass_held().await;
    bench.elector.release().await;
    bench.front.clear();
    let ended = pass.await.expect("no panic");
    assert!(matches!(ended, Err(PassError::NotLeading(_))), "{ended:?}");
    let line = bench.world.get("line").await;
    assert_eq!(line.status("lastUpdate")["connectionName"], "new", "it was about to be sent: {line}");
    assert_eq!(bench.world.updates(), []);

    // With a lease the same update is sent, so the lease was what was missing.
    bench.elector.acquire().await;
    reconcile(&bench.object().await, &bench.context, &Budget::new(NEVER)).await.expect("it goes through");
    assert_eq!(bench.world.updates().len(), 1);
}

#[tokio::test]
async fn without_a_lease_not_even_the_intention_is_written_down() {
    let bench = Bench::new().await;
    bench.elector.release().await;
    let before = bench.world.get("line").await;
    let ended = reconcile(&bench.object().await, &bench.context, &Budget::new(NEVER)).await;
    assert!(matches!(ended, Err(PassError::NotLeading(_))), "{ended:?}");
    assert_eq!(bench.world.get("line").await.version(), before.version());
    assert_eq!(bench.world.updates(), []);
}

#[tokio::test]
async fn an_update_is_given_up_when_its_lease_ends_though_its_own_time_is_not_up() {
    let bench = Bench::new().await;
    let renewed = crate::replicas::term_of(bench.lease.clone()).expect("it has a holder").renewed;
    bench.world.aws.inject(Fault::new(FaultKind::Hang { effect: false }).on("UpdateConnection"));
    let pass = bench.pass_held().await;
    // Its own time limit of 8 s is longer than what the lease has left, even with the margin.
    wait::until(LEASE, "less than 5 s to be left", async || bench.left() < Duration::from_secs(5)).await;
    bench.front.clear();
    let finished = wait::until(LEASE * 2, "the update to be given up", async || {
        bench.world.updates().into_iter().find_map(|call| call.finished)
    })
    .await;
    let finished: jiff::Timestamp = finished.wall.parse().expect("a time");
    let after = Duration::try_from(finished.duration_since(renewed)).expect("it came after");
    assert!(after < LEASE, "it was given up {after:?} after the lease was taken");
    pass.abort();
}

/// As if the process is stopped, or gets no CPU time.
#[tokio::test]
async fn a_process_that_is_halted_between_the_last_look_and_the_sending_sends_nothing_when_the_lease_is_over() {
    let bench = Bench::new().await;
    let pass = bench.pass_held().await;
    let (begins, mut begun) = mpsc::unbounded_channel();
    let (go_on, goes_on) = tokio::sync::oneshot::channel();
    *bench.halt.0.lock().expect("nobody panicked") = Some(Halted { begins, goes_on });
    bench.front.clear();
    begun.recv().await.expect("the update is about to be sent");
    // The whole operator runs in this thread, so nothing of it continues meanwhile.
    std::thread::sleep(bench.left() + Duration::from_millis(50));
    let _ = go_on.send(());
    let _ = pass.await.expect("no panic");
    assert_eq!(bench.left(), Duration::ZERO);
    assert_eq!(bench.world.updates(), []);
}
