//! What a plan refuses is what a real API server refuses, however it is applied: by the client, as kubectl and Helm do,
//! or by the server, as Flux and Argo CD do. A plan does not know which of them comes.

use std::sync::Arc;

use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use test_support::{ControlPlane, REGION, World, connection};

use crate::said::planned;

/// A manifest of version and kind, with this metadata and this spec.
fn manifest(metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: directconnect-operator.dev/v1alpha1\nkind: DirectConnectConnection\nmetadata: {metadata}\nspec: {spec}\n"
    )
}

fn with_metadata(metadata: &str) -> String {
    manifest(metadata, "{connectionId: dxcon-aaaaaaaa}")
}

fn with_field(field: &str) -> String {
    manifest("{name: line}", &format!("{{connectionId: dxcon-aaaaaaaa, {field}}}"))
}

/// An owner that is taken.
const OWNER: &str = "{apiVersion: v1, kind: Secret, name: a, uid: b}";

fn owned_by(owners: &str) -> String {
    with_metadata(&format!("{{name: line, ownerReferences: [{owners}]}}"))
}

fn with_status(status: &str) -> String {
    format!("{}status: {status}\n", with_metadata("{name: line}"))
}

/// Manifests that are refused, each with what the refusal says.
fn refused() -> Vec<(String, &'static str)> {
    let good = with_metadata("{name: line}");
    vec![
        (good.replace("v1alpha1", "v1beta9"), "apiVersion is \"directconnect-operator.dev/v1beta9\""),
        (good.replace("/v1alpha1", ""), "write apiVersion: directconnect-operator.dev/v1alpha1"),
        (good.lines().skip(1).collect::<Vec<_>>().join("\n"), "apiVersion is missing"),
        (good.replace("Connection\n", "Conection\n"), "write kind: DirectConnectConnection"),
        (format!("{good}specs: {{}}\n"), "specs is no field"),
        (format!("{good}specs: null\n"), "specs is no field"),
        (with_metadata("{name: line, anotations: {a: b}}"), "metadata.anotations is no field"),
        (with_metadata("{name: line, anotations: null}"), "metadata.anotations is no field"),
        (with_metadata("{}"), "metadata.name is missing"),
        (with_metadata("[line]"), "metadata is [\"line\"]"),
        (with_metadata("{name: Frankfurt_A}"), "metadata.name is \"Frankfurt_A\""),
        (with_metadata("{name: a..b}"), "metadata.name is \"a..b\""),
        (with_metadata("{name: a-.b}"), "metadata.name is \"a-.b\""),
        (with_metadata(&format!("{{name: {}}}", "a".repeat(254))), "at most 253"),
        (with_metadata("{name: 123}"), "metadata.name is 123, and no text: put it in quotes"),
        (with_metadata("{name: no}"), "metadata.name is false, and no text"),
        (with_metadata("{name: line, namespace: a.b}"), "metadata.namespace is \"a.b\""),
        (with_metadata("{name: line, namespace: 7}"), "metadata.namespace is 7, and no text"),
        (with_metadata("{name: line, generation: x}"), "metadata.generation is \"x\""),
        (with_metadata("{name: line, labels: {x: a b}}"), "the value of x is \"a b\""),
        (with_metadata("{name: line, labels: {x: true}}"), "metadata.labels: the value of x is true, and no text"),
        (with_metadata("{name: line, labels: {a b: x}}"), "\"a b\" is no name of label"),
        (with_metadata("{name: line, labels: {A.b/x: x}}"), "\"A.b/x\" is no name of label"),
        (with_metadata("{name: line, annotations: {a/b/c: x}}"), "\"a/b/c\" is no name of annotation"),
        (with_metadata("{name: line, uid: a}"), "metadata.uid is \"a\""),
        (with_metadata("{name: line, resourceVersion: abc}"), "metadata.resourceVersion is \"abc\", and no number"),
        (with_metadata("{name: line, managedFields: []}"), "metadata.managedFields is refused by server-side apply"),
        (with_metadata("{name: line, generateName: A_b}"), "metadata.generateName is \"A_b\""),
        (with_metadata("{name: line, generateName: a.}"), "metadata.generateName is \"a.\""),
        (with_metadata("{name: line, creationTimestamp: x}"), "metadata.creationTimestamp is \"x\""),
        (with_metadata("{name: line, finalizers: [x y]}"), "metadata.finalizers: \"x y\" is no name of finalizer"),
        (with_metadata("{name: line, finalizers: ['']}"), "metadata.finalizers: \"\" is no name of finalizer"),
        (with_metadata("{name: line, finalizers: [A.b/x]}"), "\"A.b/x\" is no name of finalizer"),
        (with_metadata("{name: line, finalizers: [null]}"), "metadata.finalizers is [null]"),
        (with_metadata("{name: line, finalizers: [a/b, a/b]}"), "metadata.finalizers: \"a/b\" is there twice"),
        (
            with_metadata("{name: line, finalizers: [orphan, foregroundDeletion]}"),
            "metadata.finalizers: orphan and foregroundDeletion exclude each other",
        ),
        (owned_by("null"), "metadata.ownerReferences is [null]"),
        (owned_by("{apiVersion: v1, kind: Secret, name: a}"), "metadata.ownerReferences[0].uid is missing"),
        (owned_by("{apiVersion: v1, kind: Secret, uid: b}"), "metadata.ownerReferences[0].name is missing"),
        (owned_by("{apiVersion: v1, name: a, uid: b}"), "metadata.ownerReferences[0].kind is missing"),
        (owned_by("{kind: Secret, name: a, uid: b}"), "metadata.ownerReferences[0].apiVersion is missing"),
        (owned_by("{apiVersion: a/b/c, kind: Secret, name: a, uid: b}"), "[0].apiVersion is \"a/b/c\""),
        (owned_by("{apiVersion: a/, kind: Secret, name: a, uid: b}"), "[0].apiVersion is \"a/\""),
        (owned_by("{apiVersion: v1, kind: Secret, name: a, uid: b, foo: 1}"), "[0].foo is no field"),
        (owned_by("{apiVersion: v1, kind: Event, name: a, uid: b}"), "[0]: an Event owns nothing"),
        (owned_by(&format!("{OWNER}, {OWNER}")), "metadata.ownerReferences: the uid \"b\" is there twice"),
        (
            owned_by(
                "{apiVersion: v1, kind: Secret, name: a, uid: b, controller: true}, {apiVersion: v1, kind: Secret, name: b, uid: c, controller: true}",
            ),
            "metadata.ownerReferences: 2 have controller: true",
        ),
        (with_status("7"), "status is 7, and no mapping"),
        (with_status("[a]"), "status is [\"a\"], and no mapping"),
        (with_status("{foo: 1}"), "status.foo is no field"),
        (with_status("{foo: null}"), "status.foo is no field"),
        (with_status("{encryptionMode: 7}"), "status.encryptionMode is 7, and no text"),
        (with_status("{vlan: '7'}"), "status.vlan is \"7\", and no number"),
        (with_status("{proven: 'true'}"), "status.proven is \"true\", and neither true nor false"),
        (with_status("{conditions: {}}"), "status.conditions is {}, and no list"),
        (with_status("{conditions: [null]}"), "status.conditions[0] is null"),
        (with_status("{conditions: [{status: x}]}"), "status.conditions[0].type is missing"),
        (with_status("{conditions: [{type: a, foo: b}]}"), "status.conditions[0].foo is no field"),
        (with_status("{conditions: [{type: a}, {type: a}]}"), "status.conditions: the type \"a\" is there twice"),
        (with_metadata("{name: line, annotations: [a]}"), "metadata.annotations is [\"a\"]"),
        (
            with_metadata("{name: line, annotations: {directconnect-operator.dev/paused: true}}"),
            "metadata.annotations: the value of directconnect-operator.dev/paused is true, and no text: put it in quotes",
        ),
        (manifest("{name: line}", "null"), "spec is missing"),
        (manifest("{name: line}", "[a]"), "spec is [\"a\"]"),
        (manifest("{name: line}", "{}"), "spec.connectionId is missing"),
        (manifest("{name: line}", "{connectionId: null}"), "spec.connectionId is null"),
        (with_field("region: null"), "spec.region is null: leave the field out"),
        (with_field("connectionName: null"), "spec.connectionName is null"),
        (with_field("encryptionMode: null"), "spec.encryptionMode is null"),
        (with_field("connectionName: 012"), "spec.connectionName is 12.0, and no text: put it in quotes"),
        (with_field(&format!("connectionName: {}", "線".repeat(201))), "it may have 200, so shorten it"),
        (with_field("encryptionMode: always"), "one of no_encrypt, should_encrypt, must_encrypt"),
        (with_field("managementPolicy: observe"), "spec.managementPolicy is \"observe\""),
        (with_field("foo: null"), "spec.foo is no field"),
    ]
}

