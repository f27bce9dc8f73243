//! `managementPolicy: Observe`.

use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{REGION, World, connection};

use crate::log::{about, assert_updates, rename_behind_its_back};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn observing_reports_what_differs_and_never_updates() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "theirs").with_mode("no_encrypt"));
    let manifest = connection("line").id(ID).name("ours").mode("should_encrypt").policy("Observe");
    world.apply(manifest).await;
    let line = world.condition("line", "Ready", "False", "Drifted").await;
    assert!(line.condition("Reconciling").is_none() && line.condition("Stalled").is_none(), "{line}");
    assert_eq!(
        line.status("drift"),
        &json!([
            { "field": "connectionName", "desired": "ours", "observed": "theirs" },
            { "field": "encryptionMode", "desired": "should_encrypt", "observed": "no_encrypt" },
        ])
    );

    rename_behind_its_back(&world, ID, "ours");
    world.aws.edit(REGION, ID, |connection| connection.encryption_mode = Some("should_encrypt".to_owned()));
    let line = world.condition("line", "Ready", "True", "Observed").await;
    assert!(line.status("drift").is_null(), "{line}");
    rename_behind_its_back(&world, ID, "theirs again");
    world.condition("line", "Ready", "False", "Drifted").await;
    world.polls(3).await;
    assert_eq!(about(&world, ID), [], "polls are enough to observe");
}

#[tokio::test]
async fn what_was_observed_is_repaired_once_it_is_managed() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "theirs"));
    world.apply(connection("line").id(ID).name("ours").policy("Observe")).await;
    world.condition("line", "Ready", "False", "Drifted").await;
    world.apply(connection("line").id(ID).name("ours").policy("Manage")).await;
    world.condition("line", "Ready", "True", "InSync").await;
    assert_updates(&world, ID, &[&[("connectionName", "ours")]]);
}
