//! The order of passes, and passes that need no slot.

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

/// Each repair takes a while, so that a queue of them exists when a person makes a change.
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
    world.apply(connection("mine").id(A).name("urgent")).await;
    let before = world.updates().len();
    wait::until(AFTER_A_HANG, "what the person asked for", async || updates_of(&world, A) == 1).await;
    let updates = world.updates();
    let mine = updates.iter().position(|call| call.parameter("connectionId") == Some(A)).expect("it was sent");
    // Repairs that already had a slot, plus repairs that got one before the watch delivered the change.
    let overtaken = mine.saturating_sub(before);
    assert!(overtaken <= 3 * PLACES, "{overtaken} repairs went before it");
}

/// A resource that only observes needs no lock, so an update that hangs does not delay it.
#[tokio::test]
async fn observers_of_a_circuit_whose_update_hangs_take_no_slot_of_others() {
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
    // A change of the connection wakes all its resources.
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

/// Resources that are paused, observe or are in conflict: none of them waits for the update either.
#[tokio::test]
async fn an_observer_of_a_circuit_whose_update_hangs_is_still_served() {
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
