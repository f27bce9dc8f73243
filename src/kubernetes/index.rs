//! Which resource is about which connection: who claims it, who is to be woken, and which regions are needed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::runtime::watcher::Event;
use kube::{Resource as _, ResourceExt};
use tokio::sync::{mpsc, watch};

use super::{Reference, Watched};
use crate::api::{DirectConnectConnection, PAUSED, RECONCILE_REQUESTED_AT};
use crate::metrics::{Metrics, Resource};
use directconnect_core::desired::{ConnectionKey, Desired, EncryptionMode, InvalidSpec, ManagementPolicy, Wish};
use directconnect_core::text;
use directconnect_core::turn::Turns;

/// Order of claims on one connection: the older resource first, by creation time, then uid.
type Age = (String, String);

/// What of an object makes a reconcile worth while. Its status is not among it: a controller that writes status must
/// not wake itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trigger {
    uid: Option<String>,
    generation: Option<i64>,
    paused: bool,
    requested_at: Option<String>,
    deleting: bool,
}

struct Entry {
    trigger: Trigger,
    age: Age,
    /// Connection that the spec is about, where it is a valid one.
    key: Option<ConnectionKey>,
    /// Whether it claims the connection. One that only observes does not.
    claims: bool,
    labels: Resource,
}

#[derive(Default)]
struct State {
    entries: HashMap<Reference, Entry>,
    connections: HashMap<ConnectionKey, BTreeMap<Age, Reference>>,
    /// How many resources need each region.
    regions: BTreeMap<String, usize>,
    /// What of the entries the list that is coming in has not shown yet.
    unlisted: HashSet<Reference>,
    /// Whom what is being taken in concerns.
    concerned: Vec<Reference>,
    /// Where references to reconcile go, once someone reconciles.
    wake: Option<mpsc::UnboundedSender<Reference>>,
}

/// The resources by connection. Fed by the watch, asked by reconciles.
pub struct Index {
    state: Mutex<State>,
    regions: watch::Sender<BTreeSet<String>>,
    turns: Mutex<Turns>,
    default_region: Option<String>,
    metrics: Metrics,
}

impl Index {
    /// An empty index. `default_region` is the operator's own.
    pub fn new(default_region: Option<String>, metrics: Metrics) -> Self {
        Self {
            state: Mutex::default(),
            regions: watch::Sender::new(BTreeSet::new()),
            turns: Mutex::default(),
            default_region,
            metrics,
        }
    }

    /// The regions that some resource needs, as they change.
    pub fn regions(&self) -> watch::Receiver<BTreeSet<String>> {
        self.regions.subscribe()
    }

    /// Who is on its way to `must_encrypt`.
    pub fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spec of a resource, validated.
    pub fn desired(&self, object: &DirectConnectConnection) -> Result<Desired, InvalidSpec> {
        let spec = &object.spec;
        let wish = Wish {
            connection_id: &spec.connection_id,
            region: spec.region.as_deref(),
            name: spec.connection_name.as_deref(),
            mode: spec.encryption_mode,
            transition: spec.encryption_transition,
            policy: spec.management_policy,
            paused: is_paused(object),
            generation: object.metadata.generation.unwrap_or_default(),
        };
        Desired::new(&wish, self.default_region.as_deref())
    }

    /// From now on, references to reconcile go to the receiver; first, all that are known.
    pub fn attach(&self) -> mpsc::UnboundedReceiver<Reference> {
        let (wake, woken) = mpsc::unbounded_channel();
        let mut state = self.state();
        for reference in state.entries.keys() {
            // The receiver is in this very function.
            let _ = wake.send(reference.clone());
        }
        state.wake = Some(wake);
        woken
    }

    /// The older resource that claims the same connection, as `namespace/name`, if there is one.
    pub fn elder(&self, reference: &Reference) -> Option<String> {
        let state = self.state();
        let entry = state.entries.get(reference)?;
        let (_, first) = state.connections.get(entry.key.as_ref()?)?.first_key_value()?;
        (entry.claims && first != reference).then(|| shown(first))
    }

