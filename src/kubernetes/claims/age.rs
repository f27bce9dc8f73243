//! Ages of what a status holds, by the wall clock.

use std::time::Duration;

use jiff::Timestamp;

use directconnect_core::settings::RECENT_UPDATE;

/// How long ago a time from a status was, by the wall clock. The clock of the process that wrote it may be ahead, so a time
/// in the next hour counts as now; `None` if it is later or is not a valid time.
pub fn age_of(time: &str) -> Option<Duration> {
    let time: Timestamp = time.parse().ok()?;
    let is_almost_now = Timestamp::now() + RECENT_UPDATE > time;
    age_since(time).or(is_almost_now.then_some(Duration::ZERO))
}

pub(super) fn age_since(time: Timestamp) -> Option<Duration> {
    Timestamp::now().duration_since(time).try_into().ok()
}
