//! The part of the fleet that records reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Fleet, Region};
use crate::clock::Moment;
use crate::desired::EncryptionMode;
use crate::fault::Fault;
use crate::history::{Change, History, Observation, Source};
use crate::identity::{CircuitId, ConnectionId, RegionName};
use crate::observed::Connection;

impl Fleet {
    /// Called when this process begins to read a region.
    pub fn begin_reading(&mut self, region: &RegionName, now: Moment) {
        let begun = Region {
            reading_since: now,
            is_awaited: true,
            listed: None,
            fault: None,
            other_fault: None,
            polls_at_soak_cadence: false,
            is_given_up: false,
        };
        self.regions.insert(region.clone(), begun);
        self.derive_holds_of(region);
    }

    /// Called when a region is no longer read. Reads may be lost without harm and are dropped; what was sent is kept.
    pub fn end_reading(&mut self, region: &RegionName) {
        self.regions.remove(region);
        self.circuits.retain(|id, circuit| id.region != *region || circuit.is_worth_keeping());
        for (_, circuit) in self.circuits.iter_mut().filter(|(id, _)| id.region == *region) {
            circuit.history.forget_reads();
            circuit.was_raised = false;
        }
        self.derive_holds_of(region);
    }

    /// How far reading a region has come; `None` if it is not read.
    pub fn region(&self, region: &RegionName) -> Option<&Region> {
        self.regions.get(region)
    }

    /// Records a read of a circuit. Returns whether it showed something new.
    pub fn record_read(&mut self, id: &CircuitId, mut observation: Observation) -> bool {
        let circuit = self.circuits.entry(id.clone()).or_default();
        circuit.share_kept(observation.connection.as_mut());
        let before = circuit.history.last_mode();
        let account_before = circuit.view(false).account();
        let shown = |history: &History| {
            (history.observation().map(|observation| observation.connection.clone()), history.is_missing())
        };
        let shown_before = shown(&circuit.history);
        let was_over = circuit.is_proof_over;
        // No resource is for this circuit, so nobody reads it by id. It counts as gone once a listing does not contain it,
        // and neither did the read before.
        let was_left_out = circuit.history.is_missing() || circuit.history.connection().is_none();
        let is_left_out = was_left_out && observation.connection.is_none();
        circuit.was_raised &= !(is_left_out && circuit.is_unclaimed());
        circuit.history.record_read(observation, &self.settings);
        let is_news = shown_before != shown(&circuit.history);
        self.clear_finished(id, before);
        // Those that carry the proof drop it, although the read that settles it shows nothing else than the one before.
        let is_news = is_news || (!was_over && self.circuits.get(id).is_some_and(|circuit| circuit.is_proof_over));
        // A circuit of unknown account held the turn of every account; other turns may be free now.
        self.turn_freed |= account_before != self.account(id);
        self.derive_hold(id);
        is_news
    }

    /// Records the answer to an update. It counts as a read of name, mode and state.
    pub fn record_answer(&mut self, id: &CircuitId, change: &Change, answer: &Connection, now: Moment) {
        let Some(circuit) = self.circuits.get_mut(id) else { return };
        let before = circuit.history.last_mode();
        circuit.history.record_answer(change, answer, now);
        self.clear_finished(id, before);
        self.derive_hold(id);
    }

