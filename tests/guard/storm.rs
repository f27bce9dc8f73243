//! Many resources in an account that AWS throttles.

use crate::log::{is_by_id, numbered};
use direct_connect_simulator::{Call, Connection, Fault, FaultKind, Throttle};
use std::time::Duration;
use test_support::{REGION, World, connection, wait};

const CONNECTIONS: usize = 200;
/// Much more than AWS serves, if all resources retried at the same time.
const MAX_CALLS_PER_SECOND: usize = 40;

#[tokio::test]
async fn many_that_are_throttled_come_through_with_few_calls_more_than_needed_and_not_in_step() {
    // As many concurrent passes as there are resources, so only the gate spreads their calls.
    let mut world =
        World::builder().flag("--concurrency", "256").flag("--poll-interval", "10s").without_operator().build().await;
    world.aws.configure(|settings| settings.throttle = Some(Throttle { capacity: 15, per_second: 15.0 }));
    for line in 0..CONNECTIONS {
        world.aws.add(REGION, Connection::new(&numbered(line), "old"));
        world.apply(connection(&format!("line-{line}")).id(&numbered(line)).name("new")).await;
    }
    // Other clients use the account too, and cause throttling.
    world.aws.inject(Fault::new(FaultKind::Throttling).on("UpdateConnection").times(3));
    world.start_operator();
    let done = || {
        (0..CONNECTIONS)
            .filter(|line| world.aws.connection(REGION, &numbered(*line)).is_some_and(|it| it.name() == "new"))
            .count()
    };
    wait::until(Duration::from_mins(3), "all to be renamed", async || {
        let done = done();
        if done == CONNECTIONS { Ok(()) } else { Err(format!("{done} done")) }
    })
    .await;

    let calls = world.aws.calls();
    let pages = calls.iter().filter(|call| call.operation == "DescribeConnections" && !is_by_id(call)).count();
    let needed = 2 * CONNECTIONS + pages;
    assert!(calls.len() * 10 <= needed * 12, "{} calls where {needed} were needed", calls.len());
    let throttled = calls.iter().filter(|call| call.outcome.code() == Some("ThrottlingException")).count();
    assert!(throttled >= 3, "it was a storm");
    assert_eq!(calls.iter().filter(|call| call.effect).count(), CONNECTIONS, "each took effect once");

    let times: Vec<f64> = calls.iter().map(|call| call.time.millis).collect();
    let most = times
        .iter()
        .enumerate()
        .map(|(first, start)| times[first..].iter().take_while(|time| **time < start + 1000.0).count());
    let most = most.max().unwrap_or_default();
    assert!(most <= MAX_CALLS_PER_SECOND, "{most} calls within a second");
}

#[tokio::test]
async fn passes_that_wait_for_the_pace_of_a_region_end_with_it_and_the_next_resources_are_served() {
    const MANY: usize = 20;
    let world = World::builder().flag("--poll-interval", "1s").build().await;
    // One call every few seconds: more passes wait than there are slots.
    world.aws.configure(|settings| settings.throttle = Some(Throttle { capacity: 2, per_second: 0.3 }));
    for round in 0..3 {
        if round == 2 {
            world.aws.configure(|settings| settings.throttle = None);
        }
        let seen = world.aws.calls().len();
        let name = |line| format!("line-{round}-{line}");
        for line in 0..MANY {
            let id = numbered(round * MANY + line);
            world.aws.add(REGION, Connection::new(&id, "old"));
            world.apply(connection(&name(line)).id(&id).name("new")).await;
        }
        if round == 2 {
            for line in 0..MANY {
                world.ready(&name(line)).await;
            }
            break;
        }
        // It may be a listing that is throttled: reads then go at a pace that AWS bears.
        wait::until(wait::SOON, "AWS to have throttled, and a read of one of these", async || {
            let calls = world.aws.calls();
            let is_throttled = calls.iter().any(|call| call.outcome.code() == Some("ThrottlingException"));
            is_throttled && calls.iter().skip(seen).any(is_by_id)
        })
        .await;
        for line in 0..MANY {
            world.delete(&name(line)).await;
        }
        wait::until(wait::SOON, "polling to end", async || {
            world.operator().logs().iter().filter(|line| line.contains("polling ends")).count() > round
        })
        .await;
    }
    let calls = world.aws.calls();
    let read_in = |call: &Call| {
        let id = call.parameter("connectionId").unwrap_or_default();
        (0..3).find(|round| (0..MANY).any(|line| numbered(round * MANY + line) == id))
    };
    let rounds: Vec<usize> = calls.iter().filter_map(read_in).collect();
    assert!(rounds.is_sorted(), "a pass went on for a resource that was deleted long before: {rounds:?}");
}

/// AWS bears fewer calls than the listings alone would take.
#[tokio::test]
async fn polls_of_a_throttled_region_keep_neither_repairs_waiting_nor_people() {
    const LINES: usize = 18;
    const LONG: Duration = Duration::from_mins(3);
    let world = World::builder().flag("--poll-interval", "200ms").build().await;
    let named = |line: usize| format!("line-{line}");
    for line in 0..LINES {
        world.aws.add(REGION, Connection::new(&numbered(line), "ours"));
        world.apply(connection(&named(line)).id(&numbered(line)).name("ours")).await;
    }
    for line in 0..LINES {
        world.ready(&named(line)).await;
    }
    world.aws.configure(|settings| settings.throttle = Some(Throttle { capacity: 1, per_second: 1.5 }));
    let throttled =
        || world.aws.calls().iter().filter(|call| call.outcome.code() == Some("ThrottlingException")).count();
    wait::until(LONG, "the pace to go down", async || throttled() >= 6).await;
    // There are more repairs than slots.
    for line in 1..LINES {
        world.aws.edit(REGION, &numbered(line), |line| line.connection_name = Some("theirs".to_owned()));
    }
    let repaired = || {
        (1..LINES).filter(|line| world.aws.connection(REGION, &numbered(*line)).is_some_and(|it| it.name() == "ours"))
    };
    wait::until(LONG, "a repair", async || repaired().count() > 0).await;
    world.annotate(&named(1), "reconcile-requested-at", Some("now")).await;
    world.apply(connection(&named(0)).id(&numbered(0)).name("a person's")).await;
    world.ready(&named(0)).await;
    world.until(&named(1), "the request to be served", |line| line.status("lastHandledReconcileAt") == "now").await;
    assert!(repaired().count() < LINES - 1, "people go before repairs");
}
