//! Starts with statuses that the previous release wrote: nothing is sent or written that is not due.

use direct_connect_simulator::{Connection, DEFAULT_ACCOUNT, ENCRYPTION_DOWN, ENCRYPTION_UP};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use std::time::Duration;
use test_support::{Front, Manifest, Passing, REGION, Resource, World, connection, wait};

const A: &str = "dxcon-aaaaaaaa";
const B: &str = "dxcon-bbbbbbbb";
const SOAK: Duration = Duration::from_secs(2);
/// How long a soak after a start may take, with the settle window and the longest call before it.
const AFTER_A_START: Duration = Duration::from_mins(1);

/// What the previous release wrote about a connection.
struct Written {
    id: &'static str,
    mode: &'static str,
    state: &'static str,
    encryption: &'static str,
    has_key: bool,
    /// `Ready`: its status, reason and message, and the condition that is present beside it.
    verdict: (&'static str, &'static str, &'static str, Option<&'static str>),
    /// Age of the status, in seconds.
    ago: i64,
    ledger: Value,
}

impl Written {
    fn time(&self) -> String {
        (Timestamp::now() - self.ago.seconds()).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn sent(&self, fields: &Value) -> Value {
        let mut last = json!({
            "time": self.time(), "generation": 1, "requestId": "2e2914fd-3990-4df4-b7ab-302cdf71b65a",
        });
        for (field, value) in fields.as_object().expect("fields") {
            last[field] = value.clone();
        }
        last
    }

    fn condition(&self, kind: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "observedGeneration": 1, "lastTransitionTime": self.time(),
        })
    }

    fn status(&self) -> Value {
        let (ready, reason, message, waits) = self.verdict;
        let is_up = self.encryption == ENCRYPTION_UP;
        let (state, encryption) = (self.state, self.encryption);
        let mut conditions = vec![
            self.condition("Ready", ready, reason, message),
            if state == "available" {
                self.condition("LinkUp", "True", "Available", &format!("connectionState is {state}"))
            } else {
                self.condition("LinkUp", "False", "NotAvailable", &format!("connectionState is {state}"))
            },
            self.condition(
                "Encrypted",
                if is_up { "True" } else { "False" },
                if is_up { "EncryptionUp" } else { "EncryptionDown" },
                &format!("portEncryptionStatus is {encryption}"),
            ),
        ];
        conditions.extend(waits.map(|kind| self.condition(kind, "True", reason, message)));
        let id = self.id;
        let mut status = json!({
            "observedGeneration": 1,
            "connectionId": id,
            "arn": format!("arn:aws:directconnect:{REGION}:{DEFAULT_ACCOUNT}:dxcon/{id}"),
            "connectionName": "line", "connectionState": state, "region": REGION, "ownerAccount": DEFAULT_ACCOUNT,
            "location": "EqFA5", "bandwidth": "10Gbps", "jumboFrameCapable": true, "hasLogicalRedundancy": "unknown",
            "awsDevice": "EqFA5-2f9n0w1q7a3k", "awsDeviceV2": "EqFA5-2f9n0w1q7a3k",
            "awsLogicalDeviceId": "EqFA5-2f9n0w1q7a3k",
            "macSecCapable": true, "encryptionMode": self.mode, "portEncryptionStatus": encryption,
            "conditions": conditions,
        });
        if self.has_key {
            let secret = format!(
                "arn:aws:secretsmanager:{REGION}:{DEFAULT_ACCOUNT}:secret:directconnect!prod/{REGION}/directconnect/01"
            );
            status["macSecKeys"] = json!([
                { "ckn": "01", "secretARN": secret, "startOn": "2026-01-01T00:00:00Z", "state": "associated" },
            ]);
        }
        if reason != "InSync" {
            status["drift"] = json!([{ "field": "encryptionMode", "desired": "must_encrypt", "observed": self.mode }]);
        }
        for (field, value) in self.ledger.as_object().expect("fields") {
            status[field] = value.clone();
        }
        if let Some(fields) = self.ledger.get("lastUpdate") {
            status["lastUpdate"] = self.sent(fields);
        }
        status
    }

    /// The connection as it was when the status was written.
    fn connection(&self) -> Connection {
        let line = Connection::new(self.id, "line").with_mode(self.mode).in_state(self.state);
        let mut line = if self.has_key { line.with_key("01") } else { line };
        line.port_encryption_status = Some(self.encryption.to_owned());
        line
    }
}

