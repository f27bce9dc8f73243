//! Creates resources and connections in large numbers.

use direct_connect_simulator::Connection;
use futures::{StreamExt, stream};
use kube::Client;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Object, Patch, PatchParams, PostParams};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_support::{REGION, World};

/// Concurrent requests when preparing a scenario, in the flood, and when changing many specs. It is the number of
/// workers of the operator and of the Go controller.
pub const AT_ONCE: usize = 16;

/// The resources of a namespace.
pub type Api = kube::Api<Resource>;

/// The fields of a resource that are used.
pub type Resource = Object<Spec, Status>;

/// No field of the spec is used.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Spec {}

/// The fields of a status that are used.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    observed_generation: i64,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// Whether the status is for this generation and says that the resource is ready.
pub fn is_ready(resource: &Resource, generation: i64) -> bool {
    resource.status.as_ref().is_some_and(|status| {
        let ready = |condition: &Condition| condition.kind == "Ready" && condition.status == "True";
        status.observed_generation == generation && status.conditions.iter().any(ready)
    })
}

/// The resources of this world's namespace.
pub fn api(world: &World) -> Api {
    Api::namespaced_with(world.client.clone(), &world.namespace, &kind())
}

/// The name of a resource.
pub fn name(number: usize) -> String {
    format!("line-{number:05}")
}

/// The connection id of a resource.
pub fn id(number: usize) -> String {
    format!("dxcon-{number:08}")
}

/// Creates this many connections, and a resource for each with the connection's current name.
pub async fn populate(world: &World, count: usize) {
    let api: &kube::Api<DynamicObject> = &kube::Api::namespaced_with(world.client.clone(), &world.namespace, &kind());
    stream::iter(0..count)
        .for_each_concurrent(AT_ONCE, |number| async move {
            let connection =
                Connection::new(&id(number), &format!("as it is {number}")).with_key(&format!("{number:064x}"));
            world.aws.add(REGION, connection);
            let manifest = json!({
                "apiVersion": format!("{GROUP}/{VERSION}"),
                "kind": KIND,
                "metadata": { "name": name(number) },
                "spec": { "connectionId": id(number), "connectionName": format!("as it is {number}") },
            });
            let object = serde_json::from_value(manifest).expect("it is an object");
            let made = api.create(&PostParams::default(), &object).await;
            made.unwrap_or_else(|error| panic!("{}: {error}", name(number)));
        })
        .await;
}

/// Changes the name in the spec of a resource, and returns the new generation.
pub async fn rename(api: &Api, number: usize, name_wanted: &str) -> i64 {
    let patch = Patch::Merge(json!({ "spec": { "connectionName": name_wanted } }));
    let patched = api.patch(&name(number), &PatchParams::default(), &patch).await;
    let patched = patched.unwrap_or_else(|error| panic!("{}: {error}", name(number)));
    patched.metadata.generation.expect("a resource has a generation")
}

/// Writes the same status to this many resources, as fast as the API server accepts it.
pub async fn flood(client: &Client, namespace: &str, count: usize, status: &Value) {
    let api: &Api = &Api::namespaced_with(client.clone(), namespace, &kind());
    let patch = &Patch::Merge(json!({ "status": status }));
    stream::iter(0..count)
        .for_each_concurrent(AT_ONCE, |number| async move {
            let patched = api.patch_status(&name(number), &PatchParams::default(), patch).await;
            patched.unwrap_or_else(|error| panic!("{}: {error}", name(number)));
        })
        .await;
}

const GROUP: &str = "directconnect-operator.dev";
const VERSION: &str = "v1alpha1";
const KIND: &str = "DirectConnectConnection";

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, KIND))
}
