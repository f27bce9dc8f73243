//! The operator's kubeconfig in tests has the permissions of the manifests in its own namespace, and no others.

use serde_json::Value;
use test_support::{ControlPlane, shipped_rbac};

const MANIFESTS: &str = "
apiVersion: v1
kind: Namespace
metadata:
  name: elsewhere
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: reader
  namespace: elsewhere
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: reader
rules:
- apiGroups: ['']
  resources: [configmaps]
  verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: reader
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: reader
subjects:
- kind: ServiceAccount
  name: reader
  namespace: elsewhere
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: reader
  namespace: elsewhere
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: reader
  namespace: elsewhere
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: reader
subjects:
- kind: ServiceAccount
  name: reader
  namespace: elsewhere
";

#[tokio::test]
async fn a_service_account_has_the_rights_of_the_manifests_and_no_more() {
    let audit = std::env::temp_dir().join(format!("audit-{}.jsonl", std::process::id()));
    let control_plane = ControlPlane::start_audited(&audit).await;
    let own = control_plane.namespace().await;
    let other = control_plane.namespace().await;
    let kubeconfig = control_plane.service_account_kubeconfig(&own, MANIFESTS).await;
    let kubeconfig = kubeconfig.to_str().expect("its path is text");
    let can = async |verb: &str, resource: &str, namespace: &str| {
        let asked = ["--kubeconfig", kubeconfig, "auth", "can-i", verb, resource, "--namespace", namespace];
        let said = control_plane.kubectl(&asked, "").await;
        match said.stdout.trim() {
            "yes" => true,
            "no" => false,
            _ => panic!("neither yes nor no: {said:?}"),
        }
    };

    assert!(can("list", "configmaps", &own).await);
    assert!(can("list", "configmaps", &other).await, "a role of the cluster holds everywhere");
    assert!(!can("get", "configmaps", &own).await);
    assert!(can("list", "leases.coordination.k8s.io", &own).await, "a role moved into the namespace");
    assert!(!can("list", "leases.coordination.k8s.io", &other).await);

    drop(control_plane);
    let log = std::fs::read_to_string(&audit).expect("the API server wrote an audit log");
    std::fs::remove_file(&audit).expect("it can be removed");
    let user = format!("system:serviceaccount:{own}:reader");
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert!(records.filter(|record| record["user"]["username"] == user.as_str()).count() > 0, "it names {user}");
}

#[tokio::test]
async fn the_shipped_manifests_are_granted_too() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace().await;
    let kubeconfig = control_plane.service_account_kubeconfig(&namespace, &shipped_rbac()).await;
    let kubeconfig = kubeconfig.to_str().expect("its path is text");
    for (verb, resource, answer) in [("create", "events.events.k8s.io", "yes"), ("list", "secrets", "no")] {
        let asked = ["--kubeconfig", kubeconfig, "auth", "can-i", verb, resource];
        assert_eq!(control_plane.kubectl(&asked, "").await.stdout.trim(), answer, "{verb} {resource}");
    }
}
