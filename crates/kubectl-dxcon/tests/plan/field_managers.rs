//! Which operator a plan is for, and who has written what of an object: that decides what a commit takes away.

use std::sync::Arc;

use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use test_support::{ControlPlane, REGION, World, connection, wait};

use crate::said::{planned, planned_as, text, updates};

const A: &str = "dxcon-aaaaaaaa";
const B: &str = "dxcon-bbbbbbbb";

async fn alone() -> World {
    World::builder().on(Arc::new(ControlPlane::start().await)).without_operator().build().await
}

async fn typed(world: &World, arguments: &[&str], manifest: &Value) {
    let all = [arguments, &["-n", &world.namespace, "-f", "-"]].concat();
    let done = world.control_plane.kubectl(&all, &manifest.to_string()).await;
    assert!(done.status.success(), "{all:?}: {}", done.stderr);
}

/// A manifest of a part of the object.
fn part(annotations: &[(&str, &str)], spec: &[(&str, &str)]) -> Value {
    let map = |fields: &[(&str, &str)]| fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let mut part = json!({
        "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection", "metadata": { "name": "line" },
    });
    if !annotations.is_empty() {
        part["metadata"]["annotations"] = Value::Object(map(annotations));
    }
    if !spec.is_empty() {
        part["spec"] = Value::Object(map(spec));
    }
    part
}

#[tokio::test(flavor = "multi_thread")]
async fn what_whoever_writes_manifests_has_written_goes_with_the_manifest_whatever_its_name() {
    let world = alone().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let before = connection("line").id(A).policy("Observe").annotation("paused", "true").json().clone();
    typed(&world, &["create", "--field-manager", "helm-controller"], &before).await;
    let (printed, plan) = planned(&world, &text([&connection("line").id(A).mode("no_encrypt")]), &["--cluster"]);
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    assert_eq!(updates(&plan, A), [json!({ "connectionId": A, "encryptionMode": "no_encrypt" })], "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_another_applies_by_itself_stays() {
    let world = alone().await;
    world.aws.add(REGION, Connection::new(A, "a").with_key("01"));
    let manifest = connection("line").id(A);
    let apply = |manager: &'static str| ["apply", "--server-side", "--field-manager", manager];
    typed(&world, &apply("kustomize-controller"), &part(&[], &[("connectionId", A)])).await;
    typed(&world, &apply("ops"), &part(&[], &[("encryptionTransition", "Immediate")])).await;
    let (_, plan) = planned(&world, &text([&manifest.clone().mode("must_encrypt")]), &["--cluster"]);
    let steps = &plan["connections"][0]["steps"];
    assert_eq!(steps[0]["encryptionMode"]["to"], "must_encrypt", "nothing is waited for: {plan:#}");
    let paused = [("directconnect-operator.dev/paused", "true")];
    typed(&world, &apply("oncall"), &part(&paused, &[])).await;
    let (_, plan) = planned(&world, &text([&manifest.mode("must_encrypt")]), &["--cluster"]);
    assert_eq!(plan["connections"][0]["reason"], "Paused", "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_operator_watches_is_no_part_of_a_plan() {
    let world = alone().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let lab = world.control_plane.namespace().await;
    let theirs = connection("elder").id(A).json().clone();
    let done = world.control_plane.kubectl(&["create", "-n", &lab, "-f", "-"], &theirs.to_string()).await;
    assert!(done.status.success(), "{}", done.stderr);
    let ours = text([&connection("line").id(A).mode("no_encrypt")]);
    // Of two that are equally old by the second, the name decides.
    wait::until(wait::SOON, "the other one to be older", async || {
        planned(&world, &ours, &["--cluster"]).1["connections"][0]["reason"] == "Conflict"
    })
    .await;
    let (printed, plan) = planned(&world, &ours, &["--cluster", "--watch-namespace", &world.namespace]);
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    assert_eq!(updates(&plan, A), [json!({ "connectionId": A, "encryptionMode": "no_encrypt" })], "{plan:#}");
    let listed = format!("elsewhere,{}", world.namespace);
    let (printed, plan) = planned(&world, &ours, &["--cluster", "--watch-namespace", &listed]);
    assert_eq!(updates(&plan, A).len(), 1, "a list splits at commas, as the operator's own does: {printed:#?}");
    let elsewhere = crate::typed::dxcon(["plan", "-n", &world.namespace, "--cluster", "--watch-namespace", &lab]);
    let printed = elsewhere.aws(&world.aws.endpoint()).cluster(&world.kubeconfig).with_input(&ours);
    assert_eq!(printed.code, Some(1), "{printed:#?}");
    assert!(printed.err.contains("that --watch-namespace does not name"), "{printed:#?}");
}

/// Names come from AWS, so from anybody who may set them there.
#[tokio::test(flavor = "multi_thread")]
async fn a_comment_mentions_nobody_refers_to_nothing_and_links_nowhere() {
    let world = alone().await;
    world.aws.add(REGION, Connection::new(A, "@octocat see #123 https://evil.example www.evil.example"));
    world.aws.add(REGION, Connection::new(B, "b"));
    let manifests = text([&connection("line").id(A).name("new"), &connection("cut").id(B).mode("no_encrypt")]);
    let comment = planned_as(&world, "markdown", &manifests).out;
    for (word, apart) in [
        ("@octocat", "&#64;&#8203;octocat"),
        ("#123", "&#35;&#8203;123"),
        ("https://evil", "https:&#8203;//evil"),
        ("www.evil", "www&#8203;.evil"),
    ] {
        assert!(!comment.contains(word) && comment.contains(apart), "{word}: {comment}");
    }
    let cut = format!("- <code>{}/cut (", world.namespace);
    assert!(comment.contains(&cut), "{comment}");
}