fn taken() -> Vec<String> {
    vec![
        with_metadata(&format!("{{name: {}}}", "a".repeat(64))),
        with_metadata("{name: 1.a-b.c}"),
        with_metadata("{name: line, namespace: '', creationTimestamp: null, labels: null, annotations: null}"),
        with_metadata("{name: line, namespace: null, labels: {a: null, b: ''}, annotations: {A.b/X: x}}"),
        with_metadata("{name: line, finalizers: [example.com/x], generation: 3, ownerReferences: []}"),
        with_metadata("{name: line, uid: '', resourceVersion: '', managedFields: null, generateName: a-}"),
        with_metadata("{name: line, uid: null, resourceVersion: '7', finalizers: [x], selfLink: a}"),
        with_metadata("{name: line, creationTimestamp: '2020-01-01T00:00:00Z', ownerReferences: null}"),
        with_metadata("{name: line, deletionTimestamp: '2020-01-01T00:00:00Z', deletionGracePeriodSeconds: 5}"),
        owned_by(OWNER),
        owned_by("{apiVersion: a/v1, kind: Event, name: A b, uid: b, controller: null, blockOwnerDeletion: true}"),
        with_status("null"),
        with_status("{encryptionMode: null, vlan: 7.5, observedGeneration: -3, conditions: [{type: null}, {type: a}]}"),
        with_status(
            "{macSecKeys: [{ckn: a}, {ckn: a}], conditions: null, lastUpdate: {encryptionMode: x}, proven: true}",
        ),
        with_field("encryptionTransition: null"),
        with_field("managementPolicy: null"),
        with_field(&format!("connectionName: {}", "線".repeat(200))),
        format!("{}status: {{}}\n", with_metadata("{name: line}")),
    ]
}

