//! The story of one resource: a builder whose steps read as sentences.

use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::decide::{Plan, Step, guard};
use directconnect_core::desired::Desired;
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::fleet::Fleet;
use directconnect_core::history::{Change, History, Observation, Source};
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::{LastUpdate, Ledger};
use directconnect_core::observed::Connection;
use directconnect_core::pass::{self, Action, Event, Pass};
use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;
use directconnect_core::turn::{Claim, HoldReason};

use super::*;

/// One resource over time, in a fleet that may contain others.
#[derive(Clone)]
pub struct Story {
    pub spec: Desired,
    pub fleet: Fleet,
    pub now: Moment,
    pub requested_at: Option<Moment>,
    version: u64,
}

/// A story that begins some time after the start of the process.
pub fn given(spec: Desired) -> Story {
    given_with(SETTINGS, spec)
}

pub fn given_with(settings: Settings, spec: Desired) -> Story {
    let mut fleet = Fleet::new(settings);
    fleet.begin_reading(&spec.circuit.region, Moment::START);
    let mut story = Story { spec, fleet, now: second(10_000), requested_at: None, version: 0 };
    story.is_watched_as(Ledger::default());
    story.begins(None);
    story
}

impl Story {
    pub fn circuit(&self) -> &CircuitId {
        &self.spec.circuit
    }

    pub fn history(&self) -> &History {
        &self.fleet.circuit(self.circuit()).expect("a resource is about it").history
    }

    pub fn ledger(&self) -> Ledger {
        self.fleet.ledger(self.circuit(), &resource(RESOURCE))
    }

    /// What the watch has delivered of the resource.
    pub fn claim(&self) -> Claim {
        let known = self.fleet.circuit(self.circuit()).and_then(|circuit| circuit.claim(&resource(RESOURCE)));
        known.expect("the watch has delivered it").clone()
    }

    /// Why the circuit holds the turn of its account, if it does.
    pub fn holds(&self) -> Option<HoldReason> {
        self.fleet.hold(self.circuit()).map(|hold| hold.reason)
    }

    /// The watch delivers the resource with this ledger.
    fn is_watched_as(&mut self, ledger: Ledger) {
        self.version += 1;
        let known = self.fleet.circuit(self.circuit()).and_then(|circuit| circuit.claim(&resource(RESOURCE)).cloned());
        let claim = Claim {
            wants: self.spec.mode,
            manages: !self.spec.observes_only(),
            ledger,
            version: self.version,
            ..known.unwrap_or_else(|| claim(RESOURCE))
        };
        let circuit = self.circuit().clone();
        self.fleet.apply(&circuit, claim);
    }

    /// A pass begins.
    fn begins(&mut self, age: Option<Duration>) {
        Pass::begin(&mut self.fleet, resource(RESOURCE), UID, self.spec.clone(), age, self.now);
    }

    pub fn with_spec(mut self, spec: Desired) -> Self {
        self.spec = spec;
        self.is_watched_as(self.ledger());
        self.begins(None);
        self
    }

    pub fn after(mut self, passed: u64) -> Self {
        self.now = self.now + seconds(passed);
        self
    }

    /// A read by id at the current moment.
    pub fn sees(mut self, connection: Connection) -> Self {
        self.reads_now(Source::ById, Some(connection));
        self
    }

    /// A poll at the current moment.
    pub fn polls(mut self, connection: Connection) -> Self {
        self.reads_now(Source::Poll, Some(connection));
        self
    }

    /// A read by id finds no such connection.
    pub fn misses(mut self) -> Self {
        self.reads_now(Source::ById, None);
        self
    }

    /// A listing does not contain the connection.
    pub fn polls_without_it(mut self) -> Self {
        self.reads_now(Source::Poll, None);
        self
    }

    fn reads_now(&mut self, source: Source, connection: Option<Connection>) {
        let circuit = self.circuit().clone();
        self.fleet.record_read(&circuit, Observation { source, ..read_at(self.now, connection) });
    }

    /// Reads every 15 s show this connection for a whole soak.
    pub fn soaks(self, connection: &Connection) -> Self {
        self.sees_for(60, connection)
    }

