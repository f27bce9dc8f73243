//! Durations since an event from before the start are computed from its timestamp, not from the start of the process.

use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::json;
use std::time::{Duration, Instant};
use test_support::{Operator, REGION, Resource, Signal, World, connection, wait};

const ID: &str = "dxcon-aaaaaaaa";
/// Longer than a start and a soak take.
const SETTLES: &str = "12s";

/// A connection that this operator changed at `time`, according to status, and that someone else has changed since.
async fn repaired_after(time: &str, lowering: bool) -> Duration {
    let mut world = World::builder().flag("--settle-window", SETTLES).flag("--leader-elect", "false").build().await;
    let mode = if lowering { "no_encrypt" } else { "should_encrypt" };
    world.aws.add(REGION, Connection::new(ID, "old").with_mode(mode));
    world.apply(connection("line").id(ID).name("new").mode("should_encrypt")).await;
    world.ready("line").await;
    world.stop_operator();
    world.patch_status("line", json!({ "lastUpdate": { "time": time } })).await;
    world.aws.edit(REGION, ID, |line| {
        if lowering {
            // The link is down, and the mode is to be lowered at once.
            line.encryption_mode = Some("must_encrypt".to_owned());
        } else {
            line.connection_name = Some("theirs".to_owned());
        }
    });
    world.aws.clear_calls();
    world.start_operator();
    wait::until(wait::SOON, "the repair", async || !world.updates().is_empty()).await;
    let calls = world.aws.calls();
    Duration::from_secs_f64((world.updates()[0].time.millis - calls[0].time.millis) / 1000.0)
}

#[tokio::test]
async fn an_update_of_long_ago_or_of_the_future_does_not_keep_a_repair_waiting_after_a_start() {
    let cases = [
        ("2026-01-01T00:00:00Z", false),
        ("2026-01-01T00:00:00Z", true),
        ("2099-01-01T00:00:00Z", false),
        ("2099-01-01T00:00:00Z", true),
        ("not a time", false),
    ];
    let repairs = cases.map(async |(time, lowering)| (time, lowering, repaired_after(time, lowering).await));
    for (time, lowering, took) in futures::future::join_all(repairs).await {
        assert!(took < Duration::from_secs(10), "{time}, a lowering: {lowering}: it took {took:?}, and was no news");
    }
}

fn replica(world: &World, name: &str) -> (Operator, String) {
    let key = format!("AKIA{name:0<16}");
    (world.settings.clone().env("HOSTNAME", name).env("AWS_ACCESS_KEY_ID", &key).start(), key)
}

/// A standby has waited longer than the stale time, and takes over while AWS fails.
#[tokio::test]
async fn a_takeover_counts_missing_reads_from_when_it_began_to_read() {
    let interval = Duration::from_secs(3);
    let world = World::builder().flag("--poll-interval", "3s").without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).name("line")).await;
    let (leader, key) = replica(&world, "P0");
    let calls = |key: &str| world.aws.calls().iter().filter(|call| call.access_key_id == key).count();
    wait::until(wait::SOON, "the first to lead", async || calls(&key) > 0).await;
    let (standby, key) = replica(&world, "P1");
    wait::until(wait::SOON, "the standby to be ready", async || standby.http_get("/readyz").await.status == 200).await;
    world.ready("line").await;
    // More than three intervals, in which the leader reads.
    world.polls(5).await;
    world.aws.inject(Fault::new(FaultKind::ServiceUnavailable).on("DescribeConnections"));
    leader.signal(Signal::TERM);
    leader.wait_exit(wait::SOON).await;
    wait::until(wait::SOON * 2, "the standby to lead", async || calls(&key) > 0).await;
    let began = Instant::now();
    let stale = |line: &Resource| line.is("Ready", "Unknown", "ObservationStale");
    world.until("line", "stale", stale).await;
    let took = began.elapsed();
    assert!(took >= interval * 2, "AWS was read at most one interval before, and three may be missing: {took:?}");
}
