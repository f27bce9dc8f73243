//! Drift: changes by someone else.

use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use test_support::{REGION, World, connection};

use crate::events::told;
use crate::log::{assert_updates, rename_behind_its_back};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn drift_is_repaired_once_and_reported_once() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "ours"));
    world.apply(connection("line").id(ID).name("ours").mode("should_encrypt")).await;
    world.ready("line").await;
    world.polls(2).await;
    assert_eq!(world.updates(), []);

    rename_behind_its_back(&world, ID, "theirs");
    told(&world, "line", "Renamed", 1).await;
    let line = world.ready("line").await;
    assert_eq!(line.status("connectionName"), "ours");
    assert!(line.status("drift").is_null(), "{line}");
    world.polls(3).await;
    assert_updates(&world, ID, &[&[("connectionName", "ours")]]);
    let notes = told(&world, "line", "DriftDetected", 1).await;
    assert!(notes[0].contains("theirs") && notes[0].contains("ours"), "{notes:?}");
}

#[tokio::test]
async fn a_mode_that_someone_changed_is_put_back() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).mode("should_encrypt")).await;
    world.ready("line").await;
    world.aws.edit(REGION, ID, |connection| connection.encryption_mode = Some("no_encrypt".to_owned()));
    let notes = told(&world, "line", "DriftDetected", 1).await;
    assert!(notes[0].contains("no_encrypt") && notes[0].contains("should_encrypt"), "{notes:?}");
    world.polls(3).await;
    assert_updates(&world, ID, &[&[("encryptionMode", "should_encrypt")]]);
    world.condition("line", "Ready", "True", "InSync").await;
}

/// Without a region of the operator's own, a spec that names none is invalid.
#[tokio::test]
async fn nothing_differs_from_a_spec_that_is_invalid() {
    // A circuit that status names is read all the same.
    for circuit in [Value::Null, json!({ "region": REGION, "connectionId": ID })] {
        let mut world = World::builder().flag("--leader-elect", "false").build().await;
        world.aws.add(REGION, Connection::new(ID, "old"));
        world.apply(connection("line").id(ID).name("new").annotation("paused", "true")).await;
        let paused = world.condition("line", "Ready", "False", "Paused").await;
        assert_eq!(paused.status("drift")[0]["field"], "connectionName", "{paused}");
        let drifted = format!(
            "directconnect_connection_drifted{{namespace=\"{}\",name=\"line\",connection_id=\"{ID}\"}}",
            world.namespace
        );
        assert_eq!(world.operator().metric(&drifted).await, Some(1.0));
        world.stop_operator();
        world.patch_status("line", json!({ "circuit": circuit })).await;
        world.settings = world.settings.clone().without_env("AWS_REGION");
        world.start_operator();
        let invalid = world.condition("line", "Stalled", "True", "InvalidSpec").await;
        assert!(invalid.status("drift").is_null(), "{invalid}");
        assert_eq!(world.operator().metric(&drifted).await, Some(0.0));
    }
}

#[tokio::test]
async fn drift_that_nobody_repairs_is_reported_when_it_begins() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "ours"));
    world.apply(connection("line").id(ID).name("ours").policy("Observe")).await;
    world.ready("line").await;
    for name in ["theirs", "another"] {
        rename_behind_its_back(&world, ID, name);
        world.until("line", "read", |line| line.status("connectionName") == name).await;
    }
    world.polls(2).await;
    told(&world, "line", "DriftDetected", 1).await;
}
