//! Every way in which a call can fail, and which calls a fault hits.

use std::io::ErrorKind;
use std::time::Duration;

use aws_sdk_directconnect::error::{ProvideErrorMetadata, SdkError};
use direct_connect_simulator::{Call, Connection, Fault, FaultKind, Outcome, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{ID, REGION, client, connection, eventually, read, refusal, request, wire, with};

fn name(aws: &Simulator) -> String {
    aws.connection(REGION, ID).unwrap().name().to_owned()
}

fn hangs(aws: &Simulator) -> bool {
    aws.calls().iter().any(|call| call.outcome == Outcome::Hang)
}

fn only_call(aws: &Simulator) -> Call {
    let calls = aws.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls[0].clone()
}

#[tokio::test]
async fn errors_have_the_status_code_and_words_of_aws_and_no_effect() {
    let (aws, client) = with(connection()).await;
    let client_side = FaultKind::ClientException { message: "no".into() };
    let server_side = FaultKind::ServerException { message: "not now".into() };
    let other = FaultKind::Error { status: 418, code: Some("Teapot".into()), message: "short and stout".into() };
    let cases = [
        (client_side, 400, Some("DirectConnectClientException"), "no"),
        (server_side, 400, Some("DirectConnectServerException"), "not now"),
        (
            FaultKind::AccessDenied,
            400,
            Some("AccessDeniedException"),
            "directconnect:UpdateConnection on resource: arn:aws:directconnect:eu-central-1:123456789012:dxcon/dxcon-fg1234ab",
        ),
        (FaultKind::UnrecognizedClient, 400, Some("UnrecognizedClientException"), "security token"),
        (FaultKind::ExpiredToken, 400, Some("ExpiredTokenException"), "expired"),
        (FaultKind::InvalidSignature, 400, Some("InvalidSignatureException"), "signature"),
        (FaultKind::Throttling, 400, Some("ThrottlingException"), "Rate exceeded"),
        (FaultKind::TooManyRequests, 429, None, ""),
        (FaultKind::InternalFailure, 500, Some("InternalFailure"), "unknown error"),
        (FaultKind::ServiceUnavailable, 503, None, ""),
        (other, 418, Some("Teapot"), "short and stout"),
    ];
    for (what, status, code, words) in cases {
        aws.inject(Fault::new(what.clone()));
        let update = client.update_connection().connection_id(ID).connection_name("b").send().await;
        aws.clear_faults();
        let Err(SdkError::ServiceError(error)) = update else { panic!("{what:?}: {update:?}") };
        assert_eq!(error.raw().status().as_u16(), status, "{what:?}");
        assert_eq!(error.err().code(), code, "{what:?}");
        assert!(error.err().message().unwrap_or_default().contains(words), "{what:?}");
        assert_eq!(name(&aws), "frankfurt-a", "{what:?}");
    }
}

#[tokio::test]
async fn a_fault_hits_the_calls_that_match_all_its_filters() {
    let aws = Simulator::start().await;
    aws.configure(|settings| settings.access_keys.extend([("AKIDOTHER".into(), "210987654321".into())]));
    for region in [REGION, "eu-west-1"] {
        aws.add(region, connection());
        aws.add(region, Connection::new("dxcon-other123", "other"));
    }
    let here = client(&aws.endpoint(), REGION, "AKIDEXAMPLE");
    let there = client(&aws.endpoint(), "eu-west-1", "AKIDEXAMPLE");
    let fault = || Fault::new(FaultKind::Throttling);
    // Whether the fault hits: a listing, a read by id, a rename to "b", a rename of the other connection to "c", and a
    // read by id in another region.
    let cases = [
        (fault(), [true, true, true, true, true]),
        (fault().on("UpdateConnection"), [false, false, true, true, false]),
        (fault().on("DescribeConnections"), [true, true, false, false, true]),
        (fault().in_region("eu-west-1"), [false, false, false, false, true]),
        (fault().for_connection(ID), [false, true, true, false, true]),
        (fault().for_name("c"), [false, false, false, true, false]),
        (fault().by_account("210987654321"), [false; 5]),
        (fault().by_account("123456789012").in_region(REGION).for_connection(ID), [false, true, true, false, false]),
        (fault().times(0), [false; 5]),
    ];
    for (fault, expected) in cases {
        aws.inject(fault.clone());
        let hit = [
            here.describe_connections().send().await.is_err(),
            here.describe_connections().connection_id(ID).send().await.is_err(),
            here.update_connection().connection_id(ID).connection_name("b").send().await.is_err(),
            here.update_connection().connection_id("dxcon-other123").connection_name("c").send().await.is_err(),
            there.describe_connections().connection_id(ID).send().await.is_err(),
        ];
        assert_eq!(hit, expected, "{fault:?}");
        aws.clear_faults();
    }
}

#[tokio::test]
async fn a_fault_is_spent_after_its_times_and_the_next_one_is_used() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::Throttling).times(2));
    aws.inject(Fault::new(FaultKind::ExpiredToken).times(1));
    for code in ["ThrottlingException", "ThrottlingException", "ExpiredTokenException"] {
        assert_eq!(refusal(client.describe_connections().send().await).0, code);
    }
    client.describe_connections().send().await.unwrap();
}

