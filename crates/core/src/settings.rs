//! The times that decisions rest on.

use std::time::Duration;

/// How old a read may be for an update to be decided on it.
pub const FRESH: Duration = Duration::from_secs(30);

/// The longest that one call to AWS may take with everything that belongs to it. A call of a process that has ended is
/// over by then, too.
pub const LONGEST_CALL: Duration = Duration::from_secs(12);

/// An update that is older than this is over for any process. Clocks of machines differ by less.
pub const RECENT_UPDATE: Duration = Duration::from_hours(1);

/// The times that people set on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// How often each account and region is read.
    pub poll_interval: Duration,
    /// How long `Encryption Up` must be seen before `must_encrypt`.
    pub encryption_soak: Duration,
    /// How long AWS may still show old values after an update.
    pub settle_window: Duration,
    /// How long to wait for `Encryption Up` before a person is asked.
    pub progress_deadline: Duration,
}

impl Settings {
    /// How often a connection is read while a soak runs: every 15 s, or every poll if that is shorter; and at least twice in
    /// a soak, since what two reads a whole soak apart leave out can be as long as the soak.
    pub fn soak_cadence(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_millis(100);
        self.poll_interval.min(Duration::from_secs(15)).min((self.encryption_soak / 2).max(SHORTEST))
    }

    /// How far apart two reads of a soak may begin.
    pub fn longest_gap(&self) -> Duration {
        self.soak_cadence() * 2
    }

    /// After how long without a read nothing is claimed any more: three poll intervals.
    pub fn stale_after(&self) -> Duration {
        self.poll_interval * 3
    }
}
