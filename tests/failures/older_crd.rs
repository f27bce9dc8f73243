//! A CRD that is older than the operator: the API server drops fields that it does not know, and says nothing.

use direct_connect_simulator::Connection;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::sync::Arc;
use test_support::{ControlPlane, REGION, Resource, World, connection, wait};

const LOWERED: &str = "dxcon-aaaaaaaa";
const RAISED: &str = "dxcon-bbbbbbbb";
const ADOPTED: &str = "dxcon-cccccccc";

#[tokio::test]
async fn what_could_not_be_remembered_after_a_restart_is_not_sent() {
    let control_plane = Arc::new(ControlPlane::start().await);
    let mut world = World::builder().on(control_plane).without_operator().build().await;
    let crds: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let name = "directconnectconnections.directconnect-operator.dev";
    let current = crds.get(name).await.expect("it is there");
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    let older = ["unprovenStep", "proven", "circuit"]
        .map(|field| json!({ "op": "remove", "path": format!("{status}/{field}") }));
    let older = Patch::<()>::Json(serde_json::from_value(json!(older)).expect("a patch"));
    crds.patch(name, &PatchParams::default(), &older).await.expect("the CRD of an earlier release");
    world.aws.add(REGION, Connection::new(LOWERED, "line").with_key("01").with_mode("must_encrypt"));
    world.aws.add(REGION, Connection::new(RAISED, "line").with_key("01").with_mode("no_encrypt"));
    world.start_operator();
    world.apply(connection("raised").id(RAISED).mode("should_encrypt")).await;
    let words = "the API server dropped status.unprovenStep: the CRD is older than this operator";
    let told = || world.operator().logs().iter().any(|line| line.contains(words));
    wait::until(wait::SOON, "the log to say what is missing", async || told()).await;
    let tries = || world.operator().logs().iter().filter(|line| line.contains(words)).count();
    wait::until(wait::SOON, "the step to be tried four times", async || tries() >= 4).await;
    // Status speaks of no update that is not sent, and the operator takes its own writes for its own.
    let is_as_before = |line: &Resource| line.status("lastUpdate").is_null() && !line.is("Ready", "False", "Updating");
    world.until("raised", "as it was before", is_as_before).await;
    assert!(!world.operator().logs().iter().any(|line| line.contains("another writer")));
    // A step down needs none of these fields.
    world.apply(connection("lowered").id(LOWERED).mode("should_encrypt")).await;
    world.ready("lowered").await;
    world.polls(2).await;
    let sent: Vec<_> = world.updates().into_iter().map(|call| call.parameters["connectionId"].clone()).collect();
    assert_eq!(sent, [LOWERED], "a twin would not wait for a step that nobody remembers");
    // A proof cannot be remembered either.
    world.aws.add(REGION, Connection::new(ADOPTED, "line").with_key("01").with_mode("must_encrypt"));
    world.apply(connection("adopted").id(ADOPTED).mode("must_encrypt")).await;
    world.operator().says("the API server dropped status.proven").await;
    // The CRD of this release is applied.
    let current = Patch::Merge(json!({ "spec": { "versions": current.spec.versions } }));
    crds.patch(name, &PatchParams::default(), &current).await.expect("the CRD of this release");
    world.ready("raised").await;
}
