//! Credentials from STS and from the container endpoint, with the real provider chain of the SDK, and every way in
//! which these can fail. The chain reads the environment, so it runs in a separate process: this binary, started once
//! more.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use direct_connect_simulator::{Connection, CredentialSource, Fault, FaultKind, Outcome, Simulator};
use tokio::process::Command;
use tokio::time::timeout;

use crate::{ID, REGION, connection, eventually, raw};

const STS: &str = "AssumeRoleWithWebIdentity";
const CONTAINER: &str = "GetContainerCredentials";
const ACCOUNT: &str = "210987654321";

/// A file with a web identity token.
struct Token(PathBuf);

impl Token {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("web-identity-{}-{test}", process::id()));
        fs::write(&path, "header.claims/+=&%.signature").expect("the temporary folder can be written");
        Self(path)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The output of a client with this environment only: `ok` and the names of the connections that it sees, or the error
/// with all its causes.
async fn with_environment(aws: &Simulator, variables: &[(&str, &str)]) -> String {
    let output = Command::new(env::current_exe().expect("this binary has a path"))
        .args(["credentials::a_client_in_a_process_of_its_own", "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", aws.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("this binary runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said.lines().find_map(|line| line.split_once("the client says: ")).map(|(_, said)| said.to_owned());
    said.unwrap_or_else(|| panic!("the client says nothing: {output:?}"))
}

async fn with_web_identity(aws: &Simulator, token: &Token) -> String {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/directconnect/operator");
    let endpoint = aws.sts_endpoint();
    let token = token.0.to_str().expect("a plain path");
    let variables =
        [("AWS_WEB_IDENTITY_TOKEN_FILE", token), ("AWS_ROLE_ARN", &role), ("AWS_ENDPOINT_URL_STS", &endpoint)];
    with_environment(aws, &variables).await
}

async fn with_container(aws: &Simulator) -> String {
    with_environment(aws, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &aws.container_credentials_uri())]).await
}

#[tokio::test]
#[ignore = "the other tests run it with an environment of its own"]
async fn a_client_in_a_process_of_its_own() {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(20)).build())
        .load()
        .await;
    let answer = aws_sdk_directconnect::Client::new(&config).describe_connections().send().await;
    match answer {
        Ok(page) => {
            let names: Vec<_> = page.connections().iter().filter_map(|each| each.connection_name()).collect();
            println!("the client says: ok {names:?}");
        }
        Err(error) => println!("the client says: {error:?}"),
    }
}

/// One connection of the role's account and one of the default account.
async fn two_accounts() -> Simulator {
    let aws = Simulator::start().await;
    aws.add(REGION, connection().owned_by(ACCOUNT));
    aws.add(REGION, Connection::new("dxcon-other123", "of-the-default-account"));
    aws
}

