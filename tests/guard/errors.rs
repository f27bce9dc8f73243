//! Every row of the table of errors: what is reported, how long it stays, and that the operator recovers by itself.

use crate::log::{A, assert_one_event, is_by_id, numbered, sent, updates};
use crate::witness::Witness;
use direct_connect_simulator::{Call, Connection, Fault, FaultKind, Simulator};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use test_support::{REGION, World, connection, wait};

/// A row of the table: what AWS does, the reason, the condition that shows it, and text that the message quotes.
type Row = (FaultKind, &'static str, &'static str, &'static str);

fn error(status: u16, code: &str, message: &str) -> FaultKind {
    FaultKind::Error { status, code: Some(code.into()), message: message.into() }
}

fn refusals() -> Vec<Row> {
    let denied = "because no identity-based policy allows the directconnect:";
    let mut rows = vec![
        (FaultKind::AccessDenied, "AccessDenied", "Stalled", denied),
        (error(400, "UnauthorizedOperation", "You may not."), "AccessDenied", "Stalled", "You may not"),
    ];
    let credentials = [
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "OptInRequired",
        "SubscriptionRequiredException",
        "AuthFailure",
        "InvalidAccessKeyId",
        "RequestTimeTooSkewed",
    ];
    rows.extend(
        credentials.map(|code| (error(403, code, "Who are you?"), "CredentialsInvalid", "Stalled", "Who are you?")),
    );
    rows
}

fn outages() -> Vec<Row> {
    let unavailable = |what, words| (what, "AwsUnavailable", "Reconciling", words);
    vec![
        unavailable(FaultKind::ServerException { message: "Try later.".into() }, "Try later"),
        unavailable(FaultKind::InternalFailure, "InternalFailure"),
        unavailable(FaultKind::ServiceUnavailable, "HTTP 503"),
        unavailable(FaultKind::ResetBefore, ""),
        unavailable(FaultKind::BadJson, "could not be understood"),
    ]
}

fn throttles() -> Vec<Row> {
    let throttled = |what, words| (what, "Throttled", "Reconciling", words);
    vec![
        throttled(FaultKind::Throttling, "ThrottlingException"),
        throttled(error(400, "Throttling", "Slow down."), "Slow down"),
        throttled(error(400, "TooManyRequestsException", "Slow down."), "Slow down"),
        throttled(error(400, "RequestThrottledException", "Slow down."), "Slow down"),
        throttled(error(400, "ThrottledException", "Slow down."), "Slow down"),
        throttled(error(400, "PriorRequestNotComplete", "Slow down."), "Slow down"),
        throttled(FaultKind::TooManyRequests, "429"),
    ]
}

/// Each row has its own region, so that they share no rate limit.
fn region(row: usize) -> String {
    format!("eu-central-{}", row + 10)
}

/// Makes each of these calls fail, waits for the report, lets AWS recover, and waits until all is well again.
async fn each_is_reported_and_recovers(operation: &str, rows: Vec<Row>) {
    let world = World::new().await;
    let witness = Witness::of(&world).await;
    for (row, (what, ..)) in rows.iter().enumerate() {
        let region = region(row);
        world.aws.add(&region, Connection::new(&numbered(row), "old"));
        world.aws.inject(Fault::new(what.clone()).on(operation).in_region(&region));
        world.apply(connection(&format!("row-{row}")).id(&numbered(row)).region(&region).name("new")).await;
    }
    for (row, (what, reason, carrier, words)) in rows.iter().enumerate() {
        let line = world.condition(&format!("row-{row}"), carrier, "True", reason).await;
        let message = line.condition(carrier).expect("it is there").message;
        assert!(message.contains(words), "{what:?}: {message}");
        assert!(message.contains(operation) && message.contains(&region(row)), "{what:?}: {message}");
        if *reason == "CredentialsInvalid" {
            assert!(message.contains("region may also not be enabled") && message.contains("clock"), "{message}");
        }
        witness.reasons(&line).await;
    }
    world.aws.clear_faults();
    for row in 0..rows.len() {
        let line = world.ready(&format!("row-{row}")).await;
        witness.reasons(&line).await;
        let calls = updates(&world, &numbered(row));
        let last = calls.last().expect("it was sent in the end");
        assert!(calls.iter().filter(|call| call.effect).count() == 1, "it took effect once: {last}");
    }
}

#[tokio::test]
async fn updates_that_aws_refuses_are_told_and_tried_again() {
    each_is_reported_and_recovers("UpdateConnection", refusals()).await;
}

#[tokio::test]
async fn reads_that_aws_refuses_are_told_and_tried_again() {
    each_is_reported_and_recovers("DescribeConnections", refusals()).await;
}

#[tokio::test]
async fn updates_that_aws_is_too_busy_for_are_told_and_tried_again() {
    each_is_reported_and_recovers("UpdateConnection", throttles()).await;
}

#[tokio::test]
async fn reads_that_aws_is_too_busy_for_are_told_and_tried_again() {
    each_is_reported_and_recovers("DescribeConnections", throttles()).await;
}

#[tokio::test]
async fn reads_that_fail_with_aws_are_told_and_tried_again() {
    each_is_reported_and_recovers("DescribeConnections", outages()).await;
}

#[tokio::test]
async fn updates_that_fail_with_aws_are_told_and_tried_again() {
    // Whether updates without a correct answer took effect is tested in `doubt`.
    let rows = outages().into_iter().filter(|(what, ..)| !matches!(what, FaultKind::ResetBefore | FaultKind::BadJson));
    each_is_reported_and_recovers("UpdateConnection", rows.collect()).await;
}

#[tokio::test]
async fn a_denied_update_is_tried_again_at_the_pace_of_polls_and_stays_stalled_meanwhile() {
    let world = World::new().await;
    let witness = Witness::of(&world).await;
    world.aws.add(REGION, Connection::new(A, "old"));
    world.aws.inject(Fault::new(FaultKind::AccessDenied).on("UpdateConnection"));
    world.apply(connection("line").id(A).name("new")).await;
    world.condition("line", "Stalled", "True", "AccessDenied").await;
    world.polls(10).await;
    let line = world.condition("line", "Stalled", "True", "AccessDenied").await;
    let (tries, polls) = (updates(&world, A).len(), world.aws.calls().iter().filter(|call| is_page(call)).count());
    assert!(tries >= 3 && tries <= polls + 1, "{tries} tries in {polls} polls");
    assert_eq!(witness.reasons(&line).await, ["Updating", "AccessDenied"], "it does not flicker");
    assert_one_event(&world, "line", "UpdateFailed").await;
    world.aws.clear_faults();
    let line = world.ready("line").await;
    assert!(!witness.reasons(&line).await.is_empty());
}

#[tokio::test]
async fn a_rejected_request_is_quoted_and_left_for_a_while_unless_the_spec_changes() {
    let world = World::new().await;
    let words = format!("Bad\u{7}\nname: {}", "x".repeat(2000));
    world.aws.add(REGION, Connection::new(A, "old"));
    let rejected = error(400, "DirectConnectClientException", &words);
    world.aws.inject(Fault::new(rejected).on("UpdateConnection").for_name("bad"));
    world.apply(connection("line").id(A).name("bad")).await;
    let line = world.condition("line", "Stalled", "True", "RequestRejected").await;
    let message = line.condition("Stalled").expect("it is there").message;
    assert!(message.contains("Bad  name: xxx"), "control characters are gone: {message:?}");
    let quoted = message.matches('x').count();
    assert!((900..=1024).contains(&quoted), "AWS's words are cut at 1,024 characters: {quoted}");
    assert!(!message.contains(&updates(&world, A)[0].request_id), "the request id would change with every try");
    world.polls(5).await;
    assert_eq!(updates(&world, A).len(), 1, "the next try is many polls away");
    assert!(world.get("line").await.status("lastUpdate").is_null(), "it had no effect");
    assert_eq!(world.get("line").await.version(), line.version(), "and nothing is written meanwhile");

    world.apply(connection("line").id(A).name("good")).await;
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": "bad" }, { "connectionName": "good" }]));
}

#[tokio::test]
async fn a_refused_name_does_not_hold_back_the_mode_that_brings_a_line_back() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "line").with_key("01").with_mode("must_encrypt").with_encryption_down());
    let rejected = FaultKind::ClientException { message: "Bad name.".to_owned() };
    world.aws.inject(Fault::new(rejected).on("UpdateConnection").for_name("bad"));
    world.apply(connection("line").id(A).name("bad").mode("must_encrypt")).await;
    world.condition("line", "Stalled", "True", "RequestRejected").await;
    world.apply(connection("line").id(A).name("bad").mode("should_encrypt")).await;
    world.until("line", "lowered", |line| line.status("encryptionMode") == "should_encrypt").await;
    world.condition("line", "Stalled", "True", "RequestRejected").await;
    world.polls(3).await;
    let name = json!({ "connectionName": "bad" });
    let mode = json!({ "encryptionMode": "should_encrypt" });
    let both = json!({ "connectionName": "bad", "encryptionMode": "should_encrypt" });
    assert_eq!(sent(&world, A), json!([name.clone(), both, mode, name]));
}

