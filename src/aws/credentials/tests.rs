//! Which errors mean that a source of credentials is down, and which need a person.

use std::io::{Error as IoError, ErrorKind};
use std::time::Duration;

use aws_config::imds::{self, credentials::ImdsCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use FaultKind::{CredentialsInvalid, Unavailable};

type WebIdentityError = SdkError<AssumeRoleWithWebIdentityError, HttpResponse>;

fn raw(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().expect("a status"), SdkBody::empty())
}

/// An error that STS returned for a web identity.
fn sts(status: u16, code: &str, message: &str) -> CredentialsError {
    let metadata = ErrorMetadata::builder().code(code).message(message).build();
    let error = AssumeRoleWithWebIdentityError::generic(metadata);
    CredentialsError::provider_error(WebIdentityError::service_error(error, raw(status)))
}

/// An error that STS returned for an assumed role.
fn role(status: u16, code: &str) -> CredentialsError {
    let metadata = ErrorMetadata::builder().code(code).build();
    let error = AssumeRoleError::generic(metadata);
    CredentialsError::provider_error(SdkError::<_, HttpResponse>::service_error(error, raw(status)))
}

fn refused() -> IoError {
    IoError::from(ErrorKind::ConnectionRefused)
}

#[test]
fn a_source_that_is_down_is_unavailable_and_one_that_is_set_wrong_needs_a_person() {
    let status = |status| {
        let said = format!("Non-success status from HTTP credential provider: StatusCode({status})");
        CredentialsError::provider_error(said)
    };
    let web = |error: WebIdentityError| CredentialsError::provider_error(error);
    let table = [
        (sts(500, "", ""), Unavailable),
        (sts(503, "ServiceUnavailable", ""), Unavailable),
        (sts(429, "", ""), Unavailable),
        (sts(400, "Throttling", "Rate exceeded"), Unavailable),
        (sts(400, "RequestLimitExceeded", ""), Unavailable),
        (sts(400, "IDPCommunicationError", "An error occurred"), Unavailable),
        (
            sts(400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider"),
            Unavailable,
        ),
        (sts(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account"), CredentialsInvalid),
        (sts(400, "InvalidIdentityToken", "Incorrect token audience"), CredentialsInvalid),
        (sts(400, "ExpiredTokenException", "Token expired"), CredentialsInvalid),
        (sts(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"), CredentialsInvalid),
        (sts(403, "RegionDisabledException", ""), CredentialsInvalid),
        (role(503, ""), Unavailable),
        (role(400, "ThrottlingException"), Unavailable),
        (role(403, "AccessDenied"), CredentialsInvalid),
        (web(WebIdentityError::dispatch_failure(ConnectorError::io(refused().into()))), Unavailable),
        (web(WebIdentityError::dispatch_failure(ConnectorError::user(refused().into()))), CredentialsInvalid),
        (web(WebIdentityError::timeout_error("too long")), Unavailable),
        (web(WebIdentityError::response_error("half of it", raw(200))), Unavailable),
        (
            CredentialsError::unhandled(SdkError::<CredentialsError, HttpResponse>::dispatch_failure(
                ConnectorError::timeout(refused().into()),
            )),
            Unavailable,
        ),
        (status(500), Unavailable),
        (status(503), Unavailable),
        (status(429), Unavailable),
        (status(400), CredentialsInvalid),
        (status(404), CredentialsInvalid),
        (CredentialsError::provider_error("failed to load credentials [ThrottlingException]: slow"), Unavailable),
        (CredentialsError::provider_error("failed to load credentials [AccessDenied]: no"), CredentialsInvalid),
        (CredentialsError::unhandled("Expected field `Token` in response but it was missing"), Unavailable),
        (CredentialsError::unhandled("WebIdentityToken was not valid UTF-8"), CredentialsInvalid),
        (CredentialsError::provider_timed_out(std::time::Duration::from_secs(5)), Unavailable),
        // The token file of a service account without a role does not exist.
        (CredentialsError::provider_error(IoError::from(ErrorKind::NotFound)), CredentialsInvalid),
        (CredentialsError::invalid_configuration("a profile that refers to itself"), CredentialsInvalid),
        (CredentialsError::not_loaded_no_source(), CredentialsInvalid),
    ];
    for (error, expected) in table {
        assert_eq!(kind(&error), expected, "{}", text::with_sources(&error));
        assert_eq!(NoCredentials::from(&error).kind, expected);
    }
}

#[test]
fn a_metadata_service_that_cannot_be_reached_is_down_only_where_somebody_has_said_where_it_is() {
    let unreached = || {
        let error = SdkError::<CredentialsError, HttpResponse>::dispatch_failure(ConnectorError::io(refused().into()));
        CredentialsError::not_loaded(error)
    };
    assert!(!is_outage(&unreached(), false));
    assert!(is_outage(&unreached(), true));
    assert!(!is_outage(&CredentialsError::not_loaded("IMDS disabled"), true));
}

/// An instance metadata service that hands out a token, and what it does then.
#[derive(Clone, Copy, Debug)]
enum Metadata {
    Answers(u16),
    Refuses,
    SaysNothing,
}

impl HttpConnector for Metadata {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().ends_with("/api/token") {
            let mut token = HttpResponse::new(200.try_into().expect("a status"), SdkBody::from("token"));
            token.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", "21600");
            return HttpConnectorFuture::ready(Ok(token));
        }
        match self {
            Self::Answers(status) => HttpConnectorFuture::ready(Ok(raw(*status))),
            Self::Refuses => HttpConnectorFuture::ready(Err(ConnectorError::io(refused().into()))),
            Self::SaysNothing => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_metadata_service_that_is_down_after_it_gave_a_token_is_unavailable() {
    let table = [
        (Metadata::Answers(500), Unavailable),
        (Metadata::Answers(503), Unavailable),
        (Metadata::Answers(403), CredentialsInvalid),
        (Metadata::Refuses, Unavailable),
        (Metadata::SaysNothing, Unavailable),
    ];
    for (metadata, expected) in table {
        let http = http_client_fn(move |_, _| SharedHttpConnector::new(metadata));
        let config = ProviderConfig::without_region().with_http_client(http);
        let client = imds::Client::builder().configure(&config).max_attempts(1);
        let client = client.operation_attempt_timeout(Duration::from_secs(1)).build();
        let provider = ImdsCredentialsProvider::builder().imds_client(client).build();
        let error = provider.provide_credentials().await.expect_err("there are none");
        assert_eq!(kind(&error), expected, "{metadata:?}: {}", text::with_sources(&error));
    }
}

#[tokio::test]
async fn a_credential_that_no_request_can_carry_is_named_and_not_shown() {
    let bad = [
        ("AKIA\n", "secret", None, "AWS_ACCESS_KEY_ID", "a line break"),
        ("AKIA\r\n", "secret", None, "AWS_ACCESS_KEY_ID", "a line break"),
        ("\"AKIA\"", "secret", None, "AWS_ACCESS_KEY_ID", "a quotation mark"),
        ("AKIA ", "secret", None, "AWS_ACCESS_KEY_ID", "a blank"),
        ("AKIA\u{0}", "secret", None, "AWS_ACCESS_KEY_ID", "a control character"),
        ("AKIA\u{200b}", "secret", None, "AWS_ACCESS_KEY_ID", "not ASCII"),
        ("AKIA", "secret\n", None, "AWS_SECRET_ACCESS_KEY", "a line break"),
        ("AKIA", "secret", Some("tok\nen"), "AWS_SESSION_TOKEN", "a line break"),
    ];
    for (id, secret, token, variable, what) in bad {
        let given = Credentials::new(id, secret, token.map(str::to_owned), None, "test");
        let error =
            CheckedProvider(SharedCredentialsProvider::new(given)).provide_credentials().await.expect_err(variable);
        assert_eq!(kind(&error), CredentialsInvalid);
        let said = text::with_sources(&error);
        assert!(said.contains(variable) && said.contains(what), "{said}");
        assert!(!said.contains("AKIA") && !said.contains("secret\n") && !said.contains("tok\nen"), "{said}");
    }
    let good = Credentials::new("AKIA", "wJalr/K7+EXAMPLE=", Some("IQoJ//8=".to_owned()), None, "test");
    let given =
        CheckedProvider(SharedCredentialsProvider::new(good)).provide_credentials().await.expect("they are good");
    assert_eq!(given.access_key_id(), "AKIA");
}

#[tokio::test]
async fn a_source_that_panics_is_set_wrong() {
    let provider = aws_credential_types::credential_fn::provide_credentials_fn(async || panic!("valid URL"));
    let error =
        CheckedProvider(SharedCredentialsProvider::new(provider)).provide_credentials().await.expect_err("it panics");
    assert_eq!(kind(&error), CredentialsInvalid);
    assert!(text::with_sources(&error).ends_with("a panic: valid URL"), "{}", text::with_sources(&error));
}
