//! Text from outside, sanitized for status, logs and events.

use std::any::Any;
use std::error::Error;
use std::fmt::Write as _;

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

/// How a request id and a time look: what differs from one attempt to the next although the cause is the same. `f` stands
/// for a hexadecimal digit, `9` for a digit, `#` for a number.
const PASSING: [&str; 7] = [
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "99999999T999999Z",
    "9999-99-99T99:99:99Z",
    "9999-99-99T99:99:99.999Z",
    // Since 1970, in seconds and in milliseconds. An account number has twelve digits.
    "9999999999",
    "9999999999999",
    "# seconds ago",
];

/// The text with `…` for each request id and time, so that it stays the same as long as the cause does.
pub fn lasting(words: &str) -> String {
    let mut lasting = String::with_capacity(words.len());
    let mut rest = words.chars();
    while let Some(c) = rest.clone().next() {
        let begins = !lasting.ends_with(|before: char| before.is_ascii_alphanumeric());
        let mut shapes = PASSING.iter().filter(|_| begins);
        if let Some(behind) = shapes.find_map(|shape| behind(shape, rest.as_str())) {
            (lasting, rest) = (lasting + "…", behind.chars());
        } else {
            lasting.push(c);
            rest.next();
        }
    }
    lasting
}

/// What follows in `words` behind a beginning of this shape.
fn behind<'w>(shape: &str, words: &'w str) -> Option<&'w str> {
    let behind = shape.chars().try_fold(words, |rest, c| match c {
        'f' => rest.strip_prefix(|c: char| c.is_ascii_hexdigit()),
        '9' => rest.strip_prefix(|c: char| c.is_ascii_digit()),
        '#' => Some(rest.trim_start_matches(|c: char| c.is_ascii_digit())).filter(|behind| behind.len() < rest.len()),
        c => rest.strip_prefix(c),
    });
    behind.filter(|behind| !behind.starts_with(|c: char| c.is_ascii_alphanumeric()))
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
