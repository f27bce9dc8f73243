//! Rules that are disabled by feeding the processes other inputs, to check that the model finds the consequences. Rules
//! that only a code change can disable are in the script beside this file.

/// A rule that is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// All rules are enabled.
    Nothing,
    /// I: a new leader lists the resources again.
    ListAtTakeOver,
    /// I: the lease is checked once more before the send.
    CheckLease,
    /// B: after a takeover, a read is settled only once the calls of the previous leader are over.
    WaitForThoseBefore,
    /// I: a call ends with the lease.
    EndWithTheLease,
    /// A: the intention is written before the update is sent.
    IntentionFirst,
}
