//! Waiting for a condition with a deadline. Tests synchronise by this alone, never by sleeping.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a test waits for what should be a matter of moments: far beyond that, even on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What one look brought: the value waited for, or what was seen in its stead.
pub trait Look {
    /// The value waited for.
    type Value;

    /// The value waited for, or what was seen in its stead.
    fn outcome(self) -> Result<Self::Value, String>;
}

impl<T, E: Display> Look for Result<T, E> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.map_err(|seen| seen.to_string())
    }
}

impl<T> Look for Option<T> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl Look for bool {
    type Value = ();

    fn outcome(self) -> Result<(), String> {
        self.then_some(()).ok_or_else(|| "false".to_owned())
    }
}

/// Looks again and again, at first quickly, until a look brings the value (`Some`, `Ok` or `true`).
///
/// # Panics
/// When the deadline passes first: with the caller's place, what was waited for, and what the last look saw.
#[track_caller]
pub fn until<L: Look>(
    deadline: Duration,
    what: impl Display,
    mut look: impl AsyncFnMut() -> L,
) -> impl Future<Output = L::Value> {
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut pause = FIRST_PAUSE;
        let mut last = "nothing: the first look did not return".to_owned();
        loop {
            match timeout_at(end, look()).await.map(Look::outcome) {
                Ok(Ok(value)) => return value,
                Ok(Err(seen)) => last = seen,
                Err(_) => {}
            }
            assert!(Instant::now() + pause < end, "{caller}: waited {deadline:?} for {what}; last seen: {last}");
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_value_comes_back() {
        let mut looks = 0;
        let value = until(SOON, "the third look", async || {
            looks += 1;
            (looks == 3).then_some("here")
        })
        .await;
        assert_eq!((value, looks), ("here", 3));
    }

    #[tokio::test]
    #[should_panic(expected = "wait.rs:")]
    async fn a_failure_names_the_place() {
        until(Duration::ZERO, "a miracle", async || false).await;
    }

    #[tokio::test]
    #[should_panic(expected = "waited 80ms for a miracle; last seen: only wonders")]
    async fn a_failure_names_the_wish_and_what_was_seen() {
        until(Duration::from_millis(80), "a miracle", async || Err::<(), _>("only wonders")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "last seen: nothing: the first look did not return")]
    async fn a_look_that_hangs_does_not_hang_the_wait() {
        until(Duration::from_millis(80), "a miracle", std::future::pending::<bool>).await;
    }
}
