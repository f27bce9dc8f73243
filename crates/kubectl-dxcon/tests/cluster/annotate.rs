//! The commands that set annotations.

use direct_connect_simulator::Connection;
use serde_json::{Value, json};
use test_support::{REGION, Resource, World, connection};

use crate::{ONE, TWO, in_sync, typed};

const PAUSED: &str = "directconnect-operator.dev/paused";
const PREFIX: &str = "directconnectconnection.directconnect-operator.dev";

fn annotation<'a>(resource: &'a Resource, name: &str) -> &'a Value {
    &resource.0["metadata"]["annotations"][format!("directconnect-operator.dev/{name}")]
}

/// Applies a manifest as this field manager, by force, as Flux does.
async fn apply_as(world: &World, manager: &str, manifest: &Value) {
    let arguments =
        ["apply", "-n", &world.namespace, "--server-side", "--force-conflicts", "--field-manager", manager, "-f", "-"];
    world.control_plane.kubectl(&arguments, &manifest.to_string()).await.text();
}

#[tokio::test]
async fn a_pause_holds_an_update_back_and_a_resume_lets_it_go() {
    let world = in_sync().await;
    let printed = typed(&world, &["pause", "line"]).await;
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    assert_eq!(printed.out, format!("{PREFIX}/line paused\n"));
    world.patch("line", json!({ "spec": { "connectionName": "new" } })).await;
    world.condition("line", "Ready", "False", "Paused").await;
    assert_eq!(world.updates(), []);
    let printed = typed(&world, &["resume", "line"]).await;
    assert_eq!((printed.code, printed.out), (Some(0), format!("{PREFIX}/line resumed\n")), "{}", printed.err);
    let line = world.ready("line").await;
    assert_eq!(annotation(&line, "paused"), &Value::Null);
    assert_eq!(world.updates().len(), 1);
}

#[tokio::test]
async fn a_request_to_reconcile_is_served_each_time() {
    let world = World::builder().flag("--poll-interval", "10m").build().await;
    world.aws.add(REGION, Connection::new(ONE, "line"));
    world.apply(connection("line").id(ONE)).await;
    world.ready("line").await;
    let mut served = Value::Null;
    for _ in 0..2 {
        let calls = world.aws.calls().len();
        let printed = typed(&world, &["reconcile", "line"]).await;
        assert_eq!(printed.out, format!("{PREFIX}/line reconcile requested\n"), "{printed:?}");
        let before = served.clone();
        let line = world.until("line", "served", |it| *it.status("lastHandledReconcileAt") != before).await;
        served = line.status("lastHandledReconcileAt").clone();
        assert_eq!(&served, annotation(&line, "reconcile-requested-at"));
        assert!(world.aws.calls().len() > calls, "AWS was read afresh");
    }
    assert!(served.as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()), "{served}");
}

#[tokio::test]
async fn a_reason_stands_in_the_annotation() {
    let world = in_sync().await;
    typed(&world, &["pause", "line", "--reason", "fibre works until noon"]).await;
    assert_eq!(annotation(&world.get("line").await, "paused"), "fibre works until noon");
    typed(&world, &["resume", "line", "--reason", "works are over"]).await;
    let line = world.get("line").await;
    assert_eq!(annotation(&line, "paused"), &Value::Null);
    let asked = annotation(&line, "reconcile-requested-at").as_str().expect("it is there").to_owned();
    assert!(asked.ends_with(" works are over"), "{asked}");
    let printed = typed(&world, &["pause", "line", "--reason", "false"]).await;
    crate::assert_one_line(&printed, &["--reason false would not pause"]);
}

#[tokio::test]
async fn what_is_so_already_is_told_and_no_failure() {
    let world = in_sync().await;
    let before = world.get("line").await;
    let printed = typed(&world, &["resume", "line"]).await;
    assert_eq!((printed.code, printed.out), (Some(0), format!("{PREFIX}/line is not paused, unchanged\n")));
    assert_eq!(world.get("line").await.version(), before.version());
    typed(&world, &["pause", "line"]).await;
    let printed = typed(&world, &["pause", "line"]).await;
    assert_eq!((printed.code, printed.out), (Some(0), format!("{PREFIX}/line is paused already, unchanged\n")));
}

#[tokio::test]
async fn a_name_that_is_not_there_is_told_and_the_others_are_done() {
    let world = in_sync().await;
    world.apply(connection("other").id(TWO)).await;
    let printed = typed(&world, &["pause", "line", "nowhere", "other"]).await;
    assert_eq!(printed.code, Some(1));
    assert_eq!(printed.out, format!("{PREFIX}/line paused\n{PREFIX}/other paused\n"));
    assert_eq!(printed.err.lines().count(), 1, "{printed:?}");
    assert!(printed.err.contains("nowhere was not found"), "{printed:?}");
    assert_eq!(annotation(&world.get("other").await, "paused"), "true");
}

#[tokio::test]
async fn a_pause_outlives_a_sync_of_flux_and_is_hinted_at() {
    for (by_kubectl, expected) in [(false, "true"), (true, "true (kubectl dxcon)")] {
        outlives_a_sync_of_flux(by_kubectl, expected).await;
    }
}