    /// Clears what the newest read ended. `before` is the last known mode before it.
    fn clear_finished(&mut self, id: &CircuitId, before: Option<EncryptionMode>) {
        let is_settled = self.is_settled(id);
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.clear_finished(before, is_settled, &self.settings);
        }
    }

    /// Called when a status is delivered. Shares memory: if it shows the same as the last read, or as a read to come, both
    /// refer to one copy.
    pub fn share(&mut self, id: &CircuitId, shown: &Arc<Connection>) {
        if let Some(circuit) = self.circuits.get_mut(id) {
            circuit.history.share(shown);
            circuit.in_status = Some(Arc::clone(shown));
        }
    }

    /// Shares memory: if a page of a listing shows what is known already, it refers to the copy that is kept. Without
    /// this, a listing would take as much memory again as all circuits do.
    pub fn share_page<'a>(
        &self,
        region: &RegionName,
        page: impl Iterator<Item = &'a mut (ConnectionId, Arc<Connection>)>,
    ) {
        for (id, shown) in page {
            let circuit = CircuitId { region: region.clone(), id: id.clone() };
            let Some((kept, circuit)) = self.circuits.get_key_value(&circuit) else { continue };
            *id = kept.id.clone();
            circuit.share_kept(Some(shown));
        }
    }

    /// Records a complete listing of a region with its begin and end. Returns the ids whose state changed, including
    /// known ones that the listing does not contain.
    pub fn record_listing(
        &mut self,
        region: &RegionName,
        (began, ended): (Moment, Moment),
        connections: Vec<(ConnectionId, impl Into<Arc<Connection>>)>,
    ) -> Vec<ConnectionId> {
        if let Some(known) = self.regions.get_mut(region) {
            (known.is_awaited, known.listed) = (false, Some(began));
            (known.fault, known.is_given_up) = (None, false);
        }
        let shown = connections.into_iter().map(|(id, connection)| (id, connection.into()));
        let shown: BTreeMap<ConnectionId, Arc<Connection>> = shown.collect();
        let ids: Vec<ConnectionId> =
            self.of_region(region).map(|(id, _)| id.id.clone()).filter(|id| !shown.contains_key(id)).collect();
        let absent = ids.into_iter().map(|id| (id, None));
        let listed = shown.into_iter().map(|(id, connection)| (id, Some(connection)));
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

    /// Records that a listing failed. Returns whether its cause is news.
    ///
    /// Until a listing works again, soaks are looked at by reads by id. After three poll intervals without success, the
    /// first listing is no longer awaited. A progress deadline later, a circuit that another writer raised and that no
    /// resource is for holds no turn until a listing succeeds: nothing else could ever show that this is over.
    pub fn record_failed_listing(&mut self, region: &RegionName, fault: Fault, now: Moment) -> bool {
        let Some(known) = self.regions.get_mut(region) else { return false };
        let is_news = known.note_fault(fault, now, self.settings.stale_after());
        known.polls_at_soak_cadence = false;
        let unread_for = now.since(known.listed.unwrap_or(known.reading_since));
        if unread_for < self.settings.stale_after() {
            return is_news;
        }
        known.is_awaited = false;
        known.is_given_up = unread_for >= self.settings.stale_after() + self.settings.progress_deadline;
        self.derive_holds_of(region);
        is_news
    }

    /// Called when a resource names a circuit. If it is new and the last listing did not contain it, that absence is
    /// recorded.
    pub fn record_if_unlisted(&mut self, id: &CircuitId) {
        let listed = self.regions.get(&id.region).and_then(|region| region.listed);
        let is_new = self.circuits.get(id).is_none_or(|circuit| circuit.history.observation().is_none());
        if let Some(began) = listed.filter(|_| is_new) {
            let observation = Observation { began, ended: began, source: Source::Poll, connection: None };
            self.record_read(id, observation);
        }
    }

    /// How many circuits of a region have to be read at the soak cadence, and whether one of them has no resource, so
    /// that only listings read it.
    pub fn watched(&self, region: &RegionName) -> (usize, bool) {
        let is_unclaimed = |id: &CircuitId| self.holds.get(id).is_some_and(|hold| hold.resource.is_none());
        self.of_region(region).fold((0, false), |(count, any), (id, circuit)| {
            (count + usize::from(circuit.is_watched && !circuit.is_unclaimed()), any || is_unclaimed(id))
        })
    }

    /// Plans the next listing of a region, and returns the time until then. It is the soak cadence if more circuits have to
    /// be read at that cadence than a listing has pages, or if one of them has no resource.
    pub fn plan_listing(&mut self, region: &RegionName, pages: usize) -> Duration {
        let (watched, is_unclaimed) = self.watched(region);
        let at_soak_cadence = watched > pages || is_unclaimed;
        if let Some(known) = self.regions.get_mut(region) {
            known.polls_at_soak_cadence = at_soak_cadence;
        }
        if at_soak_cadence { self.settings.soak_cadence() } else { self.settings.poll_interval }
    }
}

impl Region {
    /// Takes in why a listing failed. Returns whether that is news: the one before did not fail, or for a cause of another
    /// kind, or all have failed for this cause for `news_after` by now. In an outage AWS often fails in several ways by turns,
    /// and each cause that is news is written to all resources of the region.
    fn note_fault(&mut self, fault: Fault, now: Moment, news_after: Duration) -> bool {
        if let Some(known) = self.fault.as_ref().filter(|known| known.kind == fault.kind) {
            if fault.has_cause_of(known) {
                self.other_fault = None;
                return false;
            }
            let other = self.other_fault.as_ref().filter(|(other, _)| fault.has_cause_of(other));
            let since = other.map_or(now, |(_, since)| *since);
            if now.since(since) < news_after {
                self.other_fault = Some((fault, since));
                return false;
            }
        }
        (self.fault, self.other_fault) = (Some(fault), None);
        true
    }
}
