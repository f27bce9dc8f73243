//! Chains of reads: how long a state has lasted, as proven by reads and not by the clock alone.

use std::time::Duration;

use crate::clock::Moment;
use crate::desired::EncryptionMode;

/// Consecutive reads without a large gap that all showed the same mode, and MACsec either up in all or down in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Chain {
    /// The mode that every read of it showed.
    pub(super) mode: EncryptionMode,
    /// End of the first read. What it showed may have begun only then.
    pub(super) since: Moment,
    /// Begin of the last read. What it showed may have changed since.
    last: Moment,
}

impl Chain {
    /// Adds a read. It continues the chain if it shows the same mode and began no more than `max_gap` after the previous
    /// read; otherwise it starts a new chain.
    pub(super) fn extend(
        chain: &mut Option<Self>,
        mode: EncryptionMode,
        (began, ended): (Moment, Moment),
        max_gap: Duration,
    ) {
        match chain {
            Some(chain) if chain.mode == mode && began.since(chain.last) <= max_gap => {
                chain.last = began;
            }
            _ => *chain = Some(Self { mode, since: ended, last: began }),
        }
    }

    /// How long the state has certainly lasted: from the end of the first read to the begin of the last.
    pub(super) fn length(&self) -> Duration {
        self.last.since(self.since)
    }
}
