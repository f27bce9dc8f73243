//! Checks whether the CRD is installed and belongs to this release.

use std::collections::BTreeSet;

use directconnect_operator::api::{DirectConnectConnection, crd};
use directconnect_operator::kubernetes::words;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::api::ListParams;
use kube::{Api, CustomResourceExt as _, Resource as _};

use super::finding::Finding;
use crate::cluster::Cluster;

const CHECK: &str = "CRD";

/// The largest number of fields that a message names.
const MAX_NAMED: usize = 5;

/// Checks whether the CRD is installed, is established, and has the fields that this program knows.
pub async fn check(cluster: &Cluster) -> Finding {
    let (name, flag) = (DirectConnectConnection::crd_name(), cluster.context_flag.as_str());
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    match definitions.get_opt(name).await {
        Ok(Some(installed)) => judge(&installed, &crd(), flag),
        Ok(None) => Finding::problem(CHECK, format!("{name} is not installed"), install(flag)),
        Err(kube::Error::Api(answer)) if answer.code == 403 => {
            if is_served(cluster).await {
                Finding::note(CHECK, format!("{name} is served; its versions may not be read by you"))
            } else {
                Finding::note(CHECK, format!("may not be read by you: {answer}"))
            }
        }
        Err(error) => Finding::note(CHECK, format!("cannot be read: {}", words(&error))),
    }
}

/// Whether the API server serves the resource, even if the user may not list it.
pub async fn is_served(cluster: &Cluster) -> bool {
    let listed = cluster.resources(true).list(&ListParams::default().limit(1)).await;
    !matches!(listed, Err(kube::Error::Api(answer)) if answer.code == 404)
}

fn install(flag: &str) -> String {
    format!(
        "install that of the operator's release: directconnect-operator crd | kubectl apply --server-side -f -{flag}"
    )
}

/// `flag` is the end of commands that are printed.
fn judge(installed: &CustomResourceDefinition, this_release: &CustomResourceDefinition, flag: &str) -> Finding {
    let conditions = installed.status.as_ref().and_then(|status| status.conditions.as_ref());
    let is_established = conditions.into_iter().flatten().any(|it| it.type_ == "Established" && it.status == "True");
    let served: Vec<&str> = installed.spec.versions.iter().filter(|it| it.served).map(|it| it.name.as_str()).collect();
    let version = DirectConnectConnection::version(&());
    if !served.contains(&&*version) {
        let message = format!(
            "serves {} and not {version}",
            if served.is_empty() { "nothing".into() } else { served.join(", ") }
        );
        return Finding::problem(CHECK, message, install(flag));
    }
    if !is_established {
        let name = DirectConnectConnection::crd_name();
        let next = format!("`kubectl describe crd {name}{flag}` says why");
        return Finding::problem(CHECK, "is not established", next);
    }
    let (there, here) = (fields(installed, &version), fields(this_release, &version));
    let lacks: Vec<&String> = here.difference(&there).collect();
    if !lacks.is_empty() {
        return Finding::problem(
            CHECK,
            format!("is older than this program: it lacks {}", named(&lacks)),
            install(flag),
        );
    }
    let more: Vec<&String> = there.difference(&here).collect();
    let message = format!("serves {}", served.join(", "));
    if more.is_empty() {
        return Finding::ok(CHECK, format!("{message}, with the fields of this release"));
    }
    let message = format!("{message}, and is newer than this program, which does not know {}", named(&more));
    Finding { next: Some("update kubectl-dxcon".to_owned()), ..Finding::note(CHECK, message) }
}

fn named(fields: &[&String]) -> String {
    let words: Vec<&str> = fields.iter().take(MAX_NAMED).map(|field| field.as_str()).collect();
    let more = fields.len().saturating_sub(MAX_NAMED);
    if more == 0 { words.join(", ") } else { format!("{} and {more} more", words.join(", ")) }
}

/// The paths of all fields of a version.
fn fields(crd: &CustomResourceDefinition, version: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let version = crd.spec.versions.iter().find(|it| it.name == version);
    if let Some(schema) = version.and_then(|it| it.schema.as_ref()?.open_api_v3_schema.as_ref()) {
        for part in ["spec", "status"] {
            if let Some(schema) = schema.properties.as_ref().and_then(|properties| properties.get(part)) {
                collect(schema, part, &mut fields);
            }
        }
    }
    fields
}

fn collect(schema: &JSONSchemaProps, path: &str, fields: &mut BTreeSet<String>) {
    for (name, child) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        collect(child, &path, fields);
        fields.insert(path);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        collect(items, &format!("{path}[]"), fields);
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Outcome;
    use super::*;
    use serde_json::{Value, json};

    fn installed(change: impl FnOnce(&mut Value)) -> CustomResourceDefinition {
        let mut definition = serde_json::to_value(crd()).expect("it is JSON");
        definition["status"] = json!({ "conditions": [{ "type": "Established", "status": "True",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "InitialNamesAccepted", "message": "" }] });
        change(&mut definition);
        serde_json::from_value(definition).expect("it is a CRD")
    }

    fn properties(definition: &mut Value) -> &mut serde_json::Map<String, Value> {
        let spec = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec["properties"].as_object_mut().expect("it has properties")
    }

    #[test]
    fn a_crd_is_told_older_or_newer_by_its_fields() {
        type Change = fn(&mut Value);
        let cases: [(Change, Outcome, &str); 5] = [
            (|_| {}, Outcome::Ok, "serves v1alpha1"),
            (
                |it| drop(properties(it).remove("region")),
                Outcome::Problem,
                "older than this program: it lacks spec.region",
            ),
            (
                |it| drop(properties(it).insert("mtu".to_owned(), json!({ "type": "integer" }))),
                Outcome::Note,
                "does not know spec.mtu",
            ),
            (
                |it| it["spec"]["versions"][0]["served"] = json!(false),
                Outcome::Problem,
                "serves nothing and not v1alpha1",
            ),
            (|it| it["status"] = json!({}), Outcome::Problem, "not established"),
        ];
        for (change, outcome, words) in cases {
            let finding = judge(&installed(change), &crd(), "");
            assert_eq!(finding.outcome, outcome, "{finding:?}");
            assert!(finding.message.contains(words), "{words}: {finding:?}");
        }
    }
}
