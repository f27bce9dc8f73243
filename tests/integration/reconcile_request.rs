//! The annotation that requests a reconcile.

use direct_connect_simulator::{Connection, Fault, FaultKind};
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
        assert_eq!(world.aws.calls().len(), 1, "nor is the account polled");
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

#[tokio::test]
async fn a_request_that_cannot_be_served_is_tried_ever_more_rarely() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).name("line")).await;
    world.ready("line").await;
    world.aws.clear_calls();
    world.aws.inject(Fault::new(FaultKind::ServiceUnavailable));
    world.annotate("line", "reconcile-requested-at", Some("now")).await;
    // The pauses are at most 1 s, 2 s, 4 s and so on, and half of that in the mean.
    world.polls(75).await;
    let tries = about(&world, ID).len();
    assert!((2..=15).contains(&tries), "{tries} tries in 75 polls");
}

/// Only AWS itself can say that it does not know a connection.
#[tokio::test]
async fn a_request_whose_reads_fail_is_served_by_the_first_that_does_not() {
    let world = World::builder().flag("--poll-interval", "10m").build().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).name("line")).await;
    world.ready("line").await;
    world.aws.clear_calls();
    world.aws.inject(Fault::new(FaultKind::ServiceUnavailable).for_connection(ID).times(3));
    world.annotate("line", "reconcile-requested-at", Some("now")).await;
    let line = world.until("line", "served", |line| line.status("lastHandledReconcileAt") == "now").await;
    assert_eq!(about(&world, ID).len(), 4);
    assert!(line.is("Ready", "True", "InSync"), "{line}");
}
