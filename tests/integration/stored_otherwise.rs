//! AWS accepts an update, but stores another value.

use direct_connect_simulator::Connection;
use test_support::{Manifest, REGION, Trouble, World, connection};

const ID: &str = "dxcon-aaaaaaaa";

/// The desired spec, and the connection that AWS returns and shows whatever it is sent.
struct Case {
    manifest: Manifest,
    field: &'static str,
    stored: Connection,
}

fn cases() -> [Case; 3] {
    let line = || Connection::new(ID, "fra-1").with_key("01");
    [
        // A different form of the value, such as another Unicode composition of the same letters.
        Case { manifest: connection("line").id(ID).name("fra\u{2010}1"), field: "connectionName", stored: line() },
        // The update is accepted, and nothing changes.
        Case { manifest: connection("line").id(ID).mode("no_encrypt"), field: "encryptionMode", stored: line() },
        Case {
            manifest: connection("line").id(ID).mode("should_encrypt"),
            field: "encryptionMode",
            stored: line().with_mode("no_encrypt"),
        },
    ]
}

async fn is_given_up(case: Case) {
    let mut world = World::builder().flag("--settle-window", "500ms").without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, case.stored.clone());
    let headers = vec![("content-type", "application/x-amz-json-1.1".to_owned())];
    let body = serde_json::to_string(&world.aws.connection(REGION, ID)).expect("it is JSON");
    front.trouble(Trouble::Answer { status: 200, headers, body }, |request| request.calls("UpdateConnection"));
    world.start_operator();
    let manifest = case.manifest.json();
    world.apply(case.manifest).await;
    let line = world.condition("line", "Stalled", "True", "Contended").await;
    let message = line.condition("Ready").expect("it is there").message;
    assert!(message.contains(case.field), "{manifest}: {message}");
    world.polls(15).await;
    let count = front.seen().iter().filter(|request| request.calls("UpdateConnection")).count();
    assert_eq!(count, 3, "{manifest}: the next try is minutes away");
    let told = world.events("line").await;
    let done = |reason: &str| ["Renamed", "EncryptionModeChanged"].contains(&reason);
    let done: Vec<_> = told.iter().filter(|event| event.reason.as_deref().is_some_and(done)).collect();
    assert!(done.is_empty(), "{manifest}: nothing was done, so it is not told as done: {done:#?}");
}

#[tokio::test]
async fn what_aws_takes_and_stores_otherwise_is_left_to_a_person_after_three_times() {
    futures::future::join_all(cases().map(is_given_up)).await;
}

/// The answer shows what was sent, and all reads show another value. The result is the same.
#[tokio::test]
async fn what_reads_show_otherwise_though_the_answer_agreed_is_left_to_a_person_too() {
    let mut world = World::builder().flag("--settle-window", "500ms").without_operator().build().await;
    let front = world.front_of_aws().await;
    world.aws.add(REGION, Connection::new(ID, "fra-1"));
    let mut answer = world.aws.connection(REGION, ID).expect("it is there");
    answer.connection_name = Some("new".to_owned());
    let headers = vec![("content-type", "application/x-amz-json-1.1".to_owned())];
    let body = serde_json::to_string(&answer).expect("it is JSON");
    front.trouble(Trouble::Answer { status: 200, headers, body }, |request| request.calls("UpdateConnection"));
    world.start_operator();
    world.apply(connection("line").id(ID).name("new")).await;
    world.condition("line", "Stalled", "True", "Contended").await;
    world.polls(15).await;
    let count = front.seen().iter().filter(|request| request.calls("UpdateConnection")).count();
    assert_eq!(count, 3, "the next try is minutes away");
}
