//! Two connections of an account. The second must not take a step while the first is not proven.

use crate::log::{A, B, sent};
use direct_connect_simulator::{Call, Connection, ENCRYPTION_DOWN};
use serde_json::json;
use std::time::Duration;
use test_support::{Manifest, REGION, Resource, World, WorldBuilder, connection, wait};

pub const OTHER_REGION: &str = "eu-west-1";

/// After this many polls, which are many soaks of a second, a second connection that is free to go has gone.
pub const MANY: usize = 25;

/// A connection that is ready for `must_encrypt`.
pub fn ready_connection(id: &str) -> Connection {
    Connection::new(id, "line").with_key("01")
}

pub fn wants_must(name: &str, id: &str) -> Manifest {
    connection(name).id(id).mode("must_encrypt")
}

/// A manifest that wants `must_encrypt` with an Immediate transition.
pub fn insists(name: &str, id: &str) -> Manifest {
    wants_must(name, id).transition("Immediate")
}

/// A world with a soak of a second, whose operator does not wait for a lease after a restart.
pub fn alone() -> WorldBuilder {
    World::builder().flag("--encryption-soak", "1s").flag("--poll-interval", "300ms").flag("--leader-elect", "false")
}

/// `first` is sent `must_encrypt` without a key, by Immediate. So it is down and not proven.
pub async fn cut_the_first(world: &World) -> Resource {
    world.aws.add(REGION, Connection::new(A, "line"));
    world.apply(insists("first", A)).await;
    let first = world.ready("first").await;
    assert_eq!(world.aws.connection(REGION, A).expect("it is there").state(), "down");
    first
}

/// `second` is ready, and waits for `first`.
pub async fn let_the_second_wait(world: &World) {
    world.aws.add(REGION, ready_connection(B));
    world.apply(wants_must("second", B)).await;
    let second = world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    let message = second.condition("Ready").expect("it is there").message;
    assert!(message.contains(&format!("{}/first", world.namespace)), "it names who has the turn: {message}");
}

/// `first` is down and not proven; `second` waits.
pub async fn held_by_the_first(builder: WorldBuilder) -> World {
    let world = builder.build().await;
    cut_the_first(&world).await;
    let_the_second_wait(&world).await;
    world
}

/// The far end of a connection does not answer, so its session is down whatever its keys.
pub fn lose_the_far_end(world: &World, id: &str) {
    world.aws.edit(REGION, id, |line| line.port_encryption_status = Some(ENCRYPTION_DOWN.to_owned()));
}

/// Asserts that the second is sent nothing, for much longer than it would take to go.
pub async fn assert_the_second_stays(world: &World, why: &str) {
    polls_of(world, REGION, MANY).await;
    assert_eq!(sent(world, B), json!([]), "{why}: {}", world.get("second").await);
}

/// Asserts that the second goes as soon as the first is proven.
pub async fn assert_the_second_goes(world: &World) {
    world.ready("second").await;
    assert_eq!(sent(world, B), json!([{ "encryptionMode": "must_encrypt" }]));
}

/// Waits until a region has been polled this many times more.
pub async fn polls_of(world: &World, region: &str, count: usize) {
    let begun = world.aws.calls().len();
    let is_poll = |call: &Call| {
        call.operation == "DescribeConnections"
            && call.region == region
            && call.finished.is_some()
            && call.parameter("connectionId").is_none()
    };
    let deadline = wait::SOON + Duration::from_secs(count as u64);
    wait::until(deadline, format!("{count} polls of {region}"), async || {
        let ended = world.aws.calls().iter().skip(begun).filter(|call| is_poll(call)).count();
        if ended >= count { Ok(()) } else { Err(ended.to_string()) }
    })
    .await;
}

/// Waits until new objects are younger than this resource. Creation times have whole seconds.
pub async fn a_second_after(resource: &Resource) {
    let made = resource.0["metadata"]["creationTimestamp"].as_str().expect("it is there");
    let made: jiff::Timestamp = made.parse().expect("a time");
    wait::until(wait::SOON, "the next second", async || jiff::Timestamp::now().as_second() > made.as_second()).await;
}
