//! How fast AWS may be called with one set of credentials in one region: full speed until AWS throttles, then a rate that
//! is found by trying.
//!
//! The shape is that of the AWS SDKs' adaptive retry mode: a token bucket that is off until the first throttle, whose rate
//! drops by a factor at each throttle and grows while there is none. It differs in three ways. The rate grows with each
//! answer, not with time, so that a slow account is not driven into its next throttle after two calls. After a throttle
//! there is a pause of random length. And the bucket is switched off again once it is not needed any more.

use std::time::Duration;

use crate::clock::Moment;

/// Calls that may be under way at once. At full speed each of them may be throttled before the first throttle is heard
/// of, and all of those calls are made for nothing. It is as many as there are reconciles at once by default: at 50 ms
/// a call that is 320 calls a second.
pub const MAX_IN_FLIGHT: usize = 16;

/// What a throttle leaves of the rate.
const DROP: f64 = 0.5;
/// Below this many calls a second the first throttle is taken to say little: AWS may have had others to serve.
const MIN_MEASURED: f64 = 10.0;
/// Calls a second at the worst of times.
const MIN_RATE: f64 = 0.2;
/// What one answer adds to the rate: calls a second, and a share of the rate. With [`DROP`], an account that bears half a
/// call a second or more throttles about one call in ten.
const STEP: f64 = 0.02;
const GROWTH: f64 = 0.015;
/// Calls a second from which on a bucket makes no difference.
const FULL_SPEED: f64 = 200.0;
/// Without a throttle for this long, what was learned is out of date.
const EXPIRY: Duration = Duration::from_mins(5);
/// Tokens that a quiet time saves up: a read and the update that follows it.
const BURST: f64 = 2.0;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// How fast one account and region may be called.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    /// `None`: full speed.
    bucket: Option<Bucket>,
    answers: AnswerCount,
}

/// A token bucket: a call takes one token.
#[derive(Clone, Debug)]
struct Bucket {
    /// Tokens a second.
    rate: f64,
    tokens: f64,
    /// When `tokens` was right.
    counted_at: Moment,
    throttled_at: Moment,
    paused_until: Moment,
    /// Throttles since the last answer.
    throttles: u32,
}

impl Limiter {
    /// When the next call may go.
    pub fn ready_at(&self) -> Moment {
        self.bucket.as_ref().map_or(Moment::START, Bucket::ready_at)
    }

    /// A call goes at `now`.
    pub fn consumed(&mut self, now: Moment) {
        self.expire(now);
        if let Some(bucket) = &mut self.bucket {
            bucket.fill(now);
            bucket.tokens -= 1.0;
        }
    }

    /// AWS served a call.
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

    /// AWS throttled a call that was sent at `sent`. `jitter` is a number from 0 to 1: full jitter over a pause that
    /// doubles.
    pub fn throttled(&mut self, sent: Moment, now: Moment, jitter: f64) {
        self.expire(now);
        // Calls that were under way together are throttled together; the first of them tells all there is to know.
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

/// How many calls AWS served a second, lately: what the first throttle is measured by.
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

    /// The better one of this second and the one before it, as this one may have just begun.
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
