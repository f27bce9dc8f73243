//! Runs the operator's own decisions in simulated time.
//!
//! Claims, fleet and passes are the operator's code. This file executes the actions of passes in place of
//! `src/reconcile`, with a [`World`] in place of AWS and the API server.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::conditions::Verdict;
use directconnect_core::decide;
use directconnect_core::desired::{DefaultRegion, Desired, EncryptionMode};
use directconnect_core::fault::{Fault, FaultKind, UPDATE};
use directconnect_core::fleet::Fleet;
use directconnect_core::history::{self, Observation, Source};
use directconnect_core::identity::{CircuitId, ResourceId};
use directconnect_core::ledger::Ledger;
use directconnect_core::pass::{Action, Event, Pass};
use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;
use directconnect_core::turn::HoldReason;
use directconnect_operator::clock::Clock;
use directconnect_operator::kubernetes::Watched;
use directconnect_operator::kubernetes::claims::Claims;
use directconnect_operator::metrics::Metrics;
use directconnect_operator::state::{State, Wakeup};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::forecast::{Forecast, Step};
use super::obstacle::{Obstacle, obstacle};
use super::track::Track;
use super::world::World;

/// The longest simulated time. The ladders of any account take less.
const MAX_SIMULATED_TIME: Duration = Duration::from_hours(24 * 30);
/// The time between consecutive events.
const TICK: Duration = Duration::from_millis(1);

/// The operator working on a world until nothing happens any more.
pub struct Simulation {
    world: World,
    state: Arc<State>,
    woken: mpsc::UnboundedReceiver<Wakeup>,
    started: Timestamp,
    now: Moment,
    last_change: Moment,
    /// When the next listing is due, if the world has changed since the last one.
    poll: Option<Moment>,
    /// The circuits that have changed since the last listing.
    changed: BTreeSet<CircuitId>,
    updates: usize,
    version: u64,
    resources: Vec<Simulated>,
}

struct Simulated {
    id: ResourceId,
    uid: String,
    circuit: Option<CircuitId>,
    /// What it asks for, or why the operator does nothing for it.
    desired: Result<Desired, Verdict>,
    due: Option<Moment>,
    /// Whether a turn has become free since its last pass.
    is_woken: bool,
    /// What AWS answers to every update for it.
    refusal: Option<Verdict>,
    track: Track,
}

impl Simulation {
    /// A simulation of these resources, from the cluster and planned.
    pub fn new(world: World, objects: &[Watched], default_region: &DefaultRegion, settings: Settings) -> Self {
        let (wakeups, woken) = mpsc::unbounded_channel();
        let (state, clock) = (Arc::new(State::new(settings, wakeups)), Clock::start());
        let claims = Claims::new(Arc::clone(&state), default_region.clone(), clock, Metrics::new());
        let now = clock.now();
        for object in objects {
            claims.note(&kube::runtime::watcher::Event::Apply(object.clone()), None);
        }
        let resources = objects.iter().filter(|object| !object.is_being_deleted()).map(|object| {
            let desired = object.desired(default_region);
            let mut resource = Simulated {
                id: object.id(),
                uid: object.uid().to_owned(),
                circuit: desired.as_ref().ok().map(|desired| desired.circuit.clone()),
                desired: desired.map_err(|invalid| Verdict::new(Reason::InvalidSpec, invalid)),
                due: Some(now),
                is_woken: false,
                refusal: None,
                track: Track::new(),
            };
            meet(&state, &mut resource, obstacle(object), now);
            resource
        });
        let version = objects.iter().map(Watched::version).max().unwrap_or_default();
        let (resources, started) = (resources.collect(), Timestamp::now());
        Self {
            world,
            state,
            woken,
            started,
            now,
            last_change: now,
            poll: None,
            changed: BTreeSet::new(),
            updates: 0,
            version,
            resources,
        }
    }

