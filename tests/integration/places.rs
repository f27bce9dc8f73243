//! Who goes first, and who needs no place at all.

use crate::log::updates_of;
use direct_connect_simulator::{Connection, Fault, FaultKind};
use std::time::Duration;
use test_support::{REGION, World, connection, wait};

const A: &str = "dxcon-aaaaaaaa";
const B: &str = "dxcon-bbbbbbbb";
/// Longer than the longest call.
const AFTER_A_HANG: Duration = Duration::from_mins(1);

fn id(number: usize) -> String {
    format!("dxcon-{number:08}")
}

/// Each repair takes a while, so that there is a queue of them when a person comes.
#[tokio::test]
async fn what_a_person_asks_for_goes_before_repairs_that_have_no_place_yet() {
    const REPAIRS: usize = 120;
    const PLACES: usize = 16;
    let world = World::builder().flag("--poll-interval", "3s").build().await;
    for number in 0..REPAIRS {
        world.aws.add(REGION, Connection::new(&id(number), "new"));
        world.apply(connection(&format!("line-{number}")).id(&id(number)).name("new")).await;
    }
    world.aws.add(REGION, Connection::new(A, "old"));
    world.apply(connection("mine").id(A)).await;
    world.ready("mine").await;
    for number in 0..REPAIRS {
        world.ready(&format!("line-{number}")).await;
    }
    world.aws.inject(Fault::new(FaultKind::Latency { millis: 400 }).on("UpdateConnection"));
    for number in 0..REPAIRS {
        world.aws.edit(REGION, &id(number), |line| line.connection_name = Some("drifted".to_owned()));
    }
    wait::until(wait::SOON, "repairs to begin", async || world.updates().len() > 2).await;
    let before = world.updates().len();
    world.apply(connection("mine").id(A).name("urgent")).await;
    wait::until(AFTER_A_HANG, "what the person asked for", async || updates_of(&world, A) == 1).await;
    let updates = world.updates();
    let mine = updates.iter().position(|call| call.parameter("connectionId") == Some(A)).expect("it was sent");
    // Those that had a place, and as many that took one while the change was on its way from the API server.
    let overtaken = mine - before;
    assert!(overtaken <= 2 * PLACES, "{overtaken} repairs went before it");
}

/// Whoever changes nothing needs no lock, so a line that hangs keeps them from nothing.
#[tokio::test]
async fn observers_of_a_line_whose_update_hangs_take_no_place_of_others() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    for observer in 0..20 {
        world.apply(connection(&format!("observer-{observer}")).id(A).policy("Observe")).await;
    }
    for observer in 0..20 {
        world.ready(&format!("observer-{observer}")).await;
    }
    world.aws.inject(Fault::new(FaultKind::Hang { effect: true }).on("UpdateConnection").for_connection(A));
    world.apply(connection("manager").id(A).name("new")).await;
    wait::until(wait::SOON, "the update that hangs", async || updates_of(&world, A) == 1).await;
    // News of the line wakes everyone whom it concerns.
    world.aws.edit(REGION, A, |line| line.bandwidth = Some("100Gbps".to_owned()));
    world.polls(3).await;
    world.aws.add(REGION, Connection::new(B, "old"));
    world.apply(connection("other").id(B).name("new")).await;
    wait::until(AFTER_A_HANG, "the update of another line", async || updates_of(&world, B) == 1).await;
    let updates = world.updates();
    let of = |id| updates.iter().find(|call| call.parameter("connectionId") == Some(id)).expect("it was sent");
    assert!(of(A).overlaps(of(B)), "it had to wait for the end of the hang");
    for observer in 0..20 {
        let shows = |line: &test_support::Resource| line.status("bandwidth") == "100Gbps";
        world.until(&format!("observer-{observer}"), "shown the news", shows).await;
    }
}

/// Paused, observed and in conflict: none of them waits for the line either.
#[tokio::test]
async fn whoever_stands_back_from_a_line_whose_update_hangs_is_still_served() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    world.apply(connection("manager").id(A)).await;
    world.ready("manager").await;
    world.aws.inject(Fault::new(FaultKind::Hang { effect: true }).on("UpdateConnection").for_connection(A));
    world.apply(connection("manager").id(A).name("new")).await;
    wait::until(wait::SOON, "the update that hangs", async || updates_of(&world, A) == 1).await;
    world.apply(connection("observer").id(A).policy("Observe")).await;
    world.until("observer", "observed", test_support::Resource::is_observed).await;
    let hangs = world.updates().remove(0);
    assert!(hangs.finished.is_none(), "while the update hangs");
}
