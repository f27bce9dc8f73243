//! How long a pass may take.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long one pass may take, waiting for the pace of its region or for another pass over its circuit apart. Longer than
/// all its calls together, each of which has a limit of its own: one that hits it stands still.
pub const PASS_CEILING: Duration = Duration::from_mins(2);

/// The time of one pass.
pub struct Budget {
    paused: watch::Sender<bool>,
    ceiling: Duration,
}

impl Budget {
    /// A pass that begins now.
    pub fn new(ceiling: Duration) -> Self {
        Self { paused: watch::Sender::new(false), ceiling }
    }

    /// Waits for something that ends when what it belongs to ends: its time does not count.
    pub async fn apart<T>(&self, wait: impl Future<Output = T>) -> T {
        self.paused.send_replace(true);
        let waited = wait.await;
        self.paused.send_replace(false);
        waited
    }

    /// Ends when the time is used up.
    pub async fn spent(&self) {
        let mut paused = self.paused.subscribe();
        let mut left = self.ceiling;
        loop {
            // The sender is in `self`, so neither wait fails.
            let _ = paused.wait_for(|paused| !paused).await;
            let began = Instant::now();
            tokio::select! {
                () = tokio::time::sleep(left) => return,
                _ = paused.wait_for(|paused| *paused) => left = left.saturating_sub(began.elapsed()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn time_apart_does_not_count() {
        let budget = Budget::new(Duration::from_millis(50));
        let wait = budget.apart(tokio::time::sleep(Duration::from_millis(200)));
        tokio::select! {
            () = budget.spent() => panic!("it waited for its pace"),
            () = wait => {}
        }
        budget.spent().await;
        assert!(Budget::new(Duration::from_hours(1)).spent().now_or_never().is_none());
    }
}
