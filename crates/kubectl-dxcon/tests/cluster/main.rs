//! `kubectl dxcon status`, `check`, `pause`, `resume` and `reconcile` as a user runs them, with a real API server, the
//! operator's real binary, and a simulated Direct Connect.

mod annotate;
mod check;
mod failures;
mod follow;
mod kubeconfigs;
mod retries;
mod shell;
mod status;
#[path = "../typed/mod.rs"]
mod typed;

use direct_connect_simulator::Connection;
use serde_json::Value;
use test_support::{REGION, World, connection};
use tokio::task::spawn_blocking;

use self::typed::{Printed, Typed, dxcon};

/// The ids of two connections.
const ONE: &str = "dxcon-aaaaaaaa";
const TWO: &str = "dxcon-bbbbbbbb";

/// Runs the command to its end in another thread, while the runtime of the test serves what it talks to.
async fn run(typed: Typed) -> Printed {
    spawn_blocking(|| typed.run()).await.expect("no panic")
}

/// A command that runs as the administrator of the world, in its namespace.
async fn typed(world: &World, arguments: &[&str]) -> Printed {
    let arguments = [arguments, &["--namespace", &world.namespace]].concat();
    run(dxcon(arguments).cluster(world.control_plane.kubeconfig()).aws(&world.aws.endpoint())).await
}

/// The printed JSON.
#[track_caller]
fn json(printed: &Printed) -> Value {
    serde_json::from_str(&printed.out).unwrap_or_else(|error| panic!("{error}: {printed:?}"))
}

/// The line of the output that begins with this word.
#[track_caller]
fn line<'a>(printed: &'a Printed, word: &str) -> &'a str {
    let mut lines = printed.out.lines();
    lines.find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("no line begins with {word}: {printed:?}"))
}

/// Asserts that the command failed with one line on standard error that contains all of these.
#[track_caller]
fn assert_one_line(printed: &Printed, parts: &[&str]) {
    assert_eq!((printed.code, printed.out.as_str()), (Some(1), ""), "{printed:?}");
    assert_eq!(printed.err.lines().count(), 1, "{printed:?}");
    for part in parts {
        assert!(printed.err.contains(part), "{part}: {printed:?}");
    }
}

/// A world with one connection that has the name in the spec.
async fn in_sync() -> World {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ONE, "Frankfurt"));
    world.apply(connection("line").id(ONE).name("Frankfurt").mode("should_encrypt")).await;
    world.ready("line").await;
    world
}

/// A world in which one connection waits for the turn that another one holds.
async fn pair() -> World {
    // The soak is so long that nothing is proven during the test.
    let world = World::builder().flag("--encryption-soak", "10m").build().await;
    for (name, id) in [("first", ONE), ("second", TWO)] {
        world.aws.add(REGION, Connection::new(id, name).with_key("aa11"));
        world.apply(connection(name).id(id).mode("must_encrypt").transition("Immediate")).await;
        world.until(name, "looked at", |it| it.condition("Ready").is_some()).await;
    }
    world.condition("second", "Ready", "False", "WaitingForTurn").await;
    world.until("first", "at must_encrypt", |it| it.status("encryptionMode") == "must_encrypt").await;
    world
}
