//! AWS does not answer, or answers with errors, and then recovers.

use direct_connect_simulator::{Connection, Fault, FaultKind};
use std::time::Duration;
use test_support::{REGION, Weather, Wire, World, connection, wait};
use tokio::time::Instant;

use crate::log::{about, assert_updates};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn while_aws_is_gone_nothing_is_claimed_for_longer_than_three_intervals_and_all_recovers_by_itself() {
    let interval = Duration::from_secs(2);
    let mut world = World::builder().flag("--poll-interval", "2s").without_operator().build().await;
    let endpoint = world.aws.endpoint();
    let wire = Wire::to(endpoint.trim_start_matches("http://").parse().expect("an address")).await;
    world.settings = world.settings.env("AWS_ENDPOINT_URL_DIRECT_CONNECT", format!("http://{}", wire.address()));
    world.start_operator();
    world.aws.add(REGION, Connection::new(ID, "line").with_key("aa"));
    world.apply(connection("line").id(ID).name("line").mode("should_encrypt")).await;
    let before = world.ready("line").await;
    world.polls(1).await;

    wire.weather(Weather::Reset);
    world.aws.clear_calls();
    let gone = Instant::now();
    world.operator().says("AWS could not be read").await;
    let line = world.get("line").await;
    assert_eq!(line.version(), before.version(), "a failed read is no news");

    let line = world.condition("line", "Ready", "Unknown", "ObservationStale").await;
    assert!(gone.elapsed() > interval, "one interval without a read is nothing");
    for (kind, status, reason) in [
        ("LinkUp", "Unknown", "ObservationStale"),
        ("Encrypted", "Unknown", "ObservationStale"),
        ("Reconciling", "True", "AwsUnavailable"),
    ] {
        assert!(line.is(kind, status, reason), "{kind}: {line}");
    }
    for field in ["connectionName", "encryptionMode", "connectionState", "macSecKeys", "tags", "metGeneration", "arn"] {
        assert_eq!(line.status(field), before.status(field), "what was seen last stays: {field}");
    }
    let told =
        |world: &World| world.operator().logs().iter().filter(|line| line.contains("AWS could not be read")).count();
    assert_eq!(told(&world), 1, "told once");

    wire.weather(Weather::Fair);
    let line = world.condition("line", "Ready", "True", "InSync").await;
    assert!(line.is("LinkUp", "True", "Available") && line.is("Encrypted", "True", "EncryptionUp"), "{line}");
    assert!(line.condition("Reconciling").is_none(), "{line}");
    assert_eq!(about(&world, ID), [], "nothing to do, so nothing is done");
    assert_eq!(told(&world), 1);
}

#[tokio::test]
async fn each_way_of_failing_is_told_for_what_it_is_costs_no_more_calls_and_ends_by_itself() {
    let words = |message: &str| message.to_owned();
    let faults = [
        (FaultKind::AccessDenied, "Stalled", "AccessDenied", "directconnect:DescribeConnections"),
        (FaultKind::UnrecognizedClient, "Stalled", "CredentialsInvalid", "region may also not be enabled"),
        (FaultKind::ExpiredToken, "Stalled", "CredentialsInvalid", "expired"),
        (FaultKind::InvalidSignature, "Stalled", "CredentialsInvalid", "clock"),
        (FaultKind::Throttling, "Reconciling", "Throttled", "slows down"),
        (FaultKind::TooManyRequests, "Reconciling", "Throttled", "429"),
        (FaultKind::InternalFailure, "Reconciling", "AwsUnavailable", "InternalFailure"),
        (FaultKind::ServiceUnavailable, "Reconciling", "AwsUnavailable", "503"),
        (FaultKind::ServerException { message: words("It hurts.") }, "Reconciling", "AwsUnavailable", "It hurts"),
        (FaultKind::ClientException { message: words("No.\u{7} No!") }, "Stalled", "RequestRejected", "No"),
        (FaultKind::BadJson, "Reconciling", "AwsUnavailable", "could not be understood"),
        (FaultKind::ResetBefore, "Reconciling", "AwsUnavailable", "DescribeConnections"),
        (FaultKind::ResetAfter, "Reconciling", "AwsUnavailable", "DescribeConnections"),
    ];
    let region = |number: usize| format!("eu-test-{number}");
    let id = |number: usize| format!("dxcon-{number:08}");
    let world = World::new().await;
    for (number, (fault, ..)) in faults.iter().enumerate() {
        world.aws.inject(Fault::new(fault.clone()).in_region(&region(number)));
        world.aws.add(&region(number), Connection::new(&id(number), "old"));
        world.apply(connection(&id(number)).id(&id(number)).region(&region(number)).name("new")).await;
    }
    for (number, (fault, kind, reason, says)) in faults.iter().enumerate() {
        let line = world.condition(&id(number), kind, "True", reason).await;
        let message = line.condition(kind).expect("it is there").message;
        assert!(message.contains(says), "{fault:?}: {message}");
        assert!(!message.contains(char::is_control), "{fault:?}: {message:?}");
        assert_eq!(line.condition("Ready").expect("it is there").reason, *reason, "{fault:?}");
        assert!(line.status("connectionName").is_null(), "nothing is claimed that no read has shown: {line}");
    }
    let steady = world.get(&id(0)).await;
    let failing = |number: usize| world.aws.calls().iter().filter(|call| call.region == region(number)).count();
    wait::until(wait::SOON, "more tries", async || failing(0) > 8).await;
    assert_eq!(world.get(&id(0)).await.version(), steady.version(), "a fault that lasts is written once");
    for (number, (fault, ..)) in faults.iter().enumerate() {
        let calls: Vec<_> = world.aws.calls().into_iter().filter(|call| call.region == region(number)).collect();
        let lasted = calls[calls.len() - 1].time.millis - calls[0].time.millis;
        let pace = f64::from(u32::try_from(calls.len() - 1).expect("few")) * 150.0;
        assert!(pace <= lasted, "{fault:?}: {} calls in {lasted} ms is a hot loop", calls.len());
        assert!(calls.iter().all(|call| call.operation == "DescribeConnections"), "{fault:?}");
    }
    assert!(world.operator().logs().len() < 60 * faults.len(), "{} lines", world.operator().logs().len());

    world.aws.clear_faults();
    for number in 0..faults.len() {
        world.condition(&id(number), "Ready", "True", "InSync").await;
        assert_updates(&world, &id(number), &[&[("connectionName", "new")]]);
    }
}
