//! Checks the wire format independently: the operator's own client against moto, which others wrote.
//!
//! Moto is lenient (no states, no rules for modes, no faults) and its ids are ARNs, so the test calls the client
//! directly, without resources.

use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_credential_types::Credentials;
use directconnect_core::desired::EncryptionMode;
use directconnect_core::fault::{Effect, FaultKind};
use directconnect_core::history::Change;
use directconnect_core::observed::{ConnectionState, PortEncryptionStatus};
use directconnect_operator::aws::{Aws, Client};
use directconnect_operator::metrics::Metrics;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const REGION: &str = "eu-central-1";
const SOON: Duration = Duration::from_secs(10);

/// A moto server that runs until this is dropped.
struct Moto {
    process: Child,
    url: String,
}

impl Moto {
    fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/moto/run");
        let mut process = Command::new(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/moto/run starts");
        let mut url = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut url).expect("its output is text");
        assert!(url.starts_with("http://"), "moto did not start; it says why above");
        Self { process, url: url.trim_end().to_owned() }
    }

    fn config(&self) -> ConfigLoader {
        aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"))
    }

    /// The operator's own client.
    async fn client(&self) -> Client {
        Aws::load(self.config(), Metrics::new()).await.client(REGION)
    }

    /// Creates a connection, which the operator never does, and returns its id.
    async fn create(&self, name: &str) -> Result<String, String> {
        let shared = self.config().http_client(aws_smithy_http_client::Builder::new().build_http()).load().await;
        let sdk = aws_sdk_directconnect::Client::new(&shared);
        let create = sdk.create_connection().location("EqFA5").bandwidth("10Gbps").connection_name(name);
        let made = create.request_mac_sec(true).send().await.map_err(|error| error.to_string())?;
        made.connection_id.ok_or_else(|| "it has no id".to_owned())
    }
}

/// Moto ends when its standard input is closed.
impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn start(arguments: &'static [&'static str]) -> impl Future<Output = Moto> {
    let started = tokio::task::spawn_blocking(|| Moto::start(arguments));
    async { started.await.expect("moto starts") }
}

#[tokio::test]
async fn moto_takes_and_gives_what_the_operator_sends_and_reads() {
    let moto = start(&[]).await;
    let client = moto.client().await;
    let id = moto.create("old").await.expect("moto makes a connection");
    moto.create("other").await.expect("moto makes another");

    let before = client.connection(&id).await.expect("moto answers").expect("it is there");
    assert_eq!(before.connection_name.as_deref(), Some("old"));
    assert_eq!(before.connection_state, Some(ConnectionState::Available));
    assert_eq!(before.mode(), Some(EncryptionMode::MustEncrypt));
    assert_eq!(before.port_encryption_status, Some(PortEncryptionStatus::Down));
    assert!(before.takes_a_mode() && before.has_associated_key() && !before.encryption_works(), "{before:?}");
    assert_eq!((before.vlan, before.lag_id.as_deref()), (None, None), "0 and null are no values");
    assert_eq!(before.loa_issue_time.as_deref(), Some("2026-01-01T00:00:00Z"));

    let name = Change { name: Some("new".into()), mode: None };
    let renamed = client.update(&id, &name, SOON).await.expect("moto renames");
    assert_eq!(renamed.connection.connection_name.as_deref(), Some("new"));
    assert_eq!(renamed.connection.mode(), Some(EncryptionMode::MustEncrypt), "what is not sent stays");
    assert!(renamed.request_id.is_some());

    for mode in [EncryptionMode::ShouldEncrypt, EncryptionMode::NoEncrypt, EncryptionMode::MustEncrypt] {
        let change = Change { name: None, mode: Some(mode) };
        let changed = client.update(&id, &change, SOON).await.expect("moto changes the mode");
        assert_eq!(changed.connection.mode(), Some(mode));
        let read = client.connection(&id).await.expect("moto answers").expect("it is there");
        assert_eq!(read, changed.connection, "the update's answer and a read say the same");
        assert_eq!(read.connection_name.as_deref(), Some("new"));
    }

    let (page, next) = client.page(None).await.expect("moto answers");
    assert_eq!((page.len(), next), (2, None));
}

#[tokio::test]
async fn an_error_that_is_motos_own_is_a_rejection_in_its_words() {
    let moto = start(&[]).await;
    let client = moto.client().await;
    let read = client.connection("dxcon-aaaaaaaa").await.expect_err("there is no such connection");
    let change = Change { name: Some("new".into()), mode: None };
    let update = client.update("dxcon-aaaaaaaa", &change, SOON).await.expect_err("there is no such connection");
    for fault in [read, update] {
        assert_eq!(fault.kind, FaultKind::Rejected, "AWS has no such code: {fault:?}");
        assert!(fault.message.contains("dxcon-aaaaaaaa does not match any connections"), "{fault:?}");
        assert!(fault.request_id.is_some() && fault.effect == Effect::None, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_model_is_in_doubt() {
    let moto = start(&["--as-moto-has-it"]).await;
    let client = moto.client().await;
    moto.create("old").await.expect_err("no answer of moto's own types can be read");
    let fault = client.page(None).await.expect_err("this neither");
    assert!(fault.kind == FaultKind::Unavailable && fault.effect == Effect::Unknown, "{fault:?}");
    assert!(fault.message.contains("could not be understood"), "{fault:?}");
}