/// Whether the API server takes a manifest, whoever applies it.
async fn is_taken(world: &World, manifest: &str) -> bool {
    for how in ["--server-side=false", "--server-side"] {
        let arguments = ["apply", how, "--dry-run=server", "--namespace", &world.namespace, "--filename", "-"];
        if !world.control_plane.kubectl(&arguments, manifest).await.status.success() {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_refuses_what_the_api_server_refuses_and_names_the_field() {
    let world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "line"));
    for (manifest, words) in refused() {
        assert!(!is_taken(&world, &manifest).await, "the API server takes it: {manifest}");
        let (printed, plan) = planned(&world, &manifest, &[]);
        let why = plan["refused"][0]["why"].to_string().replace("\\\"", "\"");
        assert!(printed.code == Some(1) && why.contains(words), "{words} is not in {printed:#?} for {manifest}");
    }
    for manifest in taken() {
        assert!(is_taken(&world, &manifest).await, "the API server refuses it: {manifest}");
        let (printed, plan) = planned(&world, &manifest, &[]);
        assert_eq!(plan["refused"], json!([]), "{printed:#?} for {manifest}");
    }
}

/// What an export of an object holds belongs to that object, as it was then.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_cluster_a_plan_refuses_what_is_of_another_object_or_of_an_earlier_one() {
    let world = World::builder().on(Arc::new(ControlPlane::start().await)).without_operator().build().await;
    world.aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "line"));
    world.apply(connection("line").id("dxcon-aaaaaaaa")).await;
    let get = ["get", "dxcon", "line", "--namespace", &world.namespace, "--output", "json"];
    let object: Value = serde_json::from_str(&world.control_plane.kubectl(&get, "").await.text()).expect("it is JSON");
    let says = |field: &str| object["metadata"][field].as_str().expect("the API server sets it").to_owned();
    let own = format!("uid: {}, resourceVersion: '{}'", says("uid"), says("resourceVersion"));
    let table = [
        (own.as_str(), None),
        ("creationTimestamp: '2020-01-01T00:00:00Z', generateName: A_b", None),
        ("uid: a", Some("metadata.uid is \"a\"")),
        ("resourceVersion: '7'", Some("metadata.resourceVersion is \"7\"")),
        ("resourceVersion: null", Some("metadata.resourceVersion is null")),
        ("deletionTimestamp: '2020-01-01T00:00:00Z'", Some("metadata.deletionTimestamp is \"2020-01-01T00:00:00Z\"")),
        ("deletionGracePeriodSeconds: 5", Some("metadata.deletionGracePeriodSeconds is 5")),
        ("deletionGracePeriodSeconds: null, deletionTimestamp: null", None),
    ];
    for (fields, words) in table {
        let manifest = with_metadata(&format!("{{name: line, {fields}}}"));
        assert_eq!(is_taken(&world, &manifest).await, words.is_none(), "{manifest}");
        let (printed, plan) = planned(&world, &manifest, &["--cluster"]);
        let refused = &plan["refused"];
        let why = refused[0]["why"][0].as_str();
        assert!(
            why.is_some() == words.is_some() && why.unwrap_or_default().contains(words.unwrap_or_default()),
            "{printed:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_counts_for_what_the_api_server_stores() {
    let world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "line"));
    let manifest = manifest(
        "{name: line, annotations: {directconnect-operator.dev/paused: null}}",
        "{connectionId: dxcon-aaaaaaaa, connectionName: new, managementPolicy: null}",
    );
    for how in ["--server-side=false", "--server-side"] {
        let arguments = ["apply", how, "--dry-run=server", "--output=json", "--filename", "-"];
        let stored = world.control_plane.kubectl(&arguments, &manifest).await.text();
        let stored: serde_json::Value = serde_json::from_str(&stored).expect("it is JSON");
        assert_eq!(stored["metadata"]["annotations"]["directconnect-operator.dev/paused"], "", "{stored:#}");
        assert_eq!(stored["spec"]["managementPolicy"], "Manage", "{stored:#}");
    }
    let (printed, plan) = planned(&world, &manifest, &[]);
    assert_eq!(plan["connections"][0]["reason"], "Paused", "{printed:#?}");
}