    /// Runs the simulation and returns the forecasts of all resources.
    pub fn run(mut self) -> Vec<Forecast> {
        let (begin, settings) = (self.now, self.state.with_fleet(|fleet| *fleet.settings()));
        let longest_wait = settings.progress_deadline.max(settings.encryption_soak).max(settings.settle_window);
        let patience = (longest_wait + settings.poll_interval) * 2;
        let regions: Vec<_> = self.world.regions().cloned().collect();
        self.state.with_fleet(|fleet| {
            fleet.lead(begin);
            for region in &regions {
                fleet.begin_reading(region, begin);
            }
        });
        self.list();
        while self.now.since(self.last_change) <= patience && self.now.since(begin) < MAX_SIMULATED_TIME {
            if self.poll.is_some_and(|poll| poll <= self.now) {
                self.poll = None;
                self.list_what_has_changed();
            }
            self.serve_all_that_are_due();
            let due = self.resources.iter().filter_map(|resource| resource.due);
            let Some(next) = due.chain(self.poll).min() else { break };
            self.now = next.max(self.now + TICK);
        }
        // Resources that did not get a free turn make one more pass, so that their message names the current holder.
        for at in 0..self.resources.len() {
            if self.resources.get(at).is_some_and(|resource| resource.is_woken) {
                self.serve(at);
            }
        }
        let (world, resources) = (self.world, self.resources);
        let forecast = |Simulated { id, circuit, track, .. }: Simulated| {
            let shown = circuit.as_ref().and_then(|circuit| world.connection(circuit).ok().flatten());
            track.forecast(id, circuit.clone(), shown)
        };
        resources.into_iter().map(forecast).collect()
    }

    /// Makes the first listing of every region.
    fn list(&mut self) {
        let regions: Vec<_> = self.world.regions().cloned().collect();
        for region in regions {
            let connections = match self.world.listing(&region) {
                Ok(connections) => connections,
                // The operator awaits the first listing for three poll intervals. Until then other circuits wait for
                // those of this region.
                Err(fault) => {
                    self.state.with_fleet(|fleet| {
                        let given_up = self.now + fleet.settings().stale_after();
                        fleet.record_failed_listing(&region, fault, given_up);
                    });
                    continue;
                }
            };
            let times = (self.now, self.now);
            let changed = self.state.with_fleet(|fleet| fleet.record_listing(&region, times, connections));
            for id in changed {
                self.wake(&CircuitId { region: region.clone(), id });
            }
        }
    }

    /// Records a later listing, but only the circuits that have changed, since the others would show nothing new.
    fn list_what_has_changed(&mut self) {
        for circuit in std::mem::take(&mut self.changed) {
            self.read_as(&circuit, Source::Poll);
        }
    }

    fn wake(&mut self, circuit: &CircuitId) {
        let about =
            |resource: &&mut Simulated| resource.desired.as_ref().is_ok_and(|desired| desired.circuit == *circuit);
        self.resources.iter_mut().filter(about).for_each(|resource| resource.due = Some(self.now));
    }

    /// Runs the passes that are due. A resource that a pass wakes is due a moment later, as in the operator.
    fn serve_all_that_are_due(&mut self) {
        for at in 0..self.resources.len() {
            let Some(resource) = self.resources.get_mut(at) else { continue };
            if resource.due.is_none_or(|due| due > self.now) {
                continue;
            }
            if resource.is_woken && is_turn_taken(&self.state, resource) {
                resource.due = None;
                self.state.set_waiting(&resource.id, true);
                if let Ok(circuit) = resource.desired.as_ref().map(|desired| desired.circuit.clone()) {
                    self.bring_up_what_holds_the_turn_of(&circuit);
                }
            } else {
                self.serve(at);
            }
        }
        let next_tick = self.now + TICK;
        while let Ok(wakeup) = self.woken.try_recv() {
            let Wakeup::Resources(freed) = wakeup else { continue };
            let freed: HashSet<ResourceId> = freed.into_iter().collect();
            let is_freed = |resource: &&mut Simulated| freed.contains(&resource.id);
            for resource in self.resources.iter_mut().filter(is_freed) {
                (resource.due, resource.is_woken) = (Some(next_tick), true);
            }
        }
    }

