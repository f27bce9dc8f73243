//! The holder of a turn is remembered across later updates, lost answers, restarts and takeovers.

use crate::log::{A, B, sent, updates};
use crate::pair::{
    OTHER_REGION, alone, assert_the_second_goes, assert_the_second_stays, cut_the_first, held_by_the_first, insists,
    let_the_second_wait, lose_the_far_end, polls_of, ready_connection, wants_must,
};
use direct_connect_simulator::{Connection, Fault, FaultKind};
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;
use test_support::{Operator, REGION, Signal, Trouble, World, connection, wait};

/// The timeout for events that take the duration of a lease, with a generous margin for a busy machine.
const AFTER_LEASE: Duration = Duration::from_mins(1);

/// A server fails after it carried out the update, and MACsec at the far end is lost.
async fn a_failing_server_did_set_must(status: u16, code: &str, start: &str) {
    let mut world = alone().without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, ready_connection(A).with_mode(start));
    let failure =
        Trouble::AnswerReplaced { status, body: json!({ "__type": code, "message": "It hurts." }).to_string() };
    front.trouble_from(0, 1, failure, |request| {
        request.calls("UpdateConnection") && request.body.contains(A) && request.body.contains("must_encrypt")
    });
    world.start_operator();
    world.apply(wants_must("first", A)).await;
    front.strikes().await;
    lose_the_far_end(&world, A);
    world.until("first", "seen at must_encrypt", |line| line.status("encryptionMode") == "must_encrypt").await;
    world.aws.add(REGION, ready_connection(B));
    world.apply(wants_must("second", B)).await;
    assert_the_second_stays(&world, &format!("{code} from {start}: the first is down and not proven")).await;
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
}

#[tokio::test]
async fn must_encrypt_that_a_failing_server_did_set_all_the_same_keeps_the_turn() {
    let cases = [
        (500, "InternalFailure", "no_encrypt"),
        (503, "ServiceUnavailable", "no_encrypt"),
        (400, "DirectConnectServerException", "no_encrypt"),
        (500, "InternalFailure", "should_encrypt"),
    ];
    join_all(cases.map(|(status, code, start)| a_failing_server_did_set_must(status, code, start))).await;
}

#[tokio::test]
async fn a_rename_by_its_owner_and_a_restart_do_not_let_the_second_go() {
    let mut world = held_by_the_first(alone()).await;
    world.apply(insists("first", A).name("new")).await;
    world.until("first", "renamed", |line| line.status("connectionName") == "new").await;
    world.ready("first").await;
    assert_eq!(sent(&world, B), json!([]), "so far it waits");
    world.start_operator();
    assert_the_second_stays(&world, "after a rename and a restart").await;
    world.aws.associate_key(REGION, A, "01");
    assert_the_second_goes(&world).await;
}

#[tokio::test]
async fn the_repair_of_a_name_and_a_restart_do_not_let_the_second_go() {
    let mut world = alone().build().await;
    world.aws.add(REGION, Connection::new(A, "line"));
    world.apply(insists("first", A).name("line")).await;
    world.ready("first").await;
    let_the_second_wait(&world).await;
    world.polls(6).await;
    world.aws.edit(REGION, A, |line| line.connection_name = Some("theirs".to_owned()));
    wait::until(wait::SOON, "the repair", async || updates(&world, A).len() == 2).await;
    let repaired = |line: &test_support::Resource| line.status("lastUpdate")["connectionName"] == "line";
    world.until("first", "repaired", |line| repaired(line) && line.status("connectionName") == "line").await;
    world.start_operator();
    assert_the_second_stays(&world, "after a repair and a restart").await;
}

#[tokio::test]
async fn a_lowering_that_was_lost_and_had_no_effect_proves_nothing() {
    let lost = [FaultKind::ResetBefore, FaultKind::InternalFailure, FaultKind::ServiceUnavailable];
    join_all(lost.map(a_lost_lowering_proves_nothing)).await;
}

