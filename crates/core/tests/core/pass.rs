//! One pass over one resource: its next action, whatever happens between two of its steps.

use directconnect_core::decide::{Plan, Step};
use directconnect_core::desired::EncryptionMode;
use directconnect_core::history::Change;
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::pass::{Action, Event, Pass};
use directconnect_core::reason::Reason;
use directconnect_core::turn::{Claim, HoldReason};

use crate::given::{
    ACCOUNT, Asks, ConnectionExt, Must, No, RESOURCE, Says, Should, Story, UID, claim, connection,
    encrypted_connection, given, read_at, renames, resource, seconds, sets, spec, twin,
};

pub const TIME: &str = "2026-03-02T09:00:00Z";

pub fn tight() -> Connection {
    encrypted_connection().mode("must_encrypt")
}

pub fn cut() -> Connection {
    connection().key("associated").mode("must_encrypt").state("down")
}

/// A running pass in a story.
pub struct Run {
    pub story: Story,
    pub pass: Pass,
    pub version: u64,
}

impl Run {
    pub fn of(mut story: Story) -> Self {
        let pass = Pass::begin(&mut story.fleet, resource(RESOURCE), UID, story.spec.clone(), None, story.now);
        Self { story, pass, version: 1000 }
    }

    pub fn next(&mut self, event: Event) -> Action {
        let Self { story, pass, .. } = self;
        pass.next(event, &mut story.fleet, story.requested_at, story.now)
    }

    /// Runs the pass of a story in which `change` is due, up to the write of the intention.
    pub fn intending(story: Story, change: &Change) -> (Self, Ledger) {
        let mut run = Self::of(story);
        assert_eq!(run.next(Event::Decide), Action::AwaitPace);
        let action = run.granted();
        let Action::WriteIntention(intention, plan) = action else { panic!("{action:#?}") };
        assert_eq!(plan.step, Step::Update(change.clone()));
        (run, intention)
    }

    /// The same, up to the send.
    pub fn sending(story: Story, change: &Change) -> Self {
        let (mut run, _) = Self::intending(story, change);
        assert_eq!(run.written(), Action::Send(change.clone()));
        run
    }

    pub fn granted(&mut self) -> Action {
        self.next(Event::PaceGranted { time: TIME.into() })
    }

    pub fn written(&mut self) -> Action {
        self.version += 1;
        self.next(Event::IntentionWritten { version: self.version })
    }

    pub fn answered(&mut self, answer: &Connection) -> Action {
        self.next(Event::Answered { answer: Box::new(answer.clone()), request_id: Some("5b8cf2b7".into()) })
    }

    pub fn failed(&mut self, fault: directconnect_core::fault::Fault) -> Action {
        self.next(Event::Failed { fault, jitter: 1.0 })
    }

    pub fn after(&mut self, passed: u64) {
        self.story.now = self.story.now + seconds(passed);
    }

    pub fn sees(&mut self, connection: Connection) {
        let (now, circuit) = (self.story.now, self.story.circuit().clone());
        self.story.fleet.record_read(&circuit, read_at(now, Some(connection)));
    }

    /// The watch delivers a new version of the resource, changed by `change`.
    pub fn is_watched_as(&mut self, change: impl FnOnce(Claim) -> Claim) {
        self.version += 1;
        let circuit = self.story.circuit().clone();
        let claim = self.story.claim();
        self.story.fleet.apply(&circuit, change(Claim { version: self.version, ..claim }));
    }

    pub fn step(&self) -> Option<EncryptionMode> {
        self.story.fleet.step(self.story.circuit())
    }
}

#[track_caller]
pub fn rested(action: Action) -> (Ledger, Plan) {
    match action {
        Action::Rest(ledger, plan) => (ledger, plan),
        action => panic!("{action:#?}"),
    }
}

#[track_caller]
pub fn rests(action: Action, reason: Reason) -> Ledger {
    let (ledger, plan) = rested(action);
    assert_eq!(plan.verdict.map(|verdict| verdict.reason), Some(reason));
    ledger
}

/// A story in which `must_encrypt` may be sent.
pub fn soaked() -> Story {
    given(spec().to(Must)).soaks(&encrypted_connection())
}