    /// Reads every 15 s show this connection for `long` seconds.
    pub fn sees_for(mut self, long: u64, connection: &Connection) -> Self {
        for _ in 0..long / 15 {
            self = self.sees(connection.clone()).after(15);
        }
        self.sees(connection.clone())
    }

    /// The part of a pass before the send: the intention is written to status.
    fn intends(&mut self, change: &Change) -> Ledger {
        let (circuit, before) = (self.circuit().clone(), self.ledger());
        let interrupts =
            change.mode.zip(self.history().connection()).is_some_and(|(mode, shown)| guard::interrupts(mode, shown));
        if let Some(mode) = change.mode.filter(|_| interrupts) {
            self.fleet.begin_step(&circuit, mode);
        }
        let had_must = self.history().had_must();
        let intention = before.before_send(&self.spec, change, interrupts, had_must, "2026-03-02T09:00:00Z".into());
        self.is_written(intention);
        self.fleet.record_send(&circuit, self.now);
        before
    }

    fn is_written(&mut self, ledger: Ledger) {
        self.version += 1;
        let (circuit, version) = (self.circuit().clone(), self.version);
        self.fleet.note_written(&circuit, &resource(RESOURCE), UID, ledger, version);
    }

    pub fn gets_answer(mut self, change: &Change, answer: &Connection) -> Self {
        self.intends(change);
        let (circuit, now) = (self.circuit().clone(), self.now);
        self.fleet.record_answer(&circuit, change, answer, now);
        let ledger = self.ledger().after_answer(Some("5b8cf2b7-0000".into()));
        self.is_written(ledger);
        self
    }

    pub fn gets_refusal(mut self, change: &Change, fault: Fault) -> Self {
        let step_before = self.fleet.step(self.circuit());
        let before = self.intends(change);
        let (circuit, now, effect) = (self.circuit().clone(), self.now, fault.effect);
        let poll_interval = self.fleet.settings().poll_interval;
        self.fleet.with_history(&circuit, |history| {
            history.record_update_failure(change, fault, now, poll_interval, 1.0);
        });
        if effect == Effect::None {
            self.fleet.withdraw_step(&circuit, step_before);
        }
        let ledger = self.ledger().after_failure(&before, effect);
        self.is_written(ledger);
        self
    }

    /// Runs a pass that sends nothing, and writes the ledger from its end to status.
    #[track_caller]
    pub fn writes(mut self) -> Self {
        let mut pass = Pass::begin(&mut self.fleet, resource(RESOURCE), UID, self.spec.clone(), None, self.now);
        match pass.next(Event::Decide, &mut self.fleet, self.requested_at, self.now) {
            Action::Rest(ledger, _) => self.is_written(ledger),
            action => panic!("{action:#?}"),
        }
        self
    }

    /// The process ends, and another one leads `away` seconds later. It knows only what is in status.
    pub fn restarts(mut self, away: u64) -> Self {
        let circuits = [self.circuit().clone(), twin()];
        let new = Fleet::new(*self.fleet.settings());
        let old = std::mem::replace(&mut self.fleet, new);
        self = self.after(away);
        self.fleet.lead(self.now);
        self.fleet.begin_reading(&self.spec.circuit.region, self.now);
        for circuit in circuits {
            let claims = old.circuit(&circuit).map(|known| known.claims().to_vec()).unwrap_or_default();
            for mut claim in claims {
                claim.updated_at = claim.ledger.last_update.as_ref().map(|_| self.now - seconds(away));
                self.fleet.apply(&circuit, claim);
            }
        }
        self.begins(Some(seconds(away)));
        self
    }

    /// Status says that an earlier process sent this update `age` seconds ago.
    pub fn has_sent(mut self, change: Change, age: u64) -> Self {
        let last_update = LastUpdate {
            time: "2026-03-02T09:00:00Z".into(),
            generation: self.spec.generation,
            connection_name: change.name,
            encryption_mode: change.mode,
            ..LastUpdate::default()
        };
        let ledger = Ledger { last_update: Some(last_update), ..self.ledger() };
        self.is_watched_as(ledger);
        self.begins(Some(seconds(age)));
        self
    }

