//! The wire format and access: how requests arrive, which fields stay absent, and who may call.

use aws_sdk_directconnect::operation::RequestId;
use direct_connect_simulator::{Connection, RateLimiterStatus};
use serde_json::Value;

use crate::{ID, REGION, connection, raw, read, refusal, with};

pub(crate) const DATE: (&str, &str) = ("x-amz-date", "20260131T120000Z");
pub(crate) const CONTENT: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
pub(crate) const DESCRIBE: (&str, &str) = ("x-amz-target", "OvertureService.DescribeConnections");
pub(crate) const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/eu-central-1/directconnect/aws4_request, \
                      SignedHeaders=host;x-amz-date, \
                      Signature=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[tokio::test]
async fn every_field_of_a_connection_reaches_the_sdk() {
    let full = Connection {
        vlan: Some(101),
        partner_name: Some("partner".into()),
        loa_issue_time: Some(1_700_000_000.5),
        lag_id: Some("dxlag-fg1234ab".into()),
        aws_device: Some("device".into()),
        aws_device_v2: Some("device-v2".into()),
        aws_logical_device_id: Some("logical".into()),
        has_logical_redundancy: Some("yes".into()),
        provider_name: Some("provider".into()),
        rate_limiter_status: Some(RateLimiterStatus {
            max_allowed: Some(10),
            in_use: Some(4),
            remaining: Some(6),
            total_bandwidth: Some("1Gbps".into()),
        }),
        partner_interconnect_mac_sec_capable: Some(true),
        prefix_pool_size_ipv4: Some(1),
        prefix_pool_size_ipv6: Some(2),
        prefix_pool_unallocated_count_ipv4: Some(3),
        prefix_pool_unallocated_count_ipv6: Some(4),
        billing_mode: Some("PayAsYouGo".into()),
        ..connection().with_key("abcd").with_tag("team", "network")
    };
    let (_aws, client) = with(full).await;

    let shown = read(&client).await;

    assert_eq!(shown.connection_id(), Some(ID));
    assert_eq!(shown.owner_account(), Some("123456789012"));
    assert_eq!(shown.connection_name(), Some("frankfurt-a"));
    assert_eq!(shown.connection_state().map(|state| state.as_str()), Some("available"));
    assert_eq!(shown.region(), Some(REGION));
    assert_eq!(shown.location(), Some("EqFA5"));
    assert_eq!(shown.bandwidth(), Some("10Gbps"));
    assert_eq!(shown.vlan(), 101);
    assert_eq!(shown.partner_name(), Some("partner"));
    assert_eq!(shown.loa_issue_time().map(|time| time.to_millis().unwrap()), Some(1_700_000_000_500));
    assert_eq!(shown.lag_id(), Some("dxlag-fg1234ab"));
    assert_eq!(shown.aws_device_v2(), Some("device-v2"));
    assert_eq!(shown.aws_logical_device_id(), Some("logical"));
    assert_eq!(shown.has_logical_redundancy().map(|value| value.as_str()), Some("yes"));
    assert_eq!(shown.jumbo_frame_capable(), Some(true));
    assert_eq!(shown.tags()[0].key(), "team");
    assert_eq!(shown.tags()[0].value(), Some("network"));
    assert_eq!(shown.provider_name(), Some("provider"));
    assert_eq!(shown.mac_sec_capable(), Some(true));
    assert_eq!(shown.port_encryption_status(), Some("Encryption Up"));
    assert_eq!(shown.encryption_mode(), Some("should_encrypt"));
    let key = &shown.mac_sec_keys()[0];
    assert_eq!((key.ckn(), key.state()), (Some("abcd"), Some("associated")));
    assert!(key.secret_arn().unwrap().starts_with("arn:aws:secretsmanager:eu-central-1:123456789012:secret:"));
    assert_eq!(key.start_on(), Some("2026-01-01T00:00:00Z"));
    let limiter = shown.rate_limiter_status().unwrap();
    assert_eq!((limiter.max_allowed(), limiter.in_use(), limiter.remaining()), (10, 4, 6));
    assert_eq!(limiter.total_bandwidth(), Some("1Gbps"));
    assert_eq!(shown.partner_interconnect_mac_sec_capable(), Some(true));
    assert_eq!((shown.prefix_pool_size_ipv4(), shown.prefix_pool_size_ipv6()), (Some(1), Some(2)));
    let unallocated = (shown.prefix_pool_unallocated_count_ipv4(), shown.prefix_pool_unallocated_count_ipv6());
    assert_eq!(unallocated, (Some(3), Some(4)));
    assert_eq!(shown.billing_mode().map(|mode| mode.as_str()), Some("PayAsYouGo"));
}

