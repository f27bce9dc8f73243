//! The annotation that requests a reconcile.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

use crate::log::{about, assert_updates, read, rename_behind_its_back};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn a_request_reads_the_connection_by_itself_and_tells_that_it_was_served() {
    // Polls are so rare that only the request can cause the read.
    let world = World::builder().flag("--poll-interval", "10m").build().await;
    world.aws.add(REGION, Connection::new(ID, "ours"));
    world.apply(connection("line").id(ID).name("ours")).await;
    let line = world.ready("line").await;
    assert!(line.status("lastHandledReconcileAt").is_null(), "{line}");
    world.aws.clear_calls();

    for request in ["2026-01-01T00:00:00Z", "anything"] {
        world.annotate("line", "reconcile-requested-at", Some(request)).await;
        world.until("line", "served", |line| line.status("lastHandledReconcileAt") == request).await;
        assert_eq!(about(&world, ID), [read(ID)], "one read and no more");
        world.aws.clear_calls();
    }

    rename_behind_its_back(&world, ID, "theirs");
    world.annotate("line", "reconcile-requested-at", Some("again")).await;
    let line = world.until("line", "served", |line| line.status("lastHandledReconcileAt") == "again").await;
    assert_updates(&world, ID, &[&[("connectionName", "ours")]]);
    let line = if line.is("Ready", "True", "InSync") { line } else { world.ready("line").await };
    assert_eq!(line.status("connectionName"), "ours");
}

#[tokio::test]
async fn a_restart_does_not_serve_a_request_again() {
    let mut world = World::builder().flag("--leader-elect", "false").build().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).annotation("reconcile-requested-at", "once")).await;
    let line = world.until("line", "served", |line| line.status("lastHandledReconcileAt") == "once").await;
    world.aws.clear_calls();
    world.start_operator();
    world.polls(3).await;
    assert_eq!(about(&world, ID), []);
    assert_eq!(world.get("line").await.version(), line.version());
}
