//! Words from outside, made fit for status, logs and events.

use std::any::Any;
use std::error::Error;
use std::fmt::Write as _;

/// Characters of a unusable message that go into status; the rest is cut.
pub const MESSAGE_LIMIT: usize = 1024;
/// Bytes of a condition's message at most: quoted, a word grows where it has characters that nobody can see.
pub const CONDITION_LIMIT: usize = 4 * MESSAGE_LIMIT;

/// What AWS said, without control characters and cut at [`MESSAGE_LIMIT`] characters.
pub fn clean(words: &str) -> String {
    let mut clean: String = printable(words).chars().take(MESSAGE_LIMIT).collect();
    clean.truncate(clean.trim_end().len());
    clean
}

/// The same words with a blank for each control character, so that a terminal can show them.
pub fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The longest start of `words` that has at most `limit` bytes and ends between two characters.
pub fn cut_bytes(words: &str, limit: usize) -> &str {
    if words.len() <= limit {
        return words;
    }
    let end = (0..=limit).rev().find(|&at| words.is_char_boundary(at)).unwrap_or(0);
    words.get(..end).unwrap_or_default()
}

/// An error with all that caused it, each said once.
pub fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut last = words.clone();
    for source in std::iter::successors(error.source(), |&error| error.source()) {
        let said = source.to_string();
        if !last.contains(&said) {
            let _ = write!(words, ": {said}");
        }
        last = said;
    }
    words
}

/// What a panic said, made fit for status.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    clean(said.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default())
}
