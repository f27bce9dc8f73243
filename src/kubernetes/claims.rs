//! Turns what the watch delivers into claims of the fleet, and wakes the resources that a change affects.

mod claim;
mod contest;
mod entry;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::watcher::Event;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

pub use self::claim::{Trigger, age_of, claim, labels, without_valid_spec};

use self::claim::age_since;
use self::contest::fingerprint;
use self::entry::{Entry, Memory, ProvenBefore};
use super::status::condition;
use super::{Reference, Watched, reference};
use crate::api::DirectConnectConnectionStatus;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::state::{State, Wakeup};
use directconnect_core::conditions::ConditionType;
use directconnect_core::desired::{DefaultRegion, Desired, EncryptionMode};
use directconnect_core::fleet::Circuit;
use directconnect_core::identity::{CircuitId, RegionName, ResourceId};
use directconnect_core::ledger::EarlierRelease;
use directconnect_core::turn::{Claim, Shown};

#[derive(Default)]
struct Known {
    /// Boxed, since a hash map has room for up to twice as many as there are.
    entries: HashMap<ResourceId, Box<Entry>>,
    /// How many resources are in each region.
    regions: BTreeMap<RegionName, usize>,
    /// Resources to wake once the store has applied the current event.
    affected: BTreeSet<ResourceId>,
    /// Where references of resources to reconcile are sent, once a controller is attached.
    wake: Option<mpsc::UnboundedSender<Reference>>,
}

/// The resources of the cluster: the watch fills them in, and reconciles query them.
pub struct Claims {
    known: Mutex<Known>,
    regions: watch::Sender<BTreeSet<RegionName>>,
    state: Arc<State>,
    default_region: DefaultRegion,
    clock: Clock,
    metrics: Metrics,
}

impl Claims {
    /// An empty collection. `default_region` is the operator's own region.
    pub fn new(state: Arc<State>, default_region: DefaultRegion, clock: Clock, metrics: Metrics) -> Self {
        let (known, regions) = (Mutex::default(), watch::Sender::new(BTreeSet::new()));
        Self { known, regions, state, default_region, clock, metrics }
    }

    /// The set of regions that resources need, as it changes.
    pub fn regions(&self) -> watch::Receiver<BTreeSet<RegionName>> {
        self.regions.subscribe()
    }

    /// Validates the spec of a resource.
    pub fn desired(&self, object: &Watched) -> Result<Desired, String> {
        object.desired(&self.default_region)
    }

    /// Sends references of resources to reconcile to the returned receiver from now on, beginning with all known ones.
    pub fn attach(&self) -> mpsc::UnboundedReceiver<Reference> {
        let (wake, woken) = mpsc::unbounded_channel();
        let mut known = self.known.lock();
        known.wake = Some(wake);
        for resource in known.entries.keys() {
            known.send(resource);
        }
        woken
    }

    /// The circuit that a resource names or, if its spec is invalid, that its status is about.
    pub fn circuit_of(&self, resource: &ResourceId) -> Option<CircuitId> {
        self.known.lock().entries.get(resource)?.circuit.clone()
    }

    /// Called before this process writes a status, so that it is recognized as its own when the watch delivers it.
    pub fn will_write(&self, resource: &ResourceId, status: &DirectConnectConnectionStatus) {
        if let Some(entry) = self.known.lock().entries.get_mut(resource) {
            entry.written = fingerprint(status);
        }
    }

    /// Called if such a write had no answer, so that `before` counts as the last one. If the API server stores what was tried,
    /// that is overwritten like what someone else writes, and its ledger is not trusted either.
    pub fn note_unanswered(&self, resource: &ResourceId, before: &DirectConnectConnectionStatus) {
        if let Some(entry) = self.known.lock().entries.get_mut(resource) {
            entry.unanswered = std::mem::replace(&mut entry.written, fingerprint(before));
        }
    }

