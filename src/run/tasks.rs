//! Supervision of long tasks. If one ends, the process reports which one and ends too.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::task::JoinSet;

/// Long tasks, none of which may end.
#[derive(Default)]
pub(super) struct Tasks {
    running: JoinSet<String>,
}

impl Tasks {
    pub(super) fn watch_over(&mut self, name: &'static str, task: impl Future<Output = String> + Send + 'static) {
        self.running.spawn(async move {
            let why = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(why) if why.is_empty() => "it stopped".to_owned(),
                Ok(why) => why,
                Err(_) => "it panicked".to_owned(),
            };
            format!("{name} ended: {why}")
        });
    }

    pub(super) async fn first_to_end(&mut self) -> String {
        match self.running.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => error.to_string(),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_long_task_that_ends_is_told_by_name() {
        for (ends, told) in [("", "polling ended: it stopped"), ("a reason", "polling ended: a reason")] {
            let mut tasks = Tasks::default();
            tasks.watch_over("watching", std::future::pending());
            tasks.watch_over("polling", async move { ends.to_owned() });
            assert_eq!(tasks.first_to_end().await, told);
        }
    }

    #[tokio::test]
    async fn a_long_task_that_panics_is_told_by_name() {
        let mut tasks = Tasks::default();
        tasks.watch_over("watching", std::future::pending());
        tasks.watch_over("polling", async { panic!("boom") });
        assert_eq!(tasks.first_to_end().await, "polling ended: it panicked");
    }
}
