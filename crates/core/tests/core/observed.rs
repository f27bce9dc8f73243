//! Connections as AWS shows them: known and unknown values, and the order of lists.

use directconnect_core::observed::{Connection, ConnectionState, MacSecKey, ObservedMode, PortEncryptionStatus, Tag};

use crate::given::{ConnectionExt, Must, No, Should, connection, encrypted_connection};

#[test]
fn known_words_and_others_come_out_as_they_came_in() {
    let states =
        ["ordering", "requested", "pending", "available", "down", "deleting", "deleted", "rejected", "unknown"];
    for word in states {
        let state = ConnectionState::from(word.to_owned());
        assert!(state.as_str() == word && !matches!(state, ConnectionState::Other(_)), "{word}");
    }
    for word in ["no_encrypt", "should_encrypt", "must_encrypt", "unknown"] {
        let mode = ObservedMode::from(word.to_owned());
        assert!(mode.as_str() == word && !matches!(mode, ObservedMode::Other(_)), "{word}");
    }
    for word in ["Encryption Up", "Encryption Down"] {
        let port = PortEncryptionStatus::from(word.to_owned());
        assert!(port.as_str() == word && !matches!(port, PortEncryptionStatus::Other(_)), "{word}");
    }
    assert_eq!(String::from(ConnectionState::from("marvellous".to_owned())), "marvellous");
}

#[test]
fn lists_have_one_order() {
    let key = |ckn: &str| MacSecKey { ckn: Some(ckn.into()), ..MacSecKey::default() };
    let tag = |key: &str| Tag { key: key.into(), value: None };
    let shuffled =
        Connection { mac_sec_keys: vec![key("b"), key("a")], tags: vec![tag("y"), tag("x")], ..connection() };
    let ordered = Connection { mac_sec_keys: vec![key("a"), key("b")], tags: vec![tag("x"), tag("y")], ..connection() };
    assert_eq!(shuffled.in_order(), ordered);
}

#[test]
fn a_mode_to_compare_with_is_one_of_three() {
    let modes = [("no_encrypt", No), ("should_encrypt", Should), ("must_encrypt", Must)];
    for (word, mode) in modes {
        assert_eq!(Connection::mode(&connection().mode(word)), Some(mode));
        assert_eq!(connection().mode(word), Connection { encryption_mode: Some(mode.into()), ..connection() });
    }
    for connection in [connection().mode("unknown"), connection().mode("quantum_encrypt"), connection().without_mode()]
    {
        assert_eq!(Connection::mode(&connection), None);
    }
}

#[test]
fn macsec_works_with_an_associated_key_and_the_port_up() {
    assert!(encrypted_connection().encryption_works());
    assert!(!connection().key("associated").encryption_works());
    assert!(!connection().encryption("Encryption Up").encryption_works());
    assert!(!connection().key("associating").encryption("Encryption Up").encryption_works());
    assert!(connection().key("associating").has_key_at_all() && !connection().key("disassociating").has_key_at_all());
}

#[test]
fn what_has_ended_or_never_came_to_be_is_gone() {
    for state in ["deleting", "deleted", "rejected"] {
        assert!(connection().state(state).is_gone(), "{state}");
    }
    for state in ["ordering", "requested", "pending", "available", "down", "unknown", "marvellous"] {
        assert!(!connection().state(state).is_gone(), "{state}");
    }
    assert!(!Connection { connection_state: None, ..connection() }.is_gone());
}
