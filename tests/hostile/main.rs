//! Random input from outside: answers of AWS, objects of the API server with their annotations, command lines. None of
//! it makes the operator panic, and what goes on to status, events and metrics is limited in size.
//!
//! `tests/failures/hostile.rs` tests the whole process with some of the worst inputs.

mod aws;
mod command_line;
mod objects;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// The longest text from outside that is passed on, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// The number of cases of each property is reduced unless `PROPTEST_CASES` is set.
fn cases() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if asked { config } else { ProptestConfig { cases: 500, ..config } }
}

/// Text of any kind: short and realistic, long, or with any characters.
fn any_words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(&["", "available", "must_encrypt", "Encryption Up", "dxcon-fg1234ab", "true", "-1", "eu-central-1"][..])
            .prop_map(str::to_owned),
        4 => "\\PC{0,20}",
        3 => any::<String>(),
        2 => select(&["\0\u{1}\u{7f}", "\u{1b}[31mred", "a\r\nb", "\u{202e}backwards", "\"}\\", "\u{9f}"][..])
            .prop_map(str::to_owned),
        1 => (any::<char>(), 1_000_usize..5_000).prop_map(|(one, count)| one.to_string().repeat(count)),
    ]
}

/// A JSON value of any type, a few levels deep.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_words().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 40, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            vec(("[a-zA-Z]{0,12}", inner), 0..8).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Positions in a value to overwrite, with the new values; `None` removes the position.
fn any_damage() -> impl Strategy<Value = Vec<(Index, Option<Value>)>> {
    vec((any::<Index>(), prop::option::weighted(0.8, any_value())), 0..6)
}

/// A valid value with some positions overwritten.
fn damaged(mut value: Value, damage: Vec<(Index, Option<Value>)>) -> Value {
    for (place, other) in damage {
        let places = places(&value, "");
        let Some(pointer) = places.get(place.index(places.len().max(1))) else { return value };
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
        match (value.pointer_mut(parent).expect("it was just found"), other) {
            (Value::Object(fields), None) => {
                fields.remove(&unescaped(key));
            }
            (Value::Array(values), None) => {
                values.remove(key.parse().expect("a place in a list"));
            }
            (_, other) => *value.pointer_mut(pointer).expect("it was just found") = other.unwrap_or_default(),
        }
    }
    value
}

/// A value with its strings replaced by others.
fn worded(mut value: Value, words: &[String]) -> Value {
    let mut words = words.iter().cycle();
    for pointer in places(&value, "") {
        if let Some(Value::String(word)) = value.pointer_mut(&pointer)
            && let Some(other) = words.next()
        {
            other.clone_into(word);
        }
    }
    value
}

/// The JSON pointers of all positions in a value.
fn places(value: &Value, here: &str) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (escaped(key), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let each = below.into_iter().map(|(key, value)| (format!("{here}/{key}"), value));
    each.flat_map(|(pointer, value)| {
        let deeper = places(value, &pointer);
        std::iter::once(pointer).chain(deeper)
    })
    .collect()
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescaped(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// The length of the longest string in a value, in bytes, and that of the longest list.
fn longest(value: &Value) -> (usize, usize) {
    let (own, below): ((usize, usize), Vec<&Value>) = match value {
        Value::String(words) => ((words.len(), 0), Vec::new()),
        Value::Array(values) => ((0, values.len()), values.iter().collect()),
        Value::Object(fields) => ((0, 0), fields.values().collect()),
        _ => ((0, 0), Vec::new()),
    };
    below.into_iter().map(longest).fold(own, |(word, list), (w, l)| (word.max(w), list.max(l)))
}

/// A connection as AWS shows it.
fn shown() -> Value {
    json!({
        "connectionId": "dxcon-fg1234ab", "connectionName": "fra-1", "connectionState": "available",
        "ownerAccount": "111122223333", "region": "eu-central-1", "location": "EqFR5", "bandwidth": "10Gbps", "vlan": 0,
        "partnerName": "partner", "providerName": "provider", "loaIssueTime": 1_792_000_000, "lagId": "dxlag-fg1234ab",
        "awsDevice": "device", "awsDeviceV2": "device", "awsLogicalDeviceId": "logical", "jumboFrameCapable": true,
        "hasLogicalRedundancy": "unknown", "macSecCapable": true, "portEncryptionStatus": "Encryption Up",
        "encryptionMode": "should_encrypt", "billingMode": "mode", "partnerInterconnectMacSecCapable": true,
        "macSecKeys": [{"secretARN": "arn", "ckn": "c0ffee", "state": "associated", "startOn": "now"}],
        "tags": [{"key": "team", "value": "network"}],
        "rateLimiterStatus": {"maxAllowed": 3, "inUse": 1, "remaining": 2, "totalBandwidth": "1Gbps"},
    })
}

#[test]
fn damage_reaches_every_place() {
    let whole = shown();
    let places = places(&whole, "");
    assert!(places.len() > 30 && places.iter().all(|pointer| whole.pointer(pointer).is_some()), "{places:?}");
}
