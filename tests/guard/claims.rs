//! Two resources for one connection.

use crate::log::{A, assert_one_event, sent};
use crate::witness::Witness;
use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{Manifest, REGION, Resource, World, connection};

/// Applies two manifests and returns the names with the older first: by creation time in whole seconds, then by name.
async fn by_age(world: &World, manifests: [Manifest; 2]) -> [String; 2] {
    let mut made = Vec::new();
    for manifest in manifests {
        made.push(world.apply(manifest).await);
    }
    made.sort_by_key(|one| {
        let text = |field: &str| one.0["metadata"][field].as_str().unwrap_or_default().to_owned();
        (text("creationTimestamp"), text("name"))
    });
    let name = |one: &Resource| one.0["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    [name(&made[0]), name(&made[1])]
}

/// A world with two resources that were created before the operator started, each with its own desired name. One names
/// the region, the other takes it from the operator.
async fn of_two() -> (World, [String; 2]) {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    let names =
        by_age(&world, [connection("one").id(A).name("one"), connection("two").id(A).name("two").region(REGION)]).await;
    world.start_operator();
    (world, names)
}

#[tokio::test]
async fn of_two_the_older_acts_and_the_other_takes_over_when_it_goes() {
    let (world, [older, younger]) = of_two().await;
    world.ready(&older).await;
    let stands_back = world.condition(&younger, "Stalled", "True", "Conflict").await;
    let message = stands_back.condition("Ready").expect("it is there").message;
    assert!(message.contains(&format!("{}/{older}", world.namespace)), "it names the other: {message}");
    assert_eq!(stands_back.status("connectionState"), "available", "it still shows what AWS has");
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": older }]));

    world.delete(&older).await;
    world.ready(&younger).await;
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": older }, { "connectionName": younger }]));
    assert_one_event(&world, &younger, "Conflict").await;
}

#[tokio::test]
async fn a_paused_older_resource_keeps_its_claim() {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    let manifests = ["one", "two"].map(|name| connection(name).id(A).name(name));
    let [older, younger] = by_age(&world, manifests).await;
    world.annotate(&older, "paused", Some("true")).await;
    world.start_operator();
    world.condition(&older, "Ready", "False", "Paused").await;
    world.condition(&younger, "Stalled", "True", "Conflict").await;
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([]));
    world.annotate(&older, "paused", None).await;
    world.ready(&older).await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": older }]));
}

#[tokio::test]
async fn who_only_observes_neither_claims_nor_conflicts() {
    let mut world = World::builder().without_operator().build().await;
    let witness = Witness::of(&world).await;
    world.aws.add(REGION, Connection::new(A, "old"));
    world.apply(connection("watcher").id(A).name("watched").policy("Observe")).await;
    let manifests = ["one", "two"].map(|name| connection(name).id(A).name(name).policy("Observe"));
    let [older, younger] = by_age(&world, manifests).await;
    world.patch(&younger, json!({ "spec": { "managementPolicy": "Manage" } })).await;
    world.start_operator();
    let set_policy = async |name: &str, policy: &str| {
        world.patch(name, json!({ "spec": { "managementPolicy": policy } })).await;
    };
    world.ready(&younger).await;
    for name in ["watcher", &older] {
        let shown = |line: &Resource| line.status("connectionName") == younger.as_str();
        let line = world.until(name, "shown what the one that acts did", shown).await;
        assert!(line.is("Ready", "False", "Drifted"), "{line}");
        assert!(!witness.reasons(&line).await.contains(&"Conflict".to_owned()));
    }
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": younger }]));
    // The older one no longer only observes, so it acts again, until it observes again.
    set_policy(&older, "Manage").await;
    world.ready(&older).await;
    world.condition(&younger, "Stalled", "True", "Conflict").await;
    set_policy(&older, "Observe").await;
    world.ready(&younger).await;
    let names = [&younger, &older, &younger].map(|name| json!({ "connectionName": name }));
    assert_eq!(sent(&world, A), json!(names));
}
