//! Monotonic time. The core has no clock of its own: callers pass the current moment in.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in monotonic time, in milliseconds.
///
/// All waits are measured with it, so a wall clock that jumps cannot cause a change to a circuit. The value means
/// nothing to another process; what must outlive a restart is in `status` or in AWS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// `Moment::START` as a number. It is far from zero so that moments before the start of the process can be represented.
const PAST: u64 = 100 * 365 * 24 * 3600 * 1000;

impl Moment {
    /// The start of the process.
    pub const START: Self = Self(PAST);

    /// The moment `elapsed` after the start of the process.
    pub fn after_start(elapsed: Duration) -> Self {
        Self::START + elapsed
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later than this moment.
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

    /// The result may lie before the start of the process.
    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(earlier.as_millis()).unwrap_or(u64::MAX)))
    }
}
