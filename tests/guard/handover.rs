//! The turn belongs to the connection: it does not matter for which resource, and it ends with the last one.

use crate::log::{A, B, blocked, is_by_id, sent, updates};
use crate::pair::{
    MANY, a_second_after, alone, assert_the_second_goes, assert_the_second_stays, cut_the_first, held_by_the_first,
    insists, let_the_second_wait, ready_connection, wants_must,
};
use direct_connect_simulator::{Connection, ENCRYPTION_DOWN, Fault, FaultKind};
use serde_json::json;
use test_support::{
    Front, Manifest, Passing, REGION, Resource, Trouble, Weather, Wire, World, connection, kubeconfig_via, wait,
};

const C: &str = "dxcon-cccccccc";

/// Makes reads by id of the first connection slow, so that a resource that takes over has no new read for a while.
fn slow_reads_of_the_first(world: &World) {
    world.aws.inject(Fault::new(FaultKind::Latency { millis: 2500 }).on("DescribeConnections").for_connection(A));
}

/// A younger resource for the first connection is in conflict, and the second connection waits for its turn.
async fn a_younger_claims_it_too(world: &World, older: &Resource, younger: Manifest) {
    a_second_after(older).await;
    world.apply(younger).await;
    world.condition("younger", "Stalled", "True", "Conflict").await;
    let_the_second_wait(world).await;
}

#[tokio::test]
async fn the_turn_stays_when_an_older_resource_takes_the_connection_over() {
    // It is random which of the two is processed first, so the test is repeated.
    futures::future::join_all([(); 4].map(|()| an_older_resource_takes_the_connection_over())).await;
}

async fn an_older_resource_takes_the_connection_over() {
    let world = alone().build().await;
    world.aws.add(REGION, Connection::new(A, "line"));
    let older = world.apply(wants_must("older", A).policy("Observe").name("x")).await;
    a_second_after(&older).await;
    world.apply(insists("first", A)).await;
    world.ready("first").await;
    let_the_second_wait(&world).await;
    slow_reads_of_the_first(&world);
    world.apply(wants_must("older", A).policy("Manage").name("x")).await;
    world.condition("first", "Stalled", "True", "Conflict").await;
    assert_the_second_stays(&world, "the older wants must_encrypt there as the younger did").await;
    world.aws.clear_faults();
    world.aws.associate_key(REGION, A, "01");
    assert_the_second_goes(&world).await;
    // Nothing that AWS shows changes at the end of the soak, so whoever writes the proof wakes the other.
    world.until("older", "proven too, since it acts", |older| older.status("proven") == true).await;
}

#[tokio::test]
async fn the_turn_stays_when_a_younger_takes_over_from_one_that_is_deleted() {
    let world = alone().build().await;
    let older = cut_the_first(&world).await;
    a_younger_claims_it_too(&world, &older, wants_must("younger", A).name("x")).await;
    slow_reads_of_the_first(&world);
    world.delete("first").await;
    assert_the_second_stays(&world, "the younger wants must_encrypt there as the older did").await;
}

/// The third way: the acting resource only observes from now on, and the younger one acts.
#[tokio::test]
async fn the_turn_stays_when_the_older_resource_stops_acting() {
    let mut world = alone().build().await;
    let older = cut_the_first(&world).await;
    a_younger_claims_it_too(&world, &older, wants_must("younger", A).name("x")).await;
    slow_reads_of_the_first(&world);
    world.apply(wants_must("first", A).mode("should_encrypt").policy("Observe")).await;
    assert_the_second_stays(&world, "the younger wants must_encrypt there as the older did").await;
    world.start_operator();
    assert_the_second_stays(&world, "and so it is after a restart").await;
}

#[tokio::test]
async fn the_turn_is_free_when_no_resource_of_the_connection_wants_must_encrypt_any_more() {
    let world = alone().build().await;
    let older = cut_the_first(&world).await;
    a_younger_claims_it_too(&world, &older, wants_must("younger", A).mode("should_encrypt")).await;
    world.delete("first").await;
    assert_the_second_goes(&world).await;
}

/// Waits until a call for the first connection is in flight.
async fn is_under_way(world: &World, operation: &'static str) {
    wait::until(wait::SOON, format!("{operation} under way"), async || {
        world.aws.calls().iter().any(|call| {
            call.operation == operation && call.parameter("connectionId") == Some(A) && call.finished.is_none()
        })
    })
    .await;
}

#[tokio::test]
async fn a_resource_that_is_deleted_under_a_read_leaves_no_turn_behind() {
    let world = alone().flag("--encryption-soak", "4s").flag("--poll-interval", "1s").build().await;
    world.aws.add(REGION, ready_connection(A));
    world.aws.add(REGION, Connection::new(C, "line"));
    world.apply(wants_must("other", C).mode("should_encrypt")).await;
    world.apply(insists("first", A)).await;
    world.ready("first").await;
    world.aws.inject(Fault::new(FaultKind::Latency { millis: 700 }).on("DescribeConnections").for_connection(A));
    is_under_way(&world, "DescribeConnections").await;
    world.delete("first").await;
    world.gone("first").await;
    world.polls(3).await;
    world.aws.add(REGION, Connection::new(B, "line"));
    world.apply(insists("second", B)).await;
    assert_the_second_goes(&world).await;
}

