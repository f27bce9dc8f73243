//! The control API, which does for other processes what [`Simulator`] does within one.

use std::io::ErrorKind;

use direct_connect_simulator::Simulator;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{ID, REGION, client, eventually, raw, refusal};

async fn control(aws: &Simulator, request_line: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = raw(&aws.endpoint(), request_line, &[], &body).await;
    (status, serde_json::from_str(&answer).expect("a JSON answer"))
}

async fn done(aws: &Simulator, request_line: &str, body: Value) -> Value {
    let (status, answer) = control(aws, request_line, &body).await;
    assert!((200..300).contains(&status), "{request_line} {body}: {status} {answer}");
    answer
}

#[tokio::test]
async fn connections_are_seeded_changed_and_removed() {
    let aws = Simulator::start().await;
    let path = format!("/_sim/connections/{REGION}");
    let added = json!({"connectionId": ID, "connectionName": "a", "jumboFrameCapable": null});
    let added = done(&aws, &format!("POST {path}"), added).await;
    assert_eq!((&added["connectionState"], &added["bandwidth"]), (&json!("available"), &json!("10Gbps")));
    assert_eq!(added.get("jumboFrameCapable"), None, "null makes a field absent");

    let changed = done(&aws, &format!("PATCH {path}/{ID}"), json!({"encryptionMode": "must_encrypt"})).await;
    assert_eq!(changed["connectionState"], "down", "a change has what follows from it");

    let exact = done(&aws, &format!("PUT {path}/{ID}"), json!({"connectionState": "pending"})).await;
    assert_eq!(exact, json!({"connectionId": ID, "connectionState": "pending", "region": REGION}));
    assert_eq!(done(&aws, &format!("GET {path}/{ID}"), Value::Null).await, exact);
    assert_eq!(done(&aws, &format!("GET {path}"), Value::Null).await, json!({"connections": [exact]}));
    let all = done(&aws, "GET /_sim/connections", Value::Null).await;
    assert_eq!(all, json!({"connections": {REGION: [exact]}}));

    done(&aws, &format!("DELETE {path}/{ID}"), Value::Null).await;
    assert_eq!(control(&aws, &format!("GET {path}/{ID}"), &Value::Null).await.0, 404);
}

#[tokio::test]
async fn keys_come_and_go() {
    let aws = Simulator::start().await;
    let path = format!("/_sim/connections/{REGION}");
    done(&aws, "PATCH /_sim/settings", json!({"keyChangeAfterMs": 20, "macsecUpAfterMs": 20})).await;
    done(&aws, &format!("POST {path}"), json!({"connectionId": ID})).await;
    let keyed = done(&aws, &format!("POST {path}/{ID}/keys"), json!({"ckn": "abcd"})).await;
    assert_eq!(keyed["macSecKeys"][0]["state"], "associating");
    eventually("the session is up", async || aws.connection(REGION, ID).unwrap().encryption_is_up()).await;
    let leaving = done(&aws, &format!("DELETE {path}/{ID}/keys/abcd"), Value::Null).await;
    assert_eq!(leaving["macSecKeys"][0]["state"], "disassociating");
    eventually("the key is gone", async || aws.connection(REGION, ID).unwrap().keys().is_empty()).await;
}

#[tokio::test]
async fn faults_settings_and_the_log_work_on_calls_of_the_sdk() {
    let aws = Simulator::start().await;
    let client = client(&aws.endpoint(), REGION, "AKIDOTHER");
    done(&aws, "PATCH /_sim/settings", json!({"accessKeys": {"AKIDOTHER": "210987654321"}})).await;
    done(&aws, "POST /_sim/faults", json!({"operation": "DescribeConnections", "times": 1, "what": "throttling"}))
        .await;
    let error = json!({"what": {"error": {"status": 400, "code": "OptInRequired", "message": "Subscribe first."}}});
    done(&aws, "POST /_sim/faults", error).await;

    assert_eq!(refusal(client.describe_connections().send().await).0, "ThrottlingException");
    assert_eq!(refusal(client.describe_connections().send().await).0, "OptInRequired");
    let faults = done(&aws, "GET /_sim/faults", Value::Null).await;
    assert_eq!(faults["faults"][0]["times"], 0, "a spent fault shows as such");
    done(&aws, "DELETE /_sim/faults", Value::Null).await;
    client.describe_connections().send().await.unwrap();

    let calls = done(&aws, "GET /_sim/calls", Value::Null).await;
    assert_eq!(calls["calls"].as_array().map(Vec::len), Some(3));
    assert_eq!(calls["calls"][0]["account"], "210987654321");
    assert_eq!(calls["calls"][1]["outcome"]["code"], "OptInRequired");
    assert_eq!(calls["calls"][2]["outcome"], json!({"result": "ok"}));
    done(&aws, "DELETE /_sim/calls", Value::Null).await;
    assert_eq!(aws.calls(), [], "control requests are no calls");
}

