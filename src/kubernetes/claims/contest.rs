//! How soon a resource is reconciled after its status was overwritten, by somebody else or by a write of this process whose
//! answer was lost.
//!
//! What a person writes is mended at once. But if a second operator or a webhook writes the status too, each write of this
//! process leads to another one of theirs, so without pauses there would be no end to it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tracing::warn;

use crate::api::DirectConnectConnectionStatus;
use directconnect_core::clock::Moment;
use directconnect_core::identity::ResourceId;

/// The pause after the second overwrite. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// After this long without an overwrite, the next one is the first again.
const QUIET: Duration = Duration::from_mins(10);
/// From this overwrite of somebody else on, the log says that there is another writer.
const WARN_FROM: u32 = 3;

/// The overwrites of one status.
#[derive(Clone, Default)]
pub(super) struct Contest {
    /// Overwrites that led to a reconcile, and how many of them were of somebody else.
    count: u32,
    foreign: u32,
    last: Option<Moment>,
    /// Until then, a reconcile that takes in further overwrites is still to come.
    due: Option<Moment>,
}

impl Contest {
    /// Records an overwrite. Returns how long to wait before the resource is reconciled; `None` if a reconcile is due
    /// already.
    pub(super) fn note(&mut self, resource: &ResourceId, is_own: bool, now: Moment) -> Option<Duration> {
        if self.last.is_some_and(|last| now.since(last) >= QUIET) {
            *self = Self::default();
        }
        self.last = Some(now);
        if self.due.is_some_and(|due| now < due) {
            return None;
        }
        let pause = match self.count {
            0 => Duration::ZERO,
            count => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(count - 1)).min(MAX_PAUSE),
        };
        self.count = self.count.saturating_add(1);
        self.foreign = self.foreign.saturating_add(u32::from(!is_own));
        self.due = Some(now + pause);
        if !is_own && self.foreign >= WARN_FROM {
            warn!(
                object = %resource,
                "another writer keeps overwriting the status: look for a second operator that watches this namespace, for a webhook that changes the status, or for a CRD that is older than this operator and drops fields. It is written again in {} s",
                pause.as_secs()
            );
        }
        Some(pause)
    }
}

/// A hash that is equal for equal statuses, to tell those of this process from those of others.
pub(super) fn fingerprint(status: &DirectConnectConnectionStatus) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(status).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn the_first_overwrite_is_answered_at_once_and_each_further_one_later_until_it_has_been_quiet() {
        let (mut contest, resource) = (Contest::default(), ResourceId::new("net", "line"));
        let (mut now, quiet) = (0, QUIET.as_secs());
        for (after, pause) in
            [(0, 0), (0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, 60), (quiet - 1, 60), (quiet, 0)]
        {
            now += after;
            assert_eq!(contest.note(&resource, false, at(now)), Some(Duration::from_secs(pause)), "at {now} s");
        }
    }

    #[test]
    fn overwrites_before_the_reconcile_that_is_due_lead_to_no_other() {
        let (mut contest, resource) = (Contest::default(), ResourceId::new("net", "line"));
        assert_eq!(contest.note(&resource, false, at(0)), Some(Duration::ZERO));
        assert_eq!(contest.note(&resource, false, at(0)), Some(FIRST_PAUSE));
        assert_eq!(contest.note(&resource, false, at(0)), None);
        assert_eq!(contest.note(&resource, false, at(1)), Some(2 * FIRST_PAUSE));
    }
}