#[tokio::test]
async fn credentials_for_a_web_identity_are_those_of_the_role_s_account() {
    let aws = two_accounts().await;
    let token = Token::new("works");
    assert_eq!(with_web_identity(&aws, &token).await, r#"ok ["frankfurt-a"]"#);

    let asked = aws.credential_calls();
    assert_eq!((asked.len(), &asked[0].outcome, asked[0].operation.as_str()), (1, &Outcome::Ok, STS));
    assert_eq!((asked[0].credential_source, asked[0].account.as_str()), (Some(CredentialSource::Sts), ACCOUNT));
    assert_eq!(asked[0].parameter("WebIdentityToken"), Some("header.claims/+=&%.signature"));
    let calls = aws.calls();
    assert_eq!((calls.len(), calls[0].account.as_str()), (1, ACCOUNT), "asking for credentials is no call");
    assert!(calls[0].access_key_id.starts_with("ASIASTS"), "{calls:?}");
}

#[tokio::test]
async fn credentials_from_a_container_s_endpoint_are_those_of_the_default_account() {
    let aws = two_accounts().await;
    assert_eq!(with_container(&aws).await, r#"ok ["of-the-default-account"]"#);
    let asked = aws.credential_calls();
    assert_eq!((asked.len(), &asked[0].outcome, asked[0].operation.as_str()), (1, &Outcome::Ok, CONTAINER));
    assert_eq!(asked[0].credential_source, Some(CredentialSource::Container));
    assert!(aws.calls()[0].access_key_id.starts_with("ASIACTR"));
}

#[tokio::test]
async fn sts_fails_in_the_words_of_aws() {
    let aws = two_accounts().await;
    let token = Token::new("fails");
    let message = "Couldn't retrieve verification key from your identity provider <&>".to_owned();
    let other = FaultKind::Error { status: 403, code: Some("AccessDenied".into()), message: "Not authorized".into() };
    let cases = [
        (FaultKind::IdpCommunicationError, 400, Some("IDPCommunicationError"), "IdpCommunicationError"),
        (FaultKind::InvalidIdentityToken { message }, 400, Some("InvalidIdentityToken"), "identity provider <&>"),
        (FaultKind::Throttling, 400, Some("Throttling"), "Rate exceeded"),
        (FaultKind::ServiceUnavailable, 503, None, "503"),
        (FaultKind::InternalFailure, 500, Some("InternalFailure"), "InternalFailure"),
        (other, 403, Some("AccessDenied"), "Not authorized"),
    ];
    for (what, status, code, words) in cases {
        aws.inject(Fault::new(what.clone()).on(STS));
        let said = with_web_identity(&aws, &token).await;
        aws.clear_faults();
        assert!(!said.starts_with("ok") && said.contains(words), "{what:?}: {said}");
        let asked = aws.credential_calls();
        assert!(
            matches!(&asked[0].outcome, Outcome::Error { status: answered, .. } if *answered == status),
            "{asked:?}"
        );
        assert_eq!(asked[0].outcome.code(), code, "{what:?}");
        assert_eq!(aws.calls(), [], "{what:?}: without credentials there is no call");
        aws.clear_calls();
    }
}

#[tokio::test]
async fn a_container_s_endpoint_fails_and_works_again() {
    let aws = two_accounts().await;
    for (what, status) in [
        (FaultKind::Throttling, 429),
        (FaultKind::TooManyRequests, 429),
        (FaultKind::Error { status: 404, code: None, message: String::new() }, 404),
    ] {
        aws.inject(Fault::new(what.clone()).on(CONTAINER));
        let said = with_container(&aws).await;
        aws.clear_faults();
        assert!(!said.starts_with("ok") && said.contains(&status.to_string()), "{what:?}: {said}");
    }
    aws.clear_calls();
    aws.inject(Fault::new(FaultKind::ServiceUnavailable).on(CONTAINER).times(1));
    assert_eq!(with_container(&aws).await, r#"ok ["of-the-default-account"]"#, "the chain tries a 5xx again");
    assert_eq!(aws.credential_calls().len(), 2);
}

#[tokio::test]
async fn a_source_refuses_connections_by_itself_and_keeps_its_port() {
    let aws = two_accounts().await;
    let token = Token::new("refuses");
    let (sts, container) = (aws.sts_endpoint(), aws.container_credentials_uri());
    for _ in 0..2 {
        aws.inject(Fault::new(FaultKind::ConnectionRefused).on(STS));
        let said = with_web_identity(&aws, &token).await;
        assert!(said.contains("ConnectionRefused"), "{said}");
        assert!(with_container(&aws).await.starts_with("ok"));
        aws.inject(Fault::new(FaultKind::ConnectionRefused).on(CONTAINER));
        let said = with_container(&aws).await;
        assert!(said.contains("ConnectionRefused"), "{said}");

        aws.clear_faults();
        assert!(with_web_identity(&aws, &token).await.starts_with("ok"));
        assert!(with_container(&aws).await.starts_with("ok"));
    }
    assert_eq!((aws.sts_endpoint(), aws.container_credentials_uri()), (sts, container));
}

#[tokio::test]
async fn connections_that_are_open_are_cut_when_a_source_refuses_more() {
    let aws = Simulator::start().await;
    aws.inject(Fault::new(FaultKind::Hang { effect: false }).on(CONTAINER));
    let endpoint = aws.container_credentials_uri().trim_end_matches("/v1/credentials").to_owned();
    let asking = tokio::spawn(async move { raw(&endpoint, "GET /v1/credentials", &[], "").await });
    eventually("the call hangs", async || aws.credential_calls().iter().any(|call| call.outcome == Outcome::Hang))
        .await;
    aws.inject(Fault::new(FaultKind::ConnectionRefused).on(CONTAINER));
    let asked = timeout(Duration::from_secs(10), asking).await.expect("the connection is cut");
    asked.expect_err("there is no answer to read");
    eventually("the call has ended", async || aws.credential_calls()[0].finished.is_some()).await;
}

#[tokio::test]
async fn a_source_is_slow() {
    let aws = two_accounts().await;
    let token = Token::new("slow");
    for operation in [STS, CONTAINER] {
        aws.inject(Fault::new(FaultKind::Latency { millis: 300 }).on(operation));
    }
    let begun = Instant::now();
    assert!(with_web_identity(&aws, &token).await.starts_with("ok"));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let begun = Instant::now();
    assert!(with_container(&aws).await.starts_with("ok"));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_fault_that_names_no_operation_hits_no_credential_source() {
    let aws = two_accounts().await;
    aws.inject(Fault::new(FaultKind::ServiceUnavailable));
    let said = with_container(&aws).await;
    assert!(said.contains("503"), "{said}");
    assert_eq!((&aws.credential_calls()[0].outcome, aws.calls().len()), (&Outcome::Ok, 1));
}

#[tokio::test]
async fn credentials_that_were_given_out_expire_and_need_their_token() {
    let aws = two_accounts().await;
    aws.configure(|settings| settings.credential_lifetime = Duration::ZERO);
    let said = with_container(&aws).await;
    assert!(said.contains("ExpiredTokenException"), "{said}");

    let without_token = crate::client(&aws.endpoint(), REGION, &aws.calls()[0].access_key_id);
    let answer = without_token.describe_connections().connection_id(ID).send().await;
    assert_eq!(crate::refusal(answer).0, "UnrecognizedClientException");
}

#[tokio::test]
async fn a_request_that_no_sdk_sends_is_refused() {
    let aws = Simulator::start().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let good = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=a&WebIdentityToken=b\
                &RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa";
    let cases = [
        ("POST /", good.to_owned(), 200, "AccessKeyId"),
        ("GET /", good.to_owned(), 400, "InvalidAction"),
        ("POST /", good.replace("2011", "2010"), 400, "InvalidAction"),
        ("POST /", good.replace("WithWebIdentity", ""), 400, "InvalidAction"),
        ("POST /", good.replace("WebIdentityToken=b", "WebIdentityToken="), 400, "WebIdentityToken"),
        ("POST /", good.replace("role%2F", "user%2F"), 400, "ValidationError"),
    ];
    for (request_line, body, status, part) in cases {
        let (answered, answer) = raw(&aws.sts_endpoint(), request_line, &form, &body).await;
        assert!(answered == status && answer.contains(part), "{body}: {answered} {answer}");
    }
    let endpoint = aws.container_credentials_uri().trim_end_matches("/v1/credentials").to_owned();
    assert_eq!(raw(&endpoint, "GET /", &[], "").await.0, 404);
}