const IN_SYNC: (&str, &str, &str, Option<&str>) = ("True", "InSync", "AWS has what the spec asks for", None);

/// `must_encrypt` was sent, and MACsec has been up ever since.
fn met(ago: i64) -> Written {
    Written {
        id: A,
        mode: "must_encrypt",
        state: "available",
        encryption: ENCRYPTION_UP,
        has_key: true,
        verdict: IN_SYNC,
        ago,
        ledger: json!({
            "metGeneration": 1, "mustEncryptGeneration": 1, "lastUpdate": { "encryptionMode": "must_encrypt" },
        }),
    }
}

/// `must_encrypt` was sent without a key by an Immediate transition: the link is down.
fn cut(ago: i64) -> Written {
    const MESSAGE: &str = "AWS has what the spec asks for; portEncryptionStatus is Encryption Down, so must_encrypt lets no traffic pass: bring MACsec up, or lower spec.encryptionMode";
    let verdict = ("True", "InSync", MESSAGE, None);
    Written { state: "down", encryption: ENCRYPTION_DOWN, has_key: false, verdict, ..met(ago) }
}

/// `should_encrypt` was sent, and the soak before `must_encrypt` was not over.
fn in_mid_ladder(ago: i64) -> Written {
    const MESSAGE: &str = "portEncryptionStatus of dxcon-aaaaaaaa is Encryption Up; must_encrypt follows once that has held for the whole soak";
    Written {
        mode: "should_encrypt",
        verdict: ("False", "WaitingForEncryptionUp", MESSAGE, Some("Reconciling")),
        ledger: json!({ "lastUpdate": { "encryptionMode": "should_encrypt" } }),
        ..met(ago)
    }
}

/// Ready for `must_encrypt`, and waiting for the turn of another connection.
fn waits_for_its_turn(ago: i64) -> Written {
    const MESSAGE: &str = "dxcon-bbbbbbbb is ready for must_encrypt, but default/first of the same AWS account is on its way there: it goes on once that one has shown Encryption Up for a whole soak or no longer wants must_encrypt";
    Written {
        id: B,
        mode: "should_encrypt",
        verdict: ("False", "WaitingForTurn", MESSAGE, Some("Reconciling")),
        ledger: json!({}),
        ..met(ago)
    }
}

fn without_a_key(ledger: Value) -> Written {
    const MESSAGE: &str = "dxcon-aaaaaaaa has no MACsec key, and must_encrypt would stop all traffic until MACsec is up: associate a MACsec key with dxcon-aaaaaaaa, then nothing else is needed";
    Written {
        mode: "should_encrypt",
        verdict: ("False", "NoMacSecKey", MESSAGE, Some("Stalled")),
        ledger,
        state: "available",
        ..cut(HOURS)
    }
}

const HOURS: i64 = 3 * 3600;
const MOMENTS: i64 = 3;

fn wants_must(name: &str, id: &str) -> Manifest {
    connection(name).id(id).mode("must_encrypt")
}

fn insists(name: &str, id: &str) -> Manifest {
    wants_must(name, id).transition("Immediate")
}

/// A world that a previous release left, with no operator yet, and a record of all versions that are written.
struct Left {
    world: World,
    api_server: Front,
}

impl Left {
    async fn of(resources: Vec<(Manifest, Written)>) -> Self {
        let soak = format!("{}s", SOAK.as_secs());
        let world = World::builder().without_operator().flag("--leader-elect", "false").flag("--encryption-soak", soak);
        let world = world.flag("--poll-interval", "500ms");
        let mut world = world.build().await;
        let api_server = world.front_of_api_server().await;
        for (manifest, written) in resources {
            world.aws.add(REGION, written.connection());
            let name = world.apply(manifest).await;
            let name = name.0["metadata"]["name"].as_str().expect("it has one").to_owned();
            world.patch_status(&name, written.status()).await;
        }
        Self { world, api_server }
    }

    fn writes(&self, name: &str) -> Vec<Passing> {
        let path = format!("/{name}/status");
        self.api_server.seen().into_iter().filter(|seen| seen.writes_status() && seen.path.ends_with(&path)).collect()
    }

