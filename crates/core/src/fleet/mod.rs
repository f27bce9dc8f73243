//! All known circuits, and everything known of each. The decisions of the guard are based on this state alone.
//!
//! All changes arrive here: from the watch, from reads and from passes. After each, the holders of turns are derived
//! again.

mod circuit;
mod queries;
mod reads;

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::fault::Fault;
use crate::history::History;
use crate::identity::{CircuitId, RegionName, ResourceId};
use crate::ledger::{LastUpdate, Ledger};
use crate::settings::Settings;
use crate::turn::{Claim, Hold, Shown};

pub use self::circuit::Circuit;

/// How far reading a region has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// When this process began to read the region.
    pub reading_since: Moment,
    /// Whether the first read is still awaited: it has not ended, nor failed for three poll intervals.
    is_awaited: bool,
    /// When the last complete listing began.
    pub listed: Option<Moment>,
    /// Why listings fail, if the last one did.
    pub fault: Option<Fault>,
    /// Another cause of the same kind, and since when all listings have failed for it.
    other_fault: Option<(Fault, Moment)>,
    /// Whether listings are made at the soak cadence.
    pub polls_at_soak_cadence: bool,
    /// Whether listings have failed for so long that a circuit without a resource, which nothing else reads, is not
    /// waited for.
    is_given_up: bool,
}

/// All circuits, and which of them hold a turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fleet {
    settings: Settings,
    /// Boxed, since a node of the map is half empty and would keep that much room for circuits.
    circuits: BTreeMap<CircuitId, Box<Circuit>>,
    regions: BTreeMap<RegionName, Region>,
    holds: BTreeMap<CircuitId, Hold>,
    /// Whether a turn became free since `take_freed` was last called.
    turn_freed: bool,
    /// The circuits that the next `take_moved` returns.
    moved: BTreeSet<CircuitId>,
    leading_since: Moment,
}

