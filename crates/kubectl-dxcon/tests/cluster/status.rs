//! `status`.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

use crate::{ONE, TWO, assert_one_line, dxcon, in_sync, json, line, pair, run, typed};

#[tokio::test]
async fn each_connection_is_a_line_with_its_verdict_its_step_and_its_last_update() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ONE, "old"));
    world.apply(connection("line").id(ONE).name("new")).await;
    world.ready("line").await;
    let printed = typed(&world, &["status"]).await;
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    let header = printed.out.lines().next().expect("there is a header");
    assert_eq!(
        header.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect::<Vec<_>>(),
        ["NAME", "CONNECTION", "VERDICT", "STEP", "WAITS FOR", "LAST UPDATE"]
    );
    let line = line(&printed, "line");
    for part in [ONE, "ready (InSync)", "should_encrypt", "ago (name)"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!printed.out.contains('\u{1b}'), "a pipe gets plain text");
}

#[tokio::test]
async fn one_that_needs_a_person_says_what_is_to_be_done_and_fails() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ONE, "line"));
    world.apply(connection("line").id(ONE).mode("must_encrypt")).await;
    world.condition("line", "Stalled", "True", "NoMacSecKey").await;
    let printed = typed(&world, &["status"]).await;
    assert_eq!(printed.code, Some(1), "{printed:?}");
    let line = line(&printed, "line");
    for part in ["needs a person (NoMacSecKey)", "should_encrypt → must_encrypt", "associate a MACsec key"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let report = json(&typed(&world, &["status", "-o", "json"]).await);
    let verdict = &report["connections"][0]["verdict"];
    assert_eq!((&verdict["phase"], &verdict["needsPerson"]), (&"Stalled".into(), &true.into()), "{report}");
}

#[tokio::test]
async fn one_that_waits_for_its_turn_names_the_one_that_has_it() {
    let world = pair().await;
    let printed = typed(&world, &["status"]).await;
    assert_eq!(printed.code, Some(0), "waiting needs nobody: {printed:?}");
    let second = line(&printed, "second");
    let turn = format!("its turn, now that of {}/first", world.namespace);
    for part in ["on its way (WaitingForTurn)", "should_encrypt → must_encrypt", &turn] {
        assert!(second.contains(part), "{part}: {second}");
    }
    let first = line(&printed, "first");
    assert!(first.contains("must_encrypt, not proven yet, has the turn"), "{first}");
    let report = json(&typed(&world, &["status", "second", "-o", "json"]).await);
    let turn = &report["connections"][0]["waitsFor"]["turnOf"];
    assert_eq!(turn.as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(turn[0]["connectionId"], ONE);
}

#[tokio::test]
async fn a_name_may_have_its_type_before_it_as_kubectl_prints_it() {
    let world = World::builder().without_operator().build().await;
    world.apply(connection("line").id(ONE)).await;
    for name in ["line", "dxcon/line", "directconnectconnection.directconnect-operator.dev/line"] {
        let printed = typed(&world, &["status", name, "-o", "json"]).await;
        assert_eq!((printed.code, &json(&printed)["connections"][0]["name"]), (Some(0), &"line".into()), "{printed:?}");
    }
    assert_one_line(&typed(&world, &["status", "pod/line"]).await, &["\"pod\" is another type of resource"]);
}

#[tokio::test]
async fn a_resource_that_was_never_reconciled_is_reported_as_such() {
    let world = World::builder().without_operator().build().await;
    world.apply(connection("line").id(ONE)).await;
    let printed = typed(&world, &["status"]).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(line(&printed, "line").contains("not looked at yet"), "{printed:?}");
    let whole = typed(&world, &["status", "line"]).await;
    assert!(whole.out.contains("Spec") && !whole.out.contains("Conditions"), "it has none yet: {whole:?}");
}

#[tokio::test]
async fn an_update_that_a_pause_holds_back_is_told_and_needs_nobody() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ONE, "old"));
    world.apply(connection("line").id(ONE).name("new").annotation("paused", "true")).await;
    world.condition("line", "Ready", "False", "Paused").await;
    let printed = typed(&world, &["status"]).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let line = line(&printed, "line");
    assert!(line.contains("held (Paused)") && line.contains("kubectl dxcon resume"), "{line}");
}

#[tokio::test]
async fn a_line_that_is_down_is_told_beside_a_verdict_that_is_good() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ONE, "line").in_state("down"));
    world.apply(connection("line").id(ONE).name("line")).await;
    world.ready("line").await;
    let printed = typed(&world, &["status"]).await;
    assert!(line(&printed, "line").contains("ready (InSync), link down"), "{printed:?}");
}

