//! Resources and connections in numbers.

use direct_connect_simulator::Connection;
use futures::{StreamExt, stream};
use kube::Client;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Object, Patch, PatchParams, PostParams};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_support::{REGION, World};

/// Requests at once, of what prepares a scenario, of the flood and of who changes many specs: as many as the operator and the
/// Go controller have workers.
pub const AT_ONCE: usize = 16;

/// Resources of a namespace.
pub type Api = kube::Api<Resource>;

/// As much of a resource as is looked at.
pub type Resource = Object<Spec, Status>;

/// Nothing of a spec is looked at.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Spec {}

/// As much of a status as is looked at.
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

/// Whether the status is of this generation and says that it is ready.
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

/// The id of a resource's connection.
pub fn id(number: usize) -> String {
    format!("dxcon-{number:08}")
}

/// Makes so many connections, and a resource for each that wants the name that its connection has.
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

/// Wants another name for a connection, and tells the generation of that wish.
pub async fn rename(api: &Api, number: usize, name_wanted: &str) -> i64 {
    let patch = Patch::Merge(json!({ "spec": { "connectionName": name_wanted } }));
    let patched = api.patch(&name(number), &PatchParams::default(), &patch).await;
    let patched = patched.unwrap_or_else(|error| panic!("{}: {error}", name(number)));
    patched.metadata.generation.expect("a resource has a generation")
}

/// Writes one and the same status to so many resources, as fast as the API server takes it.
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
