//! One at a time: of the connections of an account, at most one is on its way to `must_encrypt`.
//!
//! Redundant lines exist in pairs. One commit that tightens both must not be able to cut both, so the second waits until
//! the first has proven that it still carries encrypted traffic.

use std::collections::BTreeMap;

use crate::clock::Moment;
use crate::decide::Settings;
use crate::desired::{ConnectionKey, Desired, EncryptionMode};
use crate::history::History;
use crate::observed::Connection;

/// Whether a connection is on its way to `must_encrypt`: this operator sent it there, it is still wanted there, and
/// MACsec has not been seen working for a whole soak since.
pub fn is_on_its_way(desired: &Desired, history: &History, set: &Settings, now: Moment) -> bool {
    let may_be_there = history.look().is_none_or(|look| look.connection.as_ref().is_some_and(may_be_must));
    desired.mode == Some(EncryptionMode::MustEncrypt)
        && history.is_unproven(set.encryption_soak)
        && (may_be_there || history.must_may_still_come(now, set.settle_window))
}

/// Whether `must_encrypt` may be in effect: a mode that nobody knows does not say that it is not.
fn may_be_must(connection: &Connection) -> bool {
    connection.takes_a_mode() && connection.mode().is_none_or(|mode| mode == EncryptionMode::MustEncrypt)
}

/// Who is on its way to `must_encrypt`, by account.
///
/// Normally one connection an account; several only where a restart found several that earlier processes had left
/// unproven. Then all others wait for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Turns {
    accounts: BTreeMap<String, BTreeMap<ConnectionKey, String>>,
}

impl Turns {
    /// The resource of another connection that is on its way in this account, if there is one.
    pub fn other(&self, account: &str, key: &ConnectionKey) -> Option<&str> {
        self.accounts.get(account)?.iter().find(|(holder, _)| *holder != key).map(|(_, resource)| resource.as_str())
    }

    /// Takes the turn for `key`, managed by `resource`, unless another connection has it.
    pub fn try_take(&mut self, account: &str, key: &ConnectionKey, resource: &str) -> bool {
        let free = self.other(account, key).is_none();
        if free {
            self.hold(account, key, resource);
        }
        free
    }

    /// Notes that `key` is on its way, whoever else may be.
    pub fn hold(&mut self, account: &str, key: &ConnectionKey, resource: &str) {
        self.accounts.retain(|_, holders| {
            holders.remove(key);
            !holders.is_empty()
        });
        self.accounts.entry(account.to_owned()).or_default().insert(key.clone(), resource.to_owned());
    }

    /// `key` has proven itself, or `resource` no longer wants it there. True if it held a turn for that resource.
    pub fn release(&mut self, key: &ConnectionKey, resource: &str) -> bool {
        let mut held = false;
        self.accounts.retain(|_, holders| {
            if holders.get(key).is_some_and(|holder| holder == resource) {
                holders.remove(key);
                held = true;
            }
            !holders.is_empty()
        });
        held
    }
}
