//! Ages of what a status holds, by the wall clock.

use std::time::Duration;

use jiff::Timestamp;

/// How long ago a time from a status was, by the wall clock; `None` if it is in the future or is not a valid time.
pub fn age_of(time: &str) -> Option<Duration> {
    age_since(time.parse().ok()?)
}

pub(super) fn age_since(time: Timestamp) -> Option<Duration> {
    Timestamp::now().duration_since(time).try_into().ok()
}