    /// Called after this process has written a status and got this resource version.
    pub fn note_written(&self, object: &Watched, version: u64, status: Arc<DirectConnectConnectionStatus>) {
        if let Some(entry) = self.known.lock().entries.get_mut(&object.id())
            && *entry.trigger.uid == *object.uid()
            && entry.version <= version
        {
            entry.latest = Some((version, status));
        }
    }

    /// The last status that this process wrote, unless the watch has delivered a newer one.
    pub fn latest_status(&self, object: &Watched) -> Option<(u64, Arc<DirectConnectConnectionStatus>)> {
        let known = self.known.lock();
        let entry = known.entries.get(&object.id()).filter(|entry| *entry.trigger.uid == *object.uid())?;
        entry.latest.clone().filter(|(version, _)| *version >= object.version())
    }

    /// Runs `work` on what passes remember of a resource. Of one that is gone, nothing is kept.
    pub fn with_memory<T>(&self, object: &Watched, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut known = self.known.lock();
        let entry = known.entries.get_mut(&object.id()).filter(|entry| *entry.trigger.uid == *object.uid());
        work(entry.map_or(&mut Memory::default(), |entry| &mut entry.memory))
    }

    /// Wakes the resources that `wakeup` names.
    pub fn wake(&self, wakeup: &Wakeup) {
        let resources: Vec<ResourceId> = match wakeup {
            Wakeup::Resources(resources) => resources.clone(),
            Wakeup::Circuits(circuits) => circuits.iter().flat_map(|circuit| self.claimants(circuit)).collect(),
            Wakeup::Region(region) => {
                let known = self.known.lock();
                let within = |entry: &Entry| entry.circuit.as_ref().is_some_and(|circuit| circuit.region == *region);
                known.entries.iter().filter(|(_, entry)| within(entry)).map(|(resource, _)| resource.clone()).collect()
            }
        };
        let known = self.known.lock();
        for resource in &resources {
            known.send(resource);
        }
    }

    /// Records an event of the watch about an object that the store has as `stored`. Returns the resources to wake once the
    /// store has applied the event too. If they were woken earlier, they would be reconciled with the old object, and not
    /// again.
    pub fn note(&self, event: &Event<Watched>, stored: Option<&Watched>) -> Vec<ResourceId> {
        let mut known = self.known.lock();
        match event {
            Event::Apply(object) | Event::InitApply(object) => self.apply(&mut known, object, stored),
            Event::Delete(object) => self.delete(&mut known, &object.id()),
            // Only the first list comes as one, when nothing is known. Later lists come as the changes that they show.
            Event::Init | Event::InitDone => {}
        }
        std::mem::take(&mut known.affected).into_iter().collect()
    }

