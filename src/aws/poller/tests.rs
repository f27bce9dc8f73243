//! What a poller records once its region has ended: nothing.

use aws_credential_types::Credentials;
use direct_connect_simulator::{Connection, Simulator};
use directconnect_core::identity::ConnectionId;
use test_support::wait;
use tokio::sync::mpsc;

use super::super::{Aws, Pollers, defaults};
use super::*;
use crate::state::SECONDS;
use directconnect_core::fault::{Effect, FaultKind};
use directconnect_core::observed::Connection as Observed;

const ID: &str = "dxcon-aaaaaaaa";
const REGION: &str = "eu-central-1";

/// What an ended region must leave nothing in.
struct World {
    simulator: Simulator,
    pollers: Pollers,
    state: Arc<State>,
    metrics: Metrics,
    clock: Clock,
    wakeups: mpsc::UnboundedReceiver<Wakeup>,
}

impl World {
    async fn new() -> Self {
        let (simulator, metrics, clock) = (Simulator::start().await, Metrics::new(), Clock::start());
        simulator.add(REGION, Connection::new(ID, "line"));
        let (sender, wakeups) = mpsc::unbounded_channel();
        let state = Arc::new(State::new(SECONDS, sender));
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
        let from = defaults("test").region(REGION).endpoint_url(simulator.endpoint()).credentials_provider(credentials);
        let aws = Aws::load(from, metrics.clone()).await;
        let pollers = Pollers::new(aws, clock, Arc::clone(&state), metrics.clone());
        Self { simulator, pollers, state, metrics, clock, wakeups }
    }

    /// What was woken since the last call. A turn that becomes free wakes those who wait for one, here nobody.
    fn woken(&mut self) -> Vec<Wakeup> {
        let woken = std::iter::from_fn(|| self.wakeups.try_recv().ok());
        woken.filter(|wakeup| *wakeup != Wakeup::Resources(Vec::new())).collect()
    }

    #[track_caller]
    fn assert_nothing_is_left(&mut self) {
        assert!(self.state.with_fleet(|fleet| fleet.circuit(&circuit()).is_none()), "a circuit");
        assert!(self.state.with_fleet(|fleet| fleet.region(&circuit().region).is_none()), "a region");
        let metrics = self.metrics.encode().expect("metrics");
        assert!(!metrics.contains("observation_age_seconds{"), "{metrics}");
        assert_eq!(self.woken(), []);
    }
}

fn circuit() -> CircuitId {
    let region = RegionName::parse(REGION).expect("a region");
    CircuitId { region, id: ConnectionId::parse(ID).expect("an id") }
}

#[tokio::test]
async fn a_read_that_is_answered_after_its_region_has_ended_brings_nothing_back() {
    let mut world = World::new().await;
    let poller = world.pollers.begin(&circuit().region);
    let slow = direct_connect_simulator::FaultKind::Latency { millis: 2000 };
    world.simulator.inject(direct_connect_simulator::Fault::new(slow));
    let circuit = circuit();
    let read = poller.read(&circuit, Urgency::High);
    let end = async {
        wait::until(wait::SOON, "the read to be under way", async || world.simulator.calls().len() == 1).await;
        world.pollers.end(&circuit.region);
    };
    assert_eq!(tokio::join!(read, end).0, Err(Closed));
    assert!(world.simulator.calls().iter().all(|call| call.finished.is_some()), "it was answered");
    world.assert_nothing_is_left();
}

#[tokio::test]
async fn an_update_that_is_cut_off_when_the_lease_ends_may_have_taken_effect() {
    let world = World::new().await;
    let slow = direct_connect_simulator::FaultKind::Latency { millis: 60_000 };
    world.simulator.inject(direct_connect_simulator::Fault::new(slow));
    let poller = world.pollers.begin(&circuit().region);
    let call = poller.wait_to_update().await.expect("the region is there");
    let change = Change { name: Some("new".to_owned()), mode: None };
    let until = world.clock.now() + Duration::from_millis(300);
    let fault = poller.update(call, &circuit(), &change, until).await.expect_err("the lease ended");
    assert_eq!(fault, Fault::in_doubt(UPDATE, "no answer before the lease ended"));
    assert_eq!(fault.effect, Effect::Unknown);
}

#[tokio::test]
async fn a_listing_that_is_handed_over_after_its_region_has_ended_brings_nothing_back() {
    let mut world = World::new().await;
    let region = circuit().region;
    let poller = world.pollers.begin(&region);
    let began = world.clock.now();
    let connection = Observed { owner_account: Some("123456789012".to_owned()), ..Observed::default() };
    let listing = || vec![(circuit().id, Arc::new(connection.clone()))];
    assert_eq!(poller.record(|fleet| fleet.begin_reading(&region, began)), Ok(()));
    assert_eq!(poller.hand_over(began, listing()), Ok(()));
    assert_eq!(world.woken(), [Wakeup::Region(region.clone())], "while it is needed, it is recorded");
    world.pollers.end(&region);
    // A listing that was under way is answered.
    let fault = Fault::new(FaultKind::Unavailable, "DescribeConnections", "no answer");
    assert_eq!(poller.hand_over(began, listing()), Err(Closed));
    assert_eq!(poller.hand_over_failure(&fault, 1), Err(Closed));
    assert_eq!(poller.interval(0), Err(Closed));
    world.assert_nothing_is_left();
}

#[test]
fn listings_come_within_a_tenth_of_the_interval() {
    for (jitter, seconds) in [(0.0, 54), (0.5, 60), (1.0, 66)] {
        let spread = spread(Duration::from_mins(1), jitter);
        assert!(spread.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(1), "{spread:?}");
    }
}
