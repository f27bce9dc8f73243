//! A token bucket for each account and region.

use std::collections::HashMap;
use std::time::Instant;

use crate::settings::Throttle;

/// All buckets. Those that were never used are full.
#[derive(Debug, Default)]
pub(crate) struct Buckets(HashMap<(String, String), Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Buckets {
    /// Takes a token; returns false if there is none.
    pub(crate) fn take(&mut self, account: &str, region: &str, throttle: Throttle, now: Instant) -> bool {
        let capacity = f64::from(throttle.capacity);
        let bucket =
            self.0.entry((account.to_owned(), region.to_owned())).or_insert(Bucket { tokens: capacity, filled: now });
        let regained = now.saturating_duration_since(bucket.filled).as_secs_f64() * throttle.per_second;
        bucket.tokens = (bucket.tokens + regained).min(capacity);
        bucket.filled = now;
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }

    /// Fills all buckets.
    pub(crate) fn refill(&mut self) {
        self.0.clear();
    }
}
