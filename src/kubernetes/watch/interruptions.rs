//! Since when a watch has been failing, and why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::place;
use crate::metrics::Metrics;

/// How long a watch may be interrupted before the process is not ready. An API server that restarts and a list that begins
/// anew take less.
pub const MAX_INTERRUPTION: Duration = Duration::from_mins(2);

/// The interruptions of the watches of all namespaces. Clones share their state.
#[derive(Clone)]
pub struct Interruptions {
    /// By namespace; empty for all of them.
    current: Arc<Mutex<BTreeMap<String, Interruption>>>,
    metrics: Metrics,
}

struct Interruption {
    since: Instant,
    /// The message of the last failure.
    failure: String,
}

impl Interruptions {
    /// No interruptions. The longest one will be shown in `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { current: Arc::default(), metrics }
    }

    /// Fails with what is wrong if a watch has been interrupted for longer than [`MAX_INTERRUPTION`].
    pub fn check(&self) -> Result<(), String> {
        let current = self.current.lock();
        let Some((namespace, longest)) = current.iter().min_by_key(|(_, interruption)| interruption.since) else {
            return Ok(());
        };
        let lasts = longest.since.elapsed();
        if lasts <= MAX_INTERRUPTION {
            return Ok(());
        }
        let (place, seconds, failure) = (place(namespace), lasts.as_secs(), &longest.failure);
        Err(format!("the watch on resources {place} has been interrupted for {seconds} s: {failure}"))
    }

    /// What the watch that has failed for longest says, if one fails now.
    pub fn failure(&self) -> Option<String> {
        let current = self.current.lock();
        let longest = current.values().min_by_key(|interruption| interruption.since);
        longest.map(|interruption| interruption.failure.clone())
    }

    /// Records that a list or a watch failed.
    pub(super) fn note_failure(&self, namespace: &str, failure: String) {
        let mut current = self.current.lock();
        match current.get_mut(namespace) {
            Some(interruption) => interruption.failure = failure,
            None => {
                current.insert(namespace.to_owned(), Interruption { since: Instant::now(), failure });
            }
        }
        self.show(&current);
    }

    /// Records that a list is complete and a watch on what comes after it has lasted. After every failure the watch begins
    /// with a list, and nothing less shows what was missed.
    pub(super) fn note_list(&self, namespace: &str) {
        let mut current = self.current.lock();
        current.remove(namespace);
        self.show(&current);
    }

    fn show(&self, current: &BTreeMap<String, Interruption>) {
        self.metrics.watch_interrupted(current.values().map(|interruption| interruption.since).min());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_several_watches_the_one_that_has_failed_longest_is_told_and_shown() {
        let metrics = Metrics::new();
        let interruptions = Interruptions::new(metrics.clone());
        let shown = |seconds: &str| {
            let line = format!("\ndirectconnect_operator_watch_interrupted_seconds {seconds}\n");
            let text = metrics.encode().expect("metrics");
            assert!(text.contains(&line), "{text}");
        };
        shown("0.0");
        interruptions.note_failure("a", "first".to_owned());
        tokio::time::advance(Duration::from_secs(30)).await;
        interruptions.note_failure("b", "other".to_owned());
        interruptions.note_failure("a", "latest".to_owned());
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(interruptions.check(), Ok(()));
        shown("120.0");
        tokio::time::advance(Duration::from_secs(1)).await;
        let told = "the watch on resources in namespace a has been interrupted for 121 s: latest";
        assert_eq!(interruptions.check(), Err(told.to_owned()));
        interruptions.note_list("a");
        assert_eq!(interruptions.check(), Ok(()), "the other has not failed for so long");
        shown("91.0");
        interruptions.note_list("b");
        shown("0.0");
    }
}
