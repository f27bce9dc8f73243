//! Fields that the spec leaves out.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

use crate::log::{assert_updates, rename_behind_its_back};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn what_the_spec_leaves_out_is_shown_and_left_alone() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "theirs"));
    world.apply(connection("line").id(ID)).await;
    world.condition("line", "Ready", "True", "InSync").await;
    rename_behind_its_back(&world, ID, "still theirs");
    world.aws.edit(REGION, ID, |connection| connection.encryption_mode = Some("no_encrypt".to_owned()));
    let line = world.until("line", "renamed", |line| line.status("connectionName") == "still theirs").await;
    assert!(line.is("Ready", "True", "InSync"), "{line}");
    world.until("line", "of another mode", |line| line.status("encryptionMode") == "no_encrypt").await;
    world.polls(3).await;
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn an_update_sends_only_the_field_that_is_managed() {
    let fields = [
        ("by-name", "dxcon-byname00", "connectionName", "new"),
        ("by-mode", "dxcon-bymode00", "encryptionMode", "should_encrypt"),
    ];
    let world = World::new().await;
    for (name, id, field, value) in fields {
        world.aws.add(REGION, Connection::new(id, "old").with_mode("no_encrypt"));
        world.apply(connection(name).id(id).spec(field, value)).await;
    }
    for (name, id, field, value) in fields {
        world.ready(name).await;
        assert_updates(&world, id, &[&[(field, value)]]);
    }
}

#[tokio::test]
async fn a_field_taken_out_of_the_spec_is_let_go_as_it_is() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
    world.apply(connection("line").id(ID)).await;
    world.ready("line").await;
    rename_behind_its_back(&world, ID, "theirs");
    let line = world.until("line", "renamed", |line| line.status("connectionName") == "theirs").await;
    assert!(line.is("Ready", "True", "InSync"), "{line}");
    world.polls(3).await;
    assert_updates(&world, ID, &[&[("connectionName", "new")]]);
}
