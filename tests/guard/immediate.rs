//! `Immediate`: the user takes the risk, once.

use crate::log::{A, assert_each_update_has_its_read, assert_one_event, sent};
use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{REGION, World, connection};

#[tokio::test]
async fn immediate_is_one_call_and_what_is_taken_back_later_goes_by_the_ladder() {
    let mut world = World::builder().flag("--leader-elect", "false").build().await;
    let must = json!({ "encryptionMode": "must_encrypt" });
    world.aws.add(REGION, Connection::new(A, "line").with_mode("no_encrypt"));
    world.apply(connection("line").id(A).mode("must_encrypt").transition("Immediate")).await;
    let line = world.ready("line").await;
    assert_eq!(sent(&world, A), json!([must]), "no rung between, no key asked for");
    assert_one_event(&world, "line", "ImmediateTransition").await;
    assert!(line.is("LinkUp", "False", "NotAvailable"), "and the link is down, as was asked for: {line}");
    assert_each_update_has_its_read(&world, A);

    world.aws.edit(REGION, A, |line| line.encryption_mode = Some("should_encrypt".into()));
    world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([must]), "this spec was already met");

    world.start_operator();
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([must]), "a restart forgets nothing of it");

    world.aws.associate_key(REGION, A, "01");
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([must, must]));
    assert_one_event(&world, "line", "ImmediateTransition").await;
}

#[tokio::test]
async fn a_new_spec_with_must_encrypt_may_be_immediate_again() {
    let world = World::new().await;
    let manifest = |mode| connection("line").id(A).mode(mode).transition("Immediate");
    world.aws.add(REGION, Connection::new(A, "line"));
    let mut expected = Vec::new();
    for mode in ["must_encrypt", "should_encrypt", "must_encrypt"] {
        world.apply(manifest(mode)).await;
        world.ready("line").await;
        expected.push(json!({ "encryptionMode": mode }));
        assert_eq!(sent(&world, A), json!(expected));
    }
}

#[tokio::test]
async fn a_rename_after_must_encrypt_was_taken_back_does_not_send_it_again() {
    let mut world = World::builder().flag("--leader-elect", "false").build().await;
    let (must, name) = (json!({ "encryptionMode": "must_encrypt" }), json!({ "connectionName": "new" }));
    let manifest = |name| connection("line").id(A).name(name).mode("must_encrypt").transition("Immediate");
    world.aws.add(REGION, Connection::new(A, "old"));
    world.apply(manifest("old")).await;
    world.ready("line").await;
    world.aws.edit(REGION, A, |line| line.encryption_mode = Some("should_encrypt".into()));
    world.condition("line", "Stalled", "True", "NoMacSecKey").await;

    world.apply(manifest("new")).await;
    world.until("line", "the new name", |line| line.status("connectionName") == "new").await;
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([must, name]), "a name asks for no mode");
    world.start_operator();
    world.polls(3).await;
    assert_eq!(sent(&world, A), json!([must, name]), "nor does it after a restart");
}
