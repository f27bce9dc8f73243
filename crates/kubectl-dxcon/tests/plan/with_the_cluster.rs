//! `--cluster`: the existing resources count.

use std::sync::Arc;

use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{ControlPlane, REGION, World, WorldBuilder, connection};

use crate::said::{by_name, planned, text, updates};

const A: &str = "dxcon-aaaaaaaa";
const B: &str = "dxcon-bbbbbbbb";

/// This test has its own API server, since `--cluster` reads all resources.
async fn alone() -> WorldBuilder {
    World::builder().on(Arc::new(ControlPlane::start().await))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_another_resource_of_the_cluster_holds_is_waited_for() {
    let world = alone().await.build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    world.apply(connection("first").id(A).mode("must_encrypt").transition("Immediate")).await;
    world.ready("first").await;
    world.aws.add(REGION, Connection::new(B, "b").with_key("01"));
    let manifests = text([&connection("second").id(B).mode("must_encrypt")]);
    let (printed, plan) = planned(&world, &manifests, &["--cluster"]);
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    let second = &by_name(&plan)["second"];
    assert_eq!((&second["reason"], &second["needs"]), (&json!("WaitingForTurn"), &json!("turn")), "{second:#}");
    assert!(second["message"].as_str().is_some_and(|words| words.contains("/first")), "{second:#}");
    assert_eq!(updates(&plan, B), Vec::<serde_json::Value>::new());
    let alone = planned(&world, &manifests, &[]).1;
    assert_eq!(
        updates(&alone, B),
        [json!({ "connectionId": B, "encryptionMode": "must_encrypt" })],
        "without it, it goes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_already_is_nothing_to_do_and_a_pause_of_the_cluster_holds() {
    let world = alone().await.build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("new");
    world.apply(manifest.clone()).await;
    world.ready("line").await;
    let (printed, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!(printed.code, Some(0), "{plan:#}");
    world.annotate("line", "paused", Some("true")).await;
    let (printed, plan) = planned(&world, &text([&manifest.name("newer")]), &["--cluster"]);
    assert_eq!((printed.code, &plan["connections"][0]["reason"]), (Some(2), &json!("Paused")), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_cannot_be_changed_is_refused_in_the_words_of_the_crd() {
    let world = alone().await.without_operator().build().await;
    world.apply(connection("line").id(A)).await;
    let (printed, plan) = planned(&world, &text([&connection("line").id(B)]), &["--cluster"]);
    assert_eq!(printed.code, Some(1), "{printed:#?}");
    let why = plan["refused"][0]["why"][0].as_str().unwrap_or_default();
    assert!(why.contains("spec.connectionId cannot be changed"), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_a_manifest_goes_with_it() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("new");
    world.apply(manifest.clone().annotation("paused", "true")).await;
    let (_, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!(updates(&plan, A), [json!({ "connectionId": A, "connectionName": "new" })], "{plan:#}");
}
