//! The durations that decisions depend on.

use std::time::Duration;

/// An update is based only on a read that is no older than this.
pub const FRESH: Duration = Duration::from_secs(30);

/// The longest duration of one call to AWS, with everything that belongs to it. A call of a process that has ended is
/// over by then, too.
pub const MAX_CALL_DURATION: Duration = Duration::from_secs(12);

/// An update older than this cannot be in flight any more in any process. It is long enough to allow for clocks of
/// machines that differ.
pub const RECENT_UPDATE: Duration = Duration::from_hours(1);

/// The durations that the command line sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// How often each account and region is read.
    pub poll_interval: Duration,
    /// How long `Encryption Up` must be seen before `must_encrypt` is sent.
    pub encryption_soak: Duration,
    /// How long AWS may still show old values after an update.
    pub settle_window: Duration,
    /// How long to wait for `Encryption Up` before the resource counts as stalled.
    pub progress_deadline: Duration,
}

impl Settings {
    /// How often a connection is read during a soak: every 15 s, every poll, or twice in a soak, whichever is most
    /// often. If reads were a whole soak apart, an outage between them could last as long as the soak. For a short soak
    /// it is no more often than every second, since a connection that stays down is read like this without end.
    pub fn soak_cadence(&self) -> Duration {
        const MIN_CADENCE: Duration = Duration::from_secs(1);
        self.poll_interval.min(Duration::from_secs(15)).min((self.encryption_soak / 2).max(MIN_CADENCE))
    }

    /// How far apart two reads of a soak may begin.
    pub fn max_gap(&self) -> Duration {
        self.soak_cadence() * 2
    }

    /// How old the read may be on which `must_encrypt` is sent: no older than two reads of a soak may be apart. Between
    /// that read and the update lie the wait for the rate limit and the write of status, for which 10 s are left.
    pub fn fresh_for_must(&self) -> Duration {
        FRESH.min(self.max_gap().max(Duration::from_secs(10)))
    }

    /// After this long without a read, the observation is stale: three poll intervals.
    pub fn stale_after(&self) -> Duration {
        self.poll_interval * 3
    }
}
