//! A name and a mode that differ at the same time.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

use crate::log::assert_updates;

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn a_name_and_a_mode_that_differ_go_in_one_call() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old").with_mode("no_encrypt"));
    world.apply(connection("line").id(ID).name("new").mode("should_encrypt")).await;
    let line = world.ready("line").await;
    assert_eq!(
        (line.status("connectionName"), line.status("encryptionMode")),
        (&"new".into(), &"should_encrypt".into())
    );
    world.polls(3).await;
    assert_updates(&world, ID, &[&[("connectionName", "new"), ("encryptionMode", "should_encrypt")]]);
}

#[tokio::test]
async fn a_name_goes_alone_when_the_mode_may_not() {
    let reasons = [
        ("no-key", "dxcon-nokey000", "NoMacSecKey", Connection::new("dxcon-nokey000", "old")),
        ("lag", "dxcon-lag00000", "LagMember", Connection::new("dxcon-lag00000", "old").in_lag("dxlag-ffffffff")),
        ("hosted", "dxcon-hosted00", "MacSecNotSupported", Connection::new("dxcon-hosted00", "old").hosted(101)),
    ];
    let world = World::new().await;
    for (name, id, _, line) in &reasons {
        world.aws.add(REGION, line.clone());
        world.apply(connection(name).id(id).name("new").mode("must_encrypt")).await;
    }
    for (name, id, reason, _) in &reasons {
        let line = world.condition(name, "Stalled", "True", reason).await;
        assert_eq!(line.status("connectionName"), "new", "{line}");
        assert_updates(&world, id, &[&[("connectionName", "new")]]);
    }
    world.polls(3).await;
    assert_eq!(world.updates().len(), reasons.len());
}
