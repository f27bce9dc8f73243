//! Tests of the simulator through the real AWS SDK. They are one binary, because linking the SDK takes long, with one
//! file for each behaviour.
#![allow(clippy::doc_markdown, reason = "MACsec is a name, not code")]
#![allow(clippy::redundant_closure_for_method_calls, reason = "the SDK's own paths are longer than the closures")]

mod altered_reads;
mod calls;
mod control;
mod credentials;
mod faults;
mod held_answers;
mod late_reads;
mod link;
mod out_of_order;
mod pages;
mod program;
mod rules;
mod stored_otherwise;
mod throttling;
mod wire;

use std::time::{Duration, Instant};

use aws_sdk_directconnect::Client;
use aws_sdk_directconnect::config::retry::RetryConfig;
use aws_sdk_directconnect::config::timeout::TimeoutConfig;
use aws_sdk_directconnect::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_directconnect::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_directconnect::types::Connection as Shown;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use direct_connect_simulator::{Connection, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

const REGION: &str = "eu-central-1";
const ID: &str = "dxcon-fg1234ab";

/// An SDK client as usual, but without retries, which would hide faults.
fn client(endpoint: &str, region: &str, access_key_id: &str) -> Client {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_sdk_directconnect::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(access_key_id, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(10)).build())
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// A simulator with one connection, and a client of its account and region.
async fn with(connection: Connection) -> (Simulator, Client) {
    let aws = Simulator::start().await;
    aws.add(REGION, connection);
    let client = client(&aws.endpoint(), REGION, "AKIDEXAMPLE");
    (aws, client)
}

fn connection() -> Connection {
    Connection::new(ID, "frankfurt-a")
}

/// The connection in a read by id.
async fn read(client: &Client) -> Shown {
    let answer = client.describe_connections().connection_id(ID).send().await.expect("a describe");
    answer.connections()[0].clone()
}

/// The code and message of an error answer from AWS.
fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata>(answer: Result<T, SdkError<E>>) -> (String, String) {
    let Err(SdkError::ServiceError(error)) = answer else {
        panic!("an error of the service was expected, but it is {:?}", answer.map_err(|error| error.to_string()));
    };
    let (code, message) = (error.err().code(), error.err().message());
    (code.unwrap_or_default().to_owned(), message.unwrap_or_default().to_owned())
}

/// Waits until a condition holds, at most ten seconds.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A request as the SDK would not send it.
fn request(line: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
    let length = body.len();
    format!("{line} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// The status and the body of an exchange without the SDK, which would hide most of it.
async fn raw(endpoint: &str, line: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).await.expect("the simulator listens");
    stream.write_all(request(line, headers, body).as_bytes()).await.expect("the simulator reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the simulator answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}
