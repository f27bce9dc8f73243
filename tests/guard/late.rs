//! Late reads, and answers that arrive in another order than they were made.

use crate::log::{A, B, is_by_id, sent, updates};
use crate::pair::{
    alone, assert_the_second_goes, assert_the_second_stays, lose_the_far_end, ready_connection, wants_must,
};
use crate::witness::Witness;
use direct_connect_simulator::Connection;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use test_support::{Front, Passing, REGION, Resource, Trouble, World, connection, wait};

fn answer(connections: &[Connection]) -> Trouble {
    let body = json!({ "connections": connections }).to_string();
    let headers = vec![("content-type", "application/x-amz-json-1.1".to_owned())];
    Trouble::Answer { status: 200, headers, body }
}

fn is_update_of(id: &'static str) -> impl Fn(&Passing) -> bool + Clone {
    move |request| request.calls("UpdateConnection") && request.body.contains(id)
}

/// From the first update of the first connection on, all reads show both connections in their state of this moment.
fn freeze_at_the_first_update(world: &World, front: &Front) {
    let picture = |id| world.aws.connection(REGION, id).expect("it is there");
    let frozen = Arc::new(AtomicBool::new(false));
    let (is_frozen, freezes) = (Arc::clone(&frozen), is_update_of(A));
    // The update itself passes, and begins the freeze.
    front.trouble(answer(&[]), move |request| {
        if freezes(request) {
            frozen.store(true, Ordering::Relaxed);
        }
        false
    });
    for (id, other) in [(A, B), (B, A)] {
        let is_frozen = Arc::clone(&is_frozen);
        front.trouble(answer(&[picture(id)]), move |request| {
            let by_id =
                request.calls("DescribeConnections") && request.body.contains(id) && !request.body.contains(other);
            by_id && is_frozen.load(Ordering::Relaxed)
        });
    }
    front.trouble(answer(&[picture(A), picture(B)]), move |request| {
        request.calls("DescribeConnections") && is_frozen.load(Ordering::Relaxed)
    });
}

/// Both connections are ready, and the first has been sent `must_encrypt`, which no read shows.
async fn frozen_at_must(world: &mut World) -> Front {
    let front = world.front_of_aws().await;
    for id in [A, B] {
        world.aws.add(REGION, ready_connection(id));
    }
    freeze_at_the_first_update(world, &front);
    world.start_operator();
    world.apply(wants_must("first", A)).await;
    wait::until(wait::SOON, "must_encrypt", async || updates(world, A).iter().any(|call| call.effect)).await;
    front
}

fn is_listing(request: &Passing) -> bool {
    request.calls("DescribeConnections") && !request.body.contains("connectionId")
}

/// Both connections are ready. Every read after `must_encrypt` still shows the first at `should_encrypt` and up.
#[tokio::test]
async fn late_reads_prove_no_must_encrypt() {
    let mut world = alone().flag("--settle-window", "20s").without_operator().build().await;
    let front = frozen_at_must(&mut world).await;
    lose_the_far_end(&world, A);
    world.apply(wants_must("second", B)).await;
    late_reads(&front).await;
    assert_eq!(sent(&world, B), json!([]), "no read has shown the first at must_encrypt");
    front.clear();
    world.until("first", "seen down", |line| line.status("portEncryptionStatus") == "Encryption Down").await;
    assert_the_second_stays(&world, "the first is down and not proven").await;
    world.aws.edit(REGION, A, |line| line.port_encryption_status = Some("Encryption Up".to_owned()));
    assert_the_second_goes(&world).await;
}

/// Late reads for two soaks. Within the settle window they are not drift.
async fn late_reads(front: &Front) {
    let reads = front.seen().len();
    wait::until(wait::SOON, "late reads", async || front.seen().len() > reads + 20).await;
}

