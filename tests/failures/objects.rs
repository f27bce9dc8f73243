//! Objects that are changed, deleted and created again while an operation is in flight.

use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::json;
use test_support::{REGION, World, connection, wait};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn a_resource_that_is_deleted_and_made_again_under_the_same_name_is_a_new_one() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.aws.add(REGION, Connection::new("dxcon-bbbbbbbb", "old"));
    world.apply(connection("line").id(ID).name("first")).await;
    world.ready("line").await;
    for (id, name) in [("dxcon-bbbbbbbb", "second"), (ID, "third")] {
        world.delete("line").await;
        world.apply(connection("line").id(id).name(name)).await;
        let line = world.ready("line").await;
        assert_eq!((line.status("connectionId"), line.status("connectionName")), (&json!(id), &json!(name)));
        assert_eq!(line.status("lastUpdate")["connectionName"], name);
    }
    assert_eq!(world.updates().len(), 3);
}

#[tokio::test]
async fn the_answer_to_an_update_belongs_to_the_generation_that_asked_for_it() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.aws.inject(Fault::new(FaultKind::Latency { millis: 1500 }).on("UpdateConnection").times(1));
    world.apply(connection("line").id(ID).name("one")).await;
    wait::until(wait::SOON, "the update to be on its way", async || world.updates().len() == 1).await;
    world.apply(connection("line").id(ID).name("two")).await;
    let line = world.ready("line").await;
    assert_eq!(line.status("connectionName"), "two");
    assert_eq!((line.status("metGeneration"), line.generation()), (&json!(2), 2));
    let names: Vec<_> =
        world.updates().iter().map(|call| call.parameter("connectionName").map(str::to_owned)).collect();
    assert_eq!(names, [Some("one".to_owned()), Some("two".to_owned())]);
    assert!(!world.updates()[0].overlaps(&world.updates()[1]), "the second is decided on after the first");
}

/// The API server refuses a status that is written at the version from before.
#[tokio::test]
async fn labels_that_change_under_a_pass_do_not_make_it_fail() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).name("line")).await;
    world.ready("line").await;
    let slow = FaultKind::Latency { millis: 2000 };
    world.aws.inject(Fault::new(slow).on("DescribeConnections").for_connection(ID).times(1));
    world.annotate("line", "reconcile-requested-at", Some("now")).await;
    wait::until(wait::SOON, "a read by id under way", async || {
        world.aws.calls().iter().any(|call| call.parameter("connectionId") == Some(ID) && call.finished.is_none())
    })
    .await;
    world.patch("line", json!({ "metadata": { "labels": { "team": "lab" } } })).await;
    world.until("line", "served", |line| line.status("lastHandledReconcileAt") == "now").await;
    let metrics = world.http_get("/metrics").await.body;
    for failure in ["Outdated", "StatusNotWritten"] {
        assert!(!metrics.contains(&format!("outcome=\"{failure}\"")), "{metrics}");
    }
}