    fn apply(&self, known: &mut Known, object: &Watched, stored: Option<&Watched>) {
        let resource = object.id();
        let desired = self.desired(object).ok().or_else(|| without_valid_spec(object));
        let before = known.entries.remove(&resource);
        let before = before.as_deref();
        let seen = before.filter(|before| *before.trigger.uid == *object.uid());
        let proven_before = desired.as_ref().and_then(|desired| self.proven_before(object, desired, seen));
        let mut entry = Entry {
            trigger: Trigger::of(object),
            circuit: desired.as_ref().map(|desired| desired.circuit.clone()),
            fingerprint: fingerprint(&object.status),
            written: seen.map_or(0, |before| before.written),
            unanswered: seen.map_or(0, |before| before.unanswered),
            is_foreign: false,
            shows_foreign: false,
            contest: seen.and_then(|before| before.contest.clone()),
            version: object.version(),
            latest: seen.and_then(|before| before.latest.clone()).filter(|(version, _)| *version > object.version()),
            proven_before,
            memory: seen.map(|before| before.memory.clone()).unwrap_or_default(),
            labels: Arc::new(labels(object, &resource)),
        };
        let is_latest = |before: &Entry| before.latest.as_ref().is_some_and(|(version, _)| *version == entry.version);
        let is_overwritten = seen.is_some_and(|before| {
            before.fingerprint != entry.fingerprint && entry.fingerprint != entry.written && !is_latest(before)
        });
        // While this process leads, no one else should write status. If someone does, their ledger is not trusted, and the
        // next pass overwrites it. An event that is about something else brings the same status again. `wake` is set only in
        // the process that leads.
        let is_still = seen.is_some_and(|before| before.is_foreign && before.fingerprint == entry.fingerprint);
        entry.is_foreign = known.wake.is_some() && (is_overwritten || is_still);
        if entry.is_foreign && !is_still && entry.memory.untold.is_none() {
            // Events compare with what this process knew, not with what the other one says.
            let latest = seen.and_then(|before| before.latest.as_ref()).map(|(_, status)| Arc::clone(status));
            entry.memory.untold = latest.or_else(|| stored.map(|stored| Arc::new(stored.status.clone())));
        }
        let is_read = |circuit: &CircuitId| {
            let has_read = |circuit: &Circuit| circuit.history.observation().is_some();
            self.state.with_fleet(|fleet| fleet.circuit(circuit).is_some_and(has_read))
        };
        let showed = seen.is_some_and(|before| before.shows_foreign) && !entry.circuit.as_ref().is_some_and(is_read);
        entry.shows_foreign = entry.is_foreign || showed;
        let pause = if !is_overwritten || entry.latest.is_some() {
            // A status older than the last write of this process has already been replaced by that write.
            None
        } else if entry.written == 0 {
            Some(Duration::ZERO)
        } else {
            let is_own = entry.fingerprint == entry.unanswered;
            entry.contest.get_or_insert_default().note(&resource, is_own, self.clock.now())
        };
        let is_news = before.is_none_or(|before| before.trigger != entry.trigger);
        if is_news || pause == Some(Duration::ZERO) {
            known.affected.insert(resource.clone());
        } else if let Some(pause) = pause {
            known.send_after(&resource, pause);
        }
        self.move_claim(known, &resource, before, &entry);
        if let Some(desired) = &desired {
            let mut claim = self.claim(object, desired, entry.proven_before.is_some());
            // All parts refer to one copy of name and UID.
            (claim.resource, claim.uid) = (resource.clone(), Arc::clone(&entry.trigger.uid));
            if entry.is_foreign {
                claim.ledger = self.state.with_fleet(|fleet| fleet.ledger(&desired.circuit, &resource));
            }
            if entry.shows_foreign {
                claim.shown = self.state.with_fleet(|fleet| fleet.shown(&desired.circuit, &resource));
            }
            self.state.with_fleet(|fleet| {
                fleet.apply(&desired.circuit, claim);
                fleet.share(&desired.circuit, &object.status.connection);
            });
            if is_news {
                // One of the others may have to stop acting, or may act now.
                known.affected.extend(self.claimants(&desired.circuit));
            }
        }
        known.entries.insert(resource, Box::new(entry));
        self.publish_regions(known);
    }

    /// If the resource names another circuit than before, or none, its old claim is removed. Gauges and regions are
    /// updated.
    fn move_claim(&self, known: &mut Known, resource: &ResourceId, before: Option<&Entry>, now: &Entry) {
        let shown = |entry: &Entry| (Arc::clone(&entry.labels), entry.trigger.deleting);
        if before.is_none_or(|before| shown(before) != shown(now)) {
            self.metrics.forget(&before.unwrap_or(now).labels);
            // No pass looks at what is being deleted, so its gauges would never change again.
            if !now.trigger.deleting {
                self.metrics.track(Arc::clone(&now.labels));
            }
        }
        let before = before.and_then(|before| before.circuit.as_ref());
        if before == now.circuit.as_ref() {
            return;
        }
        if let Some(circuit) = before {
            self.leave(known, resource, circuit);
        }
        if let Some(circuit) = &now.circuit {
            *known.regions.entry(circuit.region.clone()).or_default() += 1;
        }
    }

