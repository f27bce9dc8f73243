//! The call log: every call in order, with the data to determine overlaps and effects.

use direct_connect_simulator::{Call, Fault, FaultKind, Outcome, Simulator};
use serde_json::json;

use crate::{ID, REGION, client, connection, eventually, with};

#[tokio::test]
async fn a_call_is_logged_with_who_asked_for_what_where_and_how_it_ended() {
    let aws = Simulator::start().await;
    aws.configure(|settings| settings.access_keys.extend([("AKIDOTHER".into(), "210987654321".into())]));
    aws.add(REGION, connection().owned_by("210987654321"));
    let client = client(&aws.endpoint(), REGION, "AKIDOTHER");
    client.describe_connections().max_results(100).send().await.unwrap();
    client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap();
    client.update_connection().connection_id("foobar").connection_name("b").send().await.unwrap_err();

    let calls = aws.calls();
    let operations: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, ["DescribeConnections", "UpdateConnection", "UpdateConnection"]);
    for call in &calls {
        assert_eq!((call.region.as_str(), call.access_key_id.as_str()), (REGION, "AKIDOTHER"));
        assert_eq!(call.account, "210987654321");
        assert!(call.user_agent.as_ref().is_some_and(|agent| agent.contains("aws-sdk-rust")));
        assert!(call.time.wall.ends_with('Z') && call.time.wall.contains('T'));
        assert!(call.finished.as_ref().unwrap().millis >= call.time.millis);
    }
    assert_eq!(calls[0].parameters, json!({"maxResults": 100}));
    assert_eq!(calls[1].parameters, json!({"connectionId": ID, "connectionName": "b"}));
    assert_eq!(calls[1].parameter("connectionName"), Some("b"));
    assert_eq!(calls.iter().map(|call| call.effect).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(calls.iter().map(|call| call.is_ok()).collect::<Vec<_>>(), [true, true, false]);
    let message = "Connection ID foobar has an invalid format.".to_owned();
    let code = Some("DirectConnectClientException".to_owned());
    assert_eq!(calls[2].outcome, Outcome::Error { status: 400, code, message });
}

#[tokio::test]
async fn calls_that_were_in_flight_together_overlap_and_others_do_not() {
    let (aws, client) = with(connection()).await;
    client.describe_connections().send().await.unwrap();
    aws.inject(Fault::new(FaultKind::Hang { effect: false }));
    let calls = [client.describe_connections(), client.describe_connections()];
    let in_flight = calls.map(|call| tokio::spawn(call.send()));
    let hangs = |call: &Call| call.outcome == Outcome::Hang;
    eventually("both calls hang", async || aws.calls().iter().filter(|call| hangs(call)).count() == 2).await;
    aws.clear_faults();
    for call in in_flight {
        call.await.unwrap().unwrap();
    }
    let calls = aws.calls();
    assert!(calls[1].overlaps(&calls[2]) && calls[2].overlaps(&calls[1]));
    assert!(!calls[0].overlaps(&calls[1]) && !calls[2].overlaps(&calls[0]));
}

#[tokio::test]
async fn a_log_that_is_cleared_starts_anew() {
    let (aws, client) = with(connection()).await;
    client.describe_connections().send().await.unwrap();
    aws.clear_calls();
    assert_eq!(aws.calls(), []);
    client.describe_connections().connection_id(ID).send().await.unwrap();
    assert_eq!(aws.calls().len(), 1);
}
