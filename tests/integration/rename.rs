//! A name that differs.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

use crate::log::{about, assert_updates, read, update};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn a_name_that_differs_is_updated_once() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    let line = world.ready("line").await;
    assert_eq!(line.status("connectionName"), "new");
    world.polls(3).await;
    assert_updates(&world, ID, &[&[("connectionName", "new")]]);
    assert_eq!(world.get("line").await.version(), line.version(), "steady state writes nothing");
}

#[tokio::test]
async fn a_rename_costs_one_read_and_assert_updates() {
    // Only the first poll happens, so that none comes between.
    let world = World::builder().flag("--poll-interval", "10m").build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
    assert_eq!(about(&world, ID), [read(ID), update(ID, &[("connectionName", "new")])]);
}

#[tokio::test]
async fn each_new_name_in_the_spec_is_one_update() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "zero"));
    let names = ["one", "two", "drei ß 線"];
    for name in names {
        world.apply(connection("line").id(ID).name(name)).await;
        let line = world.ready("line").await;
        assert_eq!(line.status("connectionName"), name);
        assert_eq!(line.status("metGeneration"), line.generation());
    }
    let updates = names.map(|name| [("connectionName", name)]);
    assert_updates(&world, ID, &[&updates[0], &updates[1], &updates[2]]);
    assert_eq!(world.aws.connection(REGION, ID).expect("it is there").name(), "drei ß 線");
}

#[tokio::test]
async fn the_last_update_is_told_with_what_was_sent_and_its_request_id() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    let line = world.ready("line").await;
    let last = line.status("lastUpdate");
    assert_eq!(last["connectionName"], "new");
    assert_eq!(last["generation"], line.generation());
    assert_eq!(last["requestId"], world.updates()[0].request_id);
    assert!(last.get("encryptionMode").is_none(), "{last}");
}

#[tokio::test]
async fn a_connection_is_renamed_from_requested_on_whatever_its_link_does() {
    let states = [("requested", "dxcon-requested"), ("pending", "dxcon-pending0"), ("down", "dxcon-down0000")];
    let world = World::new().await;
    for (state, id) in states {
        world.aws.add(REGION, Connection::new(id, "old").in_state(state));
        world.apply(connection(state).id(id).name("new")).await;
    }
    for (state, id) in states {
        let line = world.ready(state).await;
        assert_eq!(line.status("connectionState"), state);
        assert!(line.is("LinkUp", "False", "NotAvailable"), "{line}");
        assert_updates(&world, id, &[&[("connectionName", "new")]]);
    }
}

#[tokio::test]
async fn a_connection_that_is_still_ordered_is_renamed_once_it_is_requested() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old").in_state("ordering"));
    world.apply(connection("line").id(ID).name("new")).await;
    let waiting = world.condition("line", "Reconciling", "True", "WaitingForAvailable").await;
    let message = waiting.condition("Ready").expect("it is there").message;
    assert!(message.contains("ordering"), "{message}");
    world.polls(3).await;
    assert_eq!(world.updates(), []);
    world.aws.edit(REGION, ID, |connection| connection.connection_state = Some("requested".to_owned()));
    world.ready("line").await;
    assert_updates(&world, ID, &[&[("connectionName", "new")]]);
}
