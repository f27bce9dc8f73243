//! The process: when it is alive and ready, and how it ends.

use direct_connect_simulator::{Connection, Fault, FaultKind};
use std::time::Duration;
use test_support::{REGION, Signal, World, connection, wait};

const ID: &str = "dxcon-aaaaaaaa";
/// Twice the longest time that Kubernetes should have to wait for the end, for a busy machine.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn it_is_ready_once_aws_has_been_read_where_there_are_resources() {
    let world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "line"));
    world.aws.inject(Fault::new(FaultKind::Hang { effect: false }));
    world.apply(connection("line").id(ID)).await;
    let mut world = world;
    world.start_operator();
    world.operator().says("polling begins").await;
    let answer = world.http_get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("AWS has not been read yet"), "{}", answer.body);
    assert_eq!(world.http_get("/healthz").await.status, 200, "it waits, and is alive");

    world.aws.clear_faults();
    wait::until(wait::SOON, "readiness", async || world.http_get("/readyz").await.status == 200).await;
    assert_eq!(world.http_get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn without_resources_it_is_ready_and_calls_nobody() {
    let world = World::new().await;
    wait::until(wait::SOON, "readiness", async || world.http_get("/readyz").await.status == 200).await;
    assert_eq!(world.http_get("/healthz").await.status, 200);
    assert_eq!(world.aws.calls(), []);
}

#[tokio::test]
async fn told_to_end_it_ends_in_time_and_without_complaint() {
    for signal in [Signal::TERM, Signal::INT] {
        let world = World::new().await;
        world.aws.add(REGION, Connection::new(ID, "line"));
        world.apply(connection("line").id(ID)).await;
        world.ready("line").await;
        world.operator().signal(signal);
        let status = world.operator().wait_exit(GRACE).await;
        assert_eq!(status.code(), Some(0), "{signal:?}");
        let calls = world.aws.calls().len();
        assert!(world.operator().logged("ended as told").is_some());
        assert_eq!(world.aws.calls().len(), calls);
    }
}

#[tokio::test]
async fn told_to_end_it_ends_in_time_even_while_aws_answers_nothing() {
    for operation in ["DescribeConnections", "UpdateConnection"] {
        let world = World::new().await;
        world.aws.add(REGION, Connection::new(ID, "old"));
        world.aws.inject(Fault::new(FaultKind::Hang { effect: true }).on(operation));
        world.apply(connection("line").id(ID).name("new")).await;
        wait::until(wait::SOON, "a call that hangs", async || {
            world.aws.calls().iter().any(|call| call.operation == operation)
        })
        .await;
        world.operator().signal(Signal::TERM);
        assert_eq!(world.operator().wait_exit(GRACE).await.code(), Some(0), "{operation}");
    }
}
