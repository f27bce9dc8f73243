//! Answers that are delivered later than they were made.

use std::time::{Duration, Instant};

use aws_sdk_directconnect::Client;
use aws_sdk_directconnect::error::SdkError;
use direct_connect_simulator::{Call, Connection, Fault, FaultKind, Outcome, Simulator};

use crate::{ID, REGION, connection, eventually, read, refusal, with};

fn held() -> Fault {
    Fault::new(FaultKind::HeldAnswer { millis: None })
}

fn rename_by_someone(aws: &Simulator, name: &str) {
    aws.edit(REGION, ID, |connection| connection.connection_name = Some(name.into()));
}

/// A call in a task of its own, which returns the name in its answer.
fn listing(client: &Client) -> tokio::task::JoinHandle<String> {
    let call = client.describe_connections().send();
    tokio::spawn(async move { call.await.unwrap().connections()[0].connection_name().unwrap().to_owned() })
}

#[tokio::test]
async fn a_held_answer_shows_what_was_true_when_it_was_made_and_a_slow_call_what_is_true_when_it_ends() {
    for (fault, shown) in [
        (FaultKind::HeldAnswer { millis: Some(2000) }, "frankfurt-a"),
        (FaultKind::Latency { millis: 2000 }, "meanwhile"),
    ] {
        let (aws, client) = with(connection()).await;
        aws.inject(Fault::new(fault.clone()).times(1));
        let begun = Instant::now();
        let describe = listing(&client);
        eventually("the call has arrived", async || aws.calls().len() == 1).await;
        rename_by_someone(&aws, "meanwhile");
        assert_eq!(describe.await.unwrap(), shown, "{fault:?}");
        assert!(begun.elapsed() >= Duration::from_secs(2), "{fault:?}");
    }
}

#[tokio::test]
async fn a_page_a_read_by_id_and_an_update_can_be_held() {
    let (aws, client) = with(connection()).await;
    aws.inject(held());
    let page = listing(&client);
    aws.wait_until_held(1).await;
    let update = tokio::spawn(client.update_connection().connection_id(ID).connection_name("b").send());
    aws.wait_until_held(2).await;
    let by_id = tokio::spawn({
        let client = client.clone();
        async move { read(&client).await }
    });
    let calls = aws.wait_until_held(3).await;
    let effects: Vec<_> = calls.iter().map(|call| (call.operation.as_str(), call.effect)).collect();
    assert_eq!(effects, [("DescribeConnections", false), ("UpdateConnection", true), ("DescribeConnections", false)]);
    assert_eq!(aws.connection(REGION, ID).unwrap().name(), "b", "the update has its effect before its answer");

    rename_by_someone(&aws, "c");
    aws.release_all();
    assert_eq!(page.await.unwrap(), "frankfurt-a");
    assert_eq!(update.await.unwrap().unwrap().connection_name(), Some("b"));
    assert_eq!(by_id.await.unwrap().connection_name(), Some("b"));
    eventually("nothing is held", async || aws.held().is_empty()).await;
    assert!(aws.calls().iter().all(Call::is_ok));
}

#[tokio::test]
async fn answers_are_released_one_by_one_in_whatever_order() {
    let (aws, client) = with(connection()).await;
    aws.inject(held().times(2));
    let first = listing(&client);
    aws.wait_until_held(1).await;
    rename_by_someone(&aws, "b");
    let second = listing(&client);
    let calls = aws.wait_until_held(2).await;

    aws.release(&calls[1]);
    assert_eq!(second.await.unwrap(), "b");
    assert_eq!(aws.held(), calls[..1]);
    assert_eq!((&aws.calls()[0].outcome, &aws.calls()[0].finished), (&Outcome::Held, &None));
    aws.release(&calls[0]);
    assert_eq!(first.await.unwrap(), "frankfurt-a", "the older answer comes after the newer");
}

#[tokio::test]
async fn only_the_reads_that_a_fault_names_are_held() {
    let (aws, client) = with(connection()).await;
    aws.inject(held().on_reads_by_id());
    client.describe_connections().send().await.expect("a listing is not held");
    client.update_connection().connection_id(ID).connection_name("b").send().await.expect("an update is not held");
    let by_id = tokio::spawn(client.describe_connections().connection_id(ID).send());
    aws.wait_until_held(1).await;
    aws.clear_faults();
    by_id.await.unwrap().unwrap();

    aws.inject(held().on_listings());
    read(&client).await;
    client.update_connection().connection_id(ID).connection_name("c").send().await.expect("an update is not held");
    let page = listing(&client);
    aws.wait_until_held(1).await;
    aws.clear_faults();
    assert_eq!(page.await.unwrap(), "c", "clearing the faults releases what they hold");
}

#[tokio::test]
async fn an_error_is_held_as_well() {
    let (aws, client) = with(connection()).await;
    aws.inject(held());
    let describe = tokio::spawn(client.describe_connections().connection_id("dxcon-comelater").send());
    aws.wait_until_held(1).await;
    aws.add(REGION, Connection::new("dxcon-comelater", "late"));
    aws.clear_faults();
    assert_eq!(refusal(describe.await.unwrap()).0, "DirectConnectClientException");
}

#[tokio::test]
async fn what_is_held_ends_with_its_client_and_with_the_simulator() {
    let (aws, client) = with(connection()).await;
    aws.inject(held());
    let describe = listing(&client);
    aws.wait_until_held(1).await;
    describe.abort();
    eventually("the simulator sees that the client is gone", async || aws.held().is_empty()).await;
    eventually("the call has ended", async || aws.calls()[0].finished.is_some()).await;
    assert_eq!(aws.calls()[0].outcome, Outcome::Held);

    let describe = tokio::spawn(client.describe_connections().send());
    aws.wait_until_held(1).await;
    drop(aws);
    assert!(matches!(describe.await.unwrap(), Err(SdkError::DispatchFailure(_))));
}
