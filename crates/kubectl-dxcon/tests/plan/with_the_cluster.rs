//! `--cluster`: the existing resources count.

use std::sync::Arc;

use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{ControlPlane, REGION, World, WorldBuilder, connection};

use crate::said::{by_name, planned, planned_as, text, updates};

const A: &str = "dxcon-aaaaaaaa";
const B: &str = "dxcon-bbbbbbbb";

/// What is added about a resource that holds a line up and has no manifest.
const IF_REMOVED: &str = "is in the cluster and not in these manifests; if this commit removes it, this goes on";

/// This test has its own API server, since `--cluster` reads all resources.
async fn alone() -> WorldBuilder {
    World::builder().on(Arc::new(ControlPlane::start().await))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_another_resource_of_the_cluster_holds_is_waited_for() {
    let world = alone().await.build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    world.apply(connection("first").id(A).mode("must_encrypt").transition("Immediate")).await;
    world.ready("first").await;
    world.aws.add(REGION, Connection::new(B, "b").with_key("01"));
    let manifests = text([&connection("second").id(B).mode("must_encrypt")]);
    let (printed, plan) = planned(&world, &manifests, &["--cluster"]);
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    let second = &by_name(&plan)["second"];
    assert_eq!((&second["reason"], &second["needs"]), (&json!("WaitingForTurn"), &json!("turn")), "{second:#}");
    let message = second["message"].as_str().unwrap_or_default();
    assert!(message.ends_with(&format!("{}/first {IF_REMOVED}", world.namespace)), "{second:#}");
    assert_eq!(updates(&plan, B), Vec::<serde_json::Value>::new());
    let alone = planned(&world, &manifests, &[]).1;
    assert_eq!(
        updates(&alone, B),
        [json!({ "connectionId": B, "encryptionMode": "must_encrypt" })],
        "without it, it goes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_a_line_of_the_cluster_holds_at_must_encrypt_becomes_free_once_macsec_is_up_there() {
    let world = alone().await.without_operator().build().await;
    let held = Connection::new(A, "a").with_key("01").with_mode("must_encrypt").with_encryption_down();
    world.aws.add(REGION, held);
    world.aws.add(REGION, Connection::new(B, "b").with_key("01"));
    world.apply(connection("first").id(A).mode("must_encrypt")).await;
    let manifests = text([&connection("second").id(B).mode("must_encrypt")]);
    let plan = planned(&world, &manifests, &["--cluster"]).1;
    assert_eq!(updates(&plan, B), [json!({ "connectionId": B, "encryptionMode": "must_encrypt" })], "{plan:#}");
    let shown = planned_as(&world, "text", &manifests).out;
    let cuts = shown.find("Can cut a line").expect("what can cut a line is told");
    assert!(shown[cuts..].contains("/second   must_encrypt: from then on no traffic passes"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_already_is_nothing_to_do_and_a_pause_of_the_cluster_holds() {
    let world = alone().await.build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("new");
    world.apply(manifest.clone()).await;
    world.ready("line").await;
    let (printed, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!(printed.code, Some(0), "{plan:#}");
    world.annotate("line", "paused", Some("true")).await;
    let (printed, plan) = planned(&world, &text([&manifest.name("newer")]), &["--cluster"]);
    assert_eq!((printed.code, &plan["connections"][0]["reason"]), (Some(2), &json!("Paused")), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_cannot_be_changed_is_refused_in_the_words_of_the_crd() {
    let world = alone().await.without_operator().build().await;
    world.apply(connection("line").id(A)).await;
    let (printed, plan) = planned(&world, &text([&connection("line").id(B)]), &["--cluster"]);
    assert_eq!(printed.code, Some(1), "{printed:#?}");
    let why = plan["refused"][0]["why"][0].as_str().unwrap_or_default();
    assert!(why.contains("spec.connectionId cannot be changed"), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_a_manifest_goes_with_it() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("new");
    world.apply(manifest.clone().annotation("paused", "true")).await;
    let (_, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!(updates(&plan, A), [json!({ "connectionId": A, "connectionName": "new" })], "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_younger_resource_that_an_observed_elder_lets_go_is_part_of_the_plan() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let elder = connection("elder").id(A).name("a");
    world.apply(elder.clone()).await;
    world.apply(connection("younger").id(A).mode("no_encrypt")).await;
    let unchanged = planned(&world, &text([&elder]), &["--cluster"]);
    assert_eq!((unchanged.0.code, &unchanged.1["others"]), (Some(0), &json!([])), "the younger one waits");
    let observed = text([&elder.policy("Observe")]);
    let (printed, plan) = planned(&world, &observed, &["--cluster"]);
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    let others = plan["others"].as_array().expect("there is a list");
    let [younger] = others.as_slice() else { panic!("one is set going: {plan:#}") };
    assert_eq!((&younger["name"], &younger["steps"][0]["step"]), (&json!("younger"), &json!("update")), "{plan:#}");
    assert_eq!(younger.get("file"), None, "it has no manifest");
    for format in ["text", "markdown"] {
        let shown = planned_as(&world, format, &observed).out;
        let cuts = shown.find("Can cut a line").expect("what can cut a line is told");
        let others = shown.find("Lines of the cluster that this sets going").expect("and so are the others");
        assert!(cuts < others && shown[cuts..others].contains("/younger"), "{shown}");
        assert!(shown[others..].contains("(can cut the line)"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_the_cluster_that_gets_the_turn_is_part_of_the_plan() {
    let world = alone().await.build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let first = connection("first").id(A).mode("must_encrypt").transition("Immediate");
    world.apply(first).await;
    world.ready("first").await;
    world.aws.add(REGION, Connection::new(B, "b").with_key("01"));
    world.apply(connection("second").id(B).mode("must_encrypt")).await;
    world.condition("second", "Ready", "False", "WaitingForTurn").await;
    let watched = connection("first").id(A).policy("Observe");
    let (printed, plan) = planned(&world, &text([&watched]), &["--cluster"]);
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    let second = &plan["others"][0];
    assert_eq!(second["name"], "second", "{plan:#}");
    assert!(second["steps"].as_array().is_some_and(|steps| {
        steps.iter().any(|step| step["encryptionMode"]["to"] == "must_encrypt" && step["canCut"].is_string())
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_sends_without_the_commit_is_not_part_of_the_plan() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    world.aws.add(REGION, Connection::new(B, "b"));
    world.apply(connection("other").id(B).name("new")).await;
    let (printed, plan) = planned(&world, &text([&connection("line").id(A).name("a")]), &["--cluster"]);
    assert_eq!((printed.code, &plan["others"]), (Some(0), &json!([])), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_whose_object_is_being_deleted_stays_in_the_plan() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("new");
    world.apply(manifest.clone()).await;
    world.patch("line", json!({ "metadata": { "finalizers": ["example.com/keep"] } })).await;
    world.delete("line").await;
    let (printed, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    let line = &plan["connections"][0];
    assert_eq!((&line["name"], &line["outcome"], &line["steps"]), (&json!("line"), &json!("waiting"), &json!([])));
    assert_eq!(line["message"], "the object is being deleted; it is planned once it is created anew", "{plan:#}");
    let shown = planned_as(&world, "text", &text([&manifest])).out;
    assert!(
        shown.starts_with("1 manifest: 1 would wait\n") && shown.contains("the object is being deleted"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_somebody_else_set_in_the_cluster_stays() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("a");
    world.apply(manifest.clone()).await;
    world.patch("line", json!({ "spec": { "encryptionMode": "no_encrypt" } })).await;
    let (printed, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    assert_eq!(updates(&plan, A), [json!({ "connectionId": A, "encryptionMode": "no_encrypt" })], "{plan:#}");
    let note = "encryptionMode is in the cluster, and not in this manifest; it stays";
    assert_eq!(plan["connections"][0]["notes"], json!([note]), "{plan:#}");
    for format in ["text", "markdown"] {
        let shown = planned_as(&world, format, &text([&manifest])).out;
        assert!(shown.contains(note), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_a_manifest_goes_with_it() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("a");
    world.apply(manifest.clone().mode("no_encrypt")).await;
    let (printed, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!((printed.code, plan["connections"][0].get("notes")), (Some(0), None), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_somebody_else_set_in_the_cluster_is_no_reason_to_refuse_a_manifest_without_it() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("a");
    let created = manifest.clone().region(REGION).json().to_string();
    world.control_plane.kubectl(&["create", "-n", &world.namespace, "-f", "-"], &created).await.text();
    let (printed, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!((printed.code, &plan["refused"]), (Some(0), &json!([])), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_a_resource_of_the_cluster_says_what_its_removal_would_do() {
    let world = alone().await.without_operator().build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let elder = connection("elder").id(A).name("a");
    world.apply(elder.clone()).await;
    let younger = connection("younger").id(A).name("b");
    let (_, plan) = planned(&world, &text([&younger]), &["--cluster"]);
    let conflict = &plan["connections"][0];
    assert_eq!(conflict["reason"], "Conflict", "{plan:#}");
    assert!(conflict["message"].as_str().is_some_and(|words| words.ends_with(IF_REMOVED)), "{plan:#}");
    let (_, plan) = planned(&world, &text([&elder, &younger]), &["--cluster"]);
    let conflict = &by_name(&plan)["younger"];
    assert_eq!(conflict["reason"], "Conflict", "{plan:#}");
    assert!(!conflict["message"].as_str().is_some_and(|words| words.contains(IF_REMOVED)), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_without_a_region_are_for_that_of_the_cluster_and_not_for_that_of_the_caller() {
    let world = alone().await.without_operator().build().await;
    world.aws.add("eu-west-1", Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("a");
    world.apply(manifest.clone()).await;
    let (unknown, _) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!((unknown.code, unknown.err.as_str()), (Some(2), ""), "the cluster does not know the region yet");
    world.patch_status("line", json!({ "circuit": { "connectionId": A, "region": "eu-west-1" } })).await;
    let (printed, plan) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!((printed.code, &plan["connections"][0]["region"]), (Some(0), &json!("eu-west-1")), "{plan:#}");
    assert_eq!(printed.err.lines().count(), 1, "{printed:#?}");
    assert!(printed.err.contains("eu-west-1") && printed.err.contains("eu-central-1"), "{printed:#?}");
    let (asked, plan) = planned(&world, &text([&manifest]), &["--cluster", "--region", "eu-west-1"]);
    assert_eq!((asked.code, asked.err.as_str()), (Some(0), ""), "who names a region is told nothing: {plan:#}");
    world.apply(connection("other").id(B)).await;
    world.patch_status("other", json!({ "region": "us-east-1" })).await;
    let (printed, _) = planned(&world, &text([&manifest]), &["--cluster"]);
    assert_eq!(printed.err.lines().count(), 1, "{printed:#?}");
    assert!(["eu-west-1", "us-east-1", "--region"].iter().all(|part| printed.err.contains(part)), "{printed:#?}");
}

/// A service account that may list the resources of its namespace.
const MAY_LIST: &str = "
{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [directconnect-operator.dev], resources: [directconnectconnections], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
";

/// A user of one namespace, as an operator with `--watch-namespace` is one too.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_list_one_namespace_plans_for_the_operator_that_watches_it() {
    let world = World::builder().without_operator().build().await;
    let other = World::builder().without_operator().on(Arc::clone(&world.control_plane)).build().await;
    world.aws.add(REGION, Connection::new(A, "a"));
    let manifest = connection("line").id(A).name("a");
    other.apply(connection("elder").id(A).name("b")).await;
    let kubeconfig = world.control_plane.service_account_kubeconfig(&world.namespace, MAY_LIST).await;
    let typed = |arguments: &[&str]| {
        let arguments = [&["plan", "--cluster", "-o", "json"], arguments].concat();
        let typed = crate::typed::dxcon(arguments).aws(&world.aws.endpoint()).cluster(&kubeconfig);
        typed.with_input(&text([&manifest]))
    };
    let printed = typed(&["--watch-namespace", &world.namespace]);
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""), "{printed:#?}");
    let refused = typed(&[]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:#?}");
    for part in ["cannot list", "at the cluster scope", "--watch-namespace"] {
        assert!(refused.err.contains(part), "{part}: {refused:#?}");
    }
    let both = typed(&["--watch-namespace", &format!("{},{}", world.namespace, other.namespace)]);
    assert_eq!(both.code, Some(1), "{both:#?}");
    assert!(both.err.contains(&format!("in the namespace \"{}\"", other.namespace)), "{both:#?}");
}