#[tokio::test]
async fn held_answers_are_listed_and_released() {
    let aws = Simulator::start().await;
    let client = client(&aws.endpoint(), REGION, "AKIDEXAMPLE");
    done(&aws, "POST /_sim/faults", json!({"reads": "listing", "what": {"heldAnswer": {"millis": null}}})).await;
    let describes = [(); 3].map(|()| tokio::spawn(client.describe_connections().send()));
    aws.wait_until_held(3).await;
    let held = done(&aws, "GET /_sim/held", Value::Null).await;
    assert_eq!(held["held"][2]["outcome"], json!({"result": "held"}));
    let first = held["held"][0]["requestId"].as_str().unwrap();

    let rest = done(&aws, &format!("DELETE /_sim/held/{first}"), Value::Null).await;
    assert_eq!(rest["held"].as_array().map(Vec::len), Some(2));
    assert_eq!(control(&aws, &format!("DELETE /_sim/held/{first}"), &Value::Null).await.0, 404);
    assert_eq!(done(&aws, "DELETE /_sim/held", Value::Null).await, json!({"held": []}));
    for describe in describes {
        describe.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn credential_sources_are_found_made_to_fail_and_logged() {
    let aws = Simulator::start().await;
    let sources = done(&aws, "GET /_sim/credential-sources", Value::Null).await;
    assert_eq!(sources, json!({"sts": aws.sts_endpoint(), "container": aws.container_credentials_uri()}));
    let fault = |what: &str| json!({"operation": "GetContainerCredentials", "what": what, "times": 1});
    done(&aws, "POST /_sim/faults", fault("serviceUnavailable")).await;
    let endpoint = sources["container"].as_str().unwrap().trim_end_matches("/v1/credentials").to_owned();
    assert_eq!(raw(&endpoint, "GET /v1/credentials", &[], "").await.0, 503);
    assert_eq!(raw(&endpoint, "GET /v1/credentials", &[], "").await.0, 200);

    let calls = done(&aws, "GET /_sim/credential-calls", Value::Null).await;
    assert_eq!(calls["calls"][0]["credentialSource"], "container");
    assert_eq!(calls["calls"].as_array().map(Vec::len), Some(2));
    assert_eq!(done(&aws, "GET /_sim/calls", Value::Null).await, json!({"calls": []}));
    done(&aws, "DELETE /_sim/calls", Value::Null).await;
    assert_eq!(aws.credential_calls(), []);

    let refuse = json!({"operation": "GetContainerCredentials", "what": "connectionRefused"});
    done(&aws, "POST /_sim/faults", refuse).await;
    let address = endpoint.trim_start_matches("http://").to_owned();
    let refused = TcpStream::connect(&address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    done(&aws, "POST /_sim/reset", Value::Null).await;
    TcpStream::connect(&address).await.expect("a reset opens the port");
}

#[tokio::test]
async fn a_seed_sets_up_a_world_and_a_reset_forgets_it() {
    let aws = Simulator::start().await;
    let seed = json!({
        "settings": {"lateReads": 1},
        "connections": {REGION: [{"connectionId": ID}], "eu-west-1": [{"connectionId": "dxcon-inireland"}]},
        "faults": [{"what": {"hang": {"effect": true}}}],
    });
    let all = done(&aws, "POST /_sim/seed", seed).await;
    assert_eq!(all["connections"].as_object().map(|regions| regions.len()), Some(2));
    assert_eq!(done(&aws, "GET /_sim/settings", Value::Null).await["lateReads"], 1);
    done(&aws, "POST /_sim/reset", Value::Null).await;
    assert_eq!(done(&aws, "GET /_sim/connections", Value::Null).await, json!({"connections": {}}));
    assert_eq!(done(&aws, "GET /_sim/settings", Value::Null).await["lateReads"], 0);
    assert_eq!(done(&aws, "GET /_sim/faults", Value::Null).await, json!({"faults": []}));
}

#[tokio::test]
async fn a_mistake_is_told_with_what_is_allowed() {
    let aws = Simulator::start().await;
    let path = format!("/_sim/connections/{REGION}");
    done(&aws, &format!("POST {path}"), json!({"connectionId": ID})).await;
    let one = format!("{path}/{ID}");
    let cases = [
        (format!("POST {path}"), json!({"connectionName": "a"}), 400, "connectionId is missing"),
        (format!("POST {path}"), json!({"connectionId": "foobar"}), 400, "lower-case letters or digits"),
        (format!("PATCH {one}"), json!({"mode": "no_encrypt"}), 400, "expected one of `connectionId`"),
        (format!("PATCH {one}"), json!({"vlan": "5"}), 400, "expected i32"),
        (format!("PATCH {one}"), json!([]), 400, "must be a JSON object"),
        (format!("PATCH {one}"), json!({"connectionId": "dxcon-other123"}), 400, "as in the path"),
        (format!("PATCH {path}/dxcon-nobodys1"), json!({}), 404, "there is no connection"),
        (format!("DELETE {path}/dxcon-nobodys1"), Value::Null, 404, "there is no connection"),
        (format!("POST {one}/keys"), json!({"key": "abcd"}), 400, "ckn"),
        (format!("DELETE {one}/keys/abcd"), Value::Null, 400, "has no key abcd"),
        ("PATCH /_sim/settings".into(), json!({"pageSize": 101}), 400, "1 to 100"),
        ("PATCH /_sim/settings".into(), json!({"latency": 5}), 400, "expected one of `macsecUpAfterMs`"),
        ("PATCH /_sim/settings".into(), json!({"accessKeys": {"AKID": "12"}}), 400, "12 digits"),
        ("PATCH /_sim/settings".into(), json!({"throttle": {"capacity": 1, "perSecond": -1}}), 400, "0 or more"),
        ("POST /_sim/faults".into(), json!({"what": "explode"}), 400, "expected one of `clientException`"),
        ("POST /_sim/faults".into(), json!({"operation": "Update", "what": "badJson"}), 400, "UpdateConnection"),
        ("POST /_sim/faults".into(), json!({"what": {"error": {"status": 200, "message": ""}}}), 400, "400 to 599"),
        (
            "POST /_sim/faults".into(),
            json!({"operation": "UpdateConnection", "what": "leftOut"}),
            400,
            "absent or DescribeConnections",
        ),
        (
            "POST /_sim/faults".into(),
            json!({"page": 1, "what": {"storedOtherwise": {"encryptionMode": "unchanged"}}}),
            400,
            "absent or UpdateConnection",
        ),
        ("POST /_sim/faults".into(), json!({"what": {"withoutField": {"field": "mode"}}}), 400, "unknown field `mode`"),
        ("POST /_sim/faults".into(), json!({"what": {"oldRead": {"changes": 0}}}), 400, "1 or more"),
        (
            "POST /_sim/faults".into(),
            json!({"what": "connectionRefused"}),
            400,
            "cannot happen to a call of Direct Connect",
        ),
        (
            "POST /_sim/faults".into(),
            json!({"operation": "GetContainerCredentials", "what": "idpCommunicationError"}),
            400,
            "cannot happen to GetContainerCredentials",
        ),
        (
            "POST /_sim/faults".into(),
            json!({"operation": "GetContainerCredentials", "what": "leftOut"}),
            400,
            "cannot happen to GetContainerCredentials",
        ),
        (
            "POST /_sim/faults".into(),
            json!({"operation": "GetContainerCredentials", "what": "badJson", "region": REGION}),
            400,
            "has no region",
        ),
        (
            "POST /_sim/faults".into(),
            json!({"operation": "GetContainerCredentials", "what": "connectionRefused", "times": 1}),
            400,
            "has no account, times",
        ),
        ("POST /_sim/seed".into(), json!({"connection": {}}), 400, "expected one of `settings`"),
        ("POST /_sim/faults".into(), Value::Null, 400, "EOF"),
        ("GET /_sim/nonsense".into(), Value::Null, 404, "GET /_sim lists"),
    ];
    for (request_line, body, status, part) in cases {
        let (answered, answer) = control(&aws, &request_line, &body).await;
        let told = answer["error"].as_str().unwrap_or_default();
        assert!(answered == status && told.contains(part), "{request_line} {body}: {answered} {answer}");
    }
    assert!(done(&aws, "GET /_sim", Value::Null).await["routes"].as_array().is_some_and(|routes| routes.len() > 10));
}
