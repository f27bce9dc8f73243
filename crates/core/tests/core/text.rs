//! Text from outside, sanitized for status and events.

use std::any::Any;

use directconnect_core::text::{MESSAGE_LIMIT, clean, cut_bytes, lasting, panic_message, printable, with_sources};

/// An error with this message and source.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(&'static str, #[source] Option<Box<Failed>>);

#[test]
fn control_characters_become_blanks_and_the_end_is_trimmed() {
    assert_eq!(clean("a\u{0}b\nc\u{1b}[1m \r\n"), "a b c [1m");
    assert_eq!(clean(""), "");
    assert_eq!(clean(" a"), " a");
    assert_eq!(printable("a\u{0}b\u{9f}\n"), "a b  ");
}

#[test]
fn long_words_are_cut_by_characters() {
    assert_eq!(clean(&"ü".repeat(5000)), "ü".repeat(MESSAGE_LIMIT));
    assert_eq!(MESSAGE_LIMIT, 1024);
}

#[test]
fn bytes_are_cut_between_characters() {
    assert_eq!(cut_bytes("abc", 3), "abc");
    assert_eq!(cut_bytes("abcd", 3), "abc");
    assert_eq!(cut_bytes("aü", 2), "a");
    assert_eq!(cut_bytes("aü", 3), "aü");
    assert_eq!(cut_bytes("üü", 1), "");
    assert_eq!(cut_bytes("a", 0), "");
}

#[test]
fn an_error_is_told_with_its_sources_each_once() {
    let table: [(&[&str], &str); 4] = [
        (&["timeout"], "timeout"),
        (&["dispatch failure", "io error", "connection refused"], "dispatch failure: io error: connection refused"),
        (&["dispatch failure: timeout", "timeout"], "dispatch failure: timeout"),
        (&["dispatch failure: io error", "io error", "refused"], "dispatch failure: io error: refused"),
    ];
    for (messages, expected) in table {
        let chained = messages.iter().rev().fold(None, |source, message| Some(Box::new(Failed(message, source))));
        assert_eq!(with_sources(&*chained.expect("it has a message")), expected);
    }
}

#[test]
fn what_differs_at_every_attempt_is_left_out_and_nothing_else() {
    let table = [
        ("Error { aws_request_id: \"5b8cf2b7-0a1b-4c2d-8e3f-9a0b1c2d3e4f\" }", "Error { aws_request_id: \"…\" }"),
        (
            "Signature expired: 20261127T082358Z is now earlier than 20261127T081858Z (20261127T082358Z - 5 min.)",
            "Signature expired: … is now earlier than … (… - 5 min.)",
        ),
        (
            "Token expired: current date/time 1764231838 must be before the expiration date/time 1764228238",
            "Token expired: current date/time … must be before the expiration date/time …",
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/operator/web-identity-token-1764231838123 is not authorized",
            "arn:aws:sts::123456789012:assumed-role/operator/web-identity-token-… is not authorized",
        ),
        (
            "certificate expired: verification time 1764231838 (UNIX), but certificate is not valid after 1764228238 (3600 seconds ago)",
            "certificate expired: verification time … (UNIX), but certificate is not valid after … (…)",
        ),
        ("at 2026-11-27T08:23:58Z, since 2026-11-27T08:23:58.123Z.", "at …, since …."),
    ];
    for (said, lasts) in table {
        assert_eq!(lasting(said), lasts);
    }
    for lasts in [
        "",
        "HTTP 503: ünavailable",
        "dxcon-abcdef12 in eu-central-1 of 123456789012",
        "tcp connect error: Connection refused (os error 111)",
        "http://10.20.30.40:12345 took 30 seconds, 5 seconds agog",
        "a1764231838 and 1764231838a, 5b8cf2b7-0a1b-4c2d-8e3f-9a0b1c2d3e4f0",
    ] {
        assert_eq!(lasting(lasts), lasts);
    }
}

#[test]
fn a_panic_is_told_by_its_message_if_it_has_one() {
    let table: [(Box<dyn Any + Send>, &str); 3] =
        [(Box::new("out of\nrange"), "out of range"), (Box::new("no entry".to_owned()), "no entry"), (Box::new(7), "")];
    for (panic, expected) in table {
        assert_eq!(panic_message(&*panic), expected);
    }
}
