use super::*;

use directconnect_core::identity::{ConnectionId, RegionName};
use directconnect_core::observed::ObservedMode;
use proptest::prelude::*;
use serde_json::{Value, json};

fn circuit() -> CircuitId {
    CircuitId {
        region: RegionName::parse("eu-central-1").expect("it is a region"),
        id: ConnectionId::parse("dxcon-aaaaaaaa").expect("it is an id"),
    }
}

/// A dedicated connection that supports MACsec.
fn dedicated() -> Connection {
    Connection {
        connection_name: Some("Frankfurt A".to_owned()),
        connection_state: Some(ConnectionState::Available),
        encryption_mode: Some(ObservedMode::ShouldEncrypt),
        mac_sec_capable: Some(true),
        ..Connection::default()
    }
}

fn text(connection: &Connection, manage: &[Managed]) -> String {
    write("frankfurt-a", None, &circuit(), connection, Scope(manage)).expect("it is text")
}

/// The spec as a YAML parser reads it, and the comments.
fn read(text: &str) -> (Value, Vec<&str>) {
    let object: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let comments = text.lines().filter_map(|line| line.trim_start().strip_prefix("# ")).collect();
    (object["spec"].clone(), comments)
}

#[test]
fn a_manifest_has_what_aws_has_and_observes() {
    assert_eq!(
        text(&dedicated(), &[]),
        "apiVersion: directconnect-operator.dev/v1alpha1
kind: DirectConnectConnection
metadata:
  name: frankfurt-a
spec:
  connectionId: dxcon-aaaaaaaa
  region: eu-central-1
  connectionName: Frankfurt A
  encryptionMode: should_encrypt
  managementPolicy: Observe
"
    );
    let text = write("1e3", Some("net"), &circuit(), &dedicated(), Scope(&[])).expect("it is text");
    assert!(text.contains("metadata:\n  name: \"1e3\"\n  namespace: net\n"), "{text}");
}

#[test]
fn what_is_not_managed_is_a_comment_when_the_other_is() {
    let name = json!("Frankfurt A");
    for (manage, fields, comment) in [
        (
            &[Managed::Name][..],
            vec![("connectionName", name.clone())],
            "encryptionMode is not managed; in AWS it is should_encrypt",
        ),
        (
            &[Managed::Mode][..],
            vec![("encryptionMode", json!("should_encrypt"))],
            "connectionName is not managed; in AWS it is \"Frankfurt A\"",
        ),
        (
            &[Managed::Name, Managed::Mode][..],
            vec![("connectionName", name), ("encryptionMode", json!("should_encrypt"))],
            "",
        ),
    ] {
        let text = text(&dedicated(), manage);
        let (spec, comments) = read(&text);
        let mut expected =
            json!({ "connectionId": "dxcon-aaaaaaaa", "region": "eu-central-1", "managementPolicy": "Manage" });
        for (field, value) in fields {
            expected[field] = value;
        }
        assert_eq!(spec, expected);
        assert_eq!(comments.join("\n"), comment);
    }
}

#[test]
fn a_connection_whose_mode_nobody_can_manage_says_so_and_gets_none_to_manage() {
    let hosted = Connection { vlan: Some(101), mac_sec_capable: Some(false), encryption_mode: None, ..dedicated() };
    let member = Connection { lag_id: Some("dxlag-aaaaaaaa".to_owned()), ..dedicated() };
    let hosted_with_mode = Connection { vlan: Some(102), ..dedicated() };
    let old_port = Connection { mac_sec_capable: Some(false), ..dedicated() };
    let in_clear = Connection { encryption_mode: Some(ObservedMode::NoEncrypt), ..old_port.clone() };
    let any_port = Connection { mac_sec_capable: None, ..dedicated() };
    let no_mode = Connection { encryption_mode: Some(ObservedMode::Unknown), ..dedicated() };
    for (connection, words, observed) in [
        (&hosted, "hosted connection (vlan 101)", Value::Null),
        (&member, "member of the LAG \"dxlag-aaaaaaaa\"", json!("should_encrypt")),
        // The operator would report any mode there but `no_encrypt` as a difference, even the one that AWS shows.
        (&hosted_with_mode, "hosted connection (vlan 102)", Value::Null),
        (&old_port, "port without MACsec", Value::Null),
        (&any_port, "AWS does not say whether the port has MACsec", Value::Null),
        (&in_clear, "port without MACsec", json!("no_encrypt")),
        (&no_mode, "AWS shows no mode", Value::Null),
    ] {
        for (manage, mode) in [(&[][..], &observed), (&[Managed::Mode][..], &Value::Null)] {
            let text = text(connection, manage);
            let (spec, comments) = read(&text);
            assert_eq!(&spec["encryptionMode"], mode, "{text}");
            assert!(
                comments.iter().any(|comment| comment.starts_with(words) && comment.contains("cannot be managed")),
                "{text}"
            );
        }
    }
}

#[test]
fn what_the_cluster_would_refuse_is_left_out_with_the_reason() {
    let long = "x".repeat(201);
    for name in ["", " fra", "fra\u{3000}", "fra\nzrh", "fra\u{85}zrh", "a\u{1b}[31mb", &long] {
        let connection = Connection { connection_name: Some(name.to_owned()), ..dedicated() };
        let text = text(&connection, &[]);
        let (spec, comments) = read(&text);
        assert_eq!(spec.get("connectionName"), None, "{text}");
        assert!(comments[0].contains("connectionName is left out"), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
    let (mode, none) = (Some(ObservedMode::Other("may\nencrypt".to_owned())), None);
    for (mode, words) in [(mode, "AWS shows \"may\\nencrypt\""), (none, "AWS shows none")] {
        let connection = Connection { encryption_mode: mode, ..dedicated() };
        let text = text(&connection, &[]);
        let (spec, comments) = read(&text);
        assert_eq!(spec.get("encryptionMode"), None, "{text}");
        assert!(comments.concat().contains(words), "{text}");
    }
}

#[test]
fn a_state_that_nobody_knows_is_a_comment() {
    for (state, words) in [
        (Some(ConnectionState::Other("fro\nzen".to_owned())), "\"fro\\nzen\""),
        (Some(ConnectionState::Unknown), "\"unknown\""),
        (None, "no state"),
    ] {
        let text = text(&Connection { connection_state: state, ..dedicated() }, &[]);
        let (spec, comments) = read(&text);
        assert!(comments[0].contains(words), "{text}");
        assert_eq!(spec["connectionName"], "Frankfurt A");
    }
}

#[test]
fn a_long_name_stays_on_its_line() {
    for name in ["word  ".repeat(30) + "end", "# no comment: ".repeat(14) + "end"] {
        let text = text(&Connection { connection_name: Some(name.clone()), ..dedicated() }, &[]);
        assert_eq!(read(&text).0["connectionName"], *name, "{text}");
        assert_eq!(text.lines().count(), 10, "{text}");
    }
}

proptest! {
    #[test]
    fn any_name_comes_back_as_it_was_or_is_left_out(name in any::<String>(), manage in any::<bool>()) {
        let connection = Connection { connection_name: Some(name.clone()), ..dedicated() };
        let text = text(&connection, if manage { &[Managed::Mode] } else { &[] });
        let (spec, comments) = read(&text);
        if let Some(read) = spec.get("connectionName") {
            prop_assert_eq!(read, &json!(name));
        } else {
            prop_assert_eq!(comments.len(), 1);
        }
    }
}
