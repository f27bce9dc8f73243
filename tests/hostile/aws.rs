//! Random answers of AWS, or of a server in its place: the operator's own client must handle them.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use directconnect_core::clock::Moment;
use directconnect_core::conditions::conditions;
use directconnect_core::decide::{Case, decide};
use directconnect_core::desired::{Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::fault::{Effect, Fault};
use directconnect_core::history::{Change, History, Observation, Source};
use directconnect_core::identity::{CircuitId, ConnectionId, RegionName};
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::settings::Settings;
use directconnect_operator::aws::{Aws, Client};
use directconnect_operator::kubernetes::events;
use directconnect_operator::metrics::Metrics;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{MAX_TEXT_BYTES, any_damage, any_words, cases, damaged, longest, shown, worded};

const ID: &str = "dxcon-fg1234ab";
const SET: Settings = Settings {
    poll_interval: Duration::from_mins(1),
    encryption_soak: Duration::from_mins(1),
    settle_window: Duration::from_mins(1),
    progress_deadline: Duration::from_mins(10),
};

/// An answer to a call.
#[derive(Clone)]
enum Answer {
    /// Valid HTTP with any content.
    Http { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// Any bytes.
    Noise(Vec<u8>),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.clone().bytes()))
    }
}

impl Answer {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Noise(bytes) => bytes,
            Self::Http { status, headers, body } => {
                let mut bytes =
                    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n", body.len()).into_bytes();
                for (name, value) in headers {
                    bytes.extend(format!("{name}: {value}\r\n").bytes());
                }
                bytes.extend(b"connection: close\r\n\r\n");
                bytes.extend(body);
                bytes
            }
        }
    }
}

fn any_headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let names = ["x-amzn-requestid", "x-amz-request-id", "x-amzn-errortype", "content-type", "retry-after"];
    vec((select(names.to_vec()), "[ -~]{0,30}|[ -~]{2000}"), 0..4)
}

/// An almost valid body of a page, an update or an error.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let page = json!({"connections": [shown(), shown()], "nextToken": "next"});
    let error =
        json!({"__type": "DirectConnectClientException", "message": "Could not find Connection", "code": "Code"});
    let worded = (select(vec![page.clone(), shown()]), vec(any_words(), 1..30))
        .prop_map(|(whole, words)| worded(whole, &words).to_string().into_bytes());
    let nearly = (select(vec![page, shown(), error]), any_damage(), prop::option::weighted(0.1, 0_usize..200))
        .prop_map(|(whole, damage, rest)| {
            let mut body = damaged(whole, damage).to_string().into_bytes();
            body.truncate(rest.unwrap_or(usize::MAX));
            body
        });
    let said = (select(&["Throttling", "AccessDenied", "DirectConnectClientException", "?"][..]), any_words())
        .prop_map(|(code, words)| json!({"__type": code, "message": words}).to_string().into_bytes());
    prop_oneof![
        6 => worded,
        6 => nearly,
        4 => said,
        1 => vec(any::<u8>(), 0..300),
    ]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let statuses = select(&[200, 200, 200, 200, 204, 206, 301, 400, 400, 400, 403, 404, 413, 429, 500, 503, 599][..]);
    prop_oneof![
        20 => (statuses, any_headers(), any_body())
            .prop_map(|(status, headers, body)| Answer::Http { status, headers, body }),
        1 => vec(any::<u8>(), 0..300).prop_map(Answer::Noise),
    ]
}

/// Answers one call with these bytes.
async fn answer_once(listener: &TcpListener, bytes: &[u8]) {
    let (mut stream, _) = listener.accept().await.expect("somebody calls");
    let mut request = Vec::new();
    // The body of a call is one JSON object, so the request ends with its last brace.
    while !request.ends_with(b"}") {
        let mut some = [0; 4096];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend(&some[..read]),
        }
    }
    // The client may hang up before it has received everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
}

async fn client(listener: &TcpListener) -> Client {
    let address = listener.local_addr().expect("it listens");
    let config = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"));
    Aws::load(config, Metrics::new()).await.client("eu-central-1")
}

fn spec() -> Desired {
    Desired {
        circuit: CircuitId {
            region: RegionName::parse("eu-central-1").expect("a region"),
            id: ConnectionId::parse(ID).expect("an id"),
        },
        name: Some("mine".into()),
        mode: Some(EncryptionMode::MustEncrypt),
        transition: EncryptionTransition::Guarded,
        policy: ManagementPolicy::Manage,
        paused: false,
        generation: 1,
    }
}

fn is_fit(words: &str, limit: usize) -> Result<(), TestCaseError> {
    prop_assert!(words.len() <= limit, "{} bytes: {words:.100}…", words.len());
    prop_assert!(!words.chars().any(char::is_control), "control characters: {words:?}");
    Ok(())
}

