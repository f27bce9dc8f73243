//! An encryption mode that differs.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

use crate::log::assert_updates;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_mode_that_may_change_at_once_is_one_update_with_nothing_else_in_it() {
    let steps = [
        ("up-one", "dxcon-up0000one", "no_encrypt", "should_encrypt"),
        ("down-one", "dxcon-down0one", "should_encrypt", "no_encrypt"),
        ("down-from-must", "dxcon-downmust", "must_encrypt", "should_encrypt"),
        ("down-all", "dxcon-down0all", "must_encrypt", "no_encrypt"),
    ];
    let world = World::new().await;
    for (name, id, from, to) in steps {
        world.aws.add(REGION, Connection::new(id, "line").with_key(KEY).with_mode(from));
        world.apply(connection(name).id(id).mode(to)).await;
    }
    for (name, _, from, to) in steps {
        let line = world.ready(name).await;
        assert_eq!(line.status("encryptionMode"), to, "{from} to {to}");
        assert_eq!(line.status("lastUpdate")["encryptionMode"], to);
    }
    world.polls(3).await;
    for (_, id, _, to) in steps {
        assert_updates(&world, id, &[&[("encryptionMode", to)]]);
        assert_eq!(world.aws.connection(REGION, id).expect("it is there").mode(), to);
    }
}

#[tokio::test]
async fn a_link_that_must_encrypt_holds_down_is_loosened_while_it_is_down() {
    let id = "dxcon-aaaaaaaa";
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(id, "line").with_mode("must_encrypt"));
    world.apply(connection("line").id(id).mode("must_encrypt")).await;
    world.condition("line", "LinkUp", "False", "NotAvailable").await;
    assert_eq!(world.updates(), []);
    world.apply(connection("line").id(id).mode("should_encrypt")).await;
    world.condition("line", "LinkUp", "True", "Available").await;
    assert_updates(&world, id, &[&[("encryptionMode", "should_encrypt")]]);
}

#[tokio::test]
async fn must_encrypt_without_a_key_is_never_sent() {
    let id = "dxcon-aaaaaaaa";
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(id, "line"));
    world.apply(connection("line").id(id).mode("must_encrypt")).await;
    world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    world.polls(3).await;
    assert_eq!(world.updates(), []);
}