/// `by_kubectl`: it was paused with plain kubectl before, whose annotation Flux would remove.
async fn outlives_a_sync_of_flux(by_kubectl: bool, expected: &str) {
    let world = in_sync().await;
    let mut manifest = connection("line").id(ONE).name("Frankfurt").json();
    manifest["metadata"]["labels"] = json!({ "kustomize.toolkit.fluxcd.io/name": "circuits" });
    apply_as(&world, "kustomize-controller", &manifest).await;
    if by_kubectl {
        let paused = format!("{PAUSED}=true");
        let arguments = ["annotate", "-n", &world.namespace, "dxcon", "line", &paused];
        world.control_plane.kubectl(&arguments, "").await.text();
    }
    let printed = typed(&world, &["pause", "line"]).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(printed.err.contains("Flux applies it from git"), "{printed:?}");
    apply_as(&world, "kustomize-controller", &manifest).await;
    let line = world.get("line").await;
    assert_eq!(annotation(&line, "paused"), expected);
    let entries = line.0["metadata"]["managedFields"].as_array().expect("there are some").clone();
    let owner = |entry: &&Value| !entry["fieldsV1"]["f:metadata"]["f:annotations"][format!("f:{PAUSED}")].is_null();
    let owners: Vec<&Value> = entries.iter().filter(owner).map(|entry| &entry["manager"]).collect();
    assert_eq!(owners, ["dxcon"], "Flux takes over fields of managers whose names begin with kubectl");
}

#[tokio::test]
async fn a_pause_that_a_manifest_holds_is_not_said_to_be_over() {
    let world = in_sync().await;
    let manifest = connection("line").id(ONE).name("Frankfurt").annotation("paused", "true").json();
    apply_as(&world, "kustomize-controller", &manifest).await;
    let printed = typed(&world, &["resume", "line"]).await;
    crate::assert_one_line(&printed, &["line stays paused", "kustomize-controller", "take it out there"]);
    assert_eq!(annotation(&world.get("line").await, "paused"), "true");
}

#[tokio::test]
async fn a_pause_that_a_manifest_will_take_back_is_made_with_a_warning() {
    let world = in_sync().await;
    let manifest = connection("line").id(ONE).name("Frankfurt").annotation("paused", "false").json();
    apply_as(&world, "kustomize-controller", &manifest).await;
    let printed = typed(&world, &["pause", "line"]).await;
    assert_eq!((printed.code, printed.out), (Some(0), format!("{PREFIX}/line paused\n")));
    for part in ["kustomize-controller", "will set it back at its next sync"] {
        assert!(printed.err.contains(part), "{part}: {}", printed.err);
    }
}

#[tokio::test]
async fn a_pause_that_somebody_made_by_kubectl_annotate_ends() {
    let world = in_sync().await;
    let value = format!("{PAUSED}=true");
    world.control_plane.kubectl(&["annotate", "-n", &world.namespace, "dxcon", "line", &value], "").await.text();
    let printed = typed(&world, &["resume", "line"]).await;
    assert_eq!((printed.code, printed.out), (Some(0), format!("{PREFIX}/line resumed\n")), "{}", printed.err);
    assert_eq!(annotation(&world.get("line").await, "paused"), &Value::Null);
}

#[tokio::test]
async fn a_name_is_what_kubectl_takes_for_one() {
    let world = in_sync().await;
    let group = "directconnect-operator.dev";
    let types = [
        "dxcon".to_owned(),
        "DirectConnectConnection".to_owned(),
        "directconnectconnection".to_owned(),
        "DirectConnectConnections".to_owned(),
        format!("directconnectconnections.{group}"),
        format!("directconnectconnections.v1alpha1.{group}"),
        format!("DirectConnectConnection.v1alpha1.{group}"),
        format!("dxcon.{group}"),
        "pod".to_owned(),
        "directconnectconnections.example.com".to_owned(),
        format!("directconnectconnections.v1.{group}"),
        String::new(),
    ];
    let names = types.iter().map(|kind| format!("{kind}/line"));
    for name in names.chain(["line/".to_owned(), "dxcon/".to_owned(), "dxcon/line/line".to_owned()]) {
        let by_kubectl = world.control_plane.kubectl(&["get", "-n", &world.namespace, &name], "").await;
        for arguments in [&["reconcile", &*name][..], &["status", &name]] {
            let printed = typed(&world, arguments).await;
            assert_eq!(
                by_kubectl.status.success(),
                printed.code == Some(0),
                "{name}: {printed:?}: {}",
                by_kubectl.stderr
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_name_is_told_before_anything_is_done() {
    let world = in_sync().await;
    for (name, words) in [("", "no name in it"), ("pod/line", "another type"), ("Line", "no name of a resource")] {
        let printed = typed(&world, &["pause", "line", name]).await;
        crate::assert_one_line(&printed, &["NAME", words, "kubectl dxcon pause --help"]);
    }
    assert_eq!(annotation(&world.get("line").await, "paused"), &Value::Null);
}
