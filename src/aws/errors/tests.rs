//! Every row of the table of errors.

use aws_sdk_directconnect::error::ErrorMetadata;
use aws_sdk_directconnect::operation::update_connection::UpdateConnectionError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use directconnect_core::identity::{CircuitId, ConnectionId, RegionName};

use super::*;
use FaultKind::{AccessDenied, CredentialsInvalid, NotFound, Rejected, Throttled, Unavailable};

type AnyError = CallError<UpdateConnectionError>;

const OPERATIONS: [Operation; 3] = [Operation::Page, Operation::ReadById, Operation::Update];

/// An error answer from AWS.
fn answered(status: u16, code: &str, message: &str) -> AnyError {
    let metadata = ErrorMetadata::builder().code(code).message(message).build();
    SdkError::service_error(UpdateConnectionError::generic(metadata), raw(status))
}

fn raw(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().expect("a status"), SdkBody::empty())
}

#[test]
fn each_code_has_its_kind_whatever_was_asked() {
    let client = "DirectConnectClientException";
    let mut table = vec![
        (400, client, "Connection ID foobar has an invalid format.", Rejected),
        (400, client, "The name is too long.", Rejected),
        (400, "ValidationException", "No.", Rejected),
        (404, "UnknownOperationException", "What?", Rejected),
        (403, "", "", Rejected),
        (418, "Unheard", "Of.", Rejected),
        (400, "DirectConnectServerException", "Try later.", Unavailable),
        (400, "RequestTimeout", "Too slow.", Unavailable),
        (408, "", "", Unavailable),
        (500, "InternalFailure", "", Unavailable),
        (503, "", "", Unavailable),
        (302, "", "", Unavailable),
        (429, "", "", Throttled),
        (429, "Unheard", "Of.", Throttled),
        (400, "ThrottledException", "", Throttled),
        (400, "RequestThrottled", "", Throttled),
        (400, "RequestThrottledException", "", Throttled),
        (400, "PriorRequestNotComplete", "", Throttled),
        (400, "OptInRequired", "", CredentialsInvalid),
        (403, "SubscriptionRequiredException", "", CredentialsInvalid),
        (401, "AuthFailure", "", CredentialsInvalid),
        (403, "InvalidAccessKeyId", "", CredentialsInvalid),
        (403, "RequestTimeTooSkewed", "", CredentialsInvalid),
        (400, "AccessDeniedException", "does not exist", AccessDenied),
    ];
    table.extend(THROTTLING_ERRORS.iter().map(|code| (400, *code, "Slow down.", Throttled)));
    table.extend(DENIED.map(|code| (400, code, "No.", AccessDenied)));
    table.extend(UNACCEPTED.map(|code| (403, code, "Who?", CredentialsInvalid)));
    let circuit = CircuitId {
        region: RegionName::parse("eu-central-1").expect("a region"),
        id: ConnectionId::parse("dxcon-fg1234ab").expect("an id"),
    };
    for (status, code, message, kind) in table {
        for call in OPERATIONS {
            let fault = fault(call, &answered(status, code, message));
            assert_eq!(fault.kind, kind, "{call:?}: {status} {code:?} {message:?}");
            assert_eq!(fault.operation, call.name());
            let said = [code, message].into_iter().find(|said| !said.is_empty());
            let said = said.map_or_else(|| format!("HTTP {status}"), str::to_owned);
            assert!(fault.message.contains(said.trim_end_matches('.')), "{said}: {}", fault.message);
            let described = fault.describe(&circuit);
            assert_eq!(
                described.contains("Change the spec"),
                kind == Rejected && call == Operation::Update,
                "{described}"
            );
            if kind == CredentialsInvalid {
                assert!(described.contains("region") && described.contains("clock"), "{described}");
            }
        }
    }
}

#[test]
fn only_a_read_by_id_finds_a_connection_missing() {
    for words in ["Could not find Connection with ID dxcon-fg1234ab", "Connection dxcon-fg1234ab does not exist."] {
        let kinds = OPERATIONS.map(|call| fault(call, &answered(400, "DirectConnectClientException", words)).kind);
        assert_eq!(kinds, [Rejected, NotFound, Rejected], "{words}");
        let kinds = OPERATIONS.map(|call| fault(call, &answered(400, "ValidationException", words)).kind);
        assert_eq!(kinds, [Rejected; 3], "{words}: it is Direct Connect that has to say so");
    }
}

#[test]
fn an_update_that_aws_refused_had_no_effect_and_one_over_which_it_failed_may_have_had() {
    let table = [
        (400, "DirectConnectClientException", Effect::None),
        (400, "AccessDeniedException", Effect::None),
        (400, "ThrottlingException", Effect::None),
        (403, "ExpiredToken", Effect::None),
        (429, "", Effect::None),
        (400, "DirectConnectServerException", Effect::Unknown),
        (400, "RequestTimeout", Effect::Unknown),
        (500, "", Effect::Unknown),
        (503, "ThrottlingException", Effect::Unknown),
        (500, "AccessDeniedException", Effect::Unknown),
        (302, "", Effect::Unknown),
    ];
    for (status, code, effect) in table {
        assert_eq!(fault(Operation::Update, &answered(status, code, "words")).effect, effect, "{status} {code:?}");
    }
}

