//! Time as the core sees it: a number that only grows.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in monotonic time, in milliseconds.
///
/// Everything that waits is measured with it, so that a wall clock that jumps moves no circuit. It means nothing to
/// another process; what must outlive a restart is in `status` or in AWS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// The process starts this long after the first moment there is, so that what happened before it has a moment too.
const PAST: u64 = 100 * 365 * 24 * 3600 * 1000;

impl Moment {
    /// The start of the process.
    pub const START: Self = Self(PAST);

    /// The moment that long after the start of the process.
    pub fn after_start(elapsed: Duration) -> Self {
        Self::START + elapsed
    }

    /// How long ago `earlier` was; zero when it is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::START
    }
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self >= Self::START {
            write!(f, "start+{:?}", self.since(Self::START))
        } else {
            write!(f, "start-{:?}", Self::START.since(*self))
        }
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    /// Moments before the start of the process are moments like others.
    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(earlier.as_millis()).unwrap_or(u64::MAX)))
    }
}
