//! Readiness and liveness of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::kubernetes::watch::{Interruptions, Listed};
use crate::reconcile::Context;
use crate::server;
use crate::state::PASS_CEILING;

/// If there is work and no pass has ended for this long, the process is not alive. It is well above the time limit of a
/// pass.
const STANDSTILL: Duration = PASS_CEILING.saturating_mul(3);

/// What this process has reached on its way to readiness.
#[derive(Clone, Default)]
pub(super) struct Readiness {
    leads: Arc<AtomicBool>,
    has_credentials: Arc<AtomicBool>,
}

impl Readiness {
    /// Records that this process leads.
    pub(super) fn lead(&self) {
        self.leads.store(true, Ordering::Release);
    }

    /// Records that credentials are available.
    pub(super) fn has_credentials(&self) {
        self.has_credentials.store(true, Ordering::Release);
    }

    /// Ready means: the resources are listed and watched, and if this process leads, there are credentials and AWS has been
    /// read, unless there are no resources. The Lease does not depend on it.
    pub(super) fn check(self, context: Arc<Context>, listed: Listed, interruptions: Interruptions) -> server::Probe {
        Arc::new(move || {
            if !listed.is_done() {
                let failure = interruptions.failure().map(|failure| format!(": {failure}"));
                return Err(format!("the resources have not been listed yet{}", failure.unwrap_or_default()));
            }
            interruptions.check()?;
            if !self.leads.load(Ordering::Acquire) {
                Ok(())
            } else if !self.has_credentials.load(Ordering::Acquire) {
                Err("there are no AWS credentials".to_owned())
            } else if !context.claims.regions().borrow().is_empty()
                && !context.state.with_fleet(|fleet| fleet.has_listed_any())
            {
                Err("AWS has not been read yet".to_owned())
            } else {
                Ok(())
            }
        })
    }
}

/// The progress of passes.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<Passes>>);

struct Passes {
    /// Passes that wait for a slot or are running.
    begun: usize,
    /// When the last pass ended, or when the first one began after a time without any.
    last_progress: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Passes { begun: 0, last_progress: Instant::now() })))
    }
}

/// A pass that waits or is running, until this is dropped.
pub(super) struct Begun(Progress);

impl Progress {
    /// Records that a pass begins.
    pub(super) fn begin(&self) -> Begun {
        self.change(|passes| {
            if passes.begun == 0 {
                passes.last_progress = Instant::now();
            }
            passes.begun += 1;
        });
        Begun(self.clone())
    }

    /// Alive means: there is no work, or a pass has ended recently.
    pub(super) fn check(self) -> server::Probe {
        Arc::new(move || self.stands_still(STANDSTILL))
    }

    fn stands_still(&self, limit: Duration) -> Result<(), String> {
        let (begun, idle) = self.change(|passes| (passes.begun, passes.last_progress.elapsed()));
        if begun > 0 && idle > limit {
            return Err(format!("{begun} passes have begun, and none has ended for {} s", idle.as_secs()));
        }
        Ok(())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Passes) -> T) -> T {
        change(&mut self.0.lock())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.change(|passes| {
            passes.begun -= 1;
            passes.last_progress = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests;