#[tokio::test]
async fn any_other_refusal_is_a_rejection_and_passes_by_itself() {
    let rows = [
        error(400, "DirectConnectClientException", "Connection ID foobar has an invalid format."),
        error(400, "ValidationException", "No."),
        error(404, "UnknownOperationException", "What?"),
        error(418, "Unheard", "Of."),
    ];
    let world = World::new().await;
    for (row, what) in rows.iter().enumerate() {
        let region = region(row);
        world.aws.add(&region, Connection::new(&numbered(row), "old"));
        world.aws.inject(Fault::new(what.clone()).on("UpdateConnection").in_region(&region).times(1));
        world.apply(connection(&format!("row-{row}")).id(&numbered(row)).region(&region).name("new")).await;
    }
    for row in 0..rows.len() {
        world.condition(&format!("row-{row}"), "Stalled", "True", "RequestRejected").await;
    }
    // The first delay is 15 s.
    for row in 0..rows.len() {
        wait::until(2 * wait::SOON, "a second try", async || updates(&world, &numbered(row)).len() == 2).await;
        world.ready(&format!("row-{row}")).await;
    }
}

#[tokio::test]
async fn a_read_says_whether_a_connection_is_there_and_not_the_refusal_of_an_update() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    let words = format!("Could not find Connection with ID {A}");
    world.aws.inject(Fault::new(FaultKind::ClientException { message: words.clone() }).on("UpdateConnection"));
    world.apply(connection("line").id(A).name("new")).await;
    let line = world.condition("line", "Stalled", "True", "RequestRejected").await;
    let message = line.condition("Stalled").expect("it is there").message;
    assert!(message.contains(&words), "{message}");
    world.aws.remove(REGION, A);
    world.condition("line", "Stalled", "True", "NotFound").await;
}