    /// Runs one pass, as `src/reconcile` does.
    fn serve(&mut self, at: usize) {
        let (now, elapsed) = (self.now, self.elapsed());
        let Some(resource) = self.resources.get_mut(at) else { return };
        (resource.due, resource.is_woken) = (None, false);
        let (id, uid) = (resource.id.clone(), resource.uid.clone());
        let desired = match &resource.desired {
            Ok(desired) => desired.clone(),
            Err(verdict) => {
                resource.track.says(verdict, None, now);
                return;
            }
        };
        let circuit = desired.circuit.clone();
        let mut pass = self.state.with_fleet(|fleet| {
            let last = fleet.ledger(&circuit, &id).last_update;
            let sent = last.and_then(|last| last.time.parse::<Timestamp>().ok());
            let age = sent.and_then(|sent| (self.started + elapsed).duration_since(sent).try_into().ok());
            Pass::begin(fleet, id.clone(), &uid, desired, age, now)
        });
        let (mut event, refusal) = (Event::Decide, resource.refusal.clone());
        loop {
            let action = self.state.with_fleet(|fleet| pass.next(event, fleet, None, now));
            event = match action {
                Action::Read => {
                    self.read_as(&circuit, Source::ById);
                    Event::Decide
                }
                Action::AwaitPace if let Some(refusal) = &refusal => return self.is_refused(at, &circuit, refusal),
                Action::AwaitPace => Event::PaceGranted { time: (self.started + elapsed).to_string() },
                Action::WriteIntention(..) => {
                    self.version += 1;
                    Event::IntentionWritten { version: self.version }
                }
                Action::Send(change) => self.send(at, &circuit, &change),
                Action::Rest(ledger, plan) => return self.rest(at, &circuit, ledger, &plan),
                Action::BreakOff => return self.wake(&circuit),
            };
        }
    }

    /// The operator tries now and then, and is refused each time.
    fn is_refused(&mut self, at: usize, circuit: &CircuitId, refusal: &Verdict) {
        let shown = self.world.connection(circuit).ok().flatten();
        if self.resources.get_mut(at).is_some_and(|resource| resource.track.says(refusal, shown, self.now)) {
            self.last_change = self.now;
        }
    }

    fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(self.now.since(Moment::START)).unwrap_or_default()
    }

    fn read_as(&mut self, circuit: &CircuitId, source: Source) {
        let now = self.now;
        let read = self.world.connection(circuit).map(|found| found.cloned().map(Arc::new)).map_err(Clone::clone);
        let has_changed = self.state.with_fleet(|fleet| match read {
            Ok(connection) => {
                let observation = Observation { began: now, ended: now, source, connection };
                fleet.record_read(circuit, observation)
            }
            Err(fault) => {
                let interval = fleet.settings().poll_interval;
                fleet.with_history(circuit, |history| history.record_read_failure(fault, now, interval, 1.0));
                false
            }
        });
        if has_changed {
            self.wake(circuit);
        }
    }

    fn send(&mut self, at: usize, circuit: &CircuitId, change: &history::Change) -> Event {
        let before = self.world.connection(circuit).ok().flatten().cloned().unwrap_or_default();
        let Some(answer) = self.world.update(circuit, change) else {
            let words = "the plan has no such connection";
            return Event::Failed { fault: Fault::new(FaultKind::NotFound, UPDATE, words), jitter: 1.0 };
        };
        let (order, now) = (self.updates, self.now);
        self.updates += 1;
        self.last_change = now;
        if let Some(resource) = self.resources.get_mut(at) {
            resource.track.sends(Step::update(order, change, &before), now);
        }
        // Wakes the other resources for the circuit.
        self.wake(circuit);
        if change.mode == Some(EncryptionMode::MustEncrypt) {
            self.world.bring_macsec_up(circuit);
        }
        self.world_has_changed(circuit);
        Event::Answered { answer: Box::new(answer), request_id: None }
    }

    fn rest(&mut self, at: usize, circuit: &CircuitId, ledger: Ledger, plan: &decide::Plan) {
        let (now, version) = (self.now, self.version + 1);
        let Some(resource) = self.resources.get_mut(at) else { return };
        resource.due = plan.next_check.map(|due| due.max(now + TICK));
        if self.state.with_fleet(|fleet| {
            fleet.ledger(circuit, &resource.id) != ledger || fleet.has_unwritten(circuit, &resource.id)
        }) {
            self.version = version;
            self.state.with_fleet(|fleet| fleet.note_written(circuit, &resource.id, &resource.uid, ledger, version));
        }
        let Some(verdict) = &plan.verdict else { return };
        resource
            .track
            .is_held_up_by(self.state.with_fleet(|fleet| held_up_by(fleet, circuit, &resource.id, verdict.reason)));
        let shown = plan.observation.as_ref().and_then(|read| read.connection.as_deref());
        if resource.track.says(verdict, shown, now) {
            self.last_change = now;
        }
        let waits_for_turn = resource.track.waits_for_turn();
        self.state.set_waiting(&resource.id, waits_for_turn);
        if waits_for_turn {
            // It is woken when a turn becomes free. The operator also checks once a minute, which is left out here.
            resource.due = None;
            self.bring_up_what_holds_the_turn_of(circuit);
        }
        if verdict.reason == Reason::WaitingForEncryptionUp && self.world.bring_macsec_up(circuit) {
            self.world_has_changed(circuit);
        }
    }

    /// Another circuit holds the turn that this one waits for, until its MACsec has worked for a soak. It may have been at
    /// `must_encrypt` from the start, with nothing sent that would bring MACsec up.
    fn bring_up_what_holds_the_turn_of(&mut self, circuit: &CircuitId) {
        let Some(holder) = self.state.with_fleet(|fleet| fleet.holder(circuit)) else { return };
        if self.world.bring_macsec_up(&holder.circuit) {
            self.world_has_changed(&holder.circuit);
        }
    }

    fn world_has_changed(&mut self, circuit: &CircuitId) {
        self.changed.insert(circuit.clone());
        let interval = self.state.with_fleet(|fleet| fleet.settings().poll_interval);
        self.poll = self.poll.or(Some(self.now + interval));
    }
}

/// Has a resource meet what the operator has met with it.
fn meet(state: &State, resource: &mut Simulated, obstacle: Option<Obstacle>, now: Moment) {
    let Ok(desired) = &resource.desired else { return };
    match obstacle {
        Some(Obstacle::Unseen(verdict)) => resource.desired = Err(verdict),
        Some(Obstacle::Refused(verdict)) => resource.refusal = Some(verdict),
        Some(Obstacle::Disputed { name, mode }) => state.with_fleet(|fleet| {
            fleet.with_history(&desired.circuit, |history| {
                history.start_generation(&resource.uid, desired.generation, desired.mode, now);
                history.resume_dispute(name, mode, now + MAX_SIMULATED_TIME);
            });
        }),
        None => {}
    }
}

/// Whether another circuit has taken the turn that became free, so that a pass would change nothing. If many resources
/// wait, only one gets the turn. Passes over all others would take most of the time of a plan.
fn is_turn_taken(state: &State, resource: &Simulated) -> bool {
    let circuit = resource.desired.as_ref().ok().map(|desired| &desired.circuit);
    resource.track.waits_for_turn()
        && circuit.is_some_and(|circuit| state.with_fleet(|fleet| fleet.holder(circuit).is_some()))
}

/// The resource that holds up another, if its removal would let that one go on. A turn that somebody else has taken
/// by raising the mode stays taken without the resource.
fn held_up_by(fleet: &Fleet, circuit: &CircuitId, resource: &ResourceId, reason: Reason) -> Option<ResourceId> {
    if reason == Reason::Conflict {
        return fleet.older_claim(circuit, resource).cloned();
    }
    if reason != Reason::WaitingForTurn {
        return None;
    }
    if let Some(other) = fleet.other_proof(circuit, resource) {
        return Some(other.clone());
    }
    let hold = fleet.holder(circuit)?.hold;
    hold.resource.filter(|_| hold.reason != HoldReason::RaisedByOther)
}
