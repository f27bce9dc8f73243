//! The operator's own region, for resources that name none.

use direct_connect_simulator::Connection;
use serde_json::json;
use test_support::{REGION, World, connection, wait};

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
