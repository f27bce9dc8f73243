//! Rules that are taken out by what the processes are fed, to see that the model finds what comes of it. Rules that only
//! a change of the code takes out are in the script beside this file.

/// A rule that is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// All rules hold.
    Nothing,
    /// I: a new leader lists the resources anew.
    ListAtTakeOver,
    /// I: the lease is looked at once more before the send.
    LookAtLease,
    /// B: in a process that has begun to lead, a read is settled only after the calls of the one before it are over.
    WaitForThoseBefore,
    /// I: a call ends with the lease.
    EndWithTheLease,
    /// A: what is about to be sent is written down first.
    IntentionFirst,
}
