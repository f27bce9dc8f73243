//! An API server that cannot be reached: the error contains its cause.

use test_support::{World, kubeconfig_via};
use tokio::net::TcpListener;

#[tokio::test]
async fn an_api_server_that_cannot_be_reached_is_told_with_what_caused_it() {
    let mut world = World::builder().without_operator().build().await;
    let nowhere = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        listener.local_addr().expect("it listens")
    };
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &format!("https://{nowhere}"), "nowhere");
    world.settings = world.settings.env("KUBECONFIG", kubeconfig.to_string_lossy());
    world.start_operator();
    let said = world.operator().says("directconnectconnections.directconnect-operator.dev").await;
    assert!(said.contains("onnection refused"), "{said}");
}
