//! Which parts of resources the watch keeps.

use directconnect_core::desired::DefaultRegion;
use directconnect_core::settings::Settings;
use directconnect_operator::clock::Clock;
use directconnect_operator::kubernetes::claims::Claims;
use directconnect_operator::kubernetes::watch::{self, Interruptions, Listed};
use directconnect_operator::metrics::Metrics;
use directconnect_operator::state::State;
use kube::Resource as _;
use kube::runtime::reflector::store::Writer;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use test_support::{World, connection, wait};

/// Empty claims, whose wakeups nobody receives.
pub fn claims() -> Arc<Claims> {
    let minute = Duration::from_mins(1);
    let settings =
        Settings { poll_interval: minute, encryption_soak: minute, settle_window: minute, progress_deadline: minute };
    let state = Arc::new(State::new(settings, tokio::sync::mpsc::unbounded_channel().0));
    Arc::new(Claims::new(state, DefaultRegion::Unset, Clock::start(), Metrics::new()))
}

/// Metadata of others can be larger than the rest of an object, and is not used.
#[tokio::test]
async fn of_metadata_only_what_is_read_is_kept() {
    let world = World::builder().without_operator().build().await;
    world.apply(connection("line").id("dxcon-aaaaaaaa").name("line").annotation("paused", "false")).await;
    let theirs = json!({"metadata": {
        "labels": {"team": "network"}, "finalizers": ["example.com/theirs"],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "directconnect-operator.dev/other": "x"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "uid"}],
    }});
    world.patch("line", theirs).await;
    let asked = async |value: &str| world.annotate("line", "reconcile-requested-at", Some(value)).await;
    let stored = asked("by the list").await;
    assert!(stored.0["metadata"]["managedFields"].as_array().is_some_and(|fields| !fields.is_empty()));
    let writer = Writer::default();
    let store = writer.as_reader();
    let namespaces = vec![world.namespace.clone()];
    let interruptions = Interruptions::new(Metrics::new());
    let client = world.client.clone();
    let watching = tokio::spawn(watch::run(client, namespaces, writer, claims(), Listed::default(), interruptions));
    let kept = async |came: &str| {
        let object = wait::until(wait::SOON, format!("what came {came}"), async || {
            store.state().into_iter().find(|object| object.requested_at() == Some(came))
        })
        .await;
        serde_json::to_value(object.meta()).expect("metadata is JSON")
    };
    for came in ["by the list", "by the watch"] {
        let stored = asked(came).await;
        let read = ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"];
        let mut expected: Map<_, _> =
            read.map(|field| (field.to_owned(), stored.0["metadata"][field].clone())).into_iter().collect();
        expected.insert(
            "annotations".to_owned(),
            json!({"directconnect-operator.dev/paused": "false", "directconnect-operator.dev/reconcile-requested-at": came}),
        );
        assert_eq!(kept(came).await, Value::from(expected));
    }
    watching.abort();
}
