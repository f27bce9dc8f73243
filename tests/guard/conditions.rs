//! Conditions that tools can wait for.

use crate::log::{A, sent};
use crate::witness::Witness;
use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::json;
use test_support::{REGION, World, connection};

#[tokio::test]
async fn kubectl_waits_for_ready() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "line"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    let kubectl = async |condition: &str, timeout: &str| {
        let arguments =
            ["wait", "--namespace", &world.namespace, condition, "dxcon/line", &format!("--timeout={timeout}")];
        world.control_plane.kubectl(&arguments, "").await
    };
    kubectl("--for=condition=Stalled", "30s").await.text();
    let in_vain = kubectl("--for=condition=Ready", "1s").await;
    assert!(in_vain.stderr.contains("timed out"), "it is not ready: {in_vain:?}");
    let (waited, ()) = tokio::join!(kubectl("--for=condition=Ready", "60s"), async {
        world.aws.associate_key(REGION, A, "01");
    });
    assert!(waited.text().contains("condition met"));
    let line = world.get("line").await;
    assert!(line.is("Ready", "True", "InSync") && line.condition("Stalled").is_none(), "{line}");
}

#[tokio::test]
async fn a_failed_read_changes_nothing_for_three_poll_intervals() {
    let cases = [
        (FaultKind::AccessDenied, "Stalled", "AccessDenied"),
        (FaultKind::ServiceUnavailable, "Reconciling", "AwsUnavailable"),
        (FaultKind::Throttling, "Reconciling", "Throttled"),
    ];
    futures::future::join_all(cases.map(|(what, carrier, reason)| goes_stale(what, carrier, reason))).await;
}

async fn goes_stale(what: FaultKind, carrier: &str, reason: &str) {
    let world = World::builder().flag("--poll-interval", "1500ms").build().await;
    let witness = Witness::of(&world).await;
    world.aws.add(REGION, Connection::new(A, "line").with_key("01"));
    world.apply(connection("line").id(A).name("line")).await;
    let line = world.ready("line").await;

    // After one failed read the next one succeeds, long before three intervals have passed.
    world.aws.inject(Fault::new(what.clone()).on("DescribeConnections").times(1));
    world.polls(3).await;
    assert_eq!(world.get("line").await.version(), line.version(), "{what:?}");

    world.aws.inject(Fault::new(what.clone()).on("DescribeConnections"));
    let line = world.condition("line", "Ready", "Unknown", "ObservationStale").await;
    assert!(line.is("LinkUp", "Unknown", "ObservationStale"), "{what:?}: {line}");
    assert!(line.is("Encrypted", "Unknown", "ObservationStale"), "{what:?}: {line}");
    assert!(line.is(carrier, "True", reason), "{what:?}: {line}");
    world.aws.clear_faults();
    let line = world.ready("line").await;
    assert!(line.is("LinkUp", "True", "Available") && line.is("Encrypted", "True", "EncryptionUp"), "{line}");
    assert_eq!(witness.reasons(&line).await, ["InSync", "ObservationStale", "InSync"], "{what:?}");
    assert_eq!(sent(&world, A), json!([]));
}