/// Adds another circuit of the account that could take the same step.
pub fn with_ready_twin(story: Story) -> Story {
    let mut story = story.has_twin(claim("net/twin").wanting(Must));
    let now = story.now;
    story.fleet.record_read(&twin(), read_at(now, Some(encrypted_connection())));
    story
}

// The normal order of actions.

#[test]
fn it_writes_down_what_it_sends_before_it_sends_it_and_what_came_of_it_after() {
    let (mut run, intention) = Run::intending(soaked(), &sets(Must));
    assert_eq!((intention.unproven_step, intention.must_encrypt_generation), (Some(Must), Some(1)));
    assert_eq!(
        intention.last_update.as_ref().map(|update| (update.time.as_str(), update.encryption_mode)),
        Some((TIME, Some(Must)))
    );
    assert_eq!(run.story.holds(), Some(HoldReason::UnderWay), "it holds the turn before it is written");
    assert_eq!(run.written(), Action::Send(sets(Must)));
    assert_eq!(run.story.holds(), Some(HoldReason::UnprovenStep), "and by what is written from then on");
    run.after(1);
    let ledger = rests(run.answered(&tight()), Reason::InSync);
    assert_eq!(ledger.last_update.and_then(|update| update.request_id), Some("5b8cf2b7".into()));
    assert_eq!((ledger.unproven_step, ledger.proven, ledger.met_generation), (Some(Must), false, Some(1)));
}

#[test]
fn it_reads_first_where_no_fresh_read_is_at_hand() {
    let mut run = Run::of(given(spec().name("fra-2")).polls(connection()));
    assert_eq!(run.next(Event::Decide), Action::Read);
    run.sees(connection());
    assert_eq!(run.next(Event::Decide), Action::AwaitPace);
    let mut unread = Run::of(given(spec().name("fra-2")));
    let (ledger, plan) = rested(unread.next(Event::Decide));
    assert_eq!((ledger, plan.verdict), (Ledger::default(), None));
}

#[test]
fn it_goes_on_to_the_next_step_in_the_same_pass() {
    let mut run = Run::sending(
        given(spec().name("fra-2").to(Must)).sees(connection().mode("no_encrypt")),
        &Change { name: Some("fra-2".into()), mode: Some(Should) },
    );
    run.after(1);
    // AWS stored another name, and no fresh read shows that yet.
    let action = run.answered(&connection());
    assert!(
        matches!(&action, Action::Rest(_, plan) if plan.next_check.is_some()) || action == Action::Read,
        "{action:#?}"
    );
}

#[test]
fn an_update_that_interrupts_nothing_takes_no_turn() {
    for (story, change) in [
        (given(spec().name("fra-2")).sees(connection()), renames("fra-2")),
        (given(spec().to(No)).sees(encrypted_connection()), sets(No)),
        (given(spec().to(Should)).sees(connection().mode("no_encrypt")), sets(Should)),
    ] {
        let (mut run, intention) = Run::intending(story.waits_for("net/twin"), &change);
        assert_eq!((run.step(), intention.unproven_step), (None, None));
        assert_eq!(run.written(), Action::Send(change));
    }
}

#[test]
fn a_story_changes_the_same_state_as_a_pass() {
    let told = soaked().gets_answer(&sets(Must), &tight());
    let mut run = Run::sending(soaked(), &sets(Must));
    let ledger = rests(run.answered(&tight()), Reason::InSync);
    let without_ids = |mut ledger: Ledger| {
        let sent = ledger.last_update.as_mut().expect("it was sent");
        sent.request_id = None;
        Ledger { met_generation: None, ..ledger }
    };
    assert_eq!(without_ids(ledger), without_ids(told.ledger()));
    assert_eq!(run.story.history(), told.history());
    assert_eq!((run.step(), run.story.holds()), (told.fleet.step(told.circuit()), told.holds()));
}

// During the wait for the rate limit.

