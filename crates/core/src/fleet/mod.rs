//! All circuits that are known, with what is known of each: the one owner of what the guard rests on.
//!
//! Whatever happens comes in here, from the watch, from reads, from passes; and who holds a turn follows at once.

mod circuit;
mod reads;

use std::collections::BTreeMap;

use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::history::History;
use crate::identity::{CircuitId, RegionName, ResourceId};
use crate::ledger::{LastUpdate, Ledger};
use crate::settings::{LONGEST_CALL, Settings};
use crate::turn::{Account, Claim, Hold, Holder};

pub use self::circuit::Circuit;

/// How far the reading of a region has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Region {
    /// When this process began to read it.
    reading_since: Moment,
    /// Its first read has neither ended nor failed for three poll intervals.
    is_awaited: bool,
    /// When the last listing began that came whole.
    listed: Option<Moment>,
}

/// The circuits, and who of them holds a turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fleet {
    settings: Settings,
    circuits: BTreeMap<CircuitId, Circuit>,
    regions: BTreeMap<RegionName, Region>,
    holds: BTreeMap<CircuitId, Hold>,
    /// A turn has become free since somebody asked.
    has_freed: bool,
    leading_since: Moment,
}

impl Fleet {
    /// No circuits yet, in a process that leads since its start.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            circuits: BTreeMap::new(),
            regions: BTreeMap::new(),
            holds: BTreeMap::new(),
            has_freed: false,
            leading_since: Moment::START,
        }
    }

    /// The times that people set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// This process leads from now on: updates of the one before it may still be on their way.
    pub fn lead(&mut self, now: Moment) {
        self.leading_since = now;
        for circuit in self.circuits.values_mut() {
            circuit.is_inherited = false;
            circuit.note_inherited(now);
        }
    }

    /// What is known of a circuit.
    pub fn circuit(&self, id: &CircuitId) -> Option<&Circuit> {
        self.circuits.get(id)
    }

    /// The circuits of a region.
    pub fn of_region(&self, region: &RegionName) -> impl Iterator<Item = (&CircuitId, &Circuit)> {
        self.circuits.iter().filter(move |(id, _)| id.region == *region)
    }

    // What the watch says.

    /// A resource about `id` is as `claim` says. What this process has written after that version is laid over it.
    pub fn apply(&mut self, id: &CircuitId, mut claim: Claim) {
        let account_before = self.account(id);
        let circuit = self.circuits.entry(id.clone()).or_default();
        if let Some(at) = circuit.claims.iter().position(|known| known.resource == claim.resource) {
            let known = circuit.claims.remove(at);
            self.has_freed |= known.carries_proof() && !claim.carries_proof();
            if known.uid != claim.uid || (claim.is_being_deleted && !known.is_being_deleted) {
                circuit.inherit_step(&known);
            }
            if known.uid != claim.uid {
                circuit.unwritten.remove(&claim.resource);
            } else if known.version > claim.version {
                claim.ledger = known.ledger;
                claim.version = known.version;
            }
        } else if claim.is_being_deleted {
            circuit.inherit_step(&claim);
        }
        let at = circuit.claims.partition_point(|known| known.age() < claim.age());
        // Nearly always there is one, and room for four would be half of a circuit's memory.
        circuit.claims.reserve_exact(1);
        circuit.claims.insert(at, claim);
        // While its account was not known it held the turn of every account.
        circuit.note_inherited(self.leading_since);
        self.has_freed |= self.holds.contains_key(id) && account_before != self.account(id);
        self.derive_hold(id);
    }

    /// A resource is not about `id` any more, or gone.
    pub fn remove(&mut self, id: &CircuitId, resource: &ResourceId) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            self.has_freed |= circuit.claims.iter().any(Claim::carries_proof);
            if let Some(at) = circuit.claims.iter().position(|claim| claim.resource == *resource) {
                let gone = circuit.claims.remove(at);
                circuit.inherit_step(&gone);
            }
            circuit.unwritten.remove(resource);
            circuit.own_updates.remove(resource);
        }
        self.derive_hold(id);
    }

    /// The older resource that claims the same circuit, for one that claims it too.
    pub fn older_claim(&self, id: &CircuitId, resource: &ResourceId) -> Option<&ResourceId> {
        let claims = &self.circuits.get(id)?.claims;
        let this = claims.iter().find(|claim| claim.resource == *resource)?;
        let first = claims.iter().find(|claim| claim.manages && !claim.is_being_deleted)?;
        (this.manages && !this.is_being_deleted && first.resource != *resource).then_some(&first.resource)
    }

    /// Whether this resource is the one that may change the circuit, now or when a pause is over.
    pub fn acts(&self, id: &CircuitId, resource: &ResourceId) -> bool {
        let circuit = self.circuits.get(id);
        circuit.and_then(|circuit| circuit.view(false).acting().map(|claim| claim.resource == *resource)) == Some(true)
    }

    // What passes write and decide.

    /// The ledger of a resource, with what is not written yet.
    pub fn ledger(&self, id: &CircuitId, resource: &ResourceId) -> Ledger {
        let Some(circuit) = self.circuits.get(id) else { return Ledger::default() };
        let written = || circuit.claims.iter().find(|claim| claim.resource == *resource).map(|claim| &claim.ledger);
        circuit.unwritten.get(resource).or_else(written).cloned().unwrap_or_default()
    }

    /// Whether the ledger of a resource says what is not written yet.
    pub fn has_unwritten(&self, id: &CircuitId, resource: &ResourceId) -> bool {
        self.circuits.get(id).is_some_and(|circuit| circuit.unwritten.contains_key(resource))
    }

    /// A ledger that a pass knows and status does not say yet. Nothing of an object that is gone meanwhile.
    pub fn note_unwritten(&mut self, id: &CircuitId, resource: &ResourceId, uid: &str, ledger: Ledger) {
        let Some(circuit) = self.circuits.get_mut(id) else { return };
        if circuit.claims.iter().any(|claim| claim.resource == *resource && claim.uid == uid) {
            circuit.unwritten.insert(resource.clone(), ledger);
        }
    }

    /// A status with this ledger was written, and the API server answered with this version: it counts from now on, before
    /// the watch brings it.
    pub fn note_written(&mut self, id: &CircuitId, resource: &ResourceId, uid: &str, ledger: Ledger, version: u64) {
        let Some(circuit) = self.circuits.get_mut(id) else { return };
        let about = |claim: &&mut Claim| claim.resource == *resource && claim.uid == uid;
        if let Some(claim) = circuit.claims.iter_mut().find(about) {
            // Whatever is written was made of it.
            circuit.unwritten.remove(resource);
            if claim.version < version {
                // Whoever waited for this resource to drop its proof may go on.
                self.has_freed |= claim.ledger.proven && !ledger.proven;
                (claim.ledger, claim.version) = (ledger, version);
            }
        }
        self.derive_hold(id);
    }

    /// Whether nothing newer than this version of a resource has been seen, nor that it is gone.
    pub fn is_newest(&self, id: &CircuitId, resource: &ResourceId, uid: &str, version: u64) -> bool {
        let claims = self.circuit(id).map(|circuit| circuit.claims.iter());
        let mut known = claims.into_iter().flatten();
        known.any(|claim| claim.resource == *resource && claim.uid == uid && claim.version <= version)
    }

    /// A pass is about to write down this update. It is this process's own, whoever shows it.
    pub fn note_own_update(&mut self, id: &CircuitId, resource: &ResourceId, update: Option<LastUpdate>) {
        if let Some((circuit, update)) = self.circuits.get_mut(id).zip(update) {
            circuit.own_updates.insert(resource.clone(), update);
        }
    }

    /// A pass has decided on an interrupting step. False, and nothing is noted, if another circuit of the account holds
    /// the turn: two passes may decide at the same time.
    pub fn begin_step(&mut self, id: &CircuitId, mode: EncryptionMode) -> bool {
        if self.holder(id).is_some() {
            return false;
        }
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.step = circuit.step.max(Some(mode));
            circuit.is_decided = true;
        }
        self.derive_hold(id);
        true
    }

    /// A step that was decided on was certainly not carried out; `before` is what was under way before it.
    pub fn withdraw_step(&mut self, id: &CircuitId, before: Option<EncryptionMode>) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            (circuit.step, circuit.is_decided) = (before, false);
        }
        self.derive_hold(id);
    }

    /// An update is sent now: what it does is shown by reads that begin when it has ended.
    pub fn record_send(&mut self, id: &CircuitId, now: Moment) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.is_decided = false;
            circuit.history.record_send(now);
        }
    }

    /// A pass of the resource that acts begins: whatever an earlier one had decided on and not sent, it does not send.
    pub fn forget_decision(&mut self, id: &CircuitId) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.is_decided = false;
        }
    }

    /// The interrupting step of this process that is under way.
    pub fn step(&self, id: &CircuitId) -> Option<EncryptionMode> {
        self.circuits.get(id)?.step
    }

    /// Works on the history of one circuit.
    pub fn with_history<T>(&mut self, id: &CircuitId, work: impl FnOnce(&mut History) -> T) -> T {
        let circuit = self.circuits.entry(id.clone()).or_default();
        let worked = work(&mut circuit.history);
        self.derive_hold(id);
        worked
    }

    /// Whether a pass wants to have the circuit read at the cadence of a soak.
    pub fn set_watched(&mut self, id: &CircuitId, is_watched: bool) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.is_watched = is_watched;
        }
    }

    // What follows.

    /// Whether the newest read of a circuit began late enough to say that a mode is not there.
    pub fn is_settled(&self, id: &CircuitId) -> bool {
        let began = self.circuits.get(id).and_then(|circuit| circuit.history.observation()).map(|read| read.began);
        began.is_some_and(|began| self.settles_at(id).is_none_or(|until| began > until))
    }

    /// Until when a read of a circuit may show what was there before the last update of it: a settle window after the end
    /// of that, or after the longest life of a call of the process that led before this one. About a circuit of which no
    /// resource shows an update of the last hour, that one has none.
    pub fn settles_at(&self, id: &CircuitId) -> Option<Moment> {
        let circuit = self.circuits.get(id)?;
        let of_others = circuit.is_inherited.then(|| self.leading_since + LONGEST_CALL);
        let last = circuit.history.last_update_ended().max(of_others)?;
        Some(last + self.settings.settle_window)
    }

    /// The circuit of the same account that holds the turn, if another one does.
    pub fn holder(&self, id: &CircuitId) -> Option<Holder> {
        let account = self.account(id);
        let shares = |other: &CircuitId| account.shares_turn_with(&self.account(other));
        let mut others = self.holds.iter().filter(|(other, _)| *other != id);
        let (circuit, hold) = others.find(|(other, _)| shares(other))?;
        Some(Holder { circuit: circuit.clone(), hold: hold.clone() })
    }

    /// Whether a circuit holds the turn, and why.
    pub fn hold(&self, id: &CircuitId) -> Option<&Hold> {
        self.holds.get(id)
    }

    /// Another resource about the circuit that still carries a proof: it has not yet written down what it sees.
    pub fn other_proof(&self, id: &CircuitId, resource: &ResourceId) -> Option<&ResourceId> {
        let claims = &self.circuits.get(id)?.claims;
        claims.iter().find(|claim| claim.carries_proof() && claim.resource != *resource).map(|claim| &claim.resource)
    }

    /// Account of a circuit.
    pub fn account(&self, id: &CircuitId) -> Account {
        self.circuits.get(id).map_or(Account::Unknown, |circuit| circuit.view(false).account())
    }

    /// Whether a turn has become free since this was asked last: whoever waits for one is to be woken.
    pub fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.has_freed)
    }

    fn derive_hold(&mut self, id: &CircuitId) {
        let is_awaited = self.regions.get(&id.region).is_none_or(|region| region.is_awaited);
        let hold = self.circuits.get(id).and_then(|circuit| circuit.view(is_awaited).hold());
        match hold {
            Some(hold) => {
                self.holds.insert(id.clone(), hold);
            }
            None => self.has_freed |= self.holds.remove(id).is_some(),
        }
    }

    fn derive_holds_of(&mut self, region: &RegionName) {
        let ids: Vec<CircuitId> = self.of_region(region).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.derive_hold(&id);
        }
    }
}
