//! Kubeconfigs are read as by kubectl.

use std::fs;
use std::path::Path;

use crate::typed::Typed;
use crate::{assert_one_line, dxcon, in_sync, run};

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
