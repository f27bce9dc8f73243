//! Text from outside, sanitized for status and events.

use directconnect_core::text::{MESSAGE_LIMIT, clean, cut_bytes, printable};

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
