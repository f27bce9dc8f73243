//! Compares what was planned with what the operator did.

use std::collections::BTreeMap;

use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use test_support::{Manifest, REGION, Resource, World, wait};

use crate::typed::{Printed, dxcon};

/// A connection in AWS and the manifests for it.
pub struct Case {
    /// Name of the case.
    pub name: &'static str,
    /// The connection in AWS, if it exists.
    pub connection: Option<Connection>,
    /// The manifests, in the order in which they are applied.
    pub manifests: Vec<Manifest>,
}

/// The manifests of these cases as one text with many documents.
pub fn text<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> String {
    let documents: Vec<String> = manifests.into_iter().map(|manifest| manifest.json().to_string()).collect();
    format!("---\n{}\n", documents.join("\n---\n"))
}

/// `plan -o json` for these manifests against the AWS of a world.
pub fn planned(world: &World, manifests: &str, arguments: &[&str]) -> (Printed, Value) {
    let printed = typed(world, manifests, &[&["-o", "json"], arguments].concat());
    let plan = serde_json::from_str(&printed.out).unwrap_or_else(|error| panic!("{error}: {printed:#?}"));
    (printed, plan)
}

/// `plan --cluster -o FORMAT` for these manifests, as people read it.
pub fn planned_as(world: &World, format: &str, manifests: &str) -> Printed {
    typed(world, manifests, &["--cluster", "-o", format])
}

fn typed(world: &World, manifests: &str, arguments: &[&str]) -> Printed {
    let all = [&["plan", "-n", &world.namespace], arguments].concat();
    dxcon(all).aws(&world.aws.endpoint()).cluster(&world.kubeconfig).with_input(manifests)
}

/// For each resource by name: the final verdict, and the updates that are sent for it.
pub fn by_name(plan: &Value) -> BTreeMap<String, Value> {
    let entries = plan["connections"].as_array().into_iter().flatten();
    entries.map(|entry| (entry["name"].as_str().unwrap_or_default().to_owned(), entry.clone())).collect()
}

/// The updates that a plan contains for one connection, as parameters of `UpdateConnection`.
pub fn updates(plan: &Value, id: &str) -> Vec<Value> {
    let entries = plan["connections"].as_array().into_iter().flatten();
    let steps =
        entries.filter(|entry| entry["connectionId"] == id).filter_map(|entry| entry["steps"].as_array()).flatten();
    let mut sent: Vec<(u64, Value)> = steps
        .filter(|step| step["step"] == "update")
        .map(|step| {
            let mut parameters = json!({ "connectionId": id });
            for field in ["connectionName", "encryptionMode"] {
                if let Some(to) = step[field]["to"].as_str() {
                    parameters[field] = to.into();
                }
            }
            (step["order"].as_u64().unwrap_or_default(), parameters)
        })
        .collect();
    sent.sort_by_key(|(order, _)| *order);
    sent.into_iter().map(|(_, parameters)| parameters).collect()
}

/// Creates the cases in a world whose operator is not running yet, and compares the operator with the plan for them.
pub async fn holds(world: &mut World, cases: &[Case]) {
    for connection in cases.iter().filter_map(|case| case.connection.clone()) {
        world.aws.add(REGION, connection);
    }
    let manifests: Vec<Manifest> = cases.iter().flat_map(|case| case.manifests.clone()).collect();
    let plan = plan_for(world, &manifests, &[]);
    for manifest in &manifests {
        world.apply(manifest.clone()).await;
    }
    world.start_operator();
    is_done(world, &plan, &manifests).await;
}

/// Plans a change of the specs, applies it while the operator runs, and compares what it does with the plan.
pub async fn holds_on(world: &World, manifests: &[Manifest]) {
    let plan = plan_for(world, manifests, &["--cluster"]);
    for manifest in manifests {
        world.apply(manifest.clone()).await;
    }
    is_done(world, &plan, manifests).await;
}

fn plan_for(world: &World, manifests: &[Manifest], arguments: &[&str]) -> Value {
    let (printed, plan) = planned(world, &text(manifests), arguments);
    assert_eq!(plan["refused"], json!([]), "{printed:#?}");
    world.aws.clear_calls();
    plan
}

/// Waits until the operator reports what was planned, and asserts that it has sent exactly what was planned.
async fn is_done(world: &World, plan: &Value, manifests: &[Manifest]) {
    for (name, entry) in by_name(plan) {
        let said = |resource: &Resource| {
            let ready = resource.condition("Ready").map(|ready| (ready.reason, ready.message));
            let (reason, message) = ready.unwrap_or_default();
            let is_so = resource.is_observed() && entry["reason"] == reason && entry["message"] == message;
            if is_so { Ok(()) } else { Err(format!("{name}: {reason}: {message}; planned was {entry:#}")) }
        };
        wait::until(wait::SOON, format!("{name} to say what was planned"), async || said(&world.get(&name).await))
            .await;
    }
    world.polls(3).await;
    for manifest in manifests {
        let id = &manifest.json()["spec"]["connectionId"];
        let done = world.updates().into_iter().filter(|call| call.parameter("connectionId") == id.as_str());
        let done: Vec<Value> = done.map(|call| call.parameters).collect();
        let id = id.as_str().expect("an id is text");
        assert_eq!(done, updates(plan, id), "what was sent to {id} is not what was planned: {plan:#}");
    }
}