#[test]
fn it_decides_again_after_the_wait_for_the_rate_limit() {
    let waiting = |story| {
        let mut run = Run::of(story);
        assert_eq!(run.next(Event::Decide), Action::AwaitPace);
        run
    };
    let mut old = waiting(soaked());
    old.after(31);
    assert_eq!(old.granted(), Action::Read, "the read is too old by now");
    let mut down = waiting(soaked());
    down.sees(connection().key("associated"));
    rests(down.granted(), Reason::WaitingForEncryptionUp);
    let mut other = waiting(given(spec().name("fra-2").to(Must)).soaks(&encrypted_connection()));
    other.sees(encrypted_connection().mode("no_encrypt"));
    assert_eq!(other.granted(), Action::AwaitPace, "another update is due by now");
    let mut late = waiting(with_ready_twin(soaked()));
    assert!(late.story.fleet.begin_step(&twin(), Must));
    rests(late.granted(), Reason::WaitingForTurn);
    assert_eq!(late.step(), None);
}

#[test]
fn of_two_passes_that_decide_at_the_same_time_one_gets_the_turn() {
    let mut story = with_ready_twin(soaked());
    let mut ours = Pass::begin(&mut story.fleet, resource(RESOURCE), UID, story.spec.clone(), None, story.now);
    // The other circuit has soaked as well.
    let theirs = directconnect_core::desired::Desired { circuit: twin(), ..story.spec.clone() };
    for back in (0..=4).rev() {
        story.fleet.record_read(&twin(), read_at(story.now + seconds(60 - 15 * back), Some(encrypted_connection())));
    }
    let mut other = Pass::begin(&mut story.fleet, resource("net/twin"), UID, theirs, None, story.now);
    let now = story.now;
    let granted = || Event::PaceGranted { time: TIME.into() };
    let fleet = &mut story.fleet;
    assert_eq!(ours.next(Event::Decide, fleet, None, now), Action::AwaitPace);
    let later = now + seconds(60);
    assert_eq!(other.next(Event::Decide, fleet, None, later), Action::AwaitPace);
    assert!(matches!(ours.next(granted(), fleet, None, now), Action::WriteIntention(..)));
    rests(other.next(granted(), fleet, None, later), Reason::WaitingForTurn);
    assert_eq!(ours.next(Event::IntentionWritten { version: 7 }, fleet, None, now), Action::Send(sets(Must)));
}

// While the intention is written.

#[test]
fn what_is_seen_while_the_intention_is_written_can_keep_it_from_being_sent() {
    let mut before = soaked().ledger();
    before.met_generation = Some(7);
    let seen: [(&str, Connection); 4] = [
        ("down", connection().key("associated")),
        ("lowered", encrypted_connection().mode("no_encrypt")),
        ("in a LAG", encrypted_connection().in_lag("dxlag-1")),
        ("not available", encrypted_connection().state("down")),
    ];
    for (given, connection) in seen {
        let (mut run, intention) = Run::intending(soaked().has_ledger(before.clone()), &sets(Must));
        run.after(5);
        run.sees(connection);
        let action = run.written();
        assert!(!matches!(action, Action::Send(_)), "{given}");
        let ledger = run.story.ledger();
        assert_eq!(ledger, before, "{given}: what it said before, not blanked");
        assert_eq!(run.step(), None, "{given}");
        // Status contains the intention until the next write.
        assert!(run.story.fleet.has_unwritten(run.story.circuit(), &resource(RESOURCE)), "{given}");
        assert_eq!(intention.met_generation, Some(7), "{given}");
    }
}

#[test]
fn an_update_is_not_sent_on_a_read_that_has_grown_old_while_the_intention_was_written() {
    let (mut run, _) = Run::intending(soaked(), &sets(Must));
    run.after(31);
    assert_eq!(run.written(), Action::Read);
    assert_eq!((run.step(), run.story.ledger().unproven_step), (None, None));
    // The decision after the read starts from the beginning.
    run.sees(connection().key("associated"));
    rests(run.next(Event::Decide), Reason::WaitingForEncryptionUp);
}

#[test]
fn the_turn_that_another_has_taken_meanwhile_is_respected() {
    let (mut run, _) = Run::intending(with_ready_twin(soaked()), &sets(Must));
    let unproven = claim("net/twin").wanting(Must).unproven(Must).showing_account(ACCOUNT).version(2);
    run.story.fleet.apply(&twin(), unproven);
    rests(run.written(), Reason::WaitingForTurn);
    assert_eq!(run.step(), None);
}

