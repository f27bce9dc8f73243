//! Chains of reads: how long something has been so, as reads prove it and not the clock.

use std::time::Duration;

use crate::clock::Moment;
use crate::desired::EncryptionMode;

/// Reads without a gap that all showed the same mode, and MACsec alike up or alike not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Chain {
    /// The mode that every read of it showed.
    pub(super) mode: EncryptionMode,
    /// Whether every read of it showed a key.
    has_key: bool,
    /// End of the first read: what it showed may have become so only then.
    pub(super) since: Moment,
    /// Begin of the last read: what it showed may have changed since.
    last: Moment,
}

impl Chain {
    /// Takes in a read that showed what this chain is about. It goes on with the chain if it shows the same mode and the
    /// read before it began no more than `longest_gap` earlier; else a new chain begins with it.
    pub(super) fn extend(
        chain: &mut Option<Self>,
        (mode, has_key): (EncryptionMode, bool),
        (began, ended): (Moment, Moment),
        longest_gap: Duration,
    ) {
        match chain {
            Some(chain) if chain.mode == mode && chain.has_key == has_key && began.since(chain.last) <= longest_gap => {
                chain.last = began;
            }
            _ => *chain = Some(Self { mode, has_key, since: ended, last: began }),
        }
    }

    /// How long it has been so for certain: from the end of the first read to the begin of the last.
    pub(super) fn length(&self) -> Duration {
        self.last.since(self.since)
    }
}