#[tokio::test]
async fn a_resource_that_is_deleted_while_its_must_encrypt_is_under_way_leaves_no_turn_behind() {
    // The soak of the second lasts beyond the end of the update.
    let world = alone().flag("--encryption-soak", "5s").flag("--poll-interval", "500ms").build().await;
    world.aws.add(REGION, ready_connection(A));
    world.aws.add(REGION, ready_connection(B));
    world.aws.inject(Fault::new(FaultKind::Latency { millis: 3000 }).on("UpdateConnection").for_connection(A));
    world.apply(wants_must("first", A)).await;
    is_under_way(&world, "UpdateConnection").await;
    world.apply(wants_must("second", B)).await;
    world.delete("first").await;
    world.gone("first").await;
    assert_the_second_goes(&world).await;
    // No resource wants the mode any more, however the update ended.
    assert_eq!(updates(&world, A).len(), 1);
}

#[tokio::test]
async fn a_resource_that_a_finalizer_keeps_from_being_deleted_holds_nobody_up() {
    let world = held_by_the_first(alone()).await;
    world.patch("first", json!({ "metadata": { "finalizers": ["example.com/backup"] } })).await;
    world.delete("first").await;
    assert_the_second_goes(&world).await;
    world.patch("first", json!({ "metadata": { "finalizers": null } })).await;
    world.gone("first").await;
}

/// A resource created again under the same name is another resource, and its connection is still down.
#[tokio::test]
async fn a_resource_that_is_made_again_for_its_connection_keeps_the_turn() {
    let mut world = alone().build().await;
    cut_the_first(&world).await;
    let_the_second_wait(&world).await;
    // The operator sees both changes at once, as with `kubectl replace --force`.
    world.stop_operator();
    world.delete("first").await;
    world.gone("first").await;
    world.apply(wants_must("first", A)).await;
    world.start_operator();
    assert_the_second_stays(&world, "the first is at must_encrypt, wanted there, and down").await;
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "must_encrypt" }]));
}

/// A wire and a front, through which the operator loses its watch and has to list again.
struct Gap {
    wire: Wire,
    front: Front,
}

impl Gap {
    async fn before(world: &mut World) -> Self {
        let front = Front::of_api_server(&world.kubeconfig).await;
        let address = front.url().trim_start_matches("http://").parse().expect("an address");
        let wire = Wire::to(address).await;
        let through = kubeconfig_via(&world.kubeconfig, &format!("http://{}", wire.address()), "gap");
        world.settings = world.settings.clone().env("KUBECONFIG", through.to_string_lossy());
        Self { wire, front }
    }

    /// The watch is cut, and when it is resumed, the version has expired.
    fn begin(&self) {
        self.front.trouble_from(
            0,
            1,
            Trouble::status(410, "Expired", "too old resource version"),
            |request: &Passing| request.reads_resources() && request.is_watch() && !request.is_streaming_list(),
        );
        self.wire.weather(Weather::Reset);
    }

    async fn end(&self) {
        self.wire.weather(Weather::Fair);
        self.front.strikes().await;
    }
}

#[tokio::test]
async fn a_resource_that_is_made_again_for_another_connection_in_a_gap_of_the_watch_leaves_no_turn_behind() {
    let mut world = alone().without_operator().build().await;
    let gap = Gap::before(&mut world).await;
    world.start_operator();
    cut_the_first(&world).await;
    let_the_second_wait(&world).await;
    world.aws.add(REGION, Connection::new(C, "line"));
    gap.begin();
    world.delete("first").await;
    world.gone("first").await;
    world.apply(wants_must("first", C).mode("should_encrypt")).await;
    gap.end().await;
    assert_the_second_goes(&world).await;
}

#[tokio::test]
async fn a_resource_that_is_deleted_in_a_gap_of_the_watch_leaves_no_turn_behind() {
    let mut world = alone().without_operator().build().await;
    let gap = Gap::before(&mut world).await;
    world.start_operator();
    cut_the_first(&world).await;
    let_the_second_wait(&world).await;
    gap.begin();
    world.delete("first").await;
    world.gone("first").await;
    gap.end().await;
    assert_the_second_goes(&world).await;
}

/// A connection without a resource is no longer read by id.
#[tokio::test]
async fn the_connection_of_a_deleted_resource_is_not_read_by_id_any_more() {
    let world = held_by_the_first(alone()).await;
    world.delete("first").await;
    assert_the_second_goes(&world).await;
    world.polls(3).await;
    let reads =
        || world.aws.calls().iter().filter(|call| is_by_id(call) && call.parameter("connectionId") == Some(A)).count();
    let before = reads();
    world.polls(MANY).await;
    assert_eq!(reads(), before);
}

/// The line was raised by somebody else, and the only resource of its region is deleted.
#[tokio::test]
async fn a_line_that_others_raised_is_looked_at_until_it_is_over_even_if_its_resource_goes() {
    let world = alone().build().await;
    let elsewhere = "us-east-1";
    world.aws.add(elsewhere, Connection::new(A, "line").with_key("01"));
    world.apply(connection("raised").id(A).region(elsewhere)).await;
    world.ready("raised").await;
    world.aws.edit(elsewhere, A, |line| {
        line.encryption_mode = Some("must_encrypt".to_owned());
        line.port_encryption_status = Some(ENCRYPTION_DOWN.to_owned());
    });
    world.until("raised", "raised", |line| line.status("encryptionMode") == "must_encrypt").await;
    world.aws.add(REGION, ready_connection(B));
    world.apply(wants_must("second", B)).await;
    let second = world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    let message = second.condition("Ready").expect("it is there").message;
    assert!(message.contains("somebody else has set"), "{message}");
    wait::until(wait::SOON, "an event that says so", async || {
        blocked(&world, "second").await.into_iter().find(|note| note.contains("somebody else has set"))
    })
    .await;
    world.delete("raised").await;
    assert_the_second_stays(&world, "nothing has shown yet that the first works").await;
    world.aws.edit(elsewhere, A, |line| line.encryption_mode = Some("should_encrypt".to_owned()));
    assert_the_second_goes(&world).await;
}