#[tokio::test]
async fn half_an_answer_does_not_parse_and_the_update_has_its_effect() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::BadJson).times(2));
    let describe = client.describe_connections().send().await.unwrap_err();
    assert!(matches!(describe, SdkError::ResponseError(_) | SdkError::ServiceError(_)), "{describe:?}");
    assert_eq!(describe.raw_response().map(|answer| answer.status().as_u16()), Some(200));
    client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap_err();
    assert_eq!(name(&aws), "b");
    assert_eq!((&aws.calls()[1].outcome, aws.calls()[1].effect), (&Outcome::BadJson, true));
}

#[tokio::test]
async fn an_unknown_state_shows_in_pages_and_in_answers_to_updates() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::UnknownState { state: "frozen".into() }));
    assert_eq!(read(&client).await.connection_state().map(|state| state.as_str()), Some("frozen"));
    let update = client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap();
    assert_eq!(update.connection_state().map(|state| state.as_str()), Some("frozen"));
    assert_eq!(aws.connection(REGION, ID).unwrap().state(), "available");
}

#[tokio::test]
async fn latency_delays_a_call_and_nothing_else() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::Latency { millis: 60 }).times(1));
    aws.configure(|settings| settings.latency = Duration::from_millis(40));
    client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap();
    let call = only_call(&aws);
    assert!(call.finished.as_ref().unwrap().millis - call.time.millis >= 100.0, "{call}");
    assert!(call.is_ok() && call.effect);
}

#[tokio::test]
async fn a_reset_before_the_effect_loses_the_update() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::ResetBefore).times(1));
    let error = client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap_err();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
    assert_eq!(name(&aws), "frankfurt-a");
    assert_eq!((only_call(&aws).outcome, only_call(&aws).effect), (Outcome::ResetBefore, false));
    client.describe_connections().send().await.expect("the next call finds a new connection");
}

#[tokio::test]
async fn a_reset_after_the_effect_loses_only_the_answer() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::ResetAfter).times(1));
    let error = client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap_err();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
    assert_eq!(name(&aws), "b");
    assert_eq!((only_call(&aws).outcome, only_call(&aws).effect), (Outcome::ResetAfter, true));
}

#[tokio::test]
async fn a_reset_is_one_on_the_wire() {
    let (aws, _client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::ResetBefore));
    let mut stream = TcpStream::connect(aws.endpoint().trim_start_matches("http://")).await.unwrap();
    let headers = [("authorization", wire::SIGNED), wire::DATE, wire::CONTENT, wire::DESCRIBE];
    stream.write_all(request("POST /", &headers, "{}").as_bytes()).await.unwrap();
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_hang_lasts_until_the_client_goes_away() {
    for effect in [false, true] {
        let (aws, client) = with(connection()).await;
        aws.inject(Fault::new(FaultKind::Hang { effect }));
        let update = tokio::spawn(client.update_connection().connection_id(ID).connection_name("b").send());
        eventually("the call hangs", async || hangs(&aws)).await;
        update.abort();
        eventually("the simulator sees that the client is gone", async || only_call(&aws).finished.is_some()).await;
        assert_eq!((only_call(&aws).outcome, only_call(&aws).effect), (Outcome::Hang, effect));
        assert_eq!(name(&aws), if effect { "b" } else { "frankfurt-a" });
    }
}

#[tokio::test]
async fn a_hang_is_in_the_log_while_it_lasts_and_ends_when_faults_are_cleared() {
    for effect in [false, true] {
        let (aws, client) = with(connection()).await;
        aws.inject(Fault::new(FaultKind::Hang { effect }).times(1));
        let update = tokio::spawn(client.update_connection().connection_id(ID).connection_name("b").send());
        eventually("the call hangs", async || hangs(&aws)).await;
        assert_eq!((only_call(&aws).finished, only_call(&aws).effect), (None, effect));

        aws.clear_faults();
        let answer = update.await.unwrap();
        if effect {
            assert_eq!(answer.unwrap().connection_name(), Some("b"));
            assert_eq!(name(&aws), "b");
        } else {
            assert_eq!(refusal(answer).0, "DirectConnectServerException");
            assert_eq!(name(&aws), "frankfurt-a");
        }
        assert_eq!(only_call(&aws).effect, effect);
        assert!(only_call(&aws).finished.is_some());
    }
}

#[tokio::test]
async fn a_describe_that_hung_is_answered_truly_when_faults_are_cleared() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::Hang { effect: false }));
    let describe = tokio::spawn(client.describe_connections().send());
    eventually("the call hangs", async || hangs(&aws)).await;
    aws.edit(REGION, ID, |connection| connection.connection_name = Some("meanwhile".into()));
    aws.clear_faults();
    assert_eq!(describe.await.unwrap().unwrap().connections()[0].connection_name(), Some("meanwhile"));
}

#[tokio::test]
async fn a_simulator_that_is_dropped_cuts_off_what_hangs_and_refuses_the_next() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::Hang { effect: false }));
    let describe = tokio::spawn(client.describe_connections().send());
    eventually("the call hangs", async || hangs(&aws)).await;
    drop(aws);
    assert!(matches!(describe.await.unwrap(), Err(SdkError::DispatchFailure(_))));
    assert!(matches!(client.describe_connections().send().await, Err(SdkError::DispatchFailure(_))));
}
