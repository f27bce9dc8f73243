//! The time limit of a pass.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The time limit of one pass. Waiting for the rate limit of the region or for the lock of the circuit does not count.
/// It is longer than all calls of a pass together, each of which has its own limit, so a pass that reaches it hangs.
pub const PASS_CEILING: Duration = Duration::from_mins(2);

/// The remaining time of one pass.
pub struct Budget {
    paused: watch::Sender<bool>,
    ceiling: Duration,
}

impl Budget {
    /// The budget of a pass that begins now.
    pub fn new(ceiling: Duration) -> Self {
        Self { paused: watch::Sender::new(false), ceiling }
    }

    /// Waits for `wait` without counting its time. The wait must be certain to end, since this limit does not end it.
    pub async fn without_counting<T>(&self, wait: impl Future<Output = T>) -> T {
        self.paused.send_replace(true);
        let waited = wait.await;
        self.paused.send_replace(false);
        waited
    }

    /// Resolves when the time is used up.
    pub async fn spent(&self) {
        let mut paused = self.paused.subscribe();
        let mut left = self.ceiling;
        loop {
            // `self` holds the sender, so neither wait can fail.
            let _ = paused.wait_for(|paused| !paused).await;
            let began = Instant::now();
            tokio::select! {
                () = tokio::time::sleep(left) => return,
                _ = paused.wait_for(|paused| *paused) => left = left.saturating_sub(began.elapsed()),
            }
        }
    }
}
