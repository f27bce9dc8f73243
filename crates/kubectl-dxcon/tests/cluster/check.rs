//! `check`.

use std::sync::Arc;

use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::{Value, json};
use test_support::{ControlPlane, REGION, World, connection};

use crate::typed::Printed;
use crate::{ONE, dxcon, in_sync, run, typed};

/// The finding of one check.
#[track_caller]
fn finding(printed: &Printed, check: &str) -> Value {
    let report = crate::json(printed);
    let checks = report["checks"].as_array().expect("there are checks");
    let found = checks.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("{check} was not checked: {report:#}")).clone()
}

/// The message of a check that has this outcome.
#[track_caller]
fn assert_finding(printed: &Printed, check: &str, outcome: &str, words: &str) {
    let finding = finding(printed, check);
    assert_eq!(finding["outcome"], outcome, "{finding:#}");
    assert!(finding["message"].as_str().is_some_and(|it| it.contains(words)), "{words}: {finding:#}");
    assert_eq!(outcome == "problem", finding.get("next").is_some(), "a problem has a next step: {finding:#}");
}

async fn lease_is_held(world: &World) {
    let lease = ["get", "lease", "-n", &world.namespace, "directconnect-operator"];
    world.control_plane.kubectl(&lease, "").await.text();
}

#[tokio::test]
async fn an_installation_that_works_has_no_problem() {
    let world = in_sync().await;
    lease_is_held(&world).await;
    let printed = typed(&world, &["check", "-o", "json"]).await;
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""), "{}", printed.out);
    let report = crate::json(&printed);
    assert_eq!(
        (&report["apiVersion"], &report["kind"]),
        (&"dxcon.directconnect-operator.dev/v1".into(), &"CheckReport".into())
    );
    assert_eq!(report["ok"], true);
    for (check, words) in [
        ("API server", "Kubernetes v1."),
        ("CRD", "serves v1alpha1, with the fields of this release"),
        ("your rights", "in all namespaces"),
        ("operator's rights", "may do the 8 things that it needs"),
        ("Lease", "renewed"),
        ("AWS credentials", "there are some"),
        ("AWS account", "123456789012"),
        ("read eu-central-1", "1 connections"),
        ("clock", "agrees"),
    ] {
        assert_finding(&printed, check, "ok", words);
    }
    let printed = typed(&world, &["check"]).await;
    assert!(printed.out.ends_with("\nNo problem was found.\n"), "{}", printed.out);
    assert!(!printed.out.contains('\u{1b}'), "a pipe gets plain text");
}

#[tokio::test]
async fn each_region_that_a_resource_names_is_read_once_and_a_refused_one_is_a_problem() {
    let world = World::builder().without_operator().build().await;
    world.aws.add("eu-west-1", Connection::new(ONE, "Dublin"));
    world.apply(connection("line").id(ONE).region("eu-west-1")).await;
    let denied = Fault::new(FaultKind::AccessDenied).on("DescribeConnections").in_region("eu-central-1");
    world.aws.inject(denied);
    let printed = typed(&world, &["check", "-o", "json"]).await;
    assert_eq!(printed.code, Some(1));
    assert_finding(&printed, "read eu-west-1", "ok", "1 connections");
    assert_finding(&printed, &format!("read {REGION}"), "problem", "directconnect:DescribeConnections");
    let printed = typed(&world, &["check", "-o", "json", "--region", "eu-west-1"]).await;
    let report = crate::json(&printed);
    assert!(!report.to_string().contains("read eu-central-1"), "{report:#}");
}

#[tokio::test]
async fn a_lease_that_has_run_out_is_a_problem() {
    let mut world = in_sync().await;
    lease_is_held(&world).await;
    world.stop_operator();
    let patch = json!({ "spec": { "renewTime": "2026-01-01T00:00:00.000000Z" } }).to_string();
    let arguments =
        ["patch", "lease", "-n", &world.namespace, "directconnect-operator", "--type", "merge", "--patch", &patch];
    world.control_plane.kubectl(&arguments, "").await.text();
    let printed = typed(&world, &["check", "-o", "json"]).await;
    assert_eq!(printed.code, Some(1));
    assert_finding(&printed, "Lease", "problem", "has run out after 15 s");
}

#[tokio::test]
async fn an_operator_that_has_never_run_is_a_problem() {
    let world = World::builder().without_operator().build().await;
    let printed = typed(&world, &["check", "-o", "json"]).await;
    assert_eq!(printed.code, Some(1));
    assert_finding(&printed, "Lease", "problem", "has never run there");
}

/// Makes a Deployment of the operator with this label, whose Lease has a name of its own, and checks.
async fn check_beside_deployment(label: &str) -> Printed {
    let world = World::builder().without_operator().build().await;
    let labels = json!({ label: "directconnect-operator" });
    let container = json!({ "name": "operator", "image": "x", "args": ["run", "--lease-name=of-its-own"] });
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "dx", "labels": labels },
        "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels },
            "spec": { "serviceAccountName": "somebody", "containers": [container] } } } });
    world.control_plane.kubectl(&["apply", "-n", &world.namespace, "-f", "-"], &deployment.to_string()).await.text();
    typed(&world, &["check", "-o", "json"]).await
}

#[tokio::test]
async fn what_the_deployment_says_of_the_operator_is_followed() {
    let printed = check_beside_deployment("app.kubernetes.io/name").await;
    assert_finding(&printed, "Deployment", "problem", "/dx has no Pod that is ready");
    assert_finding(&printed, "Lease", "problem", "/of-its-own does not exist");
    assert_finding(&printed, "operator's rights", "problem", "/somebody may not list directconnectconnections");
}

