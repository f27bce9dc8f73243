//! The permissions of the shipped manifests, granted to a service account of one test.

use crate::{repository, wait};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The roles and bindings of an installation: `deploy/kustomize/base/rbac.yaml`.
pub fn shipped_rbac() -> String {
    let path = repository("deploy/kustomize/base/rbac.yaml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Creates the objects of the manifests in the namespace, and returns a token of their service account.
pub(crate) async fn grant(client: &Client, namespace: &str, manifests: &str) -> String {
    let mut account = None;
    for manifest in documents(manifests) {
        let Some(object) = relocate(manifest, namespace) else {
            continue;
        };
        let made = create(client, &object).await;
        if object["kind"] == "ServiceAccount" {
            account = Some(made.name_any());
        }
    }
    let account = account.expect("the manifests have a service account");
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await;
    answer.expect("a token can be had").status.expect("the token is there").token
}

/// Returns when the authorizer, which receives roles by a watch, knows all of them.
pub(crate) async fn wait_until_granted(client: Client, namespace: &str, manifests: &str) {
    let wanted: BTreeSet<String> = documents(manifests)
        .iter()
        .flat_map(|manifest| manifest["rules"].as_array().cloned().unwrap_or_default())
        .flat_map(|rule| rule["resources"].as_array().cloned().unwrap_or_default())
        .filter_map(|resource| resource.as_str().map(str::to_owned))
        .collect();
    let reviews: Api<SelfSubjectRulesReview> = Api::all(client);
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) };
    let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
    wait::until(wait::SOON, "the rights of the manifests", async || {
        let answer = reviews.create(&PostParams::default(), &review).await.map_err(|error| error.to_string())?;
        let rules = answer.status.map(|status| status.resource_rules).unwrap_or_default();
        let granted: BTreeSet<String> = rules.into_iter().filter_map(|rule| rule.resources).flatten().collect();
        let missing: Vec<&String> = wanted.difference(&granted).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("no rights to {missing:?}")) }
    })
    .await;
}

fn documents(manifests: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(manifests).expect("the manifests are YAML")
}

/// A manifest adapted to this namespace: names of cluster roles contain the namespace, so that namespaces do not share
/// them. `None` for manifests that are not about permissions.
fn relocate(mut manifest: Value, namespace: &str) -> Option<Value> {
    let kind = manifest["kind"].as_str().unwrap_or_default().to_owned();
    let own = |name: &Value| json!(format!("{}-{namespace}", name.as_str().unwrap_or_default()));
    match kind.as_str() {
        "ServiceAccount" | "Role" | "RoleBinding" => manifest["metadata"]["namespace"] = json!(namespace),
        "ClusterRole" | "ClusterRoleBinding" => manifest["metadata"]["name"] = own(&manifest["metadata"]["name"]),
        _ => return None,
    }
    if manifest["roleRef"]["kind"] == "ClusterRole" {
        manifest["roleRef"]["name"] = own(&manifest["roleRef"]["name"]);
    }
    for subject in manifest.pointer_mut("/subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if subject["kind"] == "ServiceAccount" {
            subject["namespace"] = json!(namespace);
        }
    }
    Some(manifest)
}

async fn create(client: &Client, object: &Value) -> DynamicObject {
    let (group, version) = object["apiVersion"].as_str().and_then(|it| it.split_once('/')).unwrap_or(("", "v1"));
    let kind = object["kind"].as_str().expect("every manifest has a kind");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let object: DynamicObject = serde_json::from_value(object.clone()).expect("the manifest is an object");
    api.create(&PostParams::default(), &object).await.unwrap_or_else(|error| panic!("{kind}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_move_into_the_namespace() {
        let cases = [
            (json!({"kind": "Namespace", "metadata": {"name": "system"}}), None),
            (
                json!({"kind": "ServiceAccount", "metadata": {"name": "it", "namespace": "system"}}),
                Some(json!({"kind": "ServiceAccount", "metadata": {"name": "it", "namespace": "ns"}})),
            ),
            (
                json!({"kind": "ClusterRole", "metadata": {"name": "it"}, "rules": []}),
                Some(json!({"kind": "ClusterRole", "metadata": {"name": "it-ns"}, "rules": []})),
            ),
            (
                json!({
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": "it"},
                    "roleRef": {"kind": "ClusterRole", "name": "it"},
                    "subjects": [{"kind": "ServiceAccount", "name": "it", "namespace": "system"}],
                }),
                Some(json!({
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": "it-ns"},
                    "roleRef": {"kind": "ClusterRole", "name": "it-ns"},
                    "subjects": [{"kind": "ServiceAccount", "name": "it", "namespace": "ns"}],
                })),
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(relocate(given, "ns"), expected);
        }
    }
}
