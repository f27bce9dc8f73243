//! What the watch keeps of the resources.

use directconnect_operator::kubernetes::index::Index;
use directconnect_operator::kubernetes::watch::{self, Listed};
use directconnect_operator::metrics::Metrics;
use kube::ResourceExt;
use kube::runtime::reflector::store::Writer;
use serde_json::json;
use std::sync::Arc;
use test_support::{World, connection, wait};

/// They are longer than all else of an object, and of no use here.
#[tokio::test]
async fn managed_fields_are_not_kept() {
    let world = World::builder().without_operator().build().await;
    world.apply(connection("line").id("dxcon-aaaaaaaa").name("line")).await;
    let label = async |value: &str| world.patch("line", json!({"metadata": {"labels": {"came": value}}})).await;
    let stored = label("by-the-list").await;
    assert!(stored.0["metadata"]["managedFields"].as_array().is_some_and(|fields| !fields.is_empty()));
    let writer = Writer::default();
    let store = writer.as_reader();
    let index = Arc::new(Index::new(None, Metrics::new()));
    let namespaces = vec![world.namespace.clone()];
    let watching = tokio::spawn(watch::run(world.client.clone(), namespaces, writer, index, Listed::default()));
    let kept = async |came: &str| {
        wait::until(wait::SOON, format!("what came {came}"), async || {
            store.state().into_iter().find(|object| object.labels().get("came").is_some_and(|label| label == came))
        })
        .await
    };
    assert_eq!(kept("by-the-list").await.managed_fields(), []);
    label("by-the-watch").await;
    assert_eq!(kept("by-the-watch").await.managed_fields(), []);
    watching.abort();
}
