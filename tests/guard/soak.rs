//! A soak is an unbroken chain of reads, and what it shows is checked once more right before `must_encrypt` is sent.

use crate::log::{A, is_by_id, numbered, sent, updates};
use crate::pair::{lose_the_far_end, ready_connection, wants_must};
use direct_connect_simulator::{ENCRYPTION_UP, Fault, FaultKind};
use serde_json::json;
use std::time::{Duration, Instant};
use test_support::{Passing, REGION, Trouble, World, wait};

const SOAK: Duration = Duration::from_secs(5);
/// The timeout for events that take a soak or more.
const LONG: Duration = Duration::from_secs(90);

/// Brings the session of the connection back.
fn regain_the_far_end(world: &World) -> Instant {
    world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(ENCRYPTION_UP.to_owned()));
    Instant::now()
}

/// Asserts that `must_encrypt` is sent, and no sooner than a soak after MACsec came up.
async fn assert_soaked(world: &World, up: Instant, soak: Duration) {
    wait::until(LONG, "must_encrypt", async || !updates(world, A).is_empty()).await;
    let soaked = up.elapsed();
    // A read that was under way when it came up counts from its beginning.
    assert!(
        soaked + Duration::from_millis(200) >= soak,
        "MACsec had been up for {soaked:?} when must_encrypt went, and the soak is {soak:?}"
    );
    assert_eq!(sent(world, A), json!([{ "encryptionMode": "must_encrypt" }]));
}

/// Lets time pass that is part of the story. It is not a wait for a condition.
async fn passes(time: Duration) {
    let began = Instant::now();
    wait::until(LONG, format!("{time:?} to pass"), async || began.elapsed() >= time).await;
}

/// Lets this many calls fail, so that nothing is known of the connection meanwhile.
async fn failed_calls(world: &World, count: usize) {
    let begun = world.aws.calls().len();
    wait::until(wait::SOON, format!("{count} calls that fail"), async || world.aws.calls().len() >= begun + count)
        .await;
}

async fn an_outage_is_no_soak(what: FaultKind) {
    let world = World::builder().flag("--encryption-soak", "5s").flag("--poll-interval", "500ms").build().await;
    world.aws.add(REGION, ready_connection(A));
    world.apply(wants_must("line", A)).await;
    world.condition("line", "Reconciling", "True", "WaitingForEncryptionUp").await;
    world.aws.inject(Fault::new(what).on("DescribeConnections"));
    failed_calls(&world, 2).await;
    lose_the_far_end(&world, A);
    passes(SOAK).await;
    let up = regain_the_far_end(&world);
    world.aws.clear_faults();
    assert_soaked(&world, up, SOAK).await;
}

#[tokio::test]
async fn an_outage_of_aws_between_two_reads_breaks_the_soak() {
    let outages = [FaultKind::ServiceUnavailable, FaultKind::ResetBefore, FaultKind::BadJson];
    futures::future::join_all(outages.map(an_outage_is_no_soak)).await;
}

/// MACsec is up at a poll, down for most of the time until the spec wants `must_encrypt`, and up again by then.
async fn a_flap_before_the_spec_wants_must_encrypt_breaks_the_soak(soak: u64, poll: u64, down: u64) {
    let seconds = |number: u64| format!("{number}s");
    let world = World::builder().flag("--encryption-soak", seconds(soak)).flag("--poll-interval", seconds(poll));
    let world = world.build().await;
    world.aws.add(REGION, ready_connection(A));
    world.apply(wants_must("line", A).mode("should_encrypt")).await;
    world.ready("line").await;
    world.polls(1).await;
    lose_the_far_end(&world, A);
    passes(Duration::from_secs(down)).await;
    let up = regain_the_far_end(&world);
    world.apply(wants_must("line", A)).await;
    assert_soaked(&world, up, Duration::from_secs(soak)).await;
}

#[tokio::test]
async fn earlier_polls_count_for_a_soak_only_if_they_were_as_close_as_its_reads() {
    tokio::join!(
        a_flap_before_the_spec_wants_must_encrypt_breaks_the_soak(5, 10, 7),
        a_flap_before_the_spec_wants_must_encrypt_breaks_the_soak(10, 25, 18)
    );
}

/// Between decision and send, the intention is written, which may take long.
#[tokio::test]
async fn must_encrypt_is_not_sent_when_polls_have_shown_encryption_down_since_it_was_decided() {
    let mut world = World::builder().flag("--encryption-soak", "1s").without_operator().build().await;
    let front = world.front_of_api_server().await;
    world.aws.add(REGION, ready_connection(A));
    front.trouble_from(0, 1, Trouble::Held, |request| {
        request.writes_status() && request.body.contains("\"encryptionMode\":\"must_encrypt\"")
    });
    world.apply(wants_must("line", A)).await;
    world.start_operator();
    front.strikes().await;
    lose_the_far_end(&world, A);
    world.polls(5).await;
    front.clear();
    let told = |line: &test_support::Resource| line.status("portEncryptionStatus") == "Encryption Down";
    let line = world.until("line", "told to be down", told).await;
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([]), "five polls had shown Encryption Down before it was sent: {line}");
    let last = world.get("line").await;
    assert!(last.status("lastUpdate").is_null(), "what was certainly not sent is taken back: {last}");
    assert!(last.status("mustEncryptGeneration").is_null() && last.status("unprovenStep").is_null(), "{last}");
}

/// The same if a person, and not AWS, changes what the decision is based on.
#[tokio::test]
async fn must_encrypt_is_not_sent_when_it_was_paused_or_withdrawn_while_it_was_written_down() {
    let calm = [
        wants_must("line", A).annotation("paused", "true"),
        wants_must("line", A).policy("Observe"),
        wants_must("line", A).mode("should_encrypt"),
    ];
    futures::future::join_all(calm.map(async |manifest| {
        let mut world = World::builder().flag("--encryption-soak", "1s").without_operator().build().await;
        let front = world.front_of_api_server().await;
        world.aws.add(REGION, ready_connection(A));
        // The intention is written, and the answer to that is late.
        front.trouble_from(0, 1, Trouble::AnswerHeld, |request: &Passing| {
            request.writes_status() && request.body.contains("\"encryptionMode\":\"must_encrypt\"")
        });
        world.apply(wants_must("line", A)).await;
        world.start_operator();
        front.strikes().await;
        world.apply(manifest.clone()).await;
        world.polls(5).await;
        front.clear();
        world.polls(10).await;
        assert_eq!(sent(&world, A), json!([]), "{}", manifest.json());
    }))
    .await;
}

/// A page shows up to a hundred lines, so reading many lines one by one would cost many times as many calls.
#[tokio::test]
async fn where_more_lines_soak_than_there_are_pages_whole_pages_are_read() {
    const LINES: usize = 4;
    let world = World::builder().flag("--encryption-soak", "6s").flag("--poll-interval", "60s").build().await;
    for line in 0..LINES {
        world.aws.add(REGION, ready_connection(&numbered(line)));
        world.apply(wants_must(&format!("line-{line}"), &numbered(line))).await;
    }
    wait::until(LONG, "one to go", async || !world.updates().is_empty()).await;
    let calls = world.aws.calls();
    let before = calls.iter().take_while(|call| call.operation != "UpdateConnection");
    let (single, pages): (Vec<_>, Vec<_>) = before.partition(|call| is_by_id(call));
    assert!(pages.len() >= 3, "every 3 s, and not every minute: {pages:#?}");
    assert!(single.len() <= 2 * LINES, "{} reads of one line", single.len());
}
