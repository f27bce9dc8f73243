//! Kubeconfigs are read as by kubectl.

use std::fs;
use std::path::Path;

use test_support::{World, connection};

use crate::typed::Typed;
use crate::{ONE, assert_one_line, dxcon, in_sync, run};

/// `status` with this value of `KUBECONFIG`.
fn status(namespace: &str, files: &[&Path]) -> Typed {
    let files = std::env::join_paths(files).expect("no path has a colon");
    dxcon(["status", "-n", namespace]).env("KUBECONFIG", &files.to_string_lossy())
}

#[tokio::test]
async fn files_of_a_list_that_are_not_there_are_passed_over_and_broken_ones_are_not() {
    let world = in_sync().await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (missing, broken) = (folder.path().join("missing"), folder.path().join("broken"));
    let empty = folder.path().join("empty");
    fs::write(&broken, "a: [\n").expect("the folder is writable");
    // As `kubectl config unset current-context` leaves it.
    fs::write(&empty, "{apiVersion: v1, kind: Config, current-context: ''}").expect("the folder is writable");
    let there = world.control_plane.kubeconfig();
    for files in [&[&*missing, there][..], &[there, &missing], &[&missing, &missing, there, &missing], &[&empty, there]]
    {
        let printed = run(status(&world.namespace, files)).await;
        assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""), "{files:?}");
    }
    for files in [&[&*missing, &broken][..], &[there, &broken], &[&missing, &broken, there]] {
        assert_one_line(&run(status(&world.namespace, files)).await, &["broken", "cannot be used"]);
    }
    let none = run(status(&world.namespace, &[&missing, &folder.path().join("neither")])).await;
    assert_one_line(&none, &["no Kubernetes cluster", "missing", "set KUBECONFIG"]);
}

#[tokio::test]
async fn a_command_that_is_printed_is_for_the_context_that_was_named() {
    let world = World::builder().without_operator().build().await;
    let text = fs::read_to_string(world.control_plane.kubeconfig()).expect("it can be read");
    let mut config: serde_json::Value = serde_saphyr::from_str(&text).expect("it is YAML");
    config["contexts"][0]["name"] = "a b".into();
    config["current-context"] = "".into();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, config.to_string()).expect("the folder is writable");
    for verb in ["status", "pause"] {
        let typed = dxcon([verb, "nowhere", "-n", &world.namespace, "--context", "a b"]).cluster(&kubeconfig);
        assert_one_line(&run(typed).await, &["`kubectl dxcon status -A --context 'a b'` lists what there is"]);
    }
    world.apply(connection("other").id(ONE)).await;
    let status = dxcon(["status", "other", "-n", &world.namespace, "--context", "a b"]).cluster(&kubeconfig);
    let printed = run(status).await;
    assert!(printed.out.contains("run `kubectl dxcon check --context 'a b'`"), "{printed:?}");
    let unset = run(dxcon(["status"]).cluster(&kubeconfig)).await;
    assert_one_line(&unset, &["has no current context: name one with --context"]);
}
