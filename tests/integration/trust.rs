//! Trusted CAs for TLS with AWS: `AWS_CA_BUNDLE`, for proxies and endpoints with a private CA.

use test_support::{World, api_server, connection};

#[tokio::test]
async fn the_cas_of_the_bundle_are_trusted_and_without_it_the_message_names_it() {
    let mut world = World::builder().without_operator().build().await;
    // A server whose certificate is from a private CA. It is not Direct Connect, and its error answer proves that it is
    // trusted.
    let endpoint = format!("https://{}", api_server(&world.kubeconfig));
    let certificates = world.kubeconfig.with_file_name("certificates").join("apiserver.crt");
    // One of the bundle's certificates is none.
    let bundle = world.kubeconfig.with_extension("bundle");
    let certificates = std::fs::read_to_string(certificates).expect("the API server has written it");
    let none = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n";
    std::fs::write(&bundle, format!("{none}{certificates}")).expect("the folder is the test's own");
    world.settings = world.settings.env("AWS_ENDPOINT_URL_DIRECT_CONNECT", endpoint);
    world.start_operator();
    world.apply(connection("line").id("dxcon-aaaaaaaa").name("new")).await;
    let line = world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
    let message = line.condition("Reconciling").expect("it is there").message;
    assert!(message.contains("UnknownIssuer") && message.contains("AWS_CA_BUNDLE"), "{message}");

    world.settings = world.settings.clone().env("AWS_CA_BUNDLE", bundle.to_string_lossy());
    world.start_operator();
    let line = world.condition("line", "Stalled", "True", "RequestRejected").await;
    let message = line.condition("Stalled").expect("it is there").message;
    assert!(message.contains("HTTP 40"), "{message}");
    world.operator().says("AWS_CA_BUNDLE: 1 of its certificates").await;
}
