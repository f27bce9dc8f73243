//! Text from outside, sanitized for status and events.

use std::any::Any;

use directconnect_core::text::{MESSAGE_LIMIT, clean, cut_bytes, panic_message, printable, with_sources};

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
fn a_panic_is_told_by_its_message_if_it_has_one() {
    let table: [(Box<dyn Any + Send>, &str); 3] =
        [(Box::new("out of\nrange"), "out of range"), (Box::new("no entry".to_owned()), "no entry"), (Box::new(7), "")];
    for (panic, expected) in table {
        assert_eq!(panic_message(&*panic), expected);
    }
}