#[tokio::test]
async fn absent_fields_are_absent_on_the_wire() {
    let (aws, _client) = with(Connection { connection_id: ID.into(), ..Connection::default() }).await;
    let (status, body) =
        raw(&aws.endpoint(), "POST /", &[("authorization", SIGNED), DATE, CONTENT, DESCRIBE], "{}").await;
    assert_eq!(status, 200);
    assert_eq!(body, format!(r#"{{"connections":[{{"connectionId":"{ID}","region":"{REGION}"}}]}}"#));
}

#[tokio::test]
async fn the_undocumented_mode_and_state_arrive_as_they_are() {
    let (_aws, client) = with(connection().with_mode("unknown").in_state("frozen")).await;
    let shown = read(&client).await;
    assert_eq!(shown.encryption_mode(), Some("unknown"));
    assert_eq!(shown.connection_state().map(|state| state.as_str()), Some("frozen"));
}

#[tokio::test]
async fn every_answer_carries_the_request_id_that_the_log_has() {
    let (aws, client) = with(connection()).await;
    let answer = client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap();
    let error = client.update_connection().connection_id("nonsense").send().await.unwrap_err();
    let calls = aws.calls();
    assert_eq!(answer.request_id(), Some(calls[0].request_id.as_str()));
    assert_eq!(error.request_id(), Some(calls[1].request_id.as_str()));
    assert_eq!(calls[0].request_id.len(), 36);
}

#[tokio::test]
async fn other_operations_of_the_service_are_unknown() {
    let (_aws, client) = with(connection()).await;
    assert_eq!(refusal(client.describe_lags().send().await).0, "UnknownOperationException");
}

#[tokio::test]
async fn what_is_not_a_signed_call_is_refused_in_words_of_its_own() {
    let (aws, _client) = with(connection()).await;
    let without = |what: &str| SIGNED.replace(what, "");
    let instead = |this: &str, that: &str| SIGNED.replace(this, that);
    let cases = [
        (None, 403, "MissingAuthenticationToken"),
        (Some("Basic dXNlcjpwYXNz".to_owned()), 400, "IncompleteSignature"),
        (Some("AWS4-HMAC-SHA256".to_owned()), 400, "IncompleteSignature"),
        (Some(without("SignedHeaders=host;x-amz-date, ")), 400, "IncompleteSignature"),
        (Some(instead("Signature=00", "Signature=xx")), 400, "IncompleteSignature"),
        (Some(without("/aws4_request")), 400, "IncompleteSignature"),
        (Some(without("eu-central-1")), 400, "IncompleteSignature"),
        (Some(without(";x-amz-date")), 400, "IncompleteSignature"),
        (Some(instead("/directconnect/", "/ec2/")), 400, "InvalidSignatureException"),
        (Some(instead("aws4_request", "aws3_request")), 400, "InvalidSignatureException"),
        (Some(instead("20260131", "20260130")), 400, "InvalidSignatureException"),
    ];
    for (authorization, status, code) in cases {
        let mut headers = vec![DATE, CONTENT, DESCRIBE];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let (answered, body) = raw(&aws.endpoint(), "POST /", &headers, "{}").await;
        let body: Value = serde_json::from_str(&body).expect("an error body");
        assert_eq!((answered, body["__type"].as_str()), (status, Some(code)), "{authorization:?}");
    }
}

#[tokio::test]
async fn what_is_not_a_call_of_the_protocol_is_refused() {
    let (aws, _client) = with(connection()).await;
    let cases = [
        ("GET /", CONTENT, DESCRIBE, "{}", 404, "UnknownOperationException"),
        ("POST /elsewhere", CONTENT, DESCRIBE, "{}", 404, "UnknownOperationException"),
        ("POST /", ("content-type", "application/json"), DESCRIBE, "{}", 404, "UnknownOperationException"),
        ("POST /", CONTENT, ("x-amz-target", "OvertureService.DescribeLags"), "{}", 400, "UnknownOperationException"),
        ("POST /", CONTENT, ("x-amz-target", "DescribeConnections"), "{}", 400, "UnknownOperationException"),
        ("POST /", CONTENT, DESCRIBE, "{", 400, "SerializationException"),
        ("POST /", CONTENT, DESCRIBE, "[]", 400, "SerializationException"),
        ("POST /", CONTENT, DESCRIBE, r#"{"maxResults": "5"}"#, 400, "SerializationException"),
        ("POST /", CONTENT, DESCRIBE, r#"{"connectionId": 5}"#, 400, "SerializationException"),
    ];
    for (line, content, target, body, status, code) in cases {
        let headers = [("authorization", SIGNED), DATE, content, target];
        let (answered, answer) = raw(&aws.endpoint(), line, &headers, body).await;
        assert_eq!(answered, status, "{line} {content:?} {target:?} {body}");
        assert!(answer.contains(code), "{line} {content:?} {target:?} {body}: {answer}");
    }
}
