//! Text from outside, sanitized for status, logs and events.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex_lite::Regex;

/// The longest error text that goes into status, in characters.
pub const MESSAGE_LIMIT: usize = 1024;
/// The longest message of a condition, in bytes. It exceeds [`MESSAGE_LIMIT`] since quoting escapes invisible
/// characters.
pub const CONDITION_LIMIT: usize = 4 * MESSAGE_LIMIT;

/// Sanitizes text from AWS: without control characters, and cut to [`MESSAGE_LIMIT`] characters.
pub fn clean(words: &str) -> String {
    let mut clean: String = printable(words).chars().take(MESSAGE_LIMIT).collect();
    clean.truncate(clean.trim_end().len());
    clean
}

/// Replaces each control character with a blank, so that a terminal can show the text.
pub fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Request ids and times: what differs from one attempt to the next although the cause is the same. Ten and thirteen digits are
/// seconds and milliseconds since 1970; an account number has twelve.
static PASSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let id = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
    let time = r"\d{8}T\d{6}Z|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\d{10}|\d{13}|\d+ seconds ago";
    Regex::new(&format!(r"\b({id}|{time})\b")).ok()
});

/// The text with `…` for each request id and time, so that it stays the same as long as the cause does.
pub fn lasting(words: &str) -> Cow<'_, str> {
    PASSING.as_ref().map_or(Cow::Borrowed(words), |passing| passing.replace_all(words, "…"))
}

/// The longest prefix of `words` that has at most `limit` bytes and ends at a character boundary.
pub fn cut_bytes(words: &str, limit: usize) -> &str {
    words.get(..words.floor_char_boundary(limit)).unwrap_or_default()
}

/// An error with all its sources, each said once.
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

/// The message of a panic, sanitized for status.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    clean(said.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default())
}
