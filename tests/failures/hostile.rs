//! The worst input from outside.

use direct_connect_simulator::{Connection, Fault, FaultKind, Tag};
use serde_json::Value;
use test_support::{REGION, Resource, World, connection, wait};

const ID: &str = "dxcon-aaaaaaaa";
/// The longest string that any field of a status may contain.
const MAX_BYTES: usize = 8192;

fn words() -> Vec<String> {
    let mut words: Vec<String> = [
        "",
        " ",
        "\0\u{1}\u{7f}",
        "\u{1b}[31mred",
        "line\nbreak\r\n",
        "\u{202e}backwards",
        "{\"a\":1}",
        "'; --",
        "\u{fffd}",
        "é\u{301}",
        "-1",
        "null",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend(["x".repeat(20_000), "\u{1f4a9}".repeat(5_000), "\n".repeat(10_000)]);
    words
}

fn longest(value: &Value) -> usize {
    match value {
        Value::String(word) => word.len(),
        Value::Array(values) => values.iter().map(longest).max().unwrap_or_default().max(values.len()),
        Value::Object(fields) => fields.values().map(longest).max().unwrap_or_default(),
        _ => 0,
    }
}

async fn is_bounded(world: &World) {
    let line = world.get("line").await;
    assert!(
        longest(&line.0["status"]) <= MAX_BYTES,
        "a status holds {} bytes in one place",
        longest(&line.0["status"])
    );
    let logs = world.operator().logs();
    let longest = logs.iter().map(String::len).max().unwrap_or_default();
    assert!(longest <= 2 * MAX_BYTES, "a line of the log has {longest} bytes");
    for event in world.events("line").await {
        assert!(event.note.unwrap_or_default().len() <= 1024);
    }
    let metrics = world.http_get("/metrics").await.body;
    assert!(metrics.lines().all(|line| line.len() <= MAX_BYTES));
    assert_eq!(world.operator().exit(), None, "it lives");
}

#[tokio::test]
async fn whatever_aws_answers_the_operator_lives_and_says_no_more_than_fits() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new").mode("must_encrypt")).await;
    for word in words() {
        world.aws.edit(REGION, ID, |line| {
            line.connection_name = Some(word.clone());
            line.location = Some(word.clone());
            line.bandwidth = Some(word.clone());
            line.partner_name = Some(word.clone());
            line.provider_name = Some(word.clone());
            line.connection_state = Some(word.clone());
            line.encryption_mode = Some(word.clone());
            line.port_encryption_status = Some(word.clone());
            line.tags = Some(vec![Tag { key: word.clone(), value: Some(word.clone()) }; 110]);
        });
        // The value is shown as far as it fits; a status that could not be written would show nothing.
        let shown = |line: &Resource| {
            line.status("location")
                .as_str()
                .is_some_and(|shown| word.starts_with(shown) && shown.len() >= word.len().min(1000))
        };
        world.until("line", "shown with the word", shown).await;
        world.polls(2).await;
        is_bounded(&world).await;
    }
    assert!(!world.operator().logs().iter().any(|line| line.contains("panicked")));
}

#[tokio::test]
async fn whatever_aws_refuses_with_the_operator_lives_and_says_no_more_than_fits() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    for (count, word) in words().into_iter().enumerate() {
        for status in [400, 500] {
            world.aws.clear_faults();
            let code = Some(word.chars().filter(|c| !c.is_control()).collect());
            world.aws.inject(Fault::new(FaultKind::Error { status, code, message: word.clone() }));
            let asked = format!("{count}-{status}");
            world.annotate("line", "reconcile-requested-at", Some(&asked)).await;
            world.polls(1).await;
            is_bounded(&world).await;
        }
    }
    world.aws.clear_faults();
    world.annotate("line", "reconcile-requested-at", Some("again")).await;
    world.ready("line").await;
}

#[tokio::test]
async fn an_annotation_of_any_length_is_served() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
    let long = "x".repeat(200_000);
    world.annotate("line", "reconcile-requested-at", Some(&long)).await;
    world.polls(3).await;
    is_bounded(&world).await;
    world.annotate("line", "reconcile-requested-at", Some("short")).await;
    world.until("line", "served", |line| line.status("lastHandledReconcileAt") == "short").await;
}

#[tokio::test]
async fn no_secret_is_in_the_log_at_any_level() {
    let secret = "wJalrXUtnFEMIbPxRfiCYSECRETOFTHISTEST";
    let session = "IQoJb3JpZ2luX2VjEXAMPLESESSIONTOKENOFTHISTEST";
    let world = World::builder()
        .env("RUST_LOG", "trace")
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_SESSION_TOKEN", session)
        .build()
        .await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.ready("line").await;
    world.aws.inject(Fault::new(FaultKind::ExpiredToken).times(2));
    world.polls(2).await;
    let kubeconfig: Value =
        serde_json::from_slice(&std::fs::read(&world.kubeconfig).expect("it is a file")).expect("JSON");
    let token = kubeconfig.pointer("/users/0/user/token").and_then(Value::as_str).expect("a token").to_owned();
    wait::until(wait::SOON, "a log of everything", async || world.operator().logs().len() > 200).await;
    for line in world.operator().logs() {
        for secret in [secret, session, &token] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}
