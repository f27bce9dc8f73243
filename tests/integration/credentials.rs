//! No AWS credentials.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use direct_connect_simulator::Connection;
use serde_json::json;
use std::future::IntoFuture;
use test_support::{OperatorBuilder, REGION, World, connection, wait};
use tokio::net::TcpListener;
use tokio::sync::watch;

const ID: &str = "dxcon-aaaaaaaa";

fn without_keys(operator: OperatorBuilder) -> OperatorBuilder {
    operator.without_env("AWS_ACCESS_KEY_ID").without_env("AWS_SECRET_ACCESS_KEY")
}

#[tokio::test]
async fn without_credentials_it_says_so_once_stays_unready_and_calls_nobody() {
    let world = World::builder().operator(without_keys).build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    let line = world.condition("line", "Stalled", "True", "CredentialsInvalid").await;
    let message = line.condition("Ready").expect("it is there").message;
    assert!(message.contains("credentials"), "{message}");
    let said = world.operator().says("no AWS credentials").await;
    for word in ["IRSA", "AWS_ACCESS_KEY_ID"] {
        assert!(said.contains(word), "{said}");
    }
    let answer = world.http_get("/readyz").await;
    assert_eq!((answer.status, answer.body.contains("credentials")), (503, true), "{}", answer.body);
    assert_eq!(world.http_get("/healthz").await.status, 200);

    let failed = "directconnect_operator_aws_requests_total{operation=\"DescribeConnections\",region=\"eu-central-1\",outcome=\"CredentialsInvalid\"}";
    let tries = async || world.operator().metric(failed).await.unwrap_or_default();
    wait::until(wait::SOON, "more tries", async || tries().await > 8.0).await;
    let told = |text: &str| world.operator().logs().iter().filter(|line| line.contains(text)).count();
    assert!(told("no AWS credentials") <= 4, "{:#?}", world.operator().logs());
    assert_eq!(told("AWS could not be read"), 1);
    assert_eq!(world.get("line").await.version(), line.version(), "written once");
    assert_eq!(world.aws.calls(), []);
}

#[tokio::test]
async fn credentials_that_come_late_are_found_and_used() {
    let (arrive, arrived) = watch::channel(false);
    let serve = move || async move {
        let given = json!({
            "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "any", "Token": "any", "Expiration": "2100-01-01T00:00:00Z",
        });
        if *arrived.borrow() { Ok(given.to_string()) } else { Err(StatusCode::NOT_FOUND) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}/role", listener.local_addr().expect("it listens"));
    tokio::spawn(axum::serve(listener, Router::new().route("/role", get(serve))).into_future());
    let late = |operator| without_keys(operator).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    let world = World::builder().operator(late).build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.condition("line", "Stalled", "True", "CredentialsInvalid").await;

    arrive.send_replace(true);
    world.condition("line", "Ready", "True", "InSync").await;
    assert!(world.aws.calls().iter().all(|call| call.access_key_id == "ASIAEXAMPLE"));
    assert_eq!(world.updates().len(), 1);
    wait::until(wait::SOON, "readiness", async || world.http_get("/readyz").await.status == 200).await;
}