    fn sent(&self, id: &str) -> Vec<Value> {
        let updates = self.world.updates().into_iter().filter(|call| call.parameter("connectionId") == Some(id));
        updates.map(|call| call.parameters["encryptionMode"].clone()).collect()
    }

    async fn until_sent(&self, id: &str) {
        wait::until(AFTER_A_START, format!("an update of {id}"), async || !self.sent(id).is_empty()).await;
    }

    /// Asserts that `before` is unchanged, except for what this release adds to it and for messages.
    async fn keeps(&self, name: &str, before: &Resource) {
        let without_messages = |resource: &Resource| {
            let mut resource = Resource(resource.0.clone());
            for condition in resource.0["status"]["conditions"].as_array_mut().expect("conditions") {
                condition["message"] = Value::Null;
            }
            resource
        };
        let (now, before) = (without_messages(&self.world.get(name).await), without_messages(before));
        for (field, value) in before.0["status"].as_object().expect("it has a status") {
            assert_eq!(now.status(field), value, "{field} of {name}: {now}");
        }
    }
}

#[tokio::test]
async fn a_connection_proven_long_ago_gets_no_update_and_holds_no_turn() {
    for encryption in [ENCRYPTION_UP, ENCRYPTION_DOWN] {
        let first = (wants_must("first", A), met(HOURS));
        let left = Left::of(vec![first, (wants_must("second", B), waits_for_its_turn(HOURS))]).await;
        let mut left = left;
        let before = left.world.get("first").await;
        left.world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(encryption.to_owned()));
        left.world.start_operator();
        left.world.ready("second").await;
        left.world.polls(5).await;
        assert_eq!(left.sent(A), Vec::<Value>::new(), "{encryption}");
        assert_eq!(left.sent(B), [json!("must_encrypt")], "{encryption}");
        if encryption == ENCRYPTION_UP {
            left.keeps("first", &before).await;
            assert!(left.writes("first").len() <= 1, "its proof at most: {:#?}", left.writes("first"));
        }
    }
}

#[tokio::test]
async fn a_connection_in_the_middle_of_the_ladder_soaks_again_and_is_updated_once() {
    for ago in [HOURS, MOMENTS] {
        let mut left = Left::of(vec![(wants_must("first", A), in_mid_ladder(ago))]).await;
        left.world.start_operator();
        left.until_sent(A).await;
        left.world.ready("first").await;
        left.world.polls(10).await;
        assert_eq!(left.sent(A), [json!("must_encrypt")], "{ago} s");
        let calls = left.world.aws.calls();
        let took = left.world.updates()[0].time.millis - calls[0].time.millis;
        assert!(took >= 1500.0, "{ago} s: {took:.0} ms of looks, and the soak is 2 s");
    }
}

/// The last update of the previous process may still be in flight, since that process may have just ended.
#[tokio::test]
async fn no_decision_before_an_update_sent_moments_ago_must_have_ended() {
    let mut left = Left::of(vec![(wants_must("first", A), in_mid_ladder(MOMENTS))]).await;
    let started = Timestamp::now();
    left.world.start_operator();
    left.until_sent(A).await;
    let sent: Timestamp = left.world.updates()[0].time.wall.parse().expect("a time");
    let after = sent.duration_since(started);
    // The settle window of 1 s and the longest call.
    assert!(after.as_millis() >= 13_000, "it went {after:?} after this process was started");
}

/// The first was sent `must_encrypt` a moment ago. After this process has seen it up for a soak, the second is sent it.
#[tokio::test]
async fn a_pair_in_the_middle_of_the_ladder_goes_on_one_after_another() {
    let resources =
        vec![(wants_must("first", A), met(MOMENTS)), (wants_must("second", B), waits_for_its_turn(MOMENTS))];
    let mut left = Left::of(resources).await;
    left.world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(ENCRYPTION_DOWN.to_owned()));
    left.world.start_operator();
    left.world.polls(20).await;
    assert_eq!(left.sent(B), Vec::<Value>::new(), "the first is down and was never proven");
    let up = left.world.aws.calls().len();
    left.world.aws.edit(REGION, A, |line| line.port_encryption_status = Some(ENCRYPTION_UP.to_owned()));
    left.until_sent(B).await;
    let proven_after = left.world.updates()[0].time.millis - left.world.aws.calls()[up].time.millis;
    assert!(proven_after >= 1500.0, "the second went {proven_after:.0} ms after the first was up, and the soak is 2 s");
    left.world.ready("second").await;
    left.world.ready("first").await;
    assert_eq!((left.sent(A), left.sent(B)), (Vec::new(), vec![json!("must_encrypt")]));
}