/// One current read among late ones is one read, and no soak.
#[tokio::test]
async fn a_true_read_after_late_ones_begins_the_soak_and_does_not_end_it() {
    let mut world =
        alone().flag("--encryption-soak", "3s").flag("--settle-window", "20s").without_operator().build().await;
    let front = frozen_at_must(&mut world).await;
    world.apply(wants_must("second", B)).await;
    late_reads(&front).await;
    let (cleared, seen) = (std::time::Instant::now(), front.seen().len());
    front.clear();
    wait::until(wait::SOON, "a true read", async || front.seen().len() > seen).await;
    wait::until(wait::SOON, "must_encrypt to the second", async || !updates(&world, B).is_empty()).await;
    let soaked = cleared.elapsed().as_millis();
    assert!(soaked >= 2800, "the first was seen at must_encrypt for {soaked} ms, and the soak is 3 s");
}

/// A page is made before an update, and arrives after the update's own answer.
#[tokio::test]
async fn a_page_that_was_made_before_an_update_and_arrives_after_it_overrules_nothing() {
    let mut world = World::builder().flag("--settle-window", "0s").without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    let witness = Witness::of(&world).await;
    world.start_operator();
    world.apply(connection("line").id(A)).await;
    world.ready("line").await;
    front.trouble_from(0, 1, Trouble::AnswerHeld, is_listing);
    front.strikes().await;
    world.apply(connection("line").id(A).name("new")).await;
    world.ready("line").await;
    front.clear();
    world.polls(4).await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": "new" }]));
    let line = world.get("line").await;
    assert!(line.status("connectionName") == "new" && line.is("Ready", "True", "InSync"), "{line}");
    let told = world.events("line").await;
    assert!(told.iter().all(|event| event.reason.as_deref() != Some("DriftDetected")), "{told:#?}");
    let versions = witness.versions(&line).await;
    let renamed = versions.iter().position(|version| version.status("connectionName") == "new");
    let later = &versions[renamed.expect("it is among them")..];
    let goes_back = later.iter().find(|version| version.status("connectionName") != "new");
    assert!(goes_back.is_none(), "{}", goes_back.expect("checked"));
}

/// The page shows `Encryption Up`, and was made before a read by id that shows `Encryption Down`.
#[tokio::test]
async fn a_page_that_arrives_late_does_not_mend_a_soak_that_a_newer_read_broke() {
    let world = alone().flag("--encryption-soak", "3s").flag("--poll-interval", "500ms");
    let mut world = world.without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, ready_connection(A));
    world.start_operator();
    world.apply(wants_must("line", A)).await;
    world.condition("line", "Reconciling", "True", "WaitingForEncryptionUp").await;
    front.trouble_from(0, 1, Trouble::AnswerHeld, is_listing);
    front.strikes().await;
    let cut = world.aws.calls().len();
    lose_the_far_end(&world, A);
    let down = |line: &Resource| line.status("portEncryptionStatus") == "Encryption Down";
    world.until("line", "seen down by a read by id", down).await;
    front.clear();
    // The next poll shows it down as well, and then it is up.
    world.polls(2).await;
    assert!(world.aws.calls()[cut..].iter().any(|call| is_by_id(call) && call.finished.is_some()));
    let up = std::time::Instant::now();
    world.aws.edit(REGION, A, |line| line.port_encryption_status = Some("Encryption Up".to_owned()));
    wait::until(wait::SOON, "must_encrypt", async || !updates(&world, A).is_empty()).await;
    assert!(up.elapsed().as_millis() >= 2800, "it had been up for {:?}", up.elapsed());
}

/// One replica of AWS lags: a read shows the new name, then one the old name, then one the new name.
#[tokio::test]
async fn reads_that_go_back_and_forth_within_the_settle_window_are_no_drift() {
    let mut world = alone().flag("--settle-window", "60s").without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    let old = world.aws.connection(REGION, A).expect("it is there");
    world.start_operator();
    world.apply(connection("line").id(A).name("new")).await;
    world.ready("line").await;
    world.polls(2).await;
    front.trouble_from(0, 3, answer(&[old]), |request| request.calls("DescribeConnections"));
    for _ in 0..3 {
        front.strikes().await;
    }
    world.polls(4).await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": "new" }]));
    let told = world.events("line").await;
    assert!(told.iter().all(|event| event.reason.as_deref() != Some("DriftDetected")), "{told:#?}");
}