async fn a_lost_lowering_proves_nothing(lost: FaultKind) {
    // Within the settle window the lowering is not sent again.
    let world = alone().flag("--settle-window", "8s").build().await;
    cut_the_first(&world).await;
    world.aws.inject(Fault::new(lost.clone()).on("UpdateConnection").for_connection(A).times(1));
    world.apply(wants_must("first", A).mode("should_encrypt")).await;
    wait::until(wait::SOON, "the lowering to be lost", async || {
        updates(&world, A).last().is_some_and(|call| call.finished.is_some() && !call.is_ok())
    })
    .await;
    world.apply(insists("first", A)).await;
    world.ready("first").await;
    let at_must = world.aws.connection(REGION, A).expect("it is there");
    assert_eq!((at_must.mode(), at_must.state()), ("must_encrypt", "down"), "{lost:?} had no effect");
    world.aws.add(REGION, ready_connection(B));
    world.apply(wants_must("second", B)).await;
    // Also after the settle window.
    for _ in 0..3 {
        assert_the_second_stays(&world, &format!("after {lost:?}")).await;
    }
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
}

/// After a restart, the region of the first connection cannot be read.
async fn a_restart_finds_the_region_unreadable(what: FaultKind) {
    let mut world = alone().build().await;
    cut_the_first(&world).await;
    world.aws.add(OTHER_REGION, ready_connection(B));
    world.apply(wants_must("second", B).region(OTHER_REGION)).await;
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    world.stop_operator();
    world.aws.inject(Fault::new(what.clone()).on("DescribeConnections").in_region(REGION));
    world.start_operator();
    polls_of(&world, OTHER_REGION, 40).await;
    assert_eq!(sent(&world, B), json!([]), "{what:?}: {}", world.get("second").await);
}

#[tokio::test]
async fn a_restart_that_cannot_read_the_region_of_the_first_does_not_let_the_second_go() {
    let unreadable = [FaultKind::ServiceUnavailable, FaultKind::Hang { effect: false }, FaultKind::AccessDenied];
    join_all(unreadable.map(a_restart_finds_the_region_unreadable)).await;
}

/// Another process of the operator, distinguished by its access key.
fn replica(world: &World, name: &str) -> (Operator, String) {
    let key = format!("AKIA{name:0<16}");
    (world.settings.clone().env("HOSTNAME", name).env("AWS_ACCESS_KEY_ID", &key).start(), key)
}

/// Waits until a process leads. Only then it calls AWS.
async fn leads(world: &World, key: &str) {
    wait::until(AFTER_LEASE, format!("{key} to lead"), async || {
        world.aws.calls().iter().any(|call| call.access_key_id == key)
    })
    .await;
}

/// The standby has seen `first` before `must_encrypt` was sent to it. Then it takes over.
async fn a_standby_takes_over(end: Signal, while_unreadable: bool) {
    let world = World::builder().flag("--encryption-soak", "1s").without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "line"));
    world.aws.add(OTHER_REGION, Connection::new(B, "line"));
    world.apply(wants_must("first", A).mode("should_encrypt")).await;
    let (leader, leaders_key) = replica(&world, "P0");
    leads(&world, &leaders_key).await;
    world.ready("first").await;
    let (standby, key) = replica(&world, "P1");
    wait::until(wait::SOON, "the standby to be ready", async || standby.http_get("/readyz").await.status == 200).await;
    world.apply(insists("first", A)).await;
    world.ready("first").await;
    world.apply(insists("second", B).region(OTHER_REGION)).await;
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    if while_unreadable {
        world.aws.inject(Fault::new(FaultKind::Hang { effect: false }).on("DescribeConnections").in_region(REGION));
    }
    leader.signal(end);
    leader.wait_exit(wait::SOON).await;
    leads(&world, &key).await;
    polls_of(&world, OTHER_REGION, 40).await;
    let case = format!("{end:?}, unreadable: {while_unreadable}");
    assert_eq!(sent(&world, B), json!([]), "{case}: {}", world.get("second").await);
}

#[tokio::test]
async fn a_standby_that_takes_over_knows_whose_turn_it_is() {
    let cases = [(Signal::TERM, true), (Signal::TERM, false), (Signal::KILL, true), (Signal::KILL, false)];
    join_all(cases.map(|(end, while_unreadable)| a_standby_takes_over(end, while_unreadable))).await;
}