/// Asserts that a connection, and all messages about it, fit into a status.
fn connection_is_fit(connection: Connection) -> Result<(), TestCaseError> {
    let as_status: Value = serde_json::to_value(&connection).expect("a status is JSON");
    let (word, list) = longest(&as_status);
    prop_assert!(word <= MAX_TEXT_BYTES && list <= 100, "a word of {word} bytes, a list of {list}");
    let now = Moment::after_start(Duration::from_mins(10));
    let mut history = History::default();
    let connection = Some(std::sync::Arc::new(connection));
    history.record_read(Observation { began: now, ended: now, source: Source::ById, connection }, &SET);
    let ledger = Ledger::default();
    for (paused, policy) in
        [(false, ManagementPolicy::Manage), (true, ManagementPolicy::Manage), (false, ManagementPolicy::Observe)]
    {
        let desired = Desired { paused, policy, ..spec() };
        let plan = decide(&Case {
            is_reported: false,
            desired: &desired,
            ledger: &ledger,
            history: &history,
            settings: &SET,
            now,
            poll_fault: None,
            reading_since: Some(now),
            read_requested_at: None,
            older_claim: None,
            holder: None,
            other_proof: None,
            holds: None,
            settles_at: None,
            polls_at_soak_cadence: false,
        });
        prop_assert!(longest(&serde_json::to_value(&plan.drift).expect("JSON")).0 <= MAX_TEXT_BYTES);
        let verdict = plan.verdict.expect("a look leads to a verdict");
        for condition in conditions(&verdict, history.observation()) {
            is_fit(&condition.message, 4 * MAX_TEXT_BYTES)?;
        }
    }
    Ok(())
}

fn fault_is_fit(fault: &Fault) -> Result<(), TestCaseError> {
    // A character has at most four bytes.
    is_fit(&fault.message, 4 * MAX_TEXT_BYTES)?;
    is_fit(&fault.describe(&spec().circuit), 4 * MAX_TEXT_BYTES + 500)?;
    is_fit(fault.request_id.as_deref().unwrap_or_default(), MAX_TEXT_BYTES)
}

#[test]
fn whatever_aws_answers_is_read_or_refused_and_cut_to_what_fits() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (listener, client) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let client = client(&listener).await;
        (listener, client)
    });
    let change = Change { name: Some("mine".into()), mode: Some(EncryptionMode::ShouldEncrypt) };
    let tried = TestRunner::new(cases()).run(&any_answer(), |answer| {
        let bytes = answer.bytes();
        runtime.block_on(async {
            let (page, ()) = tokio::join!(client.page(None), answer_once(&listener, &bytes));
            match page {
                Ok((connections, _)) => {
                    for (_, connection) in connections {
                        connection_is_fit(connection)?;
                    }
                }
                Err(fault) => fault_is_fit(&fault)?,
            }
            let (read, ()) = tokio::join!(client.connection(ID), answer_once(&listener, &bytes));
            match read {
                Ok(Some(connection)) => connection_is_fit(connection)?,
                Ok(None) => {}
                Err(fault) => fault_is_fit(&fault)?,
            }
            let limit = Duration::from_secs(10);
            let (updated, ()) = tokio::join!(client.update(ID, &change, limit), answer_once(&listener, &bytes));
            match updated {
                Ok(updated) => {
                    is_fit(updated.request_id.as_deref().unwrap_or_default(), MAX_TEXT_BYTES)?;
                    let before =
                        Change { name: updated.connection.connection_name.clone(), mode: updated.connection.mode() };
                    let told = events::updated(
                        &spec().circuit.id,
                        &change,
                        &before,
                        &updated.connection,
                        updated.request_id.as_deref(),
                    );
                    prop_assert!(told.len() <= 2);
                    connection_is_fit(updated.connection)?;
                }
                Err(fault) => fault_is_fit(&fault)?,
            }
            Ok(())
        })
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_the_account_is_called_metrics_stay_lines(account in any_words()) {
        let metrics = Metrics::new();
        metrics.observed(Some("111122223333"), "eu-central-1");
        let usual = metrics.encode().expect("it is written").lines().count();
        let metrics = Metrics::new();
        metrics.observed(Some(&account), "eu-central-1");
        let text = metrics.encode().expect("it is written");
        prop_assert_eq!(text.split('\n').count(), usual + 1, "{}", text);
    }
}

#[tokio::test]
async fn an_answer_to_an_update_about_another_connection_leaves_it_in_doubt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let client = client(&listener).await;
    let body = json!({ "connectionId": "dxcon-zzzzzzzz", "encryptionMode": "must_encrypt" }).to_string().into_bytes();
    let answer = Answer::Http { status: 200, headers: vec![("x-amzn-requestid", "r-1".to_owned())], body };
    let change = Change { name: None, mode: Some(EncryptionMode::MustEncrypt) };
    let (bytes, update) = (answer.bytes(), client.update(ID, &change, Duration::from_secs(10)));
    let ((), answered) = tokio::join!(answer_once(&listener, &bytes), update);
    let fault = answered.expect_err("it is about another one");
    assert_eq!((fault.effect, fault.request_id.as_deref()), (Effect::Unknown, Some("r-1")), "{fault:?}");
    assert!(fault.message.contains("dxcon-zzzzzzzz"), "{fault:?}");
}
