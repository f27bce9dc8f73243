//! How fast AWS may be called in one account and region: as fast as it bears, found by trying.
//!
//! A steady pace that drops when AWS throttles and grows by little steps while it does not, with a pause of random
//! length after a throttle. The pace is shared by all resources of the region, so that they slow down as one and come
//! back one after another.

use std::time::Duration;

use crate::clock::Moment;

/// Calls a second that nobody should need more of.
const FASTEST: f64 = 20.0;
/// Calls a second at the worst of times.
const SLOWEST: f64 = 0.2;
const START: f64 = 10.0;
/// What one good answer adds to the pace: calls a second, and a share of the pace, so that a slow one recovers in
/// minutes and a fast one does not take an hour to find its limit.
const STEP: f64 = 0.02;
const GROWTH: f64 = 0.01;
/// What a throttle leaves of the pace. With the growth above, AWS throttles one call in ten or fewer from a call a second
/// upwards.
const DROP: f64 = 0.7;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The pace of one account and region.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// Calls a second.
    pace: f64,
    next: Moment,
    throttles: u32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { pace: START, next: Moment::START, throttles: 0 }
    }
}

impl Limiter {
    /// When the next call may go.
    pub fn ready_at(&self) -> Moment {
        self.next
    }

    /// A call goes at `now`.
    pub fn took(&mut self, now: Moment) {
        self.next = now + Duration::from_secs_f64(1.0 / self.pace);
    }

    /// AWS answered something other than a throttle.
    pub fn answered(&mut self) {
        self.throttles = 0;
        self.pace = (self.pace + STEP + self.pace * GROWTH).min(FASTEST);
    }

    /// AWS throttled a call. `dice` is a number from 0 to 1: full jitter over a pause that doubles.
    pub fn throttled(&mut self, now: Moment, dice: f64) {
        // Calls that were under way together are throttled together; the first of them tells all there is to know.
        if now < self.next && self.throttles > 0 {
            return;
        }
        self.pace = (self.pace * DROP).max(SLOWEST);
        let longest = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.throttles.min(16))).min(LONGEST_PAUSE);
        self.throttles += 1;
        self.next = self.next.max(now + longest.mul_f64(dice.clamp(0.0, 1.0)));
    }
}
