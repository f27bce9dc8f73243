//! A name that differs.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

#[tokio::test]
async fn a_name_that_differs_is_updated_once() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "old"));
    world.apply(connection("line").id("dxcon-aaaaaaaa").name("new")).await;
    let line = world.ready("line").await;
    assert_eq!(line.status("connectionName"), "new");
    world.polls(3).await;
    let updates = world.updates();
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].parameter("connectionName"), Some("new"));
    assert_eq!(world.get("line").await.version(), line.version(), "steady state writes nothing");
}