/// A proven connection is down now, and a third one becomes ready after a restart.
#[tokio::test]
async fn a_proven_connection_stays_proven_after_a_restart() {
    let mut world = alone().build().await;
    world.aws.add(REGION, ready_connection(A));
    world.apply(wants_must("first", A)).await;
    world.ready("first").await;
    world.until("first", "proven", |line| line.status("proven") == &json!(true)).await;
    lose_the_far_end(&world, A);
    world.condition("first", "Encrypted", "False", "EncryptionDown").await;
    world.aws.add(REGION, ready_connection(B));
    world.start_operator();
    world.apply(wants_must("second", B)).await;
    assert_the_second_goes(&world).await;
    assert_eq!(sent(&world, A), json!([{ "encryptionMode": "must_encrypt" }]));
}

/// A proof belongs to one step. A later step has to be proven again.
#[tokio::test]
async fn a_proof_is_withdrawn_when_aws_shows_a_mode_below_must_encrypt() {
    // The far end is lost within the soak.
    let mut world = alone().flag("--encryption-soak", "3s").flag("--poll-interval", "500ms").build().await;
    world.aws.add(REGION, ready_connection(A));
    world.apply(wants_must("first", A)).await;
    world.until("first", "proven", |line| line.status("proven") == &json!(true)).await;
    world.aws.edit(REGION, A, |line| line.encryption_mode = Some("should_encrypt".to_owned()));
    let dropped = |line: &test_support::Resource| line.status("proven").is_null();
    world.until("first", "without its proof", dropped).await;
    // It goes up once more, and the far end is lost.
    wait::until(wait::SOON, "must_encrypt again", async || updates(&world, A).len() == 2).await;
    lose_the_far_end(&world, A);
    world.until("first", "down", |line| line.status("portEncryptionStatus") == "Encryption Down").await;
    world.aws.add(REGION, ready_connection(B));
    world.start_operator();
    world.apply(wants_must("second", B)).await;
    assert_the_second_stays(&world, "the second step of the first was never proven").await;
}

/// A LAG member takes its mode from its LAG and cannot be proven by itself.
#[tokio::test]
async fn a_connection_that_joined_a_lag_holds_no_turn_after_a_restart() {
    let mut world = alone().build().await;
    world.aws.add(REGION, ready_connection(A));
    world.apply(wants_must("first", A)).await;
    world.ready("first").await;
    world.aws.edit(REGION, A, |line| line.lag_id = Some("dxlag-ffffffff".to_owned()));
    world.until("first", "in the LAG", |line| line.status("lagId") == "dxlag-ffffffff").await;
    world.start_operator();
    world.polls(3).await;
    world.aws.add(REGION, ready_connection(B));
    world.apply(wants_must("second", B)).await;
    assert_the_second_goes(&world).await;
}

/// A connection that is down because of this operator's step is still down after it is set to `Observe`.
#[tokio::test]
async fn a_connection_that_was_cut_off_keeps_its_turn_when_it_is_paused_or_only_observed() {
    let hands_off = [
        insists("first", A).policy("Observe"),
        insists("first", A).annotation("paused", "true"),
        insists("first", A).annotation("paused", "yes"),
    ];
    join_all(hands_off.map(async |manifest| {
        let mut world = held_by_the_first(alone()).await;
        world.apply(manifest.clone()).await;
        world.polls(3).await;
        assert_the_second_stays(&world, &format!("{}", manifest.json())).await;
        world.start_operator();
        assert_the_second_stays(&world, &format!("after a restart: {}", manifest.json())).await;
        // It is still read, and so it is proven.
        world.aws.associate_key(REGION, A, "01");
        assert_the_second_goes(&world).await;
        let must: Value = json!([{ "encryptionMode": "must_encrypt" }]);
        assert_eq!(sent(&world, A), must);
    }))
    .await;
}

/// A person lowers the mode in the spec and forgets the name. The turn is free at once.
#[tokio::test]
async fn a_restart_does_not_hold_the_turn_for_a_mode_that_is_no_longer_wanted() {
    let mut world = held_by_the_first(alone()).await;
    world.stop_operator();
    world.apply(connection("first").id(A).name("line")).await;
    world.start_operator();
    assert_the_second_goes(&world).await;
}
