//! Deletion of resources.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection, wait};

use crate::log::about;

#[tokio::test]
async fn deleting_a_resource_is_done_at_once_and_makes_no_call_about_its_connection() {
    let (kept, deleted) = ("dxcon-kept0000", "dxcon-deleted0");
    let world = World::new().await;
    for id in [kept, deleted] {
        world.aws.add(REGION, Connection::new(id, "old"));
        world.apply(connection(id).id(id).name("new")).await;
    }
    for id in [kept, deleted] {
        world.ready(id).await;
    }
    assert!(world.get(deleted).await.0["metadata"].get("finalizers").is_none());
    world.aws.clear_calls();

    world.delete(deleted).await;
    let list = ["get", "dxcon", "--namespace", &world.namespace, "--output", "name"];
    assert!(!world.control_plane.kubectl(&list, "").await.text().contains(deleted), "nothing holds it");
    world.aws.edit(REGION, deleted, |connection| connection.connection_name = Some("theirs".to_owned()));
    world.polls(4).await;
    assert_eq!(about(&world, deleted), []);
    assert_eq!(world.updates(), []);
    assert_eq!(world.aws.connection(REGION, deleted).expect("AWS has it still").name(), "theirs");
}

#[tokio::test]
async fn with_the_last_resource_of_a_region_its_reads_end() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "line"));
    world.apply(connection("line").id("dxcon-aaaaaaaa")).await;
    world.ready("line").await;
    world.delete("line").await;
    world.operator().says("polling ends").await;
    // Calls in flight may still arrive. After that there must be no call for longer than two polls.
    let mut last = (world.aws.calls().len(), tokio::time::Instant::now());
    wait::until(wait::SOON, "no more calls", async || {
        let calls = world.aws.calls().len();
        if calls != last.0 {
            last = (calls, tokio::time::Instant::now());
        }
        last.1.elapsed().as_millis() > 600
    })
    .await;
}
