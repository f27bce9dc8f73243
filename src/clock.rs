//! The one place where monotonic time is read.

use std::time::{Duration, Instant};

use crate::core::clock::Moment;

/// Tells how far the process has come.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now. One a process, or moments could not be compared.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        Moment::after_start(self.start.elapsed())
    }

    /// Sleeps until `moment`; not at all when it has passed.
    pub async fn sleep_until(&self, moment: Moment) {
        let left = moment.since(self.now());
        if left > Duration::ZERO {
            tokio::time::sleep(left).await;
        }
    }
}

/// A number from 0 to 1 by chance, so that waits which many share do not end as one.
pub fn dice() -> f64 {
    fastrand::f64()
}