impl Fleet {
    /// An empty fleet of a process that leads from its start.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            circuits: BTreeMap::new(),
            regions: BTreeMap::new(),
            holds: BTreeMap::new(),
            turn_freed: false,
            moved: BTreeSet::new(),
            leading_since: Moment::START,
        }
    }

    /// The configured durations.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Called when this process becomes leader. Updates of the previous leader may still be in flight.
    pub fn lead(&mut self, now: Moment) {
        self.leading_since = now;
        for circuit in self.circuits.values_mut() {
            circuit.is_inherited = false;
            circuit.note_inherited(now);
            // A standby reads nothing that could end a step that it inherited, but it has seen the proof that did.
            if circuit.view(false).is_proven() {
                circuit.step = None;
            }
        }
        let held: Vec<CircuitId> = self.holds.keys().cloned().collect();
        for id in held {
            self.derive_hold(&id);
        }
    }

    /// Whether any region has been listed.
    pub fn has_listed_any(&self) -> bool {
        self.regions.values().any(|region| region.listed.is_some())
    }

    /// The state of a circuit.
    pub fn circuit(&self, id: &CircuitId) -> Option<&Circuit> {
        self.circuits.get(id).map(Box::as_ref)
    }

    /// The circuits of a region.
    pub fn of_region(&self, region: &RegionName) -> impl Iterator<Item = (&CircuitId, &Circuit)> {
        self.circuits.iter().filter(move |(id, _)| id.region == *region).map(|(id, circuit)| (id, circuit.as_ref()))
    }

    // Changes from the watch.

    /// Records the claim of a resource on circuit `id`. If this process has written a newer ledger, that one is kept.
    pub fn apply(&mut self, id: &CircuitId, mut claim: Claim) {
        let account_before = self.account(id);
        let circuit = self.circuits.entry(id.clone()).or_default();
        let mut was_being_deleted = false;
        if let Some(at) = circuit.claims.iter().position(|known| known.resource == claim.resource) {
            let known = circuit.claims.remove(at);
            was_being_deleted = known.is_being_deleted;
            self.turn_freed |= known.carries_proof() && !claim.carries_proof();
            if known.uid != claim.uid {
                // The step of one that was being deleted was inherited then, and may have ended since.
                if !was_being_deleted {
                    circuit.inherit_step(&known);
                }
                circuit.unwritten.remove(&claim.resource);
                was_being_deleted = false;
            } else if known.version > claim.version {
                claim.ledger = known.ledger;
                claim.version = known.version;
            } else {
                // A status that shows no mode any more does not say that the one is gone that it showed.
                claim.shown.mode = claim.shown.mode.or(known.shown_mode());
            }
        }
        // What is seen of it for the first time may be both, the step and the deletion.
        if claim.is_being_deleted && !was_being_deleted {
            circuit.inherit_step(&claim);
        }
        let at = circuit.claims.partition_point(|known| known.age() < claim.age());
        // Nearly all circuits have one claim, and the default capacity of four would be half of the circuit's memory.
        circuit.claims.reserve_exact(1);
        circuit.claims.insert(at, claim);
        // A circuit of unknown account holds the turn of every account. So if its account becomes known, other turns
        // become free.
        circuit.note_inherited(self.leading_since);
        circuit.note_wish();
        if !self.is_settled(id)
            && let Some(circuit) = self.circuits.get_mut(id)
        {
            circuit.keep_unwanted_steps();
        }
        self.turn_freed |= self.holds.contains_key(id) && account_before != self.account(id);
        self.derive_hold(id);
    }

    /// Removes the claim of a resource on circuit `id`: it names another circuit now, or is gone.
    pub fn remove(&mut self, id: &CircuitId, resource: &ResourceId) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            self.turn_freed |= circuit.claims.iter().any(Claim::carries_proof);
            if let Some(at) = circuit.claims.iter().position(|claim| claim.resource == *resource) {
                let gone = circuit.claims.remove(at);
                // The step of one that was being deleted was inherited then, and may have ended since.
                if !gone.is_being_deleted {
                    circuit.inherit_step(&gone);
                }
            }
            circuit.unwritten.remove(resource);
            circuit.own_updates.remove(resource);
            circuit.note_wish();
        }
        self.derive_hold(id);
    }

    /// The older resource that manages the same circuit, if `resource` manages it too.
    pub fn older_claim(&self, id: &CircuitId, resource: &ResourceId) -> Option<&ResourceId> {
        let circuit = self.circuits.get(id)?;
        let this = circuit.claim(resource)?;
        let first = circuit.claims.iter().find(|claim| claim.manages && !claim.is_being_deleted)?;
        (this.manages && !this.is_being_deleted && first.resource != *resource).then_some(&first.resource)
    }

    /// Whether this resource may change the circuit, now or after its pause.
    pub fn acts(&self, id: &CircuitId, resource: &ResourceId) -> bool {
        let circuit = self.circuits.get(id);
        circuit.and_then(|circuit| circuit.view(false).acting().map(|claim| claim.resource == *resource)) == Some(true)
    }

    // Changes from passes.

    /// The newest ledger of a resource, including what is not written to status yet.
    pub fn ledger(&self, id: &CircuitId, resource: &ResourceId) -> Ledger {
        let Some(circuit) = self.circuits.get(id) else { return Ledger::default() };
        let written = || circuit.claim(resource).map(|claim| &claim.ledger);
        circuit.unwritten.get(resource).or_else(written).cloned().unwrap_or_default()
    }

    /// What the status of a resource showed when it was last believed.
    pub fn shown(&self, id: &CircuitId, resource: &ResourceId) -> Shown {
        let claim = self.circuits.get(id).and_then(|circuit| circuit.claim(resource));
        claim.map(|claim| claim.shown.clone()).unwrap_or_default()
    }

    /// Whether the ledger of a resource is newer than its status.
    pub fn has_unwritten(&self, id: &CircuitId, resource: &ResourceId) -> bool {
        self.circuits.get(id).is_some_and(|circuit| circuit.unwritten.contains_key(resource))
    }

    /// Records a ledger that is newer than status. Ignored if the object has been deleted meanwhile.
    pub fn note_unwritten(&mut self, id: &CircuitId, resource: &ResourceId, uid: &str, ledger: Ledger) {
        let Some(circuit) = self.circuits.get_mut(id) else { return };
        if circuit.claim(resource).is_some_and(|claim| *claim.uid == *uid) {
            circuit.unwritten.insert(resource.clone(), ledger);
        }
    }

    /// Records that a status with this ledger was written and got this resource version. The ledger counts from now on,
    /// before the watch delivers it. It counts too if the watch has shown this version with less: a watch from before a
    /// change of the CRD drops fields that are new, and nothing shows them later if the object does not change.
    pub fn note_written(&mut self, id: &CircuitId, resource: &ResourceId, uid: &str, ledger: Ledger, version: u64) {
        let Some(circuit) = self.circuits.get_mut(id) else { return };
        let mut drops_proof = false;
        if let Some(claim) = circuit.claims.iter_mut().find(|claim| claim.resource == *resource && *claim.uid == *uid) {
            // The written ledger includes what was unwritten.
            circuit.unwritten.remove(resource);
            if claim.version <= version {
                drops_proof = claim.ledger.proven && !ledger.proven;
                claim.shown.mode = claim.shown_mode();
                (claim.ledger, claim.version) = (ledger, version);
            }
        }
        self.derive_hold(id);
        // Circuits that waited for this resource to drop its proof may go on.
        self.turn_freed |= drops_proof;
        if drops_proof && self.holds.contains_key(id) {
            self.moved.insert(id.clone());
        }
    }

    /// Whether the resource still exists and no version newer than this one has been seen.
    pub fn is_newest(&self, id: &CircuitId, resource: &ResourceId, uid: &str, version: u64) -> bool {
        let claim = self.circuit(id).and_then(|circuit| circuit.claim(resource));
        claim.is_some_and(|claim| *claim.uid == *uid && claim.version <= version)
    }

    /// Records the update that a pass is about to write as intention, so that it is recognized as this process's own
    /// when a status shows it.
    pub fn note_own_update(&mut self, id: &CircuitId, resource: &ResourceId, update: Option<LastUpdate>) {
        if let Some((circuit, update)) = self.circuits.get_mut(id).zip(update) {
            circuit.own_updates.insert(resource.clone(), update);
        }
    }

    /// Records that a pass has decided on an interrupting step. Returns false, and records nothing, if another circuit
    /// of the account holds the turn; this happens when two passes decide at the same time.
    pub fn begin_step(&mut self, id: &CircuitId, mode: EncryptionMode) -> bool {
        if self.holder(id).is_some() {
            return false;
        }
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.step = circuit.step.max(Some(mode));
            circuit.is_decided = true;
        }
        self.derive_hold_of_pass(id);
        true
    }

    /// Records that a step was certainly not carried out. `before` is the step that was under way before it. If the mode of
    /// the step is there all the same, another writer set it.
    pub fn withdraw_step(&mut self, id: &CircuitId, before: Option<EncryptionMode>) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.note_raise_beside_step(before);
            (circuit.step, circuit.is_decided) = (before, false);
        }
        self.derive_hold_of_pass(id);
    }

    /// Records that an update is sent now. Its effect is visible only to reads that begin after it has ended.
    pub fn record_send(&mut self, id: &CircuitId, now: Moment) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.is_decided = false;
            circuit.history.record_send(now);
        }
    }

    /// A new pass of the acting resource begins, so what an earlier pass decided on and did not send is never sent.
    pub fn forget_decision(&mut self, id: &CircuitId) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.is_decided = false;
        }
    }

    /// The interrupting step of this process that is under way.
    pub fn step(&self, id: &CircuitId) -> Option<EncryptionMode> {
        self.circuits.get(id)?.step
    }

    /// Runs `work` on the history of a circuit, and derives again whether it holds the turn.
    pub fn with_history<T>(&mut self, id: &CircuitId, work: impl FnOnce(&mut History) -> T) -> T {
        let circuit = self.circuits.entry(id.clone()).or_default();
        let worked = work(&mut circuit.history);
        self.derive_hold(id);
        worked
    }

    /// Sets whether the circuit is to be read at the soak cadence, as a pass over this resource decided. What the one that
    /// acts has asked for is not undone by the pass of another one.
    pub fn set_watched(&mut self, id: &CircuitId, resource: &ResourceId, is_watched: bool) {
        let is_held = self.holds.contains_key(id);
        if let Some(circuit) = self.circuits.get_mut(id) {
            let others = circuit.view(false).acting().is_some_and(|acting| acting.resource != *resource);
            circuit.is_watched = is_watched || is_held || (others && circuit.is_watched);
        }
    }

    // The holders of turns.

    /// Whether a turn became free since the last call. If so, the resources that wait for one have to be woken.
    pub fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.turn_freed)
    }

    /// Circuits with several resources whose hold passed from one resource to another, began or ended since the last
    /// call. All their resources have to be woken: each writes the proof, or that it is gone, into its own status, and
    /// the one that holds the turn now looks at the circuit. With them come those that hold the turn since a write dropped
    /// their proof: they have to be proven anew, which the pass of that write did not know.
    pub fn take_moved(&mut self) -> BTreeSet<CircuitId> {
        std::mem::take(&mut self.moved)
    }

    fn derive_hold(&mut self, id: &CircuitId) {
        let is_awaited = self.regions.get(&id.region).is_none_or(|region| region.is_awaited);
        let circuit = self.circuits.get(id);
        let hold = circuit.and_then(|circuit| {
            let is_awaited = circuit.is_awaited(is_awaited, &self.settings);
            circuit.view(is_awaited).hold()
        });
        let is_given_up = self.regions.get(&id.region).is_some_and(|region| region.is_given_up);
        let hold = hold.filter(|_| !is_given_up || circuit.is_some_and(|circuit| !circuit.is_unclaimed()));
        let is_shared = circuit.is_some_and(|circuit| circuit.claims.len() > 1);
        let before = self.holds.get(id).map(|hold| &hold.resource);
        if is_shared && before != hold.as_ref().map(|hold| &hold.resource) {
            self.moved.insert(id.clone());
        }
        match hold {
            Some(hold) => {
                let resource = hold.resource.clone();
                let before = self.holds.insert(id.clone(), hold);
                // Those that wait name the resource because of which it holds.
                self.turn_freed |= before.is_some_and(|before| before.resource != resource);
            }
            None => self.turn_freed |= self.holds.remove(id).is_some(),
        }
    }

    /// The same after a change by the pass that decides on the circuit. It took the turn or gave it back itself, and to wake
    /// it would skip the delay after a pass that failed.
    fn derive_hold_of_pass(&mut self, id: &CircuitId) {
        let had_moved = self.moved.contains(id);
        self.derive_hold(id);
        if !had_moved {
            self.moved.remove(id);
        }
    }

    fn derive_holds_of(&mut self, region: &RegionName) {
        // Those that hold the turn are derived again even if nothing is known of them any more.
        let held = self.holds.keys().filter(|id| id.region == *region);
        let ids: BTreeSet<CircuitId> = self.of_region(region).map(|(id, _)| id).chain(held).cloned().collect();
        for id in ids {
            self.derive_hold(&id);
        }
    }
}
