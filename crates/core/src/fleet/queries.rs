//! What decisions ask of the fleet.

use super::Fleet;
use crate::clock::Moment;
use crate::identity::{AccountId, CircuitId, ResourceId};
use crate::settings::MAX_CALL_DURATION;
use crate::turn::{Hold, Holder, share_turn};

impl Fleet {
    /// Whether the newest read of a circuit began late enough to prove that a mode is not there.
    pub fn is_settled(&self, id: &CircuitId) -> bool {
        let began = self.circuits.get(id).and_then(|circuit| circuit.history.shown_at());
        began.is_some_and(|began| self.settles_at(id).is_none_or(|until| began > until))
    }

    /// A read of a circuit that began no later than this may show the state before the last update. It is a settle
    /// window after the end of the last update of this process. If a status shows an update of the previous leader from
    /// the last hour, it is at least a settle window after the longest possible call of that leader.
    pub fn settles_at(&self, id: &CircuitId) -> Option<Moment> {
        let circuit = self.circuits.get(id)?;
        let of_others = circuit.is_inherited.then(|| self.leading_since + MAX_CALL_DURATION);
        let last = circuit.history.last_update_ended().max(of_others)?;
        Some(last + self.settings.settle_window)
    }

    /// Another circuit of the same account that holds the turn, if there is one.
    pub fn holder(&self, id: &CircuitId) -> Option<Holder> {
        let account = self.account(id);
        let shares = |other: &CircuitId| share_turn(&account, &self.account(other));
        let mut others = self.holds.iter().filter(|(other, _)| *other != id);
        let (circuit, hold) = others.find(|(other, _)| shares(other))?;
        Some(Holder { circuit: circuit.clone(), hold: hold.clone() })
    }

    /// Why a circuit holds the turn; `None` if it does not.
    pub fn hold(&self, id: &CircuitId) -> Option<&Hold> {
        self.holds.get(id)
    }

    /// Another resource for the circuit whose ledger still says `proven`, because it has not written yet what reads
    /// show.
    pub fn other_proof(&self, id: &CircuitId, resource: &ResourceId) -> Option<&ResourceId> {
        let claims = &self.circuits.get(id)?.claims;
        claims.iter().find(|claim| claim.carries_proof() && claim.resource != *resource).map(|claim| &claim.resource)
    }

    /// The account of a circuit, if it is known.
    pub fn account(&self, id: &CircuitId) -> Option<AccountId> {
        self.circuits.get(id)?.view(false).account()
    }
}
