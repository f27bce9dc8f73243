//! Finds out where the operator is installed, and with which settings.

use directconnect_operator::kubernetes::words;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::finding::Finding;
use crate::cluster::Cluster;

const CHECK: &str = "Deployment";

/// The name of all objects in the shipped manifests.
const SHIPPED: &str = "directconnect-operator";

/// Where the operator is installed, according to its Deployment. If none is found, the values of the shipped manifests.
pub struct Installation {
    /// Its namespace.
    pub namespace: String,
    /// Its service account.
    pub account: String,
    /// Name of its Lease.
    pub lease: String,
    /// Namespace of its Lease.
    pub lease_namespace: String,
    /// Whether it acts without a Lease (`--leader-elect=false`).
    pub acts_without_lease: bool,
    /// The namespaces that it watches; empty for all.
    pub watched: Vec<String>,
    finding: Finding,
}

impl Installation {
    /// Looks for the Deployment in this namespace, or in all.
    pub async fn find(cluster: &Cluster, namespace: Option<&str>) -> Self {
        let deployments: Api<Deployment> = match namespace {
            Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
            None => Api::all(cluster.client.clone()),
        };
        let scope = namespace.map_or_else(|| "any namespace".to_owned(), |namespace| format!("namespace {namespace}"));
        let namespace = namespace.unwrap_or(SHIPPED);
        match labelled(&deployments).await {
            Ok(found) => match found.as_slice() {
                [one] => Self::of(one, &cluster.context_flag),
                [] => Self::shipped(
                    namespace,
                    Finding::note(CHECK, format!("none with the label of the operator is in {scope}")),
                ),
                many => Self::shipped(
                    namespace,
                    Finding {
                        next: Some("name the namespace of one with -n".to_owned()),
                        ..Finding::note(CHECK, format!("there are {} of the operator in {scope}", many.len()))
                    },
                ),
            },
            Err(error) => Self::shipped(namespace, Finding::note(CHECK, format!("cannot be read: {}", words(&error)))),
        }
    }

    /// The finding about the Deployment.
    pub fn finding(&self) -> Finding {
        self.finding.clone()
    }

    fn shipped(namespace: &str, finding: Finding) -> Self {
        Self {
            namespace: namespace.to_owned(),
            account: SHIPPED.to_owned(),
            lease: SHIPPED.to_owned(),
            lease_namespace: namespace.to_owned(),
            acts_without_lease: false,
            watched: Vec::new(),
            finding,
        }
    }

    /// `flag` is the end of commands that are printed.
    fn of(deployment: &Deployment, flag: &str) -> Self {
        let namespace = deployment.namespace().unwrap_or_default();
        let spec = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        let containers = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
        let setting = |flag| containers.iter().flat_map(|container| setting(container, flag)).collect::<Vec<_>>();
        let only = |flag, default: &str| setting(flag).pop().unwrap_or_else(|| default.to_owned());
        let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
        let name = format!("{}/{}", namespace, deployment.name_any());
        let finding = if ready > 0 {
            Finding::ok(CHECK, format!("{name} has {ready} ready"))
        } else {
            let next = format!(
                "`kubectl describe deployment {} --namespace {namespace}{flag}` says why",
                deployment.name_any()
            );
            Finding::problem(CHECK, format!("{name} has no Pod that is ready"), next)
        };
        Self {
            account: spec.and_then(|spec| spec.service_account_name.clone()).unwrap_or_else(|| "default".to_owned()),
            lease: only("--lease-name", SHIPPED),
            lease_namespace: only("--lease-namespace", &namespace),
            acts_without_lease: only("--leader-elect", "true") == "false",
            watched: setting("--watch-namespace"),
            namespace,
            finding,
        }
    }
}

/// The Deployments of the chart, which have a label that no value changes, and those of other manifests.
async fn labelled(deployments: &Api<Deployment>) -> kube::Result<Vec<Deployment>> {
    let (chart, name) = ("app.kubernetes.io/part-of", "app.kubernetes.io/name");
    let mut found = Vec::new();
    for labels in [format!("{chart}={SHIPPED}"), format!("{name}={SHIPPED},{chart}!={SHIPPED}")] {
        found.extend(deployments.list(&ListParams::default().labels(&labels)).await?);
    }
    Ok(found)
}

/// The values of a flag of a container: from its arguments, or else from the environment variable of the same name.
fn setting(container: &Container, flag: &str) -> Vec<String> {
    let arguments = container.args.as_deref().unwrap_or_default();
    let joined = arguments.iter().filter_map(|argument| argument.strip_prefix(flag)?.strip_prefix('='));
    let apart = arguments.windows(2).filter_map(|pair| match pair {
        [name, value] if name == flag => Some(value.as_str()),
        _ => None,
    });
    let mut values: Vec<&str> = joined.chain(apart).collect();
    if values.is_empty() {
        let variable = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
        let variables = container.env.as_deref().unwrap_or_default();
        values.extend(variables.iter().filter(|it| it.name == variable).filter_map(|it| it.value.as_deref()));
    }
    values.into_iter().flat_map(|value| value.split(',')).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
impl Installation {
    /// An installation in this namespace that watches these namespaces.
    pub fn for_tests(namespace: &str, watched: &[&str]) -> Self {
        let watched = watched.iter().map(|&it| it.to_owned()).collect();
        Self { watched, ..Self::shipped(namespace, Finding::ok(CHECK, "")) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Outcome;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_says_where_the_operator_is_and_what_it_serves() {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": { "name": "dx", "namespace": "net-system" },
            "spec": { "selector": {}, "template": { "spec": { "serviceAccountName": "dx", "containers": [{ "name": "operator",
                "args": ["run", "--lease-name=dx-lease", "--watch-namespace", "one,two", "--watch-namespace=three"],
                "env": [{ "name": "LEASE_NAMESPACE", "value": "leases" }] }] } } },
            "status": { "readyReplicas": 1 },
        }))
        .expect("it is a Deployment");
        let found = Installation::of(&deployment, "");
        assert_eq!((found.namespace.as_str(), found.account.as_str()), ("net-system", "dx"));
        assert_eq!((found.lease.as_str(), found.lease_namespace.as_str()), ("dx-lease", "leases"));
        assert_eq!(found.watched, ["three", "one", "two"]);
        assert!(!found.acts_without_lease);
        for way in [
            json!({ "args": ["run", "--leader-elect=false"] }),
            json!({ "env": [{ "name": "LEADER_ELECT", "value": "false" }] }),
        ] {
            let container = json!({ "name": "operator", "args": way["args"], "env": way["env"] });
            let spec = json!({ "selector": {}, "template": { "spec": { "containers": [container] } } });
            let alone: Deployment = serde_json::from_value(json!({ "metadata": { "name": "dx" }, "spec": spec }))
                .expect("it is a Deployment");
            assert!(Installation::of(&alone, "").acts_without_lease, "{way}");
        }
        assert_eq!(found.finding().outcome, Outcome::Ok);
    }
}
