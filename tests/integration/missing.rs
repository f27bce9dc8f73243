//! Connections that do not exist, no longer exist, or are in an unknown state.

use direct_connect_simulator::{Connection, Fault, FaultKind};
use test_support::{REGION, World, connection};

use crate::log::{about, assert_updates, read};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn a_connection_that_does_not_exist_is_looked_for_and_never_created() {
    for missing_is_empty in [false, true] {
        let world = World::new().await;
        world.aws.configure(|settings| settings.missing_is_empty = missing_is_empty);
        world.apply(connection("line").id(ID).name("new")).await;
        let line = world.condition("line", "Stalled", "True", "NotFound").await;
        assert!(line.is("Ready", "False", "NotFound") && line.is("LinkUp", "False", "NotAvailable"), "{line}");
        let message = line.condition("Ready").expect("it is there").message;
        assert!(
            [ID, REGION, "spec.connectionId", "spec.region"].iter().all(|word| message.contains(word)),
            "{message}"
        );
        world.polls(4).await;
        assert!(
            about(&world, ID).len() <= 1 && about(&world, ID).iter().all(|call| *call == read(ID)),
            "polls find it"
        );
        assert_eq!(world.get("line").await.version(), line.version(), "said once");

        world.aws.clear_calls();
        world.aws.add(REGION, Connection::new(ID, "old"));
        world.condition("line", "Ready", "True", "InSync").await;
        assert_updates(&world, ID, &[&[("connectionName", "new")]]);
    }
}

#[tokio::test]
async fn a_connection_that_vanishes_takes_what_was_claimed_with_it() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).name("line")).await;
    world.ready("line").await;
    world.aws.remove(REGION, ID);
    let line = world.condition("line", "Stalled", "True", "NotFound").await;
    assert!(line.status("connectionState").is_null() && line.status("connectionName").is_null(), "{line}");
    world.polls(2).await;
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn a_connection_that_has_ended_is_left_alone() {
    let states = ["deleting", "deleted", "rejected"];
    let id = |state: &str| format!("dxcon-0{state}");
    let world = World::new().await;
    // All of them before the first listing, since a connection that a listing lacks is read by its id.
    for state in states {
        world.aws.add(REGION, Connection::new(&id(state), "old").in_state(state));
    }
    for state in states {
        world.apply(connection(state).id(&id(state)).name("new").mode("no_encrypt")).await;
    }
    for state in states {
        let line = world.condition(state, "Stalled", "True", "ConnectionGone").await;
        assert_eq!(line.status("connectionState"), state);
        assert!(line.condition("Ready").expect("it is there").message.contains(state), "{line}");
    }
    world.polls(3).await;
    for state in states {
        assert_eq!(about(&world, &id(state)), [], "{state}");
    }
}

#[tokio::test]
async fn a_state_that_nobody_has_heard_of_is_quoted_and_waited_out() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.aws.inject(Fault::new(FaultKind::UnknownState { state: "hibernating".to_owned() }));
    world.apply(connection("line").id(ID).name("new").mode("no_encrypt")).await;
    let line = world.condition("line", "Reconciling", "True", "WaitingForAvailable").await;
    assert!(line.condition("Ready").expect("it is there").message.contains("hibernating"), "{line}");
    assert_eq!(line.status("connectionState"), "hibernating");
    assert!(line.is("LinkUp", "False", "NotAvailable"), "{line}");
    world.polls(3).await;
    assert_eq!(world.updates(), []);
    world.aws.clear_faults();
    world.condition("line", "Ready", "True", "InSync").await;
    assert_eq!(world.updates().len(), 1);
}
