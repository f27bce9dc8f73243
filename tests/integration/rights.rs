//! An operator without all its permissions.

use direct_connect_simulator::Connection;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use test_support::{REGION, World, connection, wait};

const ID: &str = "dxcon-aaaaaaaa";

/// Grants the operator these verbs on resources, and these on their status.
async fn grant(world: &World, on_resources: &[&str], on_status: &[&str]) {
    let group = "directconnect-operator.dev";
    let rights = json!({
        "rules": [
            { "apiGroups": [group], "resources": ["directconnectconnections"], "verbs": on_resources },
            { "apiGroups": [group], "resources": ["directconnectconnections/status"], "verbs": on_status },
            { "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] },
        ],
    });
    let api: Api<ClusterRole> = Api::all(world.client.clone());
    let role = format!("directconnect-operator-{}", world.namespace);
    api.patch(&role, &PatchParams::default(), &Patch::Merge(rights)).await.expect("the role can be changed");
}

fn told(world: &World, text: &str) -> usize {
    world.operator().logs().iter().filter(|line| line.contains(text)).count()
}

#[tokio::test]
async fn not_allowed_to_list_it_says_what_to_grant_stays_unready_and_goes_on_once_it_may() {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    grant(&world, &["get"], &["patch"]).await;
    let list = ["auth", "can-i", "list", "dxcon", "--namespace", &world.namespace, "--as"];
    let account = format!("system:serviceaccount:{}:directconnect-operator", world.namespace);
    let lister = [&list[..], &[&account]].concat();
    wait::until(wait::SOON, "the right to list to be gone", async || {
        world.control_plane.kubectl(&lister, "").await.stdout.trim() == "no"
    })
    .await;
    world.start_operator();
    let said = world.operator().says("may not list and watch").await;
    for word in ["directconnectconnections.directconnect-operator.dev", &world.namespace, "list and watch"] {
        assert!(said.contains(word), "{said}");
    }
    assert!(!said.contains("Status {"), "for people: {said}");
    let answer = world.http_get("/readyz").await;
    assert_eq!((answer.status, answer.body.contains("grant it list and watch")), (503, true), "{}", answer.body);
    assert_eq!(world.http_get("/healthz").await.status, 200);
    wait::until(wait::SOON, "it to be told again", async || told(&world, "may not list and watch") > 1).await;
    assert!(world.operator().logs().len() < 30, "{:#?}", world.operator().logs());
    assert_eq!(world.aws.calls(), []);

    grant(&world, &["list", "watch"], &["patch"]).await;
    world.condition("line", "Ready", "True", "InSync").await;
    wait::until(wait::SOON, "readiness", async || world.http_get("/readyz").await.status == 200).await;
    assert_eq!(world.updates().len(), 1);
}

#[tokio::test]
async fn the_right_to_list_that_is_taken_away_later_is_told_and_counted_and_costs_neither_lease_nor_what_is_known() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
    let interrupted = "directconnect_operator_watch_interrupted_seconds";
    assert_eq!(world.operator().metric(interrupted).await, Some(0.0));
    grant(&world, &["get"], &["patch"]).await;
    // The watch that is open ends first.
    wait::until(2 * wait::SOON, "an interruption", async || {
        world.operator().metric(interrupted).await.is_some_and(|seconds| seconds > 0.0)
    })
    .await;
    world.operator().says("may not list and watch").await;
    world.aws.edit(REGION, ID, |line| line.connection_name = Some("theirs".to_owned()));
    wait::until(wait::SOON, "the drift to be repaired", async || world.updates().len() == 2).await;
    assert_eq!(world.operator().metric("directconnect_operator_leader").await, Some(1.0));

    grant(&world, &["list", "watch"], &["patch"]).await;
    wait::until(2 * wait::SOON, "the interruption to be over", async || {
        world.operator().metric(interrupted).await == Some(0.0)
    })
    .await;
}

#[tokio::test]
async fn not_allowed_to_write_status_it_sends_nothing_to_aws_and_says_why() {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    grant(&world, &["list", "watch"], &["get"]).await;
    let account = format!("system:serviceaccount:{}:directconnect-operator", world.namespace);
    let writer =
        ["auth", "can-i", "patch", "dxcon", "--subresource=status", "--namespace", &world.namespace, "--as", &account];
    wait::until(wait::SOON, "the right to write to be gone", async || {
        world.control_plane.kubectl(&writer, "").await.stdout.trim() == "no"
    })
    .await;
    world.start_operator();
    let said = world.operator().says("was not written").await;
    assert!(said.contains("directconnectconnections/status") && said.contains("forbidden"), "{said}");
    assert!(!said.contains("Status {"), "for people: {said}");
    world.polls(5).await;
    assert_eq!(world.updates(), [], "what cannot be written down is not sent");
    assert!(told(&world, "was not written") < 12, "{:#?}", world.operator().logs());
    // Alerts about the line go on.
    let gauge = format!(
        "directconnect_connection_link_up{{namespace=\"{}\",name=\"line\",connection_id=\"{ID}\"}}",
        world.namespace
    );
    for (state, up) in [("available", 1.0), ("down", 0.0)] {
        world.aws.edit(REGION, ID, |line| line.connection_state = Some(state.to_owned()));
        wait::until(wait::SOON, format!("the gauge of a line that is {state}"), async || {
            world.operator().metric(&gauge).await == Some(up)
        })
        .await;
    }

    grant(&world, &["list", "watch"], &["patch"]).await;
    world.condition("line", "Ready", "True", "InSync").await;
    assert_eq!(world.updates().len(), 1);
    let agent = world.updates()[0].user_agent.clone().unwrap_or_default();
    assert!(agent.contains("app/directconnect-operator"), "CloudTrail tells its calls apart: {agent}");
}