#[test]
fn the_second_decision_is_made_on_the_ledger_from_before_the_intention() {
    // With the intention in the ledger, Immediate would be used up.
    let story = given(spec().to(Must).immediately()).sees(connection());
    let (mut run, intention) = Run::intending(story, &sets(Must));
    assert_eq!(intention.must_encrypt_generation, Some(1));
    assert_eq!(run.written(), Action::Send(sets(Must)));
}

#[test]
fn a_key_that_comes_while_the_intention_is_written_makes_it_another_step() {
    let story = given(spec().to(Should)).sees(connection().mode("no_encrypt"));
    let (mut run, intention) = Run::intending(story, &sets(Should));
    assert_eq!(intention.unproven_step, None, "without a key it interrupts nothing");
    run.after(1);
    run.sees(connection().mode("no_encrypt").key("associating"));
    assert_eq!(run.written(), Action::AwaitPace, "it can interrupt now, and that is written down first");
    let Action::WriteIntention(intention, _) = run.granted() else { panic!("it is written") };
    assert_eq!((intention.unproven_step, run.step()), (Some(Should), Some(Should)));
    assert_eq!(run.written(), Action::Send(sets(Should)));
    // Without the key the update is harmless now; the written intention is kept.
    let story = given(spec().to(Should)).sees(connection().mode("no_encrypt").key("associated"));
    let (mut run, _) = Run::intending(story, &sets(Should));
    run.after(1);
    run.sees(connection().mode("no_encrypt"));
    assert_eq!(run.written(), Action::Send(sets(Should)));
}

#[test]
fn nothing_is_sent_for_a_resource_that_is_deleted_or_wants_something_else_meanwhile() {
    type Meanwhile = fn(&mut Run);
    let meanwhile: [(&str, Meanwhile); 6] = [
        ("deleted", |run| {
            let circuit = run.story.circuit().clone();
            run.story.fleet.remove(&circuit, &resource(RESOURCE));
        }),
        ("being deleted", |run| run.is_watched_as(Says::being_deleted)),
        ("made again", |run| run.is_watched_as(|claim| Claim { uid: "another".into(), ..claim })),
        ("another mode", |run| run.is_watched_as(|claim| claim.wanting(Should))),
        ("observed", |run| run.is_watched_as(Says::observing)),
        ("an older one has come", |run| {
            let circuit = run.story.circuit().clone();
            run.story.fleet.apply(&circuit, claim("net/old").created(1));
        }),
    ];
    for (given, happens) in meanwhile {
        let (mut run, _) = Run::intending(soaked(), &sets(Must));
        happens(&mut run);
        rested_without_send(run.written(), given);
        assert_eq!(run.step(), None, "{given}");
        let mut waiting = Run::of(soaked());
        assert_eq!(waiting.next(Event::Decide), Action::AwaitPace);
        happens(&mut waiting);
        rested_without_send(waiting.granted(), given);
        assert_eq!(waiting.step(), None, "{given}");
    }
}

#[track_caller]
fn rested_without_send(action: Action, given: &str) {
    let (_, plan) = rested(action);
    assert_eq!(plan.step, Step::Rest, "{given}");
    let reason = plan.verdict.map(|verdict| verdict.reason);
    assert!(matches!(reason, None | Some(Reason::Conflict)), "{given}: nothing is claimed of it: {reason:?}");
    assert!(reason.is_some() || plan.next_check.is_some(), "{given}: it is decided on again");
}

#[test]
fn a_new_version_with_the_same_spec_blocks_nothing() {
    let (mut run, _) = Run::intending(soaked(), &sets(Must));
    run.is_watched_as(|claim| claim);
    assert_eq!(run.written(), Action::Send(sets(Must)));
}

/// `must_encrypt` was seen while it is wanted; then AWS lowered it, as the last key was removed.
#[test]
fn an_intention_says_that_must_encrypt_was_seen_whatever_it_is_for() {
    let seen = given(spec().to(Must).immediately().name("fra-2")).sees(tight());
    let (run, intention) = Run::intending(seen.after(20).sees(connection()), &renames("fra-2"));
    assert_eq!(intention.must_encrypt_generation, Some(1));
    // The process ends here. The next one knows no more than that.
    let next = given(run.story.spec.clone()).has_ledger(intention).sees(connection());
    next.sends(&renames("fra-2"));
}
