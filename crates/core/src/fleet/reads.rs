//! What reads show of the circuits.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Fleet, Region};
use crate::clock::Moment;
use crate::history::{History, Observation, Source};
use crate::identity::{CircuitId, ConnectionId, RegionName};
use crate::observed::Connection;

impl Fleet {
    /// This process begins to read a region.
    pub fn begin_reading(&mut self, region: &RegionName, now: Moment) {
        self.regions.insert(region.clone(), Region { reading_since: now, is_awaited: true, listed: None });
        self.derive_holds_of(region);
    }

    /// A region is not read any more. What was read of it may be lost without harm; what was sent is kept.
    pub fn end_reading(&mut self, region: &RegionName) {
        self.regions.remove(region);
        self.circuits.retain(|id, circuit| id.region != *region || circuit.is_of_use());
        for (_, circuit) in self.circuits.iter_mut().filter(|(id, _)| id.region == *region) {
            circuit.history.forget_reads();
            circuit.was_raised = false;
        }
        self.derive_holds_of(region);
    }

    /// When this process began to read a region.
    pub fn reading_since(&self, region: &RegionName) -> Option<Moment> {
        Some(self.regions.get(region)?.reading_since)
    }

    /// A read of a circuit came in. True if it showed something new.
    pub fn record_read(&mut self, id: &CircuitId, observation: Observation) -> bool {
        let circuit = self.circuits.entry(id.clone()).or_default();
        let before = circuit.history.last_mode();
        let account_before = circuit.view(false).account();
        let shown = |history: &History| {
            (history.observation().map(|observation| observation.connection.clone()), history.is_missing())
        };
        let shown_before = shown(&circuit.history);
        // Where no resource is about it nobody reads it by its id, so one that two listings leave out is gone.
        let is_left_out = observation.connection.is_none() && circuit.history.is_missing();
        circuit.was_raised &= !(is_left_out && circuit.is_unclaimed());
        circuit.history.record_read(observation, &self.settings);
        let is_news = shown_before != shown(&circuit.history);
        let is_settled = self.is_settled(id);
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.end_what_is_over(before, is_settled, &self.settings);
        }
        // A circuit whose account was not known held the turn of every account.
        self.has_freed |= account_before != self.account(id);
        self.derive_hold(id);
        is_news
    }

    /// A status shows this. Where it is what the last read showed, it is kept once.
    pub fn share(&mut self, id: &CircuitId, shown: &Arc<Connection>) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.history.share(shown);
        }
    }

    /// A whole listing of a region came in, which began and ended then. Says which circuits it showed anew, and which of
    /// those that are known it did not show.
    pub fn record_listing(
        &mut self,
        region: &RegionName,
        (began, ended): (Moment, Moment),
        connections: Vec<(ConnectionId, Connection)>,
    ) -> Vec<ConnectionId> {
        if let Some(known) = self.regions.get_mut(region) {
            (known.is_awaited, known.listed) = (false, Some(began));
        }
        let shown: BTreeMap<ConnectionId, Connection> = connections.into_iter().collect();
        let ids: Vec<ConnectionId> =
            self.of_region(region).map(|(id, _)| id.id.clone()).filter(|id| !shown.contains_key(id)).collect();
        let absent = ids.into_iter().map(|id| (id, None));
        let listed = shown.into_iter().map(|(id, connection)| (id, Some(Arc::new(connection))));
        let mut changed = Vec::new();
        for (id, connection) in listed.chain(absent) {
            let circuit = CircuitId { region: region.clone(), id };
            let observation = Observation { began, ended, source: Source::Poll, connection };
            if self.record_read(&circuit, observation) {
                changed.push(circuit.id);
            }
        }
        self.derive_holds_of(region);
        changed
    }

    /// A listing of a region failed: after three poll intervals nobody waits for the first one any more.
    pub fn record_failed_listing(&mut self, region: &RegionName, now: Moment) {
        let Some(known) = self.regions.get_mut(region) else { return };
        if known.is_awaited && now.since(known.reading_since) >= self.settings.stale_after() {
            known.is_awaited = false;
            self.derive_holds_of(region);
        }
    }

    /// A circuit that a resource names for the first time, and that the last listing did not show, is not in it.
    pub fn meet(&mut self, id: &CircuitId) {
        let listed = self.regions.get(&id.region).and_then(|region| region.listed);
        let is_new = self.circuits.get(id).is_none_or(|circuit| circuit.history.observation().is_none());
        if let Some(began) = listed.filter(|_| is_new) {
            let observation = Observation { began, ended: began, source: Source::Poll, connection: None };
            self.record_read(id, observation);
        }
    }

    /// How many circuits of a region want to be read at the cadence of a soak, and whether one of them is about no
    /// resource, so that nobody but the listing reads it.
    pub fn watched(&self, region: &RegionName) -> (usize, bool) {
        let is_unclaimed = |id: &CircuitId| self.holds.get(id).is_some_and(|hold| hold.resource.is_none());
        self.of_region(region).fold((0, false), |(count, any), (id, circuit)| {
            (count + usize::from(circuit.is_watched), any || is_unclaimed(id))
        })
    }
}
