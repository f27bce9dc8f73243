//! The only place where monotonic time is read.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use directconnect_core::clock::Moment;

/// Measures the time since the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now. There is one per process, so that moments can be compared.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The current moment.
    pub fn now(&self) -> Moment {
        Moment::after_start(self.start.elapsed())
    }

    /// Sleeps until `moment`; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Moment) {
        let left = moment.since(self.now());
        if left > Duration::ZERO {
            tokio::time::sleep(left).await;
        }
    }

    /// Runs `work`, but does not poll it any more once `moment` has passed; `None` if it was not done by then.
    ///
    /// Other timeouts check the clock after they poll the work. When a process continues after a long halt, they would
    /// poll the work once more, and that poll may send a request.
    pub async fn unless_past<T>(&self, moment: Moment, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut end = pin!(self.sleep_until(moment));
        poll_fn(|context| {
            if self.now() >= moment || end.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// A random number from 0 to 1, to spread delays that many tasks share.
pub fn jitter() -> f64 {
    fastrand::f64()
}
