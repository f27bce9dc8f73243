//! The last check of the Lease before an update is sent, and the time limit that the Lease sets for the call.
//!
//! A process ends when its Lease ends, so an observer cannot tell whether the limit or the check held an update back.
//! These tests run one pass by itself, on the real API server and through the real SDK, and nothing ends it.

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use direct_connect_simulator::{Connection, Fault, FaultKind};
use directconnect_core::desired::DefaultRegion;
use directconnect_core::history::{Observation, Source};
use directconnect_core::identity::{CircuitId, ConnectionId, RegionName, ResourceId};
use directconnect_core::ledger::LastUpdate;
use directconnect_core::observed::Connection as Observed;
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
    config.proxy_url = None;
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
            events: EventPublisher::new(through.clone(), "test"),
            slots: ReconcileSlots::new(1),
            sending: Semaphore::new(MAX_SENDING as usize),
            leadership: leadership.clone(),
            client: through,
            state,
            claims,
            metrics,
            clock,
        });
        // As in a process that leads. Nobody is woken here; the tests run the passes.
        drop(context.claims.attach());
        let polling = Arc::clone(&context);
        let poller = tokio::spawn(async move { polling.pollers.run(polling.claims.regions()).await }).abort_handle();
        let lease = tokio::time::timeout(wait::SOON, elector.acquire()).await.expect("nobody else has it");
        let bench = Self { world, front, elector, lease, leadership, context, clock, poller, halt };
        bench.object().await;
        let has_read = || bench.context.state.with_fleet(|fleet| fleet.has_listed_any());
        wait::until(wait::SOON, "AWS to be read", async || has_read()).await;
        bench
    }

    /// The current resource, which the operator is made aware of.
    async fn object(&self) -> Watched {
        let api: Api<Watched> = Api::namespaced(self.world.client.clone(), &self.world.namespace);
        let object = api.get("line").await.expect("it is there");
        self.context.claims.note(&Event::Apply(object.clone()), None);
        object
    }

    /// What AWS shows of the line changes, and a poll shows it.
    fn polls(&self, change: impl FnOnce(&mut Observed)) {
        let (circuit, now) = (circuit(), self.clock.now());
        self.context.state.with_fleet(|fleet| {
            let known = fleet.circuit(&circuit).and_then(|known| known.history.connection());
            let mut shown = known.expect("it was read").clone();
            change(&mut shown);
            let connection = Some(Arc::new(shown));
            fleet.record_read(&circuit, Observation { began: now, ended: now, source: Source::Poll, connection });
        });
    }

    /// The update that was last sent, or written down to be sent, as this process knows it.
    fn last_update(&self) -> Option<LastUpdate> {
        let line = ResourceId::new(&self.world.namespace, "line");
        self.context.state.with_fleet(|fleet| fleet.ledger(&circuit(), &line).last_update)
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

fn circuit() -> CircuitId {
    let (region, id) = (RegionName::parse(REGION), ConnectionId::parse(ID));
    CircuitId { region: region.expect("a region"), id: id.expect("an id") }
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
async fn a_process_that_is_told_to_end_writes_no_intention_that_it_will_not_carry_out() {
    let bench = Bench::new().await;
    let all_permits = bench.context.sending.acquire_many(MAX_SENDING).await.expect("nothing is sent");
    let before = bench.world.get("line").await;
    let ended = reconcile(&bench.object().await, &bench.context, &Budget::new(NEVER)).await;
    assert!(matches!(ended, Err(PassError::NotLeading(_))), "{ended:?}");
    assert_eq!(bench.world.get("line").await.version(), before.version());
    drop(all_permits);
    // One that is written before is waited for together with its update.
    let pass = bench.pass_held().await;
    assert!(bench.context.sending.try_acquire_many(MAX_SENDING).is_err());
    bench.front.clear();
    pass.await.expect("no panic").expect("it goes through");
    assert!(bench.context.sending.try_acquire_many(MAX_SENDING).is_ok());
    assert_eq!(bench.world.updates().len(), 1);
}

#[tokio::test]
async fn an_intention_is_taken_back_if_its_pass_ends_before_the_update_is_sent() {
    let bench = Bench::new().await;
    bench.front.trouble_from(0, 1, Trouble::AnswerHeld, Passing::writes_status);
    let (object, context) = (bench.object().await, Arc::clone(&bench.context));
    let pass = tokio::spawn(async move { reconcile(&object, &context, &Budget::new(NEVER)).await.map(|_| ()) });
    tokio::time::timeout(wait::SOON, bench.front.strikes()).await.expect("it is written");
    bench.world.until("line", "the intention", |line| line.status("lastUpdate")["connectionName"] == "new").await;
    pass.abort();
    assert!(pass.await.is_err_and(|ended| ended.is_cancelled()));
    bench.object().await;
    assert_eq!(bench.last_update(), None, "what status says of it is not so");
}

#[tokio::test]
async fn an_intention_that_is_stored_long_after_it_was_given_up_is_not_believed() {
    let bench = Bench::new().await;
    let passes = async |object: &Watched| reconcile(object, &bench.context, &Budget::new(NEVER)).await;
    bench.polls(|line| line.connection_state = Some("unknown".to_owned().into()));
    passes(&bench.object().await).await.expect("it waits for another state");
    let before = bench.object().await;
    // Its answer is lost, and so is what it changed, as far as this process can see.
    bench.front.trouble_from(0, 1, Trouble::CutAfter, Passing::writes_status);
    bench.polls(|line| line.connection_state = Some("available".to_owned().into()));
    let ended = passes(&before).await;
    assert!(matches!(ended, Err(PassError::StatusNotWritten(..))), "{ended:?}");
    bench.polls(|line| line.connection_state = Some("unknown".to_owned().into()));
    passes(&before).await.expect("status says already what there is to say");
    // Only now the watch delivers what was stored.
    let stored = bench.object().await;
    assert!(stored.status.ledger.last_update.is_some());
    assert_eq!(bench.last_update(), None);
    bench.front.clear();
    passes(&stored).await.expect("it is overwritten");
    assert!(bench.world.get("line").await.status("lastUpdate").is_null());
    assert_eq!(bench.world.updates(), []);
}

/// At most sixteen calls of a region are under way. A pass that keeps its place while it waits for another one would, with
/// fifteen others like it, wait for ever.
#[tokio::test]
async fn a_pass_that_has_to_read_again_before_it_sends_gives_its_place_back_first() {
    let bench = Bench::new().await;
    let poller = bench.context.pollers.get(&circuit().region).expect("the region is polled");
    let mut others = Vec::new();
    for _ in 0..15 {
        others.push(poller.wait_to_update().await.expect("it is open"));
    }
    let pass = bench.pass_held().await;
    bench.world.aws.edit(REGION, ID, |line| line.connection_name = Some("theirs".to_owned()));
    bench.polls(|line| line.connection_name = Some("theirs".into()));
    bench.front.clear();
    let ended = tokio::time::timeout(wait::SOON, pass).await.expect("it does not wait for itself");
    ended.expect("no panic").expect("it goes through");
    assert_eq!(bench.world.updates().len(), 1);
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

/// While an answer is under way the leader may renew, so what it shows is as old as its arrival.
#[tokio::test]
async fn a_standby_counts_the_age_of_a_lease_from_when_it_has_seen_it() {
    let bench = Bench::new().await;
    let through = client(&kubeconfig_via(&bench.world.kubeconfig, &bench.front.url(), "standby")).await;
    let standby = Elector::new(through, &bench.world.namespace, "directconnect-operator", "standby_1", bench.clock);
    bench.front.trouble_from(0, 1, Trouble::AnswerHeld, Passing::is_about_a_lease);
    let acquired = tokio::spawn(async move { standby.acquire().await });
    let asked = std::time::Instant::now();
    tokio::time::timeout(wait::SOON, bench.front.strikes()).await.expect("it looks at the lease");
    let held = Duration::from_secs(2);
    wait::until(wait::SOON, "the answer to be late", async || asked.elapsed() >= held).await;
    let seen = std::time::Instant::now();
    bench.front.clear();
    tokio::time::timeout(crate::replicas::AFTER_LEASE, acquired).await.expect("nobody renews it").expect("no panic");
    let waited = seen.elapsed();
    assert!(waited >= LEASE, "it waited for {waited:?} after it had seen the lease, which lasts for {LEASE:?}");
}