    /// The region that a resource is about, where its spec is a valid one.
    pub fn region_of(&self, reference: &Reference) -> Option<String> {
        let state = self.state();
        Some(state.entries.get(reference)?.key.as_ref()?.region.clone())
    }

    /// Wakes the resources of a whole region.
    pub fn wake_region(&self, region: &str) {
        let state = self.state();
        for (reference, entry) in &state.entries {
            if entry.key.as_ref().is_some_and(|key| key.region == region) {
                state.wake(reference);
            }
        }
    }

    /// Wakes the resources of some connections of a region, those that only observe among them.
    pub fn wake_connections(&self, region: &str, ids: &[String]) {
        let state = self.state();
        let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        for (reference, entry) in &state.entries {
            if entry.key.as_ref().is_some_and(|key| key.region == region && ids.contains(key.id.as_str())) {
                state.wake(reference);
            }
        }
    }

    /// Wakes all resources: somebody's turn has come.
    pub fn wake_all(&self) {
        let state = self.state();
        for reference in state.entries.keys() {
            state.wake(reference);
        }
    }

    /// Wakes these resources.
    pub fn wake(&self, references: &[Reference]) {
        let state = self.state();
        for reference in references {
            state.wake(reference);
        }
    }

    /// Takes in what the watch says. Returns whom it concerns, to be woken once the store has it too: else they would be
    /// looked at as they were before, and not again.
    pub fn note(&self, event: &Event<Watched>) -> Vec<Reference> {
        match event {
            Event::Apply(object) | Event::InitApply(object) => self.apply(object),
            Event::Delete(object) => self.delete(&Reference::from_obj(object)),
            Event::Init => {
                let mut state = self.state();
                state.unlisted = state.entries.keys().cloned().collect();
            }
            Event::InitDone => {
                let vanished = std::mem::take(&mut self.state().unlisted);
                for reference in &vanished {
                    self.delete(reference);
                }
            }
        }
        std::mem::take(&mut self.state().concerned)
    }

    fn apply(&self, object: &Watched) {
        let reference = Reference::from_obj(object);
        let entry = self.entry(object);
        let mut state = self.state();
        state.unlisted.remove(&reference);
        let before = state.entries.get(&reference);
        let is_new = before.is_none_or(|before| before.trigger.uid != entry.trigger.uid);
        let is_changed = before.is_none_or(|before| before.trigger != entry.trigger);
        let claims_change =
            is_new || before.is_none_or(|before| before.key != entry.key || before.claims != entry.claims);
        if claims_change {
            if let Some(before) = state.remove(&reference) {
                self.metrics.forget(&before.labels);
            }
            if let (true, Ok(object)) = (is_new, &object.0) {
                self.remember_turn(object, &entry, &reference);
            }
            state.insert(reference.clone(), entry);
            self.publish_regions(&state);
        } else if let Some(known) = state.entries.get_mut(&reference) {
            known.trigger = entry.trigger;
        }
        if is_changed {
            state.concerned.push(reference);
        }
    }

    fn delete(&self, reference: &Reference) {
        let mut state = self.state();
        let Some(entry) = state.remove(reference) else { return };
        self.metrics.forget(&entry.labels);
        // Nobody wants it there any more; others of the account may go on.
        if entry.key.as_ref().is_some_and(|key| self.turns().release(key, &shown(reference))) {
            let all: Vec<Reference> = state.entries.keys().cloned().collect();
            state.concerned.extend(all);
        }
        self.publish_regions(&state);
        state.concerned.push(reference.clone());
    }