#[tokio::test]
async fn a_read_that_aws_rejects_is_told_and_blames_no_spec() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(A, "old"));
    let words = "Connection ID foobar has an invalid format.";
    let rejected = Fault::new(FaultKind::ClientException { message: words.into() }).on("DescribeConnections");
    world.aws.inject(rejected);
    world.apply(connection("line").id(A).name("new")).await;
    let line = world.condition("line", "Stalled", "True", "RequestRejected").await;
    let message = line.condition("Stalled").expect("it is there").message;
    assert!(message.contains("Connection ID foobar") && message.contains(A), "{message}");
    assert!(!message.contains("Change the spec"), "{message}");
    world.aws.clear_faults();
    world.ready("line").await;
}

#[tokio::test]
async fn an_aws_that_cannot_be_reached_is_unavailable_until_it_can() {
    // A port below the range that the system assigns by itself.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 12_000 + (std::process::id() % 8000) as u16));
    let mut world = World::builder().env("AWS_ENDPOINT_URL_DIRECT_CONNECT", format!("http://{address}")).build().await;
    world.apply(connection("line").id(A).name("new")).await;
    world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
    let aws = wait::until(wait::SOON, "the port to be free", async || Simulator::start_at(address).await).await;
    world.aws = aws;
    world.aws.add(REGION, Connection::new(A, "old"));
    world.ready("line").await;
    assert_eq!(sent(&world, A), json!([{ "connectionName": "new" }]));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_and_a_server_without_tls_are_an_unavailable_aws() {
    let aws = Simulator::start().await;
    let endpoints = ["http://directconnect.invalid".to_owned(), aws.endpoint().replace("http:", "https:")];
    for endpoint in endpoints {
        let world = World::builder().env("AWS_ENDPOINT_URL_DIRECT_CONNECT", &endpoint).build().await;
        world.apply(connection("line").id(A).name("new")).await;
        let line = world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
        assert!(line.is("Ready", "False", "AwsUnavailable"), "{endpoint}: {line}");
    }
}

fn is_page(call: &Call) -> bool {
    call.operation == "DescribeConnections" && !is_by_id(call)
}
