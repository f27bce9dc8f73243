//! Every failure is one clear line, and exit code 1.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{assert_one_line, dxcon, in_sync, run};

/// The commands that need a cluster, each with its other required arguments.
const VERBS: [&[&str]; 4] = [&["status"], &["pause", "line"], &["resume", "line"], &["reconcile", "line"]];

#[tokio::test]
async fn a_flag_that_is_not_there_is_named() {
    for verb in VERBS {
        let printed = run(dxcon([verb, &["--wrong"]].concat())).await;
        assert_one_line(&printed, &["--wrong", &format!("see kubectl dxcon {} --help", verb[0])]);
    }
    assert_one_line(&run(dxcon(["pause"])).await, &["NAME"]);
    assert_one_line(&run(dxcon(["status", "-o", "xml"])).await, &["xml", "json"]);
    assert_one_line(&run(dxcon(["check", "--region", "moon"])).await, &["moon", "eu-central-1"]);
    assert_one_line(&run(dxcon(["status", "-A", "-n", "net"])).await, &["--all-namespaces", "--namespace"]);
}

#[tokio::test]
async fn no_cluster_is_told_with_where_it_was_looked_for() {
    for verb in VERBS {
        assert_one_line(&run(dxcon(verb.iter().copied())).await, &["no Kubernetes cluster", "KUBECONFIG"]);
    }
}

#[tokio::test]
async fn a_context_that_is_not_there_is_named() {
    let world = in_sync().await;
    for verb in VERBS {
        let typed = dxcon([verb, &["--context", "elsewhere"]].concat());
        let printed = run(typed.cluster(world.control_plane.kubeconfig())).await;
        assert_one_line(&printed, &["--context \"elsewhere\"", "get-contexts"]);
    }
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_is_told_once() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kubeconfig: PathBuf = folder.path().join("kubeconfig");
    let text = "{clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: u, user: {token: t}}], \
        contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}";
    fs::write(&kubeconfig, text).expect("the folder is writable");
    for verb in [&["status"] as &[&str], &["pause", "one", "two"], &["resume", "one", "two"]] {
        let printed = run(dxcon(verb.iter().copied()).cluster(&kubeconfig)).await;
        assert_one_line(&printed, &["http://127.0.0.1:1/ of context \"x\"", "onnection refused", "kubectl version"]);
        assert!(!printed.err.contains("ServiceError"), "{printed:?}");
    }
}

#[tokio::test]
async fn a_login_that_the_api_server_does_not_accept_is_told_and_is_no_success() {
    let world = in_sync().await;
    let text = fs::read_to_string(world.control_plane.kubeconfig()).expect("it can be read");
    let mut config: Value = serde_saphyr::from_str(&text).expect("it is YAML");
    config["users"][0]["user"] = json!({ "token": "expired" });
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kubeconfig: PathBuf = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, config.to_string()).expect("the folder is writable");
    for verb in VERBS {
        let printed = run(dxcon(verb.iter().copied()).cluster(&kubeconfig)).await;
        assert_one_line(&printed, &["does not accept your login", "log in again", "--context"]);
    }
    let printed = run(dxcon(["check"]).cluster(&kubeconfig)).await;
    assert_eq!(printed.code, Some(1), "{printed:?}");
    assert!(printed.out.contains("does not accept your login"), "{printed:?}");
}

#[tokio::test]
async fn a_kubeconfig_that_names_no_cluster_is_told_with_what_is_wrong_in_it() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kubeconfig: PathBuf = folder.path().join("kubeconfig");
    let path = kubeconfig.to_str().expect("it is text");
    for (text, wrong, next) in [
        ("{clusters: [], users: [], contexts: [], current-context: gone}", "is \"gone\"", "get-contexts"),
        ("{clusters: [], users: [], contexts: []}", "no current context", "--context"),
        ("a: [\nb", "cannot be used: failed to parse kubeconfig YAML", "correct it"),
        ("{contexts: [{name: x, context: {cluster: c}}], current-context: x}", "cluster of context: c", "correct it"),
    ] {
        fs::write(&kubeconfig, text).expect("the folder is writable");
        for verb in VERBS {
            let printed = run(dxcon(verb.iter().copied()).cluster(&kubeconfig)).await;
            assert_one_line(&printed, &[path, wrong, next]);
            assert!(!printed.err.contains("no kubeconfig was found") && !printed.err.contains("-->"), "{printed:?}");
        }
    }
    fs::remove_file(&kubeconfig).expect("it is there");
    let printed = run(dxcon(["status"]).cluster(&kubeconfig)).await;
    assert_one_line(&printed, &["there is no kubeconfig", path, "set KUBECONFIG"]);
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_named() {
    let world = in_sync().await;
    let typed = dxcon(["check", "-n", &world.namespace, "--profile", "nobody"]);
    let typed = typed.cluster(world.control_plane.kubeconfig()).env("AWS_REGION", "eu-central-1");
    let printed = run(typed).await;
    assert_eq!(printed.code, Some(1));
    assert!(printed.out.contains("no AWS credentials") && printed.out.contains("nobody"), "{}", printed.out);
}
