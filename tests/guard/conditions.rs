//! Conditions that tools can wait for.

use crate::log::{A, B, sent};
use crate::witness::Witness;
use direct_connect_simulator::{Connection, ENCRYPTION_DOWN, ENCRYPTION_UP, Fault, FaultKind};
use serde_json::json;
use test_support::{REGION, World, connection, wait};

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

#[tokio::test]
async fn a_transition_is_one_event_however_many_polls_show_it() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "old").with_key("01").with_mode("no_encrypt"));
    world.aws.add(REGION, Connection::new(B, "line").with_key("01"));
    world.apply(connection("managed").id(A).name("new").mode("should_encrypt")).await;
    world.apply(connection("watched").id(B).policy("Observe")).await;
    world.ready("managed").await;
    world.condition("managed", "Encrypted", "True", "EncryptionUp").await;
    world.ready("watched").await;
    let set = |change: fn(&mut Connection)| world.aws.edit(REGION, B, change);
    set(|line| line.port_encryption_status = Some(ENCRYPTION_DOWN.into()));
    world.condition("watched", "Encrypted", "False", "EncryptionDown").await;
    set(|line| line.port_encryption_status = Some(ENCRYPTION_UP.into()));
    world.condition("watched", "Encrypted", "True", "EncryptionUp").await;
    set(|line| line.connection_state = Some("down".into()));
    world.condition("watched", "LinkUp", "False", "NotAvailable").await;
    world.condition("watched", "Encrypted", "False", "EncryptionDown").await;
    set(|line| line.connection_state = Some("available".into()));
    world.condition("watched", "LinkUp", "True", "Available").await;
    world.condition("watched", "Encrypted", "True", "EncryptionUp").await;
    world.polls(3).await;

    let told = async |name: &str| {
        let mut told: Vec<(String, String)> = Vec::new();
        for event in world.events(name).await {
            let times = event.series.map_or(1, |series| series.count);
            let one = (event.type_.unwrap_or_default(), event.reason.unwrap_or_default());
            told.extend((0..times).map(|_| one.clone()));
        }
        told.sort();
        told
    };
    let expected = |events: &[(&str, &str)]| -> Vec<(String, String)> {
        events.iter().map(|&(kind, reason)| (kind.to_owned(), reason.to_owned())).collect()
    };
    let cases = [
        (
            "managed",
            expected(&[("Normal", "EncryptionModeChanged"), ("Normal", "EncryptionUp"), ("Normal", "Renamed")]),
        ),
        (
            "watched",
            expected(&[
                // Twice, since the MACsec session goes down and up with the link.
                ("Normal", "EncryptionUp"),
                ("Normal", "EncryptionUp"),
                ("Normal", "LinkUp"),
                ("Warning", "EncryptionDown"),
                ("Warning", "EncryptionDown"),
                ("Warning", "LinkDown"),
            ]),
        ),
    ];
    for (name, expected) in cases {
        wait::until(wait::SOON, format!("the events of {name}"), async || {
            let told = told(name).await;
            if told == expected { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_block_is_one_warning_that_says_what_to_do() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "line"));
    world.apply(connection("line").id(A).mode("must_encrypt")).await;
    world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    world.polls(4).await;
    let events = wait::until(wait::SOON, "the event", async || {
        Some(world.events("line").await).filter(|events| !events.is_empty())
    })
    .await;
    assert_eq!(events.len(), 1, "{events:#?}");
    let event = &events[0];
    assert_eq!((event.type_.as_deref(), event.reason.as_deref()), (Some("Warning"), Some("Blocked")));
    assert!(event.series.is_none(), "{event:#?}");
    assert!(event.note.as_deref().unwrap_or_default().contains("associate a MACsec key"), "{event:#?}");
}
