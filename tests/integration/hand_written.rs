//! What someone else writes to status does not stay, since it differs from what the operator wrote.

use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::{Value, json};
use test_support::{REGION, Resource, World, connection};

use crate::events::told;

const ID: &str = "dxcon-aaaaaaaa";

/// A resource whose connection has no key, so that its spec cannot be met.
async fn stalled() -> (World, Resource) {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).mode("must_encrypt")).await;
    let line = world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    (world, line)
}

fn all_is_well(line: &Resource) -> Value {
    let mut conditions = line.status("conditions").clone();
    conditions[0]["status"] = json!("True");
    conditions[0]["reason"] = json!("InSync");
    json!({ "conditions": conditions })
}

/// The status without transition times: a condition that was overwritten gets a new time when it is corrected.
fn but_for_times(line: &Resource) -> Value {
    let mut status = line.0["status"].clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastTransitionTime"] = Value::Null;
    }
    status
}

#[tokio::test]
async fn a_status_that_is_written_by_hand_does_not_stay() {
    let cases: [fn(&Resource) -> Value; 5] = [
        all_is_well,
        |_| json!({ "conditions": [] }),
        |_| json!({ "encryptionMode": "must_encrypt", "portEncryptionStatus": "Encryption Up" }),
        |_| json!({ "drift": null }),
        |_| json!({ "observedGeneration": -1 }),
    ];
    let (world, right) = stalled().await;
    for forge in cases {
        let forged = forge(&right);
        world.patch_status("line", forged.clone()).await;
        let mended = |line: &Resource| but_for_times(line) == but_for_times(&right);
        world.until("line", format!("mended after {forged}"), mended).await;
    }
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn what_is_written_by_hand_is_told_by_no_event() {
    let (world, right) = stalled().await;
    told(&world, "line", "Blocked", 1).await;
    let mut conditions = right.status("conditions").clone();
    for condition in conditions.as_array_mut().expect("there are conditions") {
        condition["status"] = json!(if condition["status"] == "True" { "False" } else { "True" });
        condition["reason"] = json!("InSync");
    }
    world.patch_status("line", json!({ "conditions": conditions, "drift": null, "metGeneration": 1 })).await;
    let mended = |line: &Resource| but_for_times(line) == but_for_times(&right);
    world.until("line", "mended", mended).await;
    // What happens then is told after all that was told of the mending.
    world.aws.edit(REGION, ID, |line| line.connection_state = Some("down".to_owned()));
    told(&world, "line", "LinkDown", 1).await;
    let events = world.events("line").await;
    let mut reasons: Vec<_> = events.iter().filter_map(|event| event.reason.as_deref()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["Blocked", "LinkDown"], "{events:?}");
}

/// The ledger is protected as well while the operator knows it.
#[tokio::test]
async fn a_proof_that_is_written_by_hand_does_not_stay() {
    let (world, right) = stalled().await;
    world.patch_status("line", json!({ "proven": true, "mustEncryptGeneration": 1, "metGeneration": 1 })).await;
    world.until("line", "mended", |line| but_for_times(line) == but_for_times(&right)).await;
}

#[tokio::test]
async fn a_turn_cannot_be_freed_by_hand_even_if_the_process_has_written_nothing_yet() {
    let mut world = World::builder().flag("--leader-elect", "false").build().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    // Without a key it is down, and so on its way until that changes.
    world.apply(connection("line").id(ID).mode("must_encrypt").transition("Immediate")).await;
    world.ready("line").await;
    let is_on_its_way = |line: &Resource| line.status("unprovenStep") == "must_encrypt";
    world.until("line", "on its way", is_on_its_way).await;
    world.start_operator();
    world.polls(2).await;
    world.patch_status("line", json!({ "unprovenStep": null })).await;
    world.until("line", "mended", is_on_its_way).await;
}

/// What is sent to a line that waits for its turn, after this was written into the status of the one that holds it and whose
/// region cannot be read.
async fn sent_once_the_holder_says(status: Value) -> Vec<Value> {
    const WAITING: &str = "dxcon-bbbbbbbb";
    let elsewhere = "eu-west-1";
    let fast = [("--encryption-soak", "1s"), ("--poll-interval", "300ms"), ("--leader-elect", "false")];
    let world = fast.iter().fold(World::builder(), |world, (flag, value)| world.flag(flag, *value));
    let mut world = world.build().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("first").id(ID).mode("must_encrypt").transition("Immediate")).await;
    world.ready("first").await;
    world.aws.add(elsewhere, Connection::new(WAITING, "line").with_key("01"));
    world.apply(connection("second").id(WAITING).region(elsewhere).mode("must_encrypt")).await;
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    world.stop_operator();
    world.aws.inject(Fault::new(FaultKind::ServiceUnavailable).in_region(REGION));
    world.start_operator();
    world.operator().says("AWS could not be read").await;
    world.patch_status("first", status).await;
    world.polls(40).await;
    let to_it = world.updates().into_iter().filter(|call| call.parameter("connectionId") == Some(WAITING));
    to_it.map(|call| call.parameters["encryptionMode"].clone()).collect()
}

#[tokio::test]
async fn a_turn_is_not_freed_by_hand_while_the_region_of_its_holder_cannot_be_read() {
    let forged = [
        json!({ "unprovenStep": null, "proven": true }),
        json!({ "lagId": "dxlag-ffffffff" }),
        json!({ "ownerAccount": "999999999999" }),
        json!({ "encryptionMode": "should_encrypt", "unprovenStep": null, "mustEncryptGeneration": null }),
    ];
    let sent = futures::future::join_all(forged.clone().map(sent_once_the_holder_says)).await;
    for (forged, sent) in forged.iter().zip(sent) {
        assert_eq!(sent, Vec::<Value>::new(), "{forged}");
    }
}
