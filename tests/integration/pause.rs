//! The pause annotation.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

use crate::log::{about, assert_updates, rename_behind_its_back};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn pausing_holds_an_update_back_and_unpausing_lets_it_go() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new").annotation("paused", "true")).await;
    let line = world.condition("line", "Ready", "False", "Paused").await;
    assert!(line.condition("Reconciling").is_none() && line.condition("Stalled").is_none(), "{line}");
    world.polls(3).await;
    assert_eq!(about(&world, ID), []);

    world.annotate("line", "paused", None).await;
    world.condition("line", "Ready", "True", "InSync").await;
    assert_updates(&world, ID, &[&[("connectionName", "new")]]);
}

#[tokio::test]
async fn a_paused_resource_with_nothing_held_back_is_ready_and_says_that_it_is_paused() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID).name("line")).await;
    world.ready("line").await;
    world.annotate("line", "paused", Some("true")).await;
    let says_paused = |line: &test_support::Resource| {
        line.is("Ready", "True", "InSync")
            && line.condition("Ready").is_some_and(|ready| ready.message.contains("paused"))
    };
    world.until("line", "ready and paused", says_paused).await;

    rename_behind_its_back(&world, ID, "theirs");
    let line = world.condition("line", "Ready", "False", "Paused").await;
    assert_eq!(line.status("drift")[0]["observed"], "theirs");
    rename_behind_its_back(&world, ID, "line");
    world.until("line", "ready and paused again", says_paused).await;
    world.polls(2).await;
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn any_value_but_false_pauses() {
    let world = World::new().await;
    for (number, value) in ["false", "", "yes", "True", "1", "no"].into_iter().enumerate() {
        let id = format!("dxcon-0000000{number}");
        world.aws.add(REGION, Connection::new(&id, "old"));
        world.apply(connection(&id).id(&id).name("new").annotation("paused", value)).await;
        if value == "false" {
            world.condition(&id, "Ready", "True", "InSync").await;
            assert_updates(&world, &id, &[&[("connectionName", "new")]]);
        } else {
            world.condition(&id, "Ready", "False", "Paused").await;
            let sent = world.updates().into_iter().filter(|call| call.parameter("connectionId") == Some(&id));
            assert_eq!(sent.count(), 0, "{value:?}");
        }
    }
}
