//! Typical work of the operator, with everything that needs a permission.

use std::io::Write;
use std::process::{Command, Stdio};

use direct_connect_simulator::{Connection, Fault, FaultKind};
use test_support::{Front, Operator, Passing, REGION, Signal, Trouble, connection, kubeconfig_via, repository, wait};

use crate::installation::Installation;

/// Connections are renamed and go to `must_encrypt`; the leader ends and another process takes over; AWS throttles and
/// refuses calls; links flap. Returns the process that leads.
pub async fn all_of_it(installation: &Installation, namespaces: &[&str]) -> Operator {
    let lines: Vec<(&str, String)> = namespaces
        .iter()
        .enumerate()
        .map(|(number, namespace)| (*namespace, format!("dxcon-aaaaaaa{number}")))
        .collect();
    for (_, id) in &lines {
        installation.aws.add(REGION, Connection::new(id, "old").with_key("aa"));
    }
    // An API server that cannot stream lists, like most before Kubernetes 1.34, gets plain lists.
    let kubeconfig = installation.kubeconfig().await;
    let plain = Front::of_api_server(&kubeconfig).await;
    plain.trouble(Trouble::status(422, "Invalid", "sendInitialEvents is forbidden"), Passing::is_streaming_list);
    let first = installation.start_operator(&kubeconfig_via(&kubeconfig, &plain.url(), "plain"));
    first.says("\"leading\"").await;
    let second = installation.start_operator(&kubeconfig);
    second.says("waiting for the lease").await;
    for (namespace, id) in &lines {
        rename(installation, namespace, id, "one").await;
        installation.wait("Ready", "True", namespace).await;
    }

    first.signal(Signal::TERM);
    assert!(first.wait_exit(wait::SOON).await.success(), "{:#?}", first.logs());
    second.says("\"leading\"").await;
    installation.aws.inject(Fault::new(FaultKind::Throttling).on("DescribeConnections").times(1));
    installation.aws.inject(Fault::new(FaultKind::AccessDenied).on("UpdateConnection").times(1));
    for (namespace, id) in &lines {
        rename(installation, namespace, id, "two").await;
        installation.wait("Ready", "True", namespace).await;
        let line = installation.aws.connection(REGION, id).expect("the simulator has it");
        assert_eq!(line.connection_name.as_deref(), Some("two"));
        assert_eq!(line.encryption_mode.as_deref(), Some("must_encrypt"));
        // The events of the second flap increase the counts of the first.
        for (state, up) in [("down", "False"), ("available", "True"), ("down", "False"), ("available", "True")] {
            installation.aws.edit(REGION, id, |line| line.connection_state = Some(state.to_owned()));
            installation.wait("LinkUp", up, namespace).await;
        }
    }
    second
}

/// Applies a resource for a connection with this name.
pub async fn rename(installation: &Installation, namespace: &str, id: &str, name: &str) {
    let manifest = connection("line").id(id).name(name).mode("must_encrypt").json().to_string();
    let apply = ["apply", "--server-side", "--namespace", namespace, "--filename", "-"];
    installation.control_plane.kubectl(&apply, &manifest).await.text();
}

/// Asserts that the leader's `/metrics` contains everything that alerts, dashboard and documents refer to, including
/// label values.
pub async fn all_that_is_asked_of_its_metrics_is_there(leader: &Operator) {
    for outcome in ["Throttled", "AccessDenied"] {
        let counted = format!("outcome=\"{outcome}\"");
        wait::until(wait::SOON, &counted, async || leader.http_get("/metrics").await.body.contains(&counted)).await;
    }
    let metrics = leader.http_get("/metrics").await.body;
    assert_eq!(missing_in(&metrics).await, "", "of\n{metrics}");
    let spoilt = [
        (
            "directconnect_operator_leader",
            "alert DirectConnectOperatorNoLeader: the operator exposes no directconnect_operator_leader",
        ),
        ("connection_id=", "alert DirectConnectLinkDown: directconnect_connection_link_up has no label connection_id"),
        (
            "outcome=\"Throttled\"",
            "panel \"Throttles\": nothing that the operator exposes is directconnect_operator_aws_requests_total{outcome=\"Throttled\"}",
        ),
        (
            "outcome=\"Ok\"",
            "alert DirectConnectAwsUnreadable: no directconnect_operator_aws_requests_total has outcome=\"Ok\"",
        ),
        (
            "directconnect_operator_build",
            "docs/reference.md: the operator exposes no directconnect_operator_build_info",
        ),
        (
            "directconnect_operator_status_writes",
            "no document names other_directconnect_operator_status_writes, which the operator exposes",
        ),
    ];
    for (word, expected) in spoilt {
        let found = missing_in(&metrics.replace(word, &format!("other_{word}"))).await;
        assert!(found.lines().any(|line| line == expected), "without {word}: {found}");
    }
}

/// The metrics that the checker misses.
async fn missing_in(metrics: &str) -> String {
    let metrics = metrics.to_owned();
    let judge = move || {
        let mut judge = Command::new(repository("tests/packaging/metrics"))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tests/packaging/metrics starts");
        judge.stdin.take().expect("stdin is piped").write_all(metrics.as_bytes()).expect("it reads the metrics");
        judge.wait_with_output().expect("it ends")
    };
    let judged = tokio::task::spawn_blocking(judge).await.expect("no panic");
    if judged.status.success() { String::new() } else { String::from_utf8_lossy(&judged.stderr).into_owned() }
}
