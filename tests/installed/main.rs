//! The operator is installed as people install it, and runs as the service account of the installation. It uses every
//! permission that it was granted, and no other, as the API server's audit log shows.

mod installation;
mod rights;
mod work;

use direct_connect_simulator::Connection;
use installation::Installation;
use rights::Right;
use test_support::{REGION, wait};

#[tokio::test]
async fn installed_by_kubectl_it_does_all_of_its_work_with_exactly_its_rights() {
    let installation = Installation::by_kubectl().await;
    let leader = work::all_of_it(&installation, &["default"]).await;
    work::all_that_is_asked_of_its_metrics_is_there(&leader).await;
    installation.rights_and_work_agree().await;
}

#[tokio::test]
async fn installed_by_helm_it_does_all_of_its_work_with_exactly_its_rights() {
    let installation = Installation::by_helm(&["serviceAccount.name=circuits"], &[]).await;
    work::all_of_it(&installation, &["default"]).await;
    installation.rights_and_work_agree().await;
}

#[tokio::test]
async fn installed_by_helm_for_two_namespaces_it_uses_exactly_its_rights_in_each() {
    let namespaces = ["network", "lab"];
    let installation = Installation::by_helm(&["watchNamespaces={network,lab}"], &namespaces).await;
    work::all_of_it(&installation, &namespaces).await;
    installation.rights_and_work_agree().await;
}

#[tokio::test]
async fn a_right_too_many_and_a_right_too_few_are_found_out() {
    let installation = Installation::by_kubectl().await;
    installation.aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "old").with_key("aa"));
    let _operator = installation.start_operator(&installation.kubeconfig().await);
    work::rename(&installation, "default", "dxcon-aaaaaaaa", "new").await;
    installation.wait("Ready", "True", "default").await;

    let leases = r#"[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]"#;
    installation.patch("role", leases).await;
    let status = r#"[{"op":"replace","path":"/rules/1/verbs","value":["get"]}]"#;
    installation.patch("clusterrole", status).await;
    let resource = "directconnectconnections.directconnect-operator.dev/status";
    let write = Right { verb: "patch".to_owned(), resource: resource.to_owned(), name: None, namespace: None };
    installation.wait_until_allowed(&write, false).await;
    work::rename(&installation, "default", "dxcon-aaaaaaaa", "newer").await;

    let expected = [
        "granted and never used: delete leases.coordination.k8s.io in directconnect-operator".to_owned(),
        format!("granted and never used: get {resource}"),
        format!("refused: patch {resource} line in default"),
        format!("done without a right of its own: patch {resource} line in default"),
    ];
    wait::until(wait::SOON, format!("{expected:#?}"), async || {
        let found = installation.differences().await;
        if expected.iter().all(|line| found.contains(line)) { Ok(()) } else { Err(format!("{found:#?}")) }
    })
    .await;
}