/// Neither age nor a later rename proves a connection that has been down since `must_encrypt` was sent.
#[tokio::test]
async fn a_connection_that_was_cut_off_and_never_proven_holds_its_turn_at_any_age() {
    let renamed = json!({ "metGeneration": 1, "mustEncryptGeneration": 1, "lastUpdate": { "connectionName": "line" } });
    for written in [cut(HOURS), Written { ledger: renamed, ..cut(HOURS) }] {
        let second = (wants_must("second", B), waits_for_its_turn(HOURS));
        let mut left = Left::of(vec![(insists("first", A).name("line"), written), second]).await;
        let before = left.world.get("first").await;
        left.world.start_operator();
        left.world.polls(25).await;
        assert_eq!((left.sent(A), left.sent(B)), (Vec::new(), Vec::new()));
        left.keeps("first", &before).await;
        left.world.aws.associate_key(REGION, A, "01");
        left.until_sent(B).await;
        assert_eq!(left.sent(A), Vec::<Value>::new());
    }
}

/// AWS lowered the mode while no operator ran, or before. Immediate had been used already.
#[tokio::test]
async fn an_immediate_of_the_earlier_release_is_not_sent_once_more() {
    let renamed = json!({ "metGeneration": 1, "mustEncryptGeneration": 1, "lastUpdate": { "connectionName": "line" } });
    let met =
        json!({ "metGeneration": 1, "mustEncryptGeneration": 1, "lastUpdate": { "encryptionMode": "must_encrypt" } });
    // The name was blocked, so no generation was matched.
    let seen = json!({ "mustEncryptGeneration": 1 });
    for ledger in [renamed, met, seen] {
        let case = ledger.to_string();
        let mut left = Left::of(vec![(insists("first", A).name("line"), without_a_key(ledger))]).await;
        let before = left.world.get("first").await;
        left.world.start_operator();
        left.world.polls(10).await;
        assert_eq!(left.sent(A), Vec::<Value>::new(), "{case}");
        left.keeps("first", &before).await;
        // Only its message changes: it says that Immediate has been used.
        assert!(left.writes("first").len() <= 1, "{case}: {:#?}", left.writes("first"));
    }
}

#[tokio::test]
async fn a_connection_that_waits_for_a_key_gets_no_update_and_no_status_write() {
    let mut left = Left::of(vec![(wants_must("first", A), without_a_key(json!({})))]).await;
    let before = left.world.get("first").await;
    left.world.start_operator();
    left.world.polls(10).await;
    assert_eq!(left.sent(A), Vec::<Value>::new());
    assert_eq!(left.world.get("first").await.version(), before.version());
    // And it goes on as the message says.
    left.world.aws.associate_key(REGION, A, "01");
    left.world.ready("first").await;
    assert_eq!(left.sent(A), [json!("must_encrypt")]);
}

/// A status that was restored from a backup names greater generations than the object has, so it belongs to an earlier
/// object.
#[tokio::test]
async fn a_status_of_another_life_is_as_if_absent() {
    let from_another_life = Written {
        ledger: json!({ "metGeneration": 7, "mustEncryptGeneration": 7, "lastUpdate": { "encryptionMode": "must_encrypt" } }),
        mode: "should_encrypt",
        ..met(HOURS)
    };
    let mut left = Left::of(vec![(wants_must("first", A), from_another_life)]).await;
    left.world.start_operator();
    left.until_sent(A).await;
    left.world.until("first", "at must_encrypt", |line| line.status("encryptionMode") == "must_encrypt").await;
    let line = left.world.ready("first").await;
    assert_eq!(left.sent(A), [json!("must_encrypt")]);
    assert_eq!((line.status("metGeneration"), line.status("mustEncryptGeneration")), (&json!(1), &json!(1)), "{line}");
}
