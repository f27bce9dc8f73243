//! Resources in sync.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection, wait};

#[tokio::test]
async fn a_connection_that_is_as_the_spec_says_is_only_polled() {
    let id = "dxcon-aaaaaaaa";
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(id, "line"));
    world.apply(connection("line").id(id).name("line").mode("should_encrypt")).await;
    let line = world.ready("line").await;
    assert!(line.is("Ready", "True", "InSync"), "{line}");
    assert_eq!(line.status("metGeneration"), line.generation());
    assert!(line.status("drift").is_null() && line.status("lastUpdate").is_null(), "{line}");
    world.polls(5).await;
    for call in world.aws.calls() {
        assert_eq!(call.operation, "DescribeConnections", "{call}");
        assert_eq!(call.parameters, serde_json::json!({ "maxResults": 100 }), "{call}");
    }
    assert_eq!(world.get("line").await.version(), line.version(), "and not written about");
}

/// The number of passes so far.
async fn passes(world: &World) -> f64 {
    let metrics = world.http_get("/metrics").await.body;
    let passes = metrics.lines().filter(|line| line.starts_with("directconnect_operator_reconcile_total{"));
    passes.filter_map(|line| line.split(' ').nth(1)?.parse::<f64>().ok()).sum()
}

/// A controller that woke itself by its own status writes would never rest.
#[tokio::test]
async fn what_changes_beside_spec_and_the_annotations_wakes_nobody() {
    let id = "dxcon-aaaaaaaa";
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(id, "line"));
    world.apply(connection("line").id(id)).await;
    world.ready("line").await;
    world.polls(2).await;
    let before = passes(&world).await;
    // The operator writes status once for each change.
    for location in ["here", "there", "elsewhere"] {
        world.aws.edit(REGION, id, |line| line.location = Some(location.to_owned()));
        world.until("line", location, |line| line.status("location") == location).await;
    }
    for count in 0..5 {
        world.patch("line", serde_json::json!({"metadata": {"labels": {"count": count.to_string()}}})).await;
    }
    world.polls(3).await;
    let after = passes(&world).await;
    assert!(after - before <= 3.0, "three changes in AWS made {} passes", after - before);

    world.annotate("line", "paused", Some("true")).await;
    wait::until(wait::SOON, "the annotation to wake it", async || passes(&world).await > after).await;
}

#[tokio::test]
async fn no_encrypt_is_in_sync_without_macsec() {
    let (not_capable, hosted) = ("dxcon-plain000", "dxcon-hosted00");
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(not_capable, "plain").not_capable());
    world.aws.add(REGION, Connection::new(hosted, "hosted").hosted(101));
    for id in [not_capable, hosted] {
        world.apply(connection(id).id(id).mode("no_encrypt")).await;
    }
    for id in [not_capable, hosted] {
        world.condition(id, "Ready", "True", "InSync").await;
    }
    world.polls(3).await;
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn reordered_lists_from_aws_change_nothing() {
    let id = "dxcon-aaaaaaaa";
    let world = World::new().await;
    let line = Connection::new(id, "line").with_tag("a", "1").with_tag("b", "2").with_key("bb").with_key("aa");
    world.aws.add(REGION, line);
    world.apply(connection("line").id(id)).await;
    let before = world.ready("line").await;
    world.aws.edit(REGION, id, |connection| {
        connection.tags.as_mut().expect("it has tags").reverse();
        connection.mac_sec_keys.as_mut().expect("it has keys").reverse();
    });
    world.polls(4).await;
    assert_eq!(world.get("line").await.version(), before.version());
}

#[tokio::test]
async fn after_an_update_of_one_field_and_then_another_nothing_is_written_again() {
    let id = "dxcon-aaaaaaaa";
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(id, "old").with_mode("no_encrypt"));
    world.apply(connection("line").id(id).name("new").mode("no_encrypt")).await;
    world.ready("line").await;
    world.apply(connection("line").id(id).name("new").mode("should_encrypt")).await;
    let line = world.ready("line").await;
    let last = line.status("lastUpdate");
    assert_eq!(last["encryptionMode"], "should_encrypt", "{line}");
    assert!(last["connectionName"].is_null(), "the last update sent no name: {line}");
    assert_eq!(last["requestId"], world.updates()[1].request_id.as_str());

    // A patch without changes leaves the resource version as it is, but the operator counts the write.
    let writes = async || world.operator().metric("directconnect_operator_status_writes_total").await;
    let settled = wait::until(wait::SOON, "late reads to be over", async || {
        let before = writes().await;
        world.polls(3).await;
        (writes().await == before).then_some(before)
    });
    let settled = settled.await;
    // Requests a reconcile of all resources.
    world.annotate("line", "reconcile-requested-at", Some("now")).await;
    world.until("line", "looked at", |line| line.status("lastHandledReconcileAt") == "now").await;
    world.polls(3).await;
    assert_eq!(writes().await, settled.map(|count| count + 1.0));
}
