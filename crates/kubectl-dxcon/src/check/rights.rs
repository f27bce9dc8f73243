//! Checks the Kubernetes permissions of the user and of the operator.
//!
//! The needed permissions are read from the shipped manifests.

use directconnect_operator::api::DirectConnectConnection;
use directconnect_operator::kubernetes::words;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::PostParams;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Resource as _};
use serde::Deserialize;

use super::finding::{Finding, Outcome};
use super::installation::Installation;
use crate::cluster::Cluster;

/// The roles of the operator.
const RBAC: &str = include_str!("../../../../deploy/kustomize/base/rbac.yaml");
/// All objects of an installation.
const INSTALL: &str = include_str!("../../../../deploy/install.yaml");

/// The parts of a manifest that permissions depend on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    api_version: String,
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    rules: Vec<PolicyRule>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    namespace: Option<String>,
}

/// Checks whether the user may do what the other commands need.
pub async fn of_caller(cluster: &Cluster) -> Finding {
    let check = "your rights";
    let mut refused = Vec::new();
    let mut scope = "in all namespaces";
    for verb in ["list", "watch", "get", "patch"] {
        let wanted = |namespace: Option<&str>| ResourceAttributes {
            group: Some(DirectConnectConnection::group(&()).into_owned()),
            resource: Some(DirectConnectConnection::plural(&()).into_owned()),
            verb: Some(verb.to_owned()),
            namespace: namespace.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        let everywhere = may(cluster, wanted(None)).await;
        let allowed = match everywhere {
            Ok(false) => {
                scope = "in this namespace";
                may(cluster, wanted(Some(&cluster.namespace))).await
            }
            other => other,
        };
        match allowed {
            Ok(true) => {}
            Ok(false) => refused.push(verb),
            Err(error) => return Finding::note(check, format!("cannot be asked for: {}", words(&error))),
        }
    }
    let plural = DirectConnectConnection::plural(&());
    match refused.as_slice() {
        [] => Finding::ok(check, format!("you may read, pause, resume and reconcile {plural} {scope}")),
        ["patch"] => Finding::note(
            check,
            format!("you may read {plural}, and not patch them: pause, resume and reconcile need that"),
        ),
        verbs => Finding::problem(
            check,
            format!("you may not {} {plural} in namespace {}", verbs.join(", "), cluster.namespace),
            "ask for the role directconnect-operator-view or -edit of deploy/kustomize/base/rbac-people.yaml, or name another namespace with -n",
        ),
    }
}

/// Checks whether the operator's service account has all its permissions.
pub async fn of_operator(cluster: &Cluster, installation: &Installation) -> Finding {
    let check = "operator's rights";
    let Installation { namespace, account, .. } = installation;
    let user = format!("system:serviceaccount:{namespace}:{account}");
    let needed = needed(installation);
    let mut refused = Vec::new();
    for wanted in &needed {
        let spec = SubjectAccessReviewSpec {
            user: Some(user.clone()),
            groups: Some(vec![
                "system:authenticated".to_owned(),
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
            ]),
            resource_attributes: Some(wanted.clone()),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        match Api::all(cluster.client.clone()).create(&PostParams::default(), &review).await {
            Ok(review) if is_allowed(review.status.as_ref()) => {}
            Ok(_) => refused.push(describe(wanted)),
            Err(kube::Error::Api(answer)) if answer.code == 403 => {
                return Finding::note(check, "not checked: you may not create subjectaccessreviews");
            }
            Err(error) => return Finding::note(check, format!("cannot be asked for: {}", words(&error))),
        }
    }
    if refused.is_empty() {
        return Finding::ok(check, format!("{namespace}/{account} may do the {} things that it needs", needed.len()));
    }
    Finding::problem(
        check,
        format!("{namespace}/{account} may not {}", refused.join(", ")),
        "apply the roles and bindings of deploy/kustomize/base/rbac.yaml or of the chart, or name the operator's namespace with -n",
    )
}

/// Checks whether the user may create the objects of an installation.
pub async fn to_install(cluster: &Cluster, installation: &Installation) -> Finding {
    let check = "your rights";
    let mut refused = Vec::new();
    let wanted = made(installation);
    for wanted in &wanted {
        match may(cluster, wanted.clone()).await {
            Ok(true) => {}
            Ok(false) => refused.push(describe(wanted)),
            Err(error) => return Finding::note(check, format!("cannot be asked for: {}", words(&error))),
        }
    }
    if refused.is_empty() {
        return Finding::ok(check, format!("you may make all {} kinds of objects of an installation", wanted.len()));
    }
    let next = "have it installed by somebody who may, or ask for these rights";
    Finding {
        outcome: Outcome::Problem,
        ..Finding::problem(check, format!("you may not {}", refused.join(", ")), next)
    }
}

async fn may(cluster: &Cluster, wanted: ResourceAttributes) -> kube::Result<bool> {
    let spec =
        SelfSubjectAccessReviewSpec { resource_attributes: Some(wanted), ..SelfSubjectAccessReviewSpec::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let review = Api::all(cluster.client.clone()).create(&PostParams::default(), &review).await?;
    Ok(is_allowed(review.status.as_ref()))
}

fn is_allowed(status: Option<&SubjectAccessReviewStatus>) -> bool {
    status.is_some_and(|status| status.allowed)
}

/// Describes a permission.
fn describe(wanted: &ResourceAttributes) -> String {
    let word = |part: &Option<String>| part.clone().unwrap_or_default();
    let subresource = wanted.subresource.as_ref().map(|it| format!("/{it}")).unwrap_or_default();
    let scope = wanted.namespace.as_ref().map(|it| format!(" in {it}")).unwrap_or_default();
    format!("{} {}{subresource}{scope}", word(&wanted.verb), word(&wanted.resource))
}

fn manifests(text: &str) -> Vec<Manifest> {
    serde_saphyr::from_multiple(text).unwrap_or_default()
}

/// All permissions in the shipped roles, adapted to this installation.
fn needed(installation: &Installation) -> Vec<ResourceAttributes> {
    let mut needed = Vec::new();
    for Manifest { kind, rules, .. } in manifests(RBAC) {
        let namespaces: Vec<Option<String>> = match kind.as_str() {
            "ClusterRole" if installation.watched.is_empty() => vec![None],
            "ClusterRole" => installation.watched.iter().cloned().map(Some).collect(),
            _ => vec![Some(installation.lease_namespace.clone())],
        };
        for namespace in &namespaces {
            needed.extend(rules.iter().flat_map(|rule| rights(rule, namespace.as_deref(), installation)));
        }
    }
    needed
}

fn rights(rule: &PolicyRule, namespace: Option<&str>, installation: &Installation) -> Vec<ResourceAttributes> {
    let mut rights = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            let (resource, subresource) = resource
                .split_once('/')
                .map_or((resource.as_str(), None), |(resource, sub)| (resource, Some(sub.to_owned())));
            rights.extend(rule.verbs.iter().map(|verb| ResourceAttributes {
                group: Some(group.clone()),
                resource: Some(resource.to_owned()),
                subresource: subresource.clone(),
                verb: Some(verb.clone()),
                namespace: namespace.map(str::to_owned),
                // The only object that the roles name is the Lease.
                name: rule.resource_names.as_ref().map(|_| installation.lease.clone()),
                ..ResourceAttributes::default()
            }));
        }
    }
    rights
}

/// The permissions to create each kind of object of an installation.
fn made(installation: &Installation) -> Vec<ResourceAttributes> {
    let mut made: Vec<ResourceAttributes> = Vec::new();
    for Manifest { api_version, kind, metadata, .. } in manifests(INSTALL) {
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let wanted = ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind)).plural),
            verb: Some("create".to_owned()),
            namespace: metadata.namespace.map(|_| installation.namespace.clone()),
            ..ResourceAttributes::default()
        };
        if !made.contains(&wanted) {
            made.push(wanted);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(watched: &[&str]) -> Installation {
        Installation::for_tests("dx", watched)
    }

    #[test]
    fn what_the_operator_needs_is_what_the_shipped_roles_grant() {
        let all: Vec<String> = needed(&installation(&[])).iter().map(describe).collect();
        let expected = [
            "list directconnectconnections",
            "watch directconnectconnections",
            "patch directconnectconnections/status",
            "create events",
            "patch events",
            "create leases in dx",
            "get leases in dx",
            "update leases in dx",
        ];
        assert_eq!(all, expected);
        let some: Vec<String> = needed(&installation(&["a", "b"])).iter().map(describe).collect();
        assert!(
            some.contains(&"create events in b".to_owned()) && !some.contains(&"create events".to_owned()),
            "{some:?}"
        );
    }

    #[test]
    fn what_an_installation_makes_is_what_the_shipped_manifests_hold() {
        let made: Vec<String> = made(&installation(&[])).iter().map(describe).collect();
        for part in ["create customresourcedefinitions", "create clusterroles", "create deployments in dx"] {
            assert!(made.contains(&part.to_owned()), "{part}: {made:?}");
        }
    }
}
