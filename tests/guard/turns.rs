//! Of the connections of an account, one at a time goes to `must_encrypt`.

use crate::log::{A, B, assert_apart, blocked, now, sent, updates};
use crate::pair::{OTHER_REGION, alone, held_by_the_first, ready_connection, wants_must};
use crate::witness::Witness;
use direct_connect_simulator::DEFAULT_ACCOUNT;
use serde_json::json;
use test_support::{REGION, Resource, World, connection};

const OTHER_ACCOUNT: &str = "210987654321";

#[track_caller]
fn assert_names(world: &World, waiting: &Resource, other: &str) {
    let message = waiting.condition("Ready").expect("it is there").message;
    assert!(message.contains(&format!("{}/{other}", world.namespace)), "it names the other: {message}");
}

#[tokio::test]
async fn two_that_are_ready_at_once_go_one_after_the_other_a_soak_apart() {
    let world = World::builder().flag("--encryption-soak", "2s").flag("--poll-interval", "500ms");
    let mut world = world.without_operator().build().await;
    let witness = Witness::of(&world).await;
    for (name, id) in [("one", A), ("two", B)] {
        world.aws.add(REGION, ready_connection(id));
        world.apply(wants_must(name, id)).await;
    }
    world.start_operator();
    let (one, two) = (world.ready("one").await, world.ready("two").await);
    let updates = world.updates();
    assert_eq!(updates.len(), 2, "{updates:#?}");
    // The soak after the update consists of reads that began after it had ended.
    assert_apart(updates[0].time.millis, updates[1].time.millis, 2000.0);
    let (waited, other) = if updates[0].parameter("connectionId") == Some(A) { (two, "one") } else { (one, "two") };
    let versions = witness.versions(&waited).await;
    let waiting = versions.iter().find(|one| one.is("Reconciling", "True", "WaitingForTurn"));
    assert_names(&world, waiting.expect("the second waits for its turn"), other);
    witness.reasons(&waited).await;
}

#[tokio::test]
async fn the_next_waits_until_the_last_has_proven_itself() {
    let world = held_by_the_first(alone()).await;
    world.polls(10).await;
    assert_eq!(sent(&world, B), json!([]), "the first is not proven while its MACsec is down");
    assert_eq!(blocked(&world, "second").await, [""; 0], "a turn ends by itself");
    let held = now(&world);
    world.aws.associate_key(REGION, A, "01");
    world.ready("second").await;
    assert_eq!(sent(&world, B), json!([{ "encryptionMode": "must_encrypt" }]));
    assert_apart(held, updates(&world, B)[0].time.millis, 1000.0);
    assert_eq!(updates(&world, A).len(), 1);
}

#[tokio::test]
async fn a_crash_does_not_lose_whose_turn_it_is() {
    let mut world = held_by_the_first(alone()).await;
    world.stop_operator();
    world.aws.clear_calls();
    world.start_operator();
    // Longer than a soak. The second has to soak again afterwards.
    world.polls(10).await;
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    world.polls(5).await;
    assert_eq!(world.updates(), [], "the first is not proven yet");
    world.aws.associate_key(REGION, A, "01");
    world.ready("second").await;
    assert_eq!(sent(&world, B), json!([{ "encryptionMode": "must_encrypt" }]));
    assert_eq!(sent(&world, A), json!([]));
}

#[tokio::test]
async fn the_turn_is_free_when_the_first_is_deleted() {
    let world = held_by_the_first(alone()).await;
    world.delete("first").await;
    world.ready("second").await;
    assert_eq!(sent(&world, B), json!([{ "encryptionMode": "must_encrypt" }]));
}

#[tokio::test]
async fn the_turn_is_free_when_the_first_wants_another_mode() {
    let world = held_by_the_first(alone()).await;
    world.apply(connection("first").id(A).mode("should_encrypt")).await;
    world.ready("second").await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "must_encrypt" }, { "encryptionMode": "should_encrypt" }]));
    assert_eq!(sent(&world, B), json!([{ "encryptionMode": "must_encrypt" }]));
}

#[tokio::test]
async fn regions_of_an_account_share_its_turn() {
    let world = held_by_the_first(alone()).await;
    world.delete("second").await;
    let id = "dxcon-cccccccc";
    world.aws.add(OTHER_REGION, ready_connection(id));
    world.apply(wants_must("third", id).region(OTHER_REGION)).await;
    let third = world.condition("third", "Reconciling", "True", "WaitingForTurn").await;
    assert_names(&world, &third, "first");
    // Immediate skips the ladder, but not the queue.
    world.apply(wants_must("third", id).region(OTHER_REGION).transition("Immediate")).await;
    world.condition("third", "Reconciling", "True", "WaitingForTurn").await;
    world.polls(3).await;
    assert_eq!(sent(&world, id), json!([]));
    world.delete("first").await;
    world.ready("third").await;
}

#[tokio::test]
async fn an_account_does_not_wait_for_another() {
    let world = held_by_the_first(alone()).await;
    world.aws.configure(|settings| {
        settings.access_keys.insert("AKIAI44QH8DHBEXAMPLE".into(), OTHER_ACCOUNT.into());
    });
    let id = "dxcon-cccccccc";
    world.aws.add(REGION, ready_connection(id).owned_by(OTHER_ACCOUNT));
    // An operator serves one account, so the other account has its own operator.
    let other = World::builder()
        .flag("--encryption-soak", "1s")
        .env("AWS_ACCESS_KEY_ID", "AKIAI44QH8DHBEXAMPLE")
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", world.aws.endpoint())
        .build()
        .await;
    other.apply(wants_must("foreign", id)).await;
    other.ready("foreign").await;
    let sent: Vec<_> = world.updates().into_iter().map(|call| call.account).collect();
    assert_eq!(sent, [DEFAULT_ACCOUNT, OTHER_ACCOUNT]);
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
}