#[tokio::test]
async fn with_a_name_all_of_it_is_shown_and_how_cloudtrail_is_asked() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ONE, "old").with_key("aa11"));
    world.apply(connection("line").id(ONE).name("new").mode("should_encrypt")).await;
    let object = world.ready("line").await;
    let request_id = object.status("lastUpdate")["requestId"].as_str().expect("it was answered").to_owned();
    let printed = typed(&world, &["status", "line"]).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let cloud_trail = format!(
        "aws cloudtrail lookup-events --region {REGION} --lookup-attributes AttributeKey=EventName,AttributeValue=UpdateConnection --query \"Events[?contains(CloudTrailEvent, '{ONE}')]"
    );
    for part in [
        "connectionName: new",
        "aa11",
        "associated",
        "AWS has what the spec asks for",
        "LinkUp",
        "Encrypted",
        "bandwidth: 10Gbps",
        &request_id,
        &cloud_trail,
    ] {
        assert!(printed.out.contains(part), "{part}: {}", printed.out);
    }
}

#[tokio::test]
async fn json_and_yaml_have_a_version_and_say_the_same() {
    let world = in_sync().await;
    for arguments in [vec!["status"], vec!["status", "line"]] {
        let report = json(&typed(&world, &[arguments.as_slice(), &["-o", "json"]].concat()).await);
        assert_eq!(report["apiVersion"], "dxcon.directconnect-operator.dev/v1");
        assert_eq!(report["kind"], "StatusReport");
        let line = &report["connections"][0];
        assert_eq!(line["name"], "line");
        assert_eq!(line["namespace"], world.namespace);
        assert_eq!(line["connectionId"], ONE);
        assert_eq!(line["region"], REGION);
        assert_eq!(line["verdict"]["phase"], "Done");
        assert_eq!(line["verdict"]["reason"], "InSync");
        assert_eq!(line["step"]["mode"], "should_encrypt");
        assert_eq!(line.get("status").is_some(), arguments.len() == 2, "with a name there is all of it");
        let yaml = typed(&world, &[arguments.as_slice(), &["-o", "yaml"]].concat()).await;
        let yaml: serde_json::Value = serde_saphyr::from_str(&yaml.out).expect("it is YAML");
        assert_eq!(yaml, report);
    }
}

#[tokio::test]
async fn a_name_that_is_not_there_is_one_line_that_says_where_it_was_looked_for() {
    let world = in_sync().await;
    let printed = typed(&world, &["status", "other"]).await;
    assert_one_line(&printed, &["other was not found", &world.namespace]);
}

#[tokio::test]
async fn a_namespace_without_any_is_told_and_no_failure() {
    let world = World::builder().without_operator().build().await;
    let printed = typed(&world, &["status"]).await;
    assert_eq!((printed.code, printed.out.as_str()), (Some(0), ""));
    assert_eq!(printed.err, format!("No connections found in namespace {}.\n", world.namespace));
    let report = json(&typed(&world, &["status", "-o", "json"]).await);
    assert_eq!(report["connections"], serde_json::json!([]));
}

#[tokio::test]
async fn all_namespaces_are_shown_with_theirs() {
    let world = in_sync().await;
    let other = world.control_plane.namespace().await;
    let manifest = connection("elsewhere").id(TWO).json().to_string();
    world.control_plane.kubectl(&["apply", "-n", &other, "-f", "-"], &manifest).await.text();
    let typed = dxcon(["status", "-A"]).cluster(world.control_plane.kubeconfig());
    let printed = run(typed).await;
    assert!(printed.out.starts_with("NAMESPACE"), "{printed:?}");
    for (namespace, name) in [(&world.namespace, "line"), (&other, "elsewhere")] {
        assert!(line(&printed, namespace).contains(name), "{printed:?}");
    }
}

#[tokio::test]
async fn rights_to_one_namespace_are_enough_for_what_is_in_it() {
    let world = in_sync().await;
    let rights = r"
{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader, namespace: x}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: x}
rules: [{apiGroups: [directconnect-operator.dev], resources: [directconnectconnections], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: x}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: x}]
";
    let kubeconfig = world.control_plane.service_account_kubeconfig(&world.namespace, rights).await;
    let printed = run(dxcon(["status"]).cluster(&kubeconfig)).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(line(&printed, "line").contains("ready (InSync)"), "{printed:?}");
    let printed = run(dxcon(["status", "-A"]).cluster(&kubeconfig)).await;
    assert_one_line(&printed, &["forbidden", "ask for the right to list them"]);
}

#[tokio::test]
async fn where_there_is_no_terminal_columns_says_how_wide_it_is() {
    let world = in_sync().await;
    let narrow = dxcon(["status", "-n", &world.namespace]).cluster(world.control_plane.kubeconfig());
    let printed = run(narrow.env("COLUMNS", "70")).await;
    assert!(printed.out.lines().all(|line| line.chars().count() <= 70), "{}", printed.out);
    assert!(printed.out.contains("\n  step "), "what does not fit stands below: {}", printed.out);
}