#[test]
fn without_an_answer_only_what_was_never_sent_had_no_effect() {
    let timeout = AnyError::timeout_error("it took too long");
    let io = || Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    let reset = AnyError::dispatch_failure(ConnectorError::io(io()));
    let slow = AnyError::dispatch_failure(ConnectorError::timeout(io()));
    let mut half = raw(200);
    half.headers_mut().insert("x-amzn-requestid", "5b8c");
    let garbled = AnyError::response_error("half of it", half);
    assert_eq!(fault(Operation::Update, &garbled).request_id.as_deref(), Some("5b8c"));
    let unreadable = answered(200, "", "");
    for (error, words) in [
        (timeout, "no answer in time"),
        (reset, "the connection was cut"),
        (slow, "connection reset"),
        (garbled, "the answer (HTTP 200) could not be understood"),
        (unreadable, "the answer (HTTP 200) could not be understood"),
    ] {
        let fault = fault(Operation::Update, &error);
        assert_eq!((fault.kind, fault.effect), (Unavailable, Effect::Unknown), "{error:?}");
        assert!(fault.message.contains(words), "{words}: {}", fault.message);
    }
    let unbuilt = fault(Operation::Update, &AnyError::construction_failure("no endpoint"));
    assert_eq!((unbuilt.kind, unbuilt.effect), (Unavailable, Effect::None));
    let without = fault(Operation::Update, &AnyError::construction_failure(CredentialsError::not_loaded("none")));
    assert_eq!((without.kind, without.effect), (CredentialsInvalid, Effect::None));
    assert!(without.message.ends_with("none"), "{}", without.message);
}

#[test]
fn a_connection_that_is_cut_is_told_alike_however_it_shows_and_another_failure_is_not() {
    let io = |kind| AnyError::dispatch_failure(ConnectorError::io(std::io::Error::from(kind).into()));
    let ended = || ConnectorError::other("ended within a message".into(), Some(RetryKind::TransientError));
    let said = |error| fault(Operation::Page, &error).message;
    let cut = said(AnyError::dispatch_failure(ended()));
    for kind in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof] {
        assert_eq!(said(io(kind)), cut);
    }
    let untrusted = std::io::Error::new(ErrorKind::InvalidData, "received fatal alert: CertificateRequired");
    let untrusted = said(AnyError::dispatch_failure(ConnectorError::io(untrusted.into())));
    assert!(untrusted.contains("CertificateRequired"), "{untrusted}");
}

#[test]
fn the_request_id_of_sts_stands_beside_what_it_says() {
    use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
    let refused = |request_id: &str| {
        let metadata = ErrorMetadata::builder().code("AccessDenied").message("Not authorized");
        let metadata = metadata.custom("aws_request_id", request_id.to_owned()).build();
        let mut answer = raw(403);
        answer.headers_mut().insert("x-amzn-requestid", request_id.to_owned());
        let error = SdkError::service_error(AssumeRoleWithWebIdentityError::generic(metadata), answer);
        fault(Operation::Page, &AnyError::construction_failure(CredentialsError::provider_error(error)))
    };
    let (one, next) = (refused("5b8c"), refused("6d9e"));
    assert_eq!(one.message, "STS answered AccessDenied: Not authorized");
    assert_eq!((one.request_id.as_deref(), next.request_id.as_deref()), (Some("5b8c"), Some("6d9e")));
    assert!(one.has_cause_of(&next));
}

#[tokio::test]
async fn a_call_that_panics_is_a_fault_of_that_call_and_may_have_been_sent() {
    let metrics = crate::metrics::Metrics::new();
    let from = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12()).region("eu-central-1").no_credentials();
    let client = super::super::Aws::load(from, metrics).await.client("eu-central-1");
    let panics = async || -> Result<(), AnyError> { panic!("of the\nSDK") };
    let fault = client.timed(Operation::Update, panics()).await.expect_err("it panics");
    assert_eq!((fault.kind, fault.effect, fault.operation), (Unavailable, Effect::Unknown, UPDATE));
    assert_eq!(fault.message, "the call ended with a panic: of the SDK");
}

#[tokio::test]
async fn an_update_that_never_got_a_connection_had_no_effect() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    let keys = aws_credential_types::Credentials::new("AKIA", "secret", None, None, "test");
    let from = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12())
        .region("eu-central-1")
        .credentials_provider(keys)
        .endpoint_url(format!("http://{address}"));
    let client = super::super::Aws::load(from, crate::metrics::Metrics::new()).await.client("eu-central-1");
    let change = directconnect_core::history::Change { name: Some("new".to_owned()), mode: None };
    let limit = std::time::Duration::from_secs(10);
    let fault = client.update("dxcon-fg1234ab", &change, limit).await.expect_err("nobody listens there");
    assert_eq!((fault.kind, fault.effect), (Unavailable, Effect::None));
    assert!(fault.message.contains("onnection refused"), "{}", fault.message);
}
