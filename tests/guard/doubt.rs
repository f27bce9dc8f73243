//! Lost answers: a read tells what happened, and nothing is sent on a guess.

use crate::log::{A, B, assert_apart, assert_each_update_has_its_read, numbered, sent, updates};
use direct_connect_simulator::{Connection, Fault, FaultKind, Outcome};
use serde_json::json;
use std::time::Duration;
use test_support::{REGION, World, connection, wait};

/// Longer than any call may take.
const AFTER_A_HANG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_lost_answer_leads_to_a_read_and_never_to_a_second_send_of_what_took_effect() {
    let cases = [
        (FaultKind::ResetAfter, 1),
        (FaultKind::BadJson, 1),
        (FaultKind::Hang { effect: true }, 1),
        (FaultKind::ResetBefore, 2),
        (FaultKind::Hang { effect: false }, 2),
    ];
    let world = World::new().await;
    for (case, (what, _)) in cases.iter().enumerate() {
        let id = numbered(case);
        world.aws.add(REGION, Connection::new(&id, "old").with_mode("no_encrypt"));
        world.aws.inject(Fault::new(what.clone()).on("UpdateConnection").for_connection(&id).times(1));
        world.apply(connection(&format!("case-{case}")).id(&id).name("new").mode("should_encrypt")).await;
    }
    for (case, (what, times)) in cases.iter().enumerate() {
        let (name, id) = (format!("case-{case}"), numbered(case));
        wait::until(AFTER_A_HANG, format!("the end of {what:?}"), async || {
            updates(&world, &id).first().is_some_and(|call| call.finished.is_some())
        })
        .await;
        let line = world.ready(&name).await;
        let change = json!({ "connectionName": "new", "encryptionMode": "should_encrypt" });
        assert_eq!(sent(&world, &id), json!(vec![change; *times]), "{what:?}");
        assert_each_update_has_its_read(&world, &id);
        let last = line.status("lastUpdate");
        assert_eq!(last["connectionName"], "new", "{what:?}: {line}");
        assert_eq!(last["requestId"].is_null(), *times == 1, "{what:?}: a lost answer has no request id: {line}");
    }
}

#[tokio::test]
async fn a_lost_answer_to_must_encrypt_is_not_sent_again_and_keeps_the_turn() {
    let world = World::builder().flag("--encryption-soak", "1s").build().await;
    let lost = Fault::new(FaultKind::ResetAfter).on("UpdateConnection").for_connection(A).times(1);
    world.aws.inject(lost);
    world.aws.add(REGION, Connection::new(A, "line").with_key("01"));
    world.apply(connection("first").id(A).mode("must_encrypt")).await;
    wait::until(wait::SOON, "the update", async || updates(&world, A).len() == 1).await;
    world.aws.add(REGION, Connection::new(B, "line").with_key("01"));
    world.apply(connection("second").id(B).mode("must_encrypt")).await;
    world.ready("first").await;
    world.ready("second").await;
    world.polls(8).await;
    let must = json!([{ "encryptionMode": "must_encrypt" }]);
    assert_eq!((sent(&world, A), sent(&world, B)), (must.clone(), must));
    assert_apart(updates(&world, A)[0].time.millis, updates(&world, B)[0].time.millis, 1000.0);
}

#[tokio::test]
async fn what_a_server_that_failed_may_have_done_stays_written_down() {
    let cases = [FaultKind::InternalFailure, FaultKind::ServiceUnavailable];
    let world = World::new().await;
    for (case, what) in cases.iter().enumerate() {
        let id = numbered(case);
        world.aws.add(REGION, Connection::new(&id, "old"));
        world.aws.inject(Fault::new(what.clone()).on("UpdateConnection").for_connection(&id));
        world.apply(connection(&format!("case-{case}")).id(&id).name("new")).await;
    }
    for (case, what) in cases.iter().enumerate() {
        let line = world.condition(&format!("case-{case}"), "Ready", "False", "AwsUnavailable").await;
        assert_eq!(line.status("lastUpdate")["connectionName"], "new", "{what:?}: {line}");
    }
}

#[tokio::test]
async fn a_hang_of_one_delays_no_other() {
    let world = World::new().await;
    world.aws.inject(Fault::new(FaultKind::Hang { effect: true }).on("UpdateConnection").for_connection(A));
    world.aws.add(REGION, Connection::new(A, "old"));
    world.apply(connection("hangs").id(A).name("new")).await;
    wait::until(wait::SOON, "the update that hangs", async || updates(&world, A).len() == 1).await;
    for case in 0..5 {
        world.aws.add(REGION, Connection::new(&numbered(case), "old"));
        world.apply(connection(&format!("line-{case}")).id(&numbered(case)).name("new")).await;
    }
    for case in 0..5 {
        wait::until(wait::SOON, "an update", async || updates(&world, &numbered(case)).len() == 1).await;
    }
    let hangs = &updates(&world, A)[0];
    for case in 0..5 {
        assert!(hangs.overlaps(&updates(&world, &numbered(case))[0]), "it went while the other hung");
    }
}

#[tokio::test]
async fn changes_of_the_spec_wait_for_the_update_in_flight() {
    let world = World::new().await;
    world.aws.inject(Fault::new(FaultKind::Latency { millis: 1000 }).on("UpdateConnection"));
    world.aws.add(REGION, Connection::new(A, "old"));
    for name in ["first", "second", "third", "fourth"] {
        world.apply(connection("line").id(A).name(name)).await;
        let sent = async || updates(&world, A).last().is_some_and(|call| call.outcome == Outcome::Pending);
        wait::until(wait::SOON, "an update in flight", sent).await;
    }
    let line = world.ready("line").await;
    assert_eq!(line.status("connectionName"), "fourth");
    assert_each_update_has_its_read(&world, A);
    world.polls(3).await;
    let names: Vec<_> =
        updates(&world, A).iter().filter_map(|call| call.parameter("connectionName").map(str::to_owned)).collect();
    assert_eq!(names.last().map(String::as_str), Some("fourth"), "{names:?}");
    let mut once = names.clone();
    once.dedup();
    assert_eq!(names, once, "nothing is sent twice");
}
