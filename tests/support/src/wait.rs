//! Waits for conditions with a deadline. Tests use only this to synchronize, and never sleep.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The timeout for what should take moments, with a generous margin for a busy machine. It is shorter than the minute after
/// which a resource that waits for its turn is looked at again, so no wait passes where only that helped.
pub const SOON: Duration = Duration::from_secs(50);

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// The result of one check: the awaited value, or what was seen instead.
pub trait Check {
    /// The awaited value.
    type Value;

    /// The awaited value, or what was seen instead.
    fn outcome(self) -> Result<Self::Value, String>;
}

impl<T, E: Display> Check for Result<T, E> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.map_err(|seen| seen.to_string())
    }
}

impl<T> Check for Option<T> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl Check for bool {
    type Value = ();

    fn outcome(self) -> Result<(), String> {
        self.then_some(()).ok_or_else(|| "false".to_owned())
    }
}

/// Repeats a check, at first quickly, until it yields the value (`Some`, `Ok` or `true`).
///
/// # Panics
///
/// If the deadline passes first: with the caller's location, what was awaited, and the result of the last check.
#[track_caller]
pub fn until<L: Check>(
    deadline: Duration,
    what: impl Display,
    mut check: impl AsyncFnMut() -> L,
) -> impl Future<Output = L::Value> {
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut pause = FIRST_PAUSE;
        let mut last = "nothing: the first check did not return".to_owned();
        loop {
            match timeout_at(end, check()).await.map(Check::outcome) {
                Ok(Ok(value)) => return value,
                Ok(Err(seen)) => last = seen,
                Err(_) => {}
            }
            assert!(Instant::now() + pause < end, "{caller}: waited {deadline:?} for {what}; last seen: {last}");
            sleep(pause).await;
            pause = (pause * 3 / 2).min(MAX_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_value_comes_back() {
        let mut checks = 0;
        let value = until(SOON, "the third check", async || {
            checks += 1;
            (checks == 3).then_some("here")
        })
        .await;
        assert_eq!((value, checks), ("here", 3));
    }

    #[tokio::test]
    #[should_panic(expected = "wait.rs:")]
    async fn a_failure_names_the_place() {
        until(Duration::ZERO, "a miracle", async || false).await;
    }

    #[tokio::test]
    #[should_panic(expected = "waited 80ms for a miracle; last seen: only wonders")]
    async fn a_failure_names_what_was_awaited_and_what_was_seen() {
        until(Duration::from_millis(80), "a miracle", async || Err::<(), _>("only wonders")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "last seen: nothing: the first check did not return")]
    async fn a_check_that_hangs_does_not_hang_the_wait() {
        until(Duration::from_millis(80), "a miracle", std::future::pending::<bool>).await;
    }
}
