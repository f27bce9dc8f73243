//! The operator's own region, for resources that name none.

use axum::Router;
use axum::http::{StatusCode, Uri};
use direct_connect_simulator::Connection;
use serde_json::json;
use std::future::IntoFuture;
use test_support::{OperatorBuilder, REGION, World, connection, wait};
use tokio::net::TcpListener;
use tokio::sync::watch;

const ID: &str = "dxcon-aaaaaaaa";
const CKN: &str = "01";

#[tokio::test]
async fn a_region_that_is_none_is_told_at_the_start_and_blamed_on_no_resource() {
    for region in [format!("{REGION} "), format!("\"{REGION}\""), "Frankfurt".to_owned()] {
        let world = World::builder().env("AWS_REGION", &region).build().await;
        world.aws.add(REGION, Connection::new(ID, "old"));
        let said = world.operator().says("the operator's own region").await;
        assert!(said.contains("AWS_REGION"), "{said}");
        let shown = serde_json::to_string(&format!("{region:?}")).expect("it is text");
        assert!(said.contains(shown.trim_matches('"')), "{said}");

        world.apply(connection("without").id(ID).name("new")).await;
        let without = world.condition("without", "Stalled", "True", "InvalidSpec").await;
        let message = without.condition("Stalled").expect("it is there").message;
        assert!(!message.contains("spec.region: "), "it is not what spec.region says: {message}");
        assert!(message.contains("AWS_REGION"), "{message}");
        world.apply(connection("with").id("dxcon-bbbbbbbb").region(REGION).policy("Observe")).await;
        world.condition("with", "Stalled", "True", "NotFound").await;
    }
}

#[tokio::test]
async fn a_region_that_is_empty_is_looked_for_in_the_next_place() {
    let world = World::builder().env("AWS_REGION", "").env("AWS_DEFAULT_REGION", REGION).build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
}

#[tokio::test]
async fn a_profile_says_the_region_where_the_variables_are_empty() {
    let mut world = World::builder().without_operator().build().await;
    let profile = world.kubeconfig.with_extension("profile");
    std::fs::write(&profile, format!("[default]\nregion = {REGION}\n")).expect("the folder is the test's own");
    world.settings = world
        .settings
        .env("AWS_REGION", "")
        .env("AWS_DEFAULT_REGION", "")
        .env("AWS_CONFIG_FILE", profile.to_string_lossy());
    world.start_operator();
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
}

/// The spec of a resource without `spec.region` is invalid while the operator has no region of its own.
#[tokio::test]
async fn a_line_whose_region_is_not_known_after_a_restart_keeps_its_turn() {
    let mut world = World::builder().flag("--leader-elect", "false").build().await;
    let twin = "dxcon-bbbbbbbb";
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.aws.add(REGION, Connection::new(twin, "twin"));
    let cut = |name, id| connection(name).id(id).mode("must_encrypt").transition("Immediate");
    world.apply(cut("first", ID)).await;
    world.until("first", "on its way", |line| line.status("unprovenStep") == "must_encrypt").await;
    world.apply(cut("second", twin).region(REGION)).await;
    world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    world.settings = world.settings.env("AWS_REGION", format!("{REGION} "));
    world.start_operator();
    world.condition("first", "Stalled", "True", "InvalidSpec").await;
    let pause =
        |paused: &str| json!({ "metadata": { "annotations": { "directconnect-operator.dev/paused": paused } } });
    let labels = format!("namespace=\"{}\",name=\"first\",connection_id=\"{ID}\"", world.namespace);
    for (paused, gauge) in [("", 1.0), ("false", 0.0)] {
        world.patch("first", pause(paused)).await;
        let series = format!("directconnect_connection_paused{{{labels}}}");
        wait::until(wait::SOON, format!("{series} to be {gauge}"), async || {
            world.operator().metric(&series).await == Some(gauge)
        })
        .await;
    }
    world.polls(5).await;
    let waits = world.condition("second", "Reconciling", "True", "WaitingForTurn").await;
    let message = waits.condition("Ready").expect("it is there").message;
    assert!(message.contains("/first"), "{message}");
    assert_eq!(world.updates().len(), 1);
    // It is read as any other that holds the turn, so what it waits for ends by itself.
    world.aws.associate_key(REGION, ID, CKN);
    world.until("first", "the proof to be written down", |line| line.status("proven") == true).await;
    world.condition("first", "Stalled", "True", "InvalidSpec").await;
    wait::until(wait::SOON, "the other to go", async || world.updates().len() == 2).await;
}

