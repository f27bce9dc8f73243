//! How fast AWS may be called with one set of credentials in one region: without limit until AWS throttles, then at a
//! rate that adapts.
//!
//! It resembles the adaptive retry mode of the AWS SDKs: a token bucket that is off until the first throttle; each
//! throttle reduces its rate by a factor, and the rate grows while there is none. There are three differences. The rate
//! grows with each answer and not with time, so that a slow account is not throttled again after two calls. After a
//! throttle there is a pause of random length. And the bucket is removed once it is no longer needed.

use std::time::Duration;

use crate::clock::Moment;

/// How many calls may be in flight at once. At full speed, all of them may be throttled before the first throttle is
/// known. The value is the default number of concurrent reconciles; at 50 ms a call this is 320 calls a second.
pub const MAX_IN_FLIGHT: usize = 16;

/// A throttle multiplies the rate by this.
const DROP: f64 = 0.5;
/// The first throttle assumes that AWS serves at least this many calls a second. If fewer were served, other clients of
/// the account may have caused the throttle.
const MIN_MEASURED: f64 = 10.0;
/// The rate never falls below this many calls a second.
const MIN_RATE: f64 = 0.2;
/// Each answer adds `STEP` calls a second and `GROWTH` times the rate. With [`DROP`], an account that can serve half a
/// call a second or more throttles about one call in ten.
const STEP: f64 = 0.02;
const GROWTH: f64 = 0.015;
/// Beyond this many calls a second, the bucket makes no difference and is removed.
const FULL_SPEED: f64 = 200.0;
/// After this long without a throttle, the learned rate is outdated and the bucket is removed.
const EXPIRY: Duration = Duration::from_mins(5);
/// At most this many tokens accumulate: a read and the update that follows it.
const BURST: f64 = 2.0;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// The rate limit of one account and region.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    /// `None`: no limit.
    bucket: Option<Bucket>,
    answers: AnswerCount,
}

/// A token bucket: a call takes one token.
#[derive(Clone, Debug)]
struct Bucket {
    /// Tokens a second.
    rate: f64,
    tokens: f64,
    /// The time at which `tokens` was computed.
    counted_at: Moment,
    throttled_at: Moment,
    paused_until: Moment,
    /// Throttles since the last answer.
    throttles: u32,
}

impl Limiter {
    /// When the next call may be sent.
    pub fn ready_at(&self) -> Moment {
        self.bucket.as_ref().map_or(Moment::START, Bucket::ready_at)
    }

    /// Records that a call is sent at `now`.
    pub fn consumed(&mut self, now: Moment) {
        self.expire(now);
        if let Some(bucket) = &mut self.bucket {
            bucket.fill(now);
            bucket.tokens -= 1.0;
        }
    }

    /// Records that AWS served a call.
    pub fn answered(&mut self, now: Moment) {
        self.expire(now);
        self.answers.count(now);
        if let Some(bucket) = &mut self.bucket {
            bucket.fill(now);
            bucket.throttles = 0;
            bucket.rate += STEP + bucket.rate * GROWTH;
        }
        self.bucket.take_if(|bucket| bucket.rate > FULL_SPEED);
    }

    /// Records that AWS throttled a call that was sent at `sent`. Pauses double with each throttle in a row; `jitter`,
    /// from 0 to 1, is the part of the pause that is waited.
    pub fn throttled(&mut self, sent: Moment, now: Moment, jitter: f64) {
        self.expire(now);
        // Calls that were in flight together are throttled together, so only the first of them counts.
        if self.bucket.as_ref().is_some_and(|bucket| sent <= bucket.throttled_at) {
            return;
        }
        let rate = self.bucket.as_ref().map_or_else(|| self.answers.rate(now).max(MIN_MEASURED), |bucket| bucket.rate);
        let earlier = self.bucket.as_ref().map_or(0, |bucket| bucket.throttles);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(earlier.min(16))).min(MAX_PAUSE);
        self.bucket = Some(Bucket {
            rate: (rate * DROP).max(MIN_RATE),
            tokens: 0.0,
            counted_at: now,
            throttled_at: now,
            paused_until: now + pause.mul_f64(jitter.clamp(0.0, 1.0)),
            throttles: earlier + 1,
        });
    }

    fn expire(&mut self, now: Moment) {
        self.bucket.take_if(|bucket| now.since(bucket.throttled_at) >= EXPIRY);
    }
}

impl Bucket {
    fn ready_at(&self) -> Moment {
        let wait = ((1.0 - self.tokens).max(0.0) / self.rate * 1000.0).ceil() / 1000.0;
        self.paused_until.max(self.counted_at + Duration::from_secs_f64(wait))
    }

    fn fill(&mut self, now: Moment) {
        self.tokens = (self.tokens + now.since(self.counted_at).as_secs_f64() * self.rate).min(BURST);
        self.counted_at = now;
    }
}

/// How many calls a second AWS served recently. The first throttle sets the rate from it.
#[derive(Clone, Debug, Default)]
struct AnswerCount {
    second: Moment,
    this: u32,
    last: u32,
}

impl AnswerCount {
    fn count(&mut self, now: Moment) {
        self.turn(now);
        self.this = self.this.saturating_add(1);
    }

    /// The higher count of this second and the one before, since this second may have just begun.
    fn rate(&mut self, now: Moment) -> f64 {
        self.turn(now);
        f64::from(self.this.max(self.last))
    }

    fn turn(&mut self, now: Moment) {
        let age = now.since(self.second);
        if age >= SECOND {
            self.last = if age < 2 * SECOND { self.this } else { 0 };
            self.this = 0;
            self.second = now;
        }
    }
}
