//! Objects that were written while the CRD was less strict than today's.

use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use test_support::{ControlPlane, REGION, World, connection, operator_binary, wait};

/// An object so malformed that the API server accepts no status for it, since the rule that ids cannot change fails on
/// a number. Only the log reports it.
const UNWRITABLE: &str = "number";

/// The CRD with a spec that accepts anything.
fn lax() -> Value {
    let printed = Command::new(operator_binary()).arg("crd").env_clear().output().expect("the operator starts");
    let mut crd: Value = serde_saphyr::from_slice(&printed.stdout).expect("it is YAML");
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"] = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    crd
}

/// Malformed objects: the name, the spec, and what the operator reports.
fn malformed() -> Vec<(&'static str, Value, &'static str)> {
    let id = "dxcon-zzzzzzzz";
    vec![
        ("empty", json!({}), "connectionId"),
        ("bad-id", json!({ "connectionId": "foobar" }), "spec.connectionId"),
        ("bad-mode", json!({ "connectionId": id, "encryptionMode": "sometimes" }), "sometimes"),
        ("bad-policy", json!({ "connectionId": id, "managementPolicy": ["Manage"] }), "apply it again"),
        ("bad-region", json!({ "connectionId": id, "region": "Frankfurt" }), "spec.region"),
        ("empty-name", json!({ "connectionId": id, "connectionName": "" }), "spec.connectionName"),
        ("long-name", json!({ "connectionId": id, "connectionName": "x".repeat(201) }), "spec.connectionName"),
        ("control-name", json!({ "connectionId": id, "connectionName": "a\u{7f}b" }), "spec.connectionName"),
    ]
}

#[tokio::test]
async fn malformed_objects_are_told_as_such_and_stop_nobody_else() {
    let good = "dxcon-aaaaaaaa";
    let control_plane = Arc::new(ControlPlane::start().await);
    let apply_crd = ["apply", "--server-side", "--filename", "-"];
    control_plane.kubectl(&apply_crd, &lax().to_string()).await.text();
    let served = async || control_plane.kubectl(&["get", "dxcon", "--all-namespaces"], "").await.status.success();
    wait::until(wait::SOON, "the lax definition to be served", served).await;
    let mut world = World::builder().on(Arc::clone(&control_plane)).without_crd().without_operator().build().await;
    for (name, spec, _) in malformed() {
        world.apply(connection(name)).await;
        // A patch, since an apply is sent as YAML, which cannot contain control characters.
        world.patch(name, json!({ "spec": spec })).await;
    }
    world.apply(connection(UNWRITABLE).spec("connectionId", 7)).await;
    control_plane.install_crd().await;
    let refused = async || world.try_apply(connection("probe").id("foobar")).await.is_err();
    wait::until(wait::SOON, "the definition of today to be in force", refused).await;

    world.aws.add(REGION, Connection::new(good, "old"));
    world.apply(connection("good").id(good).name("new")).await;
    world.start_operator();
    world.condition("good", "Ready", "True", "InSync").await;
    for (name, _, says) in malformed() {
        let found = world.condition(name, "Stalled", "True", "InvalidSpec").await;
        let message = found.condition("Ready").expect("it is there").message;
        assert!(message.contains(says), "{name}: {message}");
    }
    let versions = async |world: &World| {
        let mut versions = Vec::new();
        for (name, ..) in malformed() {
            versions.push(world.get(name).await.version().to_owned());
        }
        versions
    };
    let before = versions(&world).await;
    world.polls(4).await;
    assert_eq!(versions(&world).await, before, "said once");
    assert_eq!(world.updates().len(), 1, "nothing is sent for them");
    assert_eq!(world.http_get("/readyz").await.status, 200);

    let told = |text: &str| world.operator().logs().iter().filter(|line| line.contains(text)).count();
    let unwritten = format!("status of {}/{UNWRITABLE} was not written", world.namespace);
    assert!((1..12).contains(&told(&unwritten)), "{} lines", told(&unwritten));

    // They can be deleted and corrected like others.
    world.delete(UNWRITABLE).await;
    world.aws.add(REGION, Connection::new("dxcon-zzzzzzzz", "line"));
    world.patch("bad-mode", json!({ "spec": { "encryptionMode": "should_encrypt" } })).await;
    world.condition("bad-mode", "Ready", "True", "InSync").await;
    assert_eq!(world.updates().len(), 1);
}
