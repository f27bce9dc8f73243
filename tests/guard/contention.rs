//! Contention with another writer.

use crate::log::{A, B, assert_one_event, sent, updates};
use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{REGION, World, connection, wait};

#[tokio::test]
async fn a_field_put_back_three_times_is_left_alone_until_someone_asks() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    world.aws.add(REGION, Connection::new(B, "line").with_mode("no_encrypt"));
    world.apply(connection("named").id(A).name("new")).await;
    world.apply(connection("encrypted").id(B).mode("should_encrypt")).await;
    for round in 1..=3 {
        for id in [A, B] {
            wait::until(wait::SOON, format!("update {round} of {id}"), async || {
                let updates = updates(&world, id);
                updates.len() == round && updates.iter().all(|call| call.finished.is_some())
            })
            .await;
        }
        // Once a read has shown the new value, an old value is not a late read.
        world.polls(2).await;
        world.aws.edit(REGION, A, |line| line.connection_name = Some("old".into()));
        world.aws.edit(REGION, B, |line| line.encryption_mode = Some("no_encrypt".into()));
    }
    for (name, field) in [("named", "connectionName"), ("encrypted", "encryptionMode")] {
        let line = world.condition(name, "Stalled", "True", "Contended").await;
        let message = line.condition("Ready").expect("it is there").message;
        assert!(message.contains(field) && message.contains("CloudTrail"), "{message}");
        assert_one_event(&world, name, "Contended").await;
    }
    world.polls(8).await;
    assert_eq!(sent(&world, A), json!(vec![json!({ "connectionName": "new" }); 3]), "the next try is minutes away");
    assert_eq!(sent(&world, B), json!(vec![json!({ "encryptionMode": "should_encrypt" }); 3]));

    // A request of a resource that only observes the connection ends no dispute.
    let asks = connection("watcher").id(A).policy("Observe").annotation("reconcile-requested-at", "now");
    world.apply(asks).await;
    world.until("watcher", "served", |line| line.status("lastHandledReconcileAt") == "now").await;
    world.polls(2).await;
    assert_eq!(updates(&world, A).len(), 3);

    world.apply(connection("named").id(A).name("newer")).await;
    world.ready("named").await;
    assert_eq!(updates(&world, A).len(), 4, "a spec change is tried at once");
    world.annotate("encrypted", "reconcile-requested-at", Some("now")).await;
    world.ready("encrypted").await;
    assert_eq!(updates(&world, B).len(), 4, "and so is what a person asks for");
}