    fn leave(&self, known: &mut Known, resource: &ResourceId, circuit: &CircuitId) {
        self.state.with_fleet(|fleet| fleet.remove(circuit, resource));
        known.affected.extend(self.claimants(circuit));
        if let Some(count) = known.regions.get_mut(&circuit.region) {
            *count -= 1;
            if *count == 0 {
                known.regions.remove(&circuit.region);
            }
        }
    }

    fn delete(&self, known: &mut Known, resource: &ResourceId) {
        let Some(entry) = known.entries.remove(resource) else { return };
        self.metrics.forget(&entry.labels);
        self.state.set_waiting(resource, false);
        if let Some(circuit) = &entry.circuit {
            self.leave(known, resource, circuit);
        }
        self.publish_regions(known);
        known.affected.insert(resource.clone());
    }

    /// All resources for a circuit.
    fn claimants(&self, circuit: &CircuitId) -> Vec<ResourceId> {
        self.state.with_fleet(|fleet| {
            let claims = fleet.circuit(circuit).map(Circuit::claims).unwrap_or_default();
            claims.iter().map(|claim| claim.resource.clone()).collect()
        })
    }

    fn claim(&self, object: &Watched, desired: &Desired, proven_before: bool) -> Claim {
        let mut claim = claim(object, desired);
        if proven_before {
            (claim.ledger.proven, claim.ledger.circuit) = (true, Some((&desired.circuit).into()));
        }
        let last = claim.ledger.last_update.as_ref();
        // A time in the future counts as now.
        claim.updated_at = last.map(|last| self.clock.now() - age_of(&last.time).unwrap_or_default());
        claim
    }

    /// Whether the status of an earlier release, which recorded no proof, proves the circuit. It is derived when an
    /// object is first seen, and holds while AWS shows `must_encrypt` and no other update is made.
    fn proven_before(&self, object: &Watched, desired: &Desired, seen: Option<&Entry>) -> Option<Box<ProvenBefore>> {
        let status = &object.status;
        let shows_must = Shown::of(&status.connection).mode == Some(EncryptionMode::MustEncrypt);
        let last = status.ledger.last_update.clone();
        if let Some(seen) = seen {
            let stands =
                |known: &ProvenBefore| known.last_update == last && shows_must && status.ledger.circuit.is_none();
            return seen.proven_before.clone().filter(|known| stands(known));
        }
        let encrypted = condition(status, ConditionType::Encrypted).filter(|condition| condition.status == "True");
        let earlier = EarlierRelease {
            shows_must,
            encrypted_for: encrypted.and_then(|condition| age_since(condition.last_transition_time.0)),
            updated: last.as_ref().map(|last| age_of(&last.time).unwrap_or_default()),
        };
        let soak = self.state.with_fleet(|fleet| fleet.settings().encryption_soak);
        let ledger = status.ledger.clone().about(&desired.circuit, desired.generation);
        let is_proven = ledger.circuit.is_none() && ledger.from_earlier_release(earlier, &desired.circuit, soak).proven;
        is_proven.then(|| Box::new(ProvenBefore { last_update: last }))
    }

    fn publish_regions(&self, known: &Known) {
        self.regions.send_if_modified(|regions| {
            let changed = !regions.iter().eq(known.regions.keys());
            if changed {
                *regions = known.regions.keys().cloned().collect();
            }
            changed
        });
    }
}

impl Known {
    fn send(&self, resource: &ResourceId) {
        if let Some(wake) = &self.wake {
            // Sending fails only when the receiver is gone, which happens when the process ends.
            let _ = wake.send(reference(resource));
        }
    }

    fn send_after(&self, resource: &ResourceId, pause: Duration) {
        let Some(wake) = self.wake.clone() else { return };
        let reference = reference(resource);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = wake.send(reference);
        });
    }
}

#[cfg(test)]
mod tests;
