//! An API server that cannot be reached: the error contains its cause.

use crate::credentials::NOWHERE;
use test_support::{World, kubeconfig_via};

#[tokio::test]
async fn an_api_server_that_cannot_be_reached_is_told_with_what_caused_it() {
    let mut world = World::builder().without_operator().build().await;
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &NOWHERE.replace("http:", "https:"), "nowhere");
    world.settings = world.settings.env("KUBECONFIG", kubeconfig.to_string_lossy());
    world.start_operator();
    let said = world.operator().says("directconnectconnections.directconnect-operator.dev").await;
    assert!(said.contains("onnection refused"), "{said}");
}