    /// Status contains this ledger.
    pub fn has_ledger(mut self, ledger: Ledger) -> Self {
        self.is_watched_as(ledger);
        self
    }

    pub fn read_fails(mut self, fault: Fault) -> Self {
        let (circuit, now) = (self.circuit().clone(), self.now);
        let poll_interval = self.fleet.settings().poll_interval;
        self.fleet.with_history(&circuit, |history| history.record_read_failure(fault, now, poll_interval, 1.0));
        self
    }

    pub fn polls_fail(mut self, kind: FaultKind) -> Self {
        let fault = Fault::new(kind, "DescribeConnections", "AWS says no");
        self.fleet.record_failed_listing(&self.spec.circuit.region, fault, self.now);
        self
    }

    /// A listing of the region shows the connection.
    pub fn lists(mut self, connection: Connection) -> Self {
        let CircuitId { region, id } = self.circuit().clone();
        self.fleet.record_listing(&region, (self.now, self.now), vec![(id, connection)]);
        self
    }

    /// A person asks for a read.
    pub fn asks_for_a_read(mut self) -> Self {
        self.requested_at = Some(self.now);
        self
    }

    pub fn was_met(self, generation: i64) -> Self {
        let ledger = Ledger { met_generation: Some(generation), ..self.ledger() };
        self.has_ledger(ledger)
    }

    /// Status says that `must_encrypt` was sent or seen for this generation.
    pub fn had_must(self, generation: i64) -> Self {
        let ledger = Ledger { must_encrypt_generation: Some(generation), ..self.ledger() };
        self.has_ledger(ledger)
    }

    pub fn has_older_claim(self, older: &str) -> Self {
        self.has_other(claim(older).created(1))
    }

    /// Another resource is for the same circuit.
    pub fn has_other(mut self, claim: Claim) -> Self {
        let circuit = self.circuit().clone();
        self.fleet.apply(&circuit, claim);
        self
    }

    /// Another circuit of the account has an unproven step.
    pub fn waits_for(self, other: &str) -> Self {
        self.has_twin(claim(other).wanting(Must).unproven(Must).showing_account(ACCOUNT))
    }

    /// A resource is for the other circuit.
    pub fn has_twin(mut self, claim: Claim) -> Self {
        self.fleet.apply(&twin(), claim);
        self
    }

    pub fn plan(&self) -> Plan {
        pass::plan(&self.fleet, &resource(RESOURCE), &self.spec, &self.ledger(), self.requested_at, self.now)
    }

    /// The plan without its read, for the messages of failed assertions.
    fn said(&self) -> Plan {
        Plan { observation: None, ..self.plan() }
    }

    #[track_caller]
    pub fn sends(self, change: &Change) -> Self {
        assert_eq!(self.plan().step, Step::Update(change.clone()), "{:#?}", self.said());
        self
    }

    #[track_caller]
    pub fn reads(self) -> Self {
        assert_eq!(self.plan().step, Step::Read, "{:#?}", self.said());
        self
    }

    /// Nothing is done now, whatever status says.
    #[track_caller]
    pub fn plan_rests(self) -> Self {
        assert_eq!(self.plan().step, Step::Rest);
        self
    }

    /// The plan is to do nothing, for this reason.
    #[track_caller]
    pub fn rests(self, reason: Reason) -> Self {
        let plan = self.said();
        assert_eq!(plan.step, Step::Rest, "{plan:#?}");
        assert_eq!(plan.verdict.as_ref().map(|verdict| verdict.reason), Some(reason), "{plan:#?}");
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let message = self.plan().verdict.expect("there is a verdict").message;
        assert!(message.contains(words), "{message}");
        self
    }

    /// The next decision is due in this many seconds.
    #[track_caller]
    pub fn decides_again_in(self, left: u64) -> Self {
        assert_eq!(self.plan().next_check.map(|at| at.since(self.now).as_secs()), Some(left), "{:#?}", self.said());
        self
    }
}
