//! Checks whether a process of the operator is leading.

use directconnect_operator::kubernetes::words;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::jiff::Timestamp;
use kube::Api;

use super::finding::Finding;
use super::installation::Installation;
use crate::cluster::Cluster;

const CHECK: &str = "Lease";

/// Checks who holds the Lease, and whether it is renewed.
pub async fn check(cluster: &Cluster, installation: &Installation) -> Finding {
    if installation.acts_without_lease {
        return Finding::ok(CHECK, "none is taken, since --leader-elect is false");
    }
    let Installation { lease, lease_namespace: namespace, .. } = installation;
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), namespace);
    let name = format!("{namespace}/{lease}");
    match leases.get_opt(lease).await {
        Ok(Some(found)) => {
            let pods = format!("kubectl get pods --namespace {}{}", installation.namespace, cluster.context_flag);
            judge(&name, &found.spec.unwrap_or_default(), &pods, Timestamp::now())
        }
        Ok(None) => Finding::problem(
            CHECK,
            format!("{name} does not exist, so the operator has never run there"),
            "start the operator, or name its namespace with -n",
        ),
        Err(error) => Finding::note(CHECK, format!("cannot be read: {}", words(&error))),
    }
}

/// `pods` is the command that lists the Pods of the operator.
fn judge(name: &str, lease: &LeaseSpec, pods: &str, now: Timestamp) -> Finding {
    let next = format!("see why no process of the operator leads: `{pods}`, and their logs");
    let Some(holder) = lease.holder_identity.as_deref().filter(|holder| !holder.is_empty()) else {
        return Finding::problem(CHECK, format!("{name} is held by nobody"), next);
    };
    let Some(renewed) = &lease.renew_time else {
        return Finding::problem(CHECK, format!("{name} of {holder} was never renewed"), next);
    };
    let age = (now.as_second() - renewed.0.as_second()).max(0);
    let lasts = i64::from(lease.lease_duration_seconds.unwrap_or_default());
    let message = format!("{name} is held by {holder}, renewed {age} s ago");
    if age > lasts {
        return Finding::problem(CHECK, format!("{message}, and has run out after {lasts} s"), next);
    }
    Finding::ok(CHECK, message)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Outcome;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lease_counts_while_it_is_held_and_renewed() {
        let now = "2026-01-01T00:01:00Z".parse().expect("it is a time");
        let cases = [
            (
                json!({ "holderIdentity": "pod", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:55.000000Z" }),
                Outcome::Ok,
            ),
            (
                json!({ "holderIdentity": "pod", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:01:05.000000Z" }),
                Outcome::Ok,
            ),
            (
                json!({ "holderIdentity": "pod", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:30.000000Z" }),
                Outcome::Problem,
            ),
            (json!({ "holderIdentity": "pod", "leaseDurationSeconds": 15 }), Outcome::Problem),
            (json!({ "holderIdentity": "", "renewTime": "2026-01-01T00:00:59.000000Z" }), Outcome::Problem),
            (json!({}), Outcome::Problem),
        ];
        for (spec, expected) in cases {
            let lease = serde_json::from_value(spec.clone()).expect("it is the spec of a Lease");
            assert_eq!(judge("ns/name", &lease, "kubectl get pods", now).outcome, expected, "{spec}");
        }
    }
}