#[tokio::test]
async fn a_deployment_of_the_chart_is_found_whatever_its_name() {
    let printed = check_beside_deployment("app.kubernetes.io/part-of").await;
    assert_finding(&printed, "Deployment", "problem", "/dx has no Pod that is ready");
    assert_finding(&printed, "Lease", "problem", "/of-its-own does not exist");
}

#[tokio::test]
async fn rights_that_the_operator_lacks_are_named() {
    let world = World::builder().without_operator().build().await;
    let binding = format!("directconnect-operator-{}", world.namespace);
    world.control_plane.kubectl(&["delete", "clusterrolebinding", &binding], "").await.text();
    let lacks = async || {
        let printed = typed(&world, &["check", "-o", "json"]).await;
        let finding = finding(&printed, "operator's rights");
        // The authorizer receives the new role by a watch, so it does not take effect at once.
        if finding["outcome"] == "problem" { Ok(printed) } else { Err(format!("{finding}")) }
    };
    let printed = test_support::wait::until(test_support::wait::SOON, "rights to be lacking", lacks).await;
    assert_eq!(printed.code, Some(1));
    let words =
        "may not list directconnectconnections, watch directconnectconnections, patch directconnectconnections/status";
    assert_finding(&printed, "operator's rights", "problem", words);
}

#[tokio::test]
async fn what_the_caller_may_not_ask_is_noted() {
    let world = in_sync().await;
    let typed = dxcon(["check", "-n", &world.namespace, "-o", "json"]).cluster(&world.kubeconfig);
    let printed = run(typed.aws(&world.aws.endpoint())).await;
    assert_finding(&printed, "CRD", "note", "is served");
    assert_finding(&printed, "your rights", "problem", "you may not get, patch directconnectconnections");
    assert_finding(&printed, "operator's rights", "note", "not checked");
    assert_finding(&printed, "Lease", "ok", "renewed");
}

#[tokio::test]
async fn a_cluster_without_the_crd_can_be_installed_into_and_is_no_installation() {
    let control_plane = Arc::new(ControlPlane::start().await);
    let aws = direct_connect_simulator::Simulator::start().await;
    let check = async |arguments: &[&str]| {
        let arguments = [arguments, &["-o", "json"]].concat();
        run(dxcon(arguments).cluster(control_plane.kubeconfig()).aws(&aws.endpoint())).await
    };
    let printed = check(&["check", "--pre"]).await;
    assert_eq!(printed.code, Some(0), "{}", printed.out);
    assert_finding(&printed, "your rights", "ok", "of an installation");
    assert_finding(&printed, "read eu-central-1", "ok", "0 connections");
    let printed = check(&["check"]).await;
    assert_eq!(printed.code, Some(1));
    assert_finding(&printed, "CRD", "problem", "is not installed");
    assert_finding(&printed, "Lease", "problem", "does not exist");
}

#[tokio::test]
async fn who_may_not_install_is_told_what_is_missing() {
    let world = World::builder().without_operator().build().await;
    let typed = dxcon(["check", "--pre", "-o", "json"]).cluster(&world.kubeconfig).aws(&world.aws.endpoint());
    let printed = run(typed).await;
    assert_eq!(printed.code, Some(1));
    assert_finding(&printed, "your rights", "problem", "create customresourcedefinitions");
}

#[tokio::test]
async fn no_credentials_and_no_cluster_are_each_told_and_the_other_is_checked() {
    let world = in_sync().await;
    let here = ["check", "-n", &world.namespace, "-o", "json"];
    let printed = run(dxcon(here).cluster(world.control_plane.kubeconfig())).await;
    assert_eq!(printed.code, Some(1));
    assert_finding(&printed, "AWS credentials", "problem", "no AWS credentials");
    assert_finding(&printed, "CRD", "ok", "v1alpha1");
    let printed = run(dxcon(here).aws(&world.aws.endpoint())).await;
    assert_eq!(printed.code, Some(1));
    assert_finding(&printed, "API server", "problem", "no Kubernetes cluster");
    assert_finding(&printed, "read eu-central-1", "ok", "1 connections");
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_a_problem_of_the_region() {
    let world = in_sync().await;
    let typed = dxcon(["check", "-n", &world.namespace, "-o", "json"]).cluster(world.control_plane.kubeconfig());
    let printed = run(typed.aws("http://127.0.0.1:1")).await;
    assert_eq!(printed.code, Some(1));
    let finding = finding(&printed, "read eu-central-1");
    assert_eq!(finding["outcome"], "problem", "{finding}");
    assert_finding(&printed, "clock", "note", "not compared");
}

#[tokio::test]
async fn what_is_printed_fits_the_width() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kubeconfig = folder.path().join("kubeconfig");
    let text = "{clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], \
        contexts: [{name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}], current-context: x}";
    std::fs::write(&kubeconfig, text).expect("the folder is writable");
    let check = |columns: &str| dxcon(["check"]).cluster(&kubeconfig).env("COLUMNS", columns);
    let narrow = run(check("60")).await.out;
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    let whole = run(check("")).await.out;
    assert_eq!(narrow.split_whitespace().count(), whole.split_whitespace().count(), "{narrow}\n{whole}");
    assert!(whole.lines().any(|line| line.chars().count() > 100), "{whole}");
}
