//! What only the operator has met, and its status says, is part of the plan.

use std::sync::Arc;

use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::{Value, json};
use test_support::{ControlPlane, Manifest, REGION, World, connection, wait};

use crate::said::{by_name, planned, planned_as, text, updates};

const A: &str = "dxcon-aaaaaaaa";

/// A world with one line that is called `old`. It has its own API server, since `--cluster` reads all resources.
async fn one_line() -> World {
    let world = World::builder().on(Arc::new(ControlPlane::start().await)).build().await;
    world.aws.add(REGION, Connection::new(A, "old").with_mode("no_encrypt").with_key("01"));
    world
}

/// Asserts that the plan for a manifest sends nothing and ends as the operator does now. Returns its end as people read it.
#[track_caller]
fn assert_stops(world: &World, manifest: &Manifest, reason: &str, needs: &str) -> String {
    let (printed, plan) = planned(world, &text([manifest]), &["--cluster"]);
    let line = &by_name(&plan)["line"];
    assert_eq!((printed.code, &line["outcome"]), (Some(2), &json!("blocked")), "{plan:#}");
    assert_eq!((&line["reason"], &line["needs"]), (&json!(reason), &json!(needs)), "{plan:#}");
    assert_eq!(updates(&plan, A), Vec::<Value>::new(), "{plan:#}");
    planned_as(world, "text", &text([manifest])).out
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_denied_now_is_denied_whatever_the_manifest_asks_for() {
    let world = one_line().await;
    world.aws.inject(Fault::new(FaultKind::AccessDenied).on("UpdateConnection"));
    let manifest = connection("line").id(A).name("new");
    world.apply(manifest.clone()).await;
    world.condition("line", "Stalled", "True", "AccessDenied").await;
    for manifest in [manifest.clone(), manifest.clone().name("newer")] {
        let shown = assert_stops(&world, &manifest, "AccessDenied", "rights");
        assert!(shown.contains("Allow the operator's IAM role directconnect:UpdateConnection"), "{shown}");
    }
    let (printed, plan) = planned(&world, &text([&manifest.name("old")]), &["--cluster"]);
    assert_eq!((printed.code, &plan["connections"][0]["outcome"]), (Some(0), &json!("met")), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_aws_rejects_is_rejected_until_the_manifest_asks_for_something_else() {
    let world = one_line().await;
    let message = "Connection name is reserved".to_owned();
    world.aws.inject(Fault::new(FaultKind::ClientException { message }).on("UpdateConnection"));
    let manifest = connection("line").id(A).name("new");
    world.apply(manifest.clone()).await;
    world.condition("line", "Stalled", "True", "RequestRejected").await;
    let shown = assert_stops(&world, &manifest, "RequestRejected", "spec");
    assert!(shown.contains("Connection name is reserved") && shown.contains("Change the spec"), "{shown}");
    let plan = planned(&world, &text([&manifest.name("newer")]), &["--cluster"]).1;
    assert_eq!(updates(&plan, A), [json!({ "connectionId": A, "connectionName": "newer" })], "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_in_dispute_is_not_sent_until_the_manifest_asks_for_something_else() {
    let world = one_line().await;
    let manifest = connection("line").id(A).name("new");
    world.apply(manifest.clone()).await;
    for round in 1..=3 {
        wait::until(wait::SOON, format!("update {round}"), async || {
            let updates = world.updates();
            updates.len() == round && updates.iter().all(|call| call.finished.is_some())
        })
        .await;
        // Once a read has shown the new value, an old value is not a late read.
        world.polls(2).await;
        world.aws.edit(REGION, A, |line| line.connection_name = Some("old".into()));
    }
    world.condition("line", "Stalled", "True", "Contended").await;
    let shown = assert_stops(&world, &manifest, "Contended", "spec");
    for part in ["put connectionName of", "CloudTrail names it", "unset spec.connectionName", "ever more rarely"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let plan = planned(&world, &text([&manifest.clone().name("newer")]), &["--cluster"]).1;
    assert_eq!(updates(&plan, A), [json!({ "connectionId": A, "connectionName": "newer" })], "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_the_operator_does_not_see_is_not_found_whoever_else_sees_it() {
    let world = one_line().await;
    let manifest = connection("line").id("dxcon-elsewhere").name("new");
    world.apply(manifest.clone()).await;
    world.condition("line", "Stalled", "True", "NotFound").await;
    let elsewhere = direct_connect_simulator::Simulator::start().await;
    elsewhere.add(REGION, Connection::new("dxcon-elsewhere", "old"));
    let arguments = ["plan", "-n", &world.namespace, "--cluster"];
    let typed = crate::typed::dxcon(arguments).aws(&elsewhere.endpoint()).cluster(&world.kubeconfig);
    let printed = typed.with_input(&text([&manifest]));
    assert_eq!(printed.code, Some(2), "{printed:#?}");
    assert!(
        printed.out.contains("stop   NotFound") && printed.out.contains("AWS account of the operator"),
        "{printed:#?}"
    );
}
