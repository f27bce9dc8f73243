//! An API server that cannot be reached: the error contains its cause.

use crate::credentials::NOWHERE;
use test_support::{World, connection, kubeconfig_via};

#[tokio::test]
async fn an_api_server_that_cannot_be_reached_is_told_with_what_caused_it() {
    let mut world = World::builder().without_operator().build().await;
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &NOWHERE.replace("http:", "https:"), "nowhere");
    world.settings = world.settings.env("KUBECONFIG", kubeconfig.to_string_lossy());
    world.start_operator();
    let said = world.operator().says("directconnectconnections.directconnect-operator.dev").await;
    assert!(said.contains("onnection refused"), "{said}");
}

#[tokio::test]
async fn kubeconfigs_of_a_list_that_are_not_there_are_passed_over() {
    let mut world = World::builder().without_operator().build().await;
    let files = format!("/nonexistent/one:{}:/nonexistent/two", world.kubeconfig.display());
    world.settings = world.settings.env("KUBECONFIG", files);
    world.apply(connection("line").id("dxcon-aaaaaaaa")).await;
    world.start_operator();
    world.condition("line", "Ready", "False", "NotFound").await;
}