    fn entry(&self, object: &Watched) -> Entry {
        let meta = object.meta();
        let (key, claims, id, paused) = match &object.0 {
            Ok(valid) => (
                self.desired(valid).ok().map(|desired| desired.key),
                valid.spec.management_policy == ManagementPolicy::Manage,
                valid.spec.connection_id.clone(),
                is_paused(valid),
            ),
            Err(_) => (None, false, String::new(), false),
        };
        let created = meta.creation_timestamp.as_ref();
        Entry {
            trigger: Trigger {
                uid: meta.uid.clone(),
                generation: meta.generation,
                paused,
                requested_at: requested_at(object).map(str::to_owned),
                deleting: meta.deletion_timestamp.is_some(),
            },
            age: (created.map(|time| time.0.to_string()).unwrap_or_default(), meta.uid.clone().unwrap_or_default()),
            key,
            claims,
            labels: Resource {
                namespace: object.namespace().unwrap_or_default(),
                name: object.name_any(),
                connection_id: id,
            },
        }
    }

    /// A process before this one may have sent `must_encrypt` and not seen it work: until that is seen, nobody else of
    /// the account goes.
    fn remember_turn(&self, object: &DirectConnectConnection, entry: &Entry, reference: &Reference) {
        let must = Some(EncryptionMode::MustEncrypt);
        let status = object.status.as_ref();
        let sent = status.and_then(|status| status.last_update.as_ref()?.encryption_mode);
        if let Some(key) = &entry.key
            && sent == must
            && object.spec.encryption_mode == must
        {
            let account = status.and_then(|status| status.connection.owner_account.as_deref());
            self.turns().hold(account.unwrap_or_default(), key, &shown(reference));
        }
    }

    fn publish_regions(&self, state: &State) {
        self.regions.send_if_modified(|regions| {
            let changed = !regions.iter().eq(state.regions.keys());
            if changed {
                *regions = state.regions.keys().cloned().collect();
            }
            changed
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Between two statements the maps agree as far as anyone relies on it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&self, reference: &Reference) {
        if let Some(wake) = &self.wake {
            // Nobody listens any more only when the process ends.
            let _ = wake.send(reference.clone());
        }
    }

    /// Adds a resource, which concerns those that claim the same connection: one of them may have to stand back.
    fn insert(&mut self, reference: Reference, entry: Entry) {
        if let Some(key) = &entry.key {
            *self.regions.entry(key.region.clone()).or_default() += 1;
            if entry.claims {
                let claims = self.connections.entry(key.clone()).or_default();
                claims.insert(entry.age.clone(), reference.clone());
            }
            self.concern_claimants(key);
        }
        self.entries.insert(reference, entry);
    }

    /// Removes a resource, which concerns those that claim the same connection: one of them may now act.
    fn remove(&mut self, reference: &Reference) -> Option<Entry> {
        let entry = self.entries.remove(reference)?;
        if let Some(key) = &entry.key {
            if let Some(count) = self.regions.get_mut(&key.region) {
                *count -= 1;
                if *count == 0 {
                    self.regions.remove(&key.region);
                }
            }
            if let Some(claims) = self.connections.get_mut(key) {
                claims.remove(&entry.age);
                if claims.is_empty() {
                    self.connections.remove(key);
                }
            }
            self.concern_claimants(key);
        }
        Some(entry)
    }

    fn concern_claimants(&mut self, key: &ConnectionKey) {
        let claims = self.connections.get(key).into_iter().flat_map(BTreeMap::values);
        self.concerned.extend(claims.cloned());
    }
}

/// `namespace/name`.
pub fn shown(reference: &Reference) -> String {
    format!("{}/{}", reference.namespace.as_deref().unwrap_or_default(), reference.name)
}

/// The value with which people asked for a look at once. It goes into status, so no more of it than fits there.
pub fn requested_at(object: &impl kube::ResourceExt) -> Option<&str> {
    object.annotations().get(RECONCILE_REQUESTED_AT).map(|value| text::cut_bytes(value, text::MESSAGE_LIMIT))
}

/// Whether people asked for no change for now.
pub fn is_paused(object: &DirectConnectConnection) -> bool {
    object.annotations().get(PAUSED).is_some_and(|value| value == "true")
}