#[tokio::test]
async fn a_profile_with_an_empty_region_has_none() {
    let mut world = World::builder().without_operator().build().await;
    let profile = world.kubeconfig.with_file_name("profile");
    std::fs::write(&profile, "[default]\nregion =\n").expect("the folder is the test's own");
    world.settings = world.settings.without_env("AWS_REGION").env("AWS_CONFIG_FILE", profile.to_string_lossy());
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.apply(connection("line").id(ID)).await;
    world.apply(connection("served").id(ID).region(REGION)).await;
    world.start_operator();
    world.condition("line", "Stalled", "True", "InvalidSpec").await;
    world.ready("served").await;
    world.polls(5).await;
    assert!(world.operator().exit().is_none(), "it does not begin anew again and again");
}

/// While the spec is invalid, what it asks for is not known, even if the connection looks like it.
#[tokio::test]
async fn a_spec_without_a_region_counts_as_met_only_once_there_is_one() {
    let mut world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "line").with_key(CKN).with_mode("must_encrypt"));
    let line = || connection("line").id(ID).mode("must_encrypt");
    world.apply(line()).await;
    world
        .until("line", "proven and met", |line| line.status("proven") == true && line.status("metGeneration") == 1)
        .await;
    world.stop_operator();
    world.apply(line().name("line")).await;
    let right = world.settings.clone();
    world.settings = right.clone().env("AWS_REGION", format!("{REGION} "));
    world.start_operator();
    world.condition("line", "Stalled", "True", "InvalidSpec").await;
    world.polls(3).await;
    assert_eq!(world.get("line").await.status("metGeneration"), 1);
    world.settings = right;
    world.start_operator();
    world.until("line", "met", |line| line.status("metGeneration") == 2).await;
}

/// An instance metadata service with a region and credentials, which answers nothing else than 503 until it is told to.
async fn metadata_service(is_up: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let answer = async move |uri: Uri| {
        let keys = json!({
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "any",
            "Token": "any", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2100-01-01T00:00:00Z",
        });
        let (status, body) = match uri.path() {
            _ if !*is_up.borrow() => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
            "/latest/api/token" => (StatusCode::OK, "token".to_owned()),
            "/latest/meta-data/placement/region" => (StatusCode::OK, REGION.to_owned()),
            "/latest/meta-data/iam/security-credentials/" => (StatusCode::OK, "role".to_owned()),
            "/latest/meta-data/iam/security-credentials/role" => (StatusCode::OK, keys.to_string()),
            _ => (StatusCode::NOT_FOUND, String::new()),
        };
        (status, [("x-aws-ec2-metadata-token-ttl-seconds", "21600")], body)
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    url
}

#[tokio::test]
async fn a_metadata_service_that_is_down_at_the_start_gives_the_region_once_it_is_up() {
    let mut world = World::builder().without_operator().build().await;
    let (is_up, answers) = watch::channel(false);
    let unset = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"];
    let settings = unset.into_iter().fold(world.settings, OperatorBuilder::without_env);
    world.settings = settings.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata_service(answers).await);
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.start_operator();
    world.operator().says("AWS credentials cannot be fetched").await;
    is_up.send_replace(true);
    world.operator().says("the operator's own region can be read now").await;
    world.operator().wait_exit(wait::SOON).await;
    world.start_operator();
    world.ready("line").await;
    assert_eq!(world.updates().len(), 1);
}
