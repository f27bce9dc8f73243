//! Late reads after an update are settling, not drift.

use direct_connect_simulator::Connection;
use std::time::Duration;
use test_support::{REGION, World, connection};

use crate::events::told;
use crate::log::assert_updates;

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn late_reads_after_an_update_are_no_drift() {
    let world = World::builder().flag("--settle-window", "30s").build().await;
    world.aws.configure(|settings| settings.late_reads = 6);
    world.aws.add(REGION, Connection::new(ID, "old").with_mode("no_encrypt"));
    world.apply(connection("line").id(ID).name("new").mode("should_encrypt")).await;
    let line = world.ready("line").await;
    assert_eq!(line.status("connectionName"), "new", "the update's own answer counts as a read");
    world.polls(9).await;
    let fields = [("connectionName", "new"), ("encryptionMode", "should_encrypt")];
    assert_updates(&world, ID, &[&fields]);
    assert_eq!(world.get("line").await.version(), line.version(), "status does not go back and forth");
    told(&world, "line", "Renamed", 1).await;
    told(&world, "line", "DriftDetected", 0).await;
}

#[tokio::test]
async fn a_restart_amid_late_reads_does_not_send_the_update_again() {
    let mut world = World::builder().flag("--settle-window", "60s").flag("--leader-elect", "false").build().await;
    world.aws.configure(|settings| settings.late_reads_for = Duration::from_secs(20));
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
    world.start_operator();
    let line = world.condition("line", "Reconciling", "True", "Settling").await;
    assert!(line.condition("Ready").expect("it is there").message.contains("new"), "{line}");
    world.condition("line", "Ready", "True", "InSync").await;
    world.polls(2).await;
    assert_eq!(world.updates().len(), 1);
    told(&world, "line", "DriftDetected", 0).await;
}

#[tokio::test]
async fn what_still_differs_after_the_settle_window_is_sent_again() {
    let world = World::builder().flag("--settle-window", "1s").build().await;
    world.aws.configure(|settings| settings.late_reads_for = Duration::from_mins(10));
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    test_support::wait::until(test_support::wait::SOON, "a second update", async || world.updates().len() >= 2).await;
    let updates = world.updates();
    let apart = updates[1].time.millis - updates[0].time.millis;
    assert!(apart >= 1000.0, "{apart} ms");
}
