//! How a pass handles the outcome of its write and of its update.

use directconnect_core::fault::FaultKind;
use directconnect_core::fleet::Fleet;
use directconnect_core::ledger::Ledger;
use directconnect_core::pass::{Action, Event, Pass};
use directconnect_core::reason::Reason;
use directconnect_core::turn::{Claim, HoldReason};

use crate::given::{
    Asks, ConnectionExt, Must, RESOURCE, Says, Should, Story, UID, claim, connection, encrypted_connection, fault,
    given, lost, renames, resource, seconds, sets, spec, twin,
};

use crate::pass::*;

#[test]
fn a_refusal_takes_all_back_and_frees_the_turn() {
    for kind in [FaultKind::Rejected, FaultKind::AccessDenied, FaultKind::Throttled] {
        let story = with_ready_twin(soaked().was_met(3));
        let before = story.ledger();
        let mut run = Run::sending(story, &sets(Must));
        run.after(1);
        let action = run.failed(fault(kind));
        assert!(!matches!(action, Action::Send(_)), "{action:#?}");
        assert_eq!((run.story.ledger(), run.step()), (before.clone(), None), "{kind:?}");
        let circuit = run.story.circuit().clone();
        run.story.fleet.note_written(&circuit, &resource(RESOURCE), UID, before, 2000);
        assert_eq!(run.story.fleet.holder(&twin()), None, "{kind:?}");
    }
}

#[test]
fn a_refusal_leaves_the_step_that_was_under_way_before_it() {
    let begun = connection().mode("no_encrypt").key("associated");
    let story = given(spec().to(Must)).sees(begun).gets_answer(&sets(Should), &encrypted_connection());
    let story = story.after(1).sees(encrypted_connection());
    assert_eq!(story.ledger().unproven_step, Some(Should));
    // Meanwhile a rename is refused.
    let story = story.with_spec(spec().name("fra-2").to(Must).generation(2));
    let mut run = Run::sending(story, &renames("fra-2"));
    run.after(1);
    run.failed(fault(FaultKind::Rejected));
    assert_eq!((run.step(), run.story.ledger().unproven_step), (Some(Should), Some(Should)));
    assert!(run.story.holds().is_some());
}

#[test]
fn a_lost_answer_leaves_the_intention_and_the_turn() {
    let mut run = Run::sending(with_ready_twin(soaked()), &sets(Must));
    run.after(12);
    // The last read is older than the update, so AWS has to be read before anything is reported.
    let action = run.failed(lost());
    assert!(matches!(action, Action::Rest(..) | Action::Read), "{action:#?}");
    let ledger = run.story.ledger();
    assert_eq!((ledger.unproven_step, ledger.must_encrypt_generation), (Some(Must), Some(1)));
    assert!(ledger.last_update.is_some_and(|update| update.request_id.is_none()));
    assert_eq!(run.step(), Some(Must));
    assert!(run.story.fleet.holder(&twin()).is_some());
}

#[test]
fn a_read_during_the_send_does_not_free_the_turn() {
    // This holds even if the resource of the step is deleted during the send and another one wants the mode.
    let story = with_ready_twin(soaked()).has_other(claim("net/heir").created(900).wanting(Must));
    let mut run = Run::sending(story, &sets(Must));
    run.after(1);
    run.sees(encrypted_connection());
    let circuit = run.story.circuit().clone();
    run.story.fleet.remove(&circuit, &resource(RESOURCE));
    assert!(run.story.fleet.holder(&twin()).is_some());
    run.after(1);
    run.failed(lost());
    assert!(run.story.fleet.holder(&twin()).is_some());
}

#[test]
fn a_resource_that_is_deleted_while_its_update_is_in_flight_leaves_nothing_behind() {
    let mut run = Run::sending(with_ready_twin(soaked()), &sets(Must));
    let circuit = run.story.circuit().clone();
    run.story.fleet.remove(&circuit, &resource(RESOURCE));
    assert_eq!(run.story.holds(), None, "nobody wants it there any more");
    run.after(1);
    run.answered(&cut());
    assert_eq!(run.story.holds(), None);
    assert!(!run.story.fleet.has_unwritten(&circuit, &resource(RESOURCE)));
}

#[test]
fn a_decision_that_a_dropped_pass_did_not_send_holds_no_turn_for_ever() {
    // The future that executed the pass was dropped between decision and send.
    let (mut run, _) = Run::intending(with_ready_twin(soaked()), &sets(Must));
    run.after(1);
    run.sees(encrypted_connection());
    assert_eq!(run.step(), Some(Must));
    let Run { story, .. } = run;
    let mut next = Run::of(story);
    next.after(1);
    next.sees(encrypted_connection());
    assert_eq!(next.step(), None, "the next pass does not send what that one had decided on");
}

#[test]
fn an_answer_that_shows_something_else_proves_nothing_and_keeps_the_turn() {
    let mut run = Run::sending(soaked(), &sets(Must));
    run.after(1);
    let action = run.answered(&encrypted_connection());
    assert!(!matches!(action, Action::Send(_)), "{action:#?}");
    assert_eq!((run.story.ledger().unproven_step, run.step()), (Some(Must), Some(Must)));
}

#[test]
fn only_a_pass_of_the_acting_resource_starts_a_generation() {
    let story = given(spec().name("fra-2")).sees(connection()).after(1);
    let story = story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected));
    // A pass of another resource for the circuit does not reset the failures of the acting one.
    let mut story = story.has_other(claim("net/heir").created(900));
    let desired = spec().name("fra-9").generation(9);
    Pass::begin(&mut story.fleet, resource("net/heir"), UID, desired, None, story.now);
    assert!(story.history().update_failure().is_some());
    let fleet: &mut Fleet = &mut story.fleet;
    Pass::begin(fleet, resource(RESOURCE), UID, spec().name("fra-9").generation(2), None, story.now);
    assert!(story.history().update_failure().is_none());
}

#[test]
fn an_intention_that_could_not_be_written_is_withdrawn() {
    let story = with_ready_twin(soaked());
    let before = story.ledger();
    let (mut run, _) = Run::intending(story, &sets(Must));
    assert!(run.story.fleet.holder(&twin()).is_some());
    run.pass.withdraw(&mut run.story.fleet);
    assert_eq!((run.step(), run.story.ledger()), (None, before.clone()));
    assert!(run.story.fleet.holder(&twin()).is_none());
    // The write succeeded after all, and the watch delivers it. The next pass takes it back.
    let written = before.before_send(&run.story.spec, &sets(Must), true, false, TIME.into());
    run.is_watched_as(|claim| Claim { ledger: written, ..claim });
    assert_eq!(run.story.holds(), Some(HoldReason::UnprovenStep), "until then it counts");
    assert_eq!(run.story.ledger(), before);
    // A second withdrawal changes nothing.
    let fleet = run.story.fleet.clone();
    run.pass.withdraw(&mut run.story.fleet);
    assert_eq!(run.story.fleet, fleet);
}

#[test]
fn a_withdrawal_after_the_write_is_taken_back_in_status_by_the_end_of_the_pass() {
    let (mut run, _) = Run::intending(soaked(), &sets(Must));
    run.sees(connection().key("associated"));
    let ledger = rests(run.written(), Reason::WaitingForEncryptionUp);
    assert_eq!((ledger.unproven_step, ledger.last_update.clone(), ledger.must_encrypt_generation), (None, None, None));
    assert!(run.story.holds().is_some(), "as status says");
    let circuit = run.story.circuit().clone();
    run.story.fleet.note_written(&circuit, &resource(RESOURCE), UID, ledger, 2000);
    assert_eq!(run.story.holds(), None);
}

#[test]
fn what_an_earlier_pass_has_not_written_yet_does_not_hide_the_intention() {
    // If the pass ends after the send without an outcome, the step must stay recorded.
    let mut story = soaked();
    let circuit = story.circuit().clone();
    let unwritten = Ledger { met_generation: Some(1), ..story.ledger() };
    story.fleet.note_unwritten(&circuit, &resource(RESOURCE), UID, unwritten);
    let run = Run::sending(story, &sets(Must));
    assert_eq!(run.story.ledger().unproven_step, Some(Must));
    assert_eq!(run.story.ledger().met_generation, Some(1));
}

/// A pass that was told to take so many actions that the next one is its `last`.
fn long_pass(last: usize) -> Run {
    let mut run = Run::of(with_ready_twin(soaked()));
    for _ in 1..last {
        assert_eq!(run.next(Event::Decide), Action::AwaitPace);
    }
    run
}

#[test]
fn a_pass_that_takes_too_many_actions_is_broken_off_and_takes_its_intention_back() {
    let mut run = long_pass(24);
    let before = run.story.ledger();
    assert!(matches!(run.granted(), Action::WriteIntention(..)));
    assert_eq!(run.step(), Some(Must));
    assert_eq!(run.written(), Action::BreakOff);
    assert_eq!((run.story.ledger(), run.step()), (before, None));
}

#[test]
fn what_came_of_an_update_is_taken_in_however_many_actions_there_were_before() {
    type Outcome = fn(&mut Run) -> Action;
    let answered: Outcome = |run| run.answered(&tight());
    let lost_answer: Outcome = |run| run.failed(lost());
    for (outcome, request_id) in [(answered, Some("5b8cf2b7")), (lost_answer, None)] {
        let mut run = long_pass(23);
        run.granted();
        assert_eq!(run.written(), Action::Send(sets(Must)));
        run.after(1);
        assert_ne!(outcome(&mut run), Action::BreakOff);
        let ledger = run.story.ledger();
        assert_eq!(ledger.unproven_step, Some(Must));
        assert_eq!(ledger.last_update.and_then(|update| update.request_id).as_deref(), request_id);
        assert_eq!(run.next(Event::Decide), Action::BreakOff);
    }
}

/// Runs a pass over this story until its rename ends, and calls the function before that.
type End<'a> = &'a dyn Fn(Story, &dyn Fn(&mut Run)) -> Run;

/// A new leader: a resource that only observes by now says that `must_encrypt` was sent 5 s ago, and another one acts and
/// has a name to set.
fn taken_over() -> Story {
    let mut story = given(spec().name("fra-2").to(Must));
    story.fleet.lead(story.now);
    let elder = claim("net/elder").created(1).wanting(Must).observing().unproven(Must);
    let story = story.clone().has_other(elder.updated_at(story.now - seconds(5))).sees(encrypted_connection());
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
    with_ready_twin(story)
}

#[test]
fn a_rename_that_is_taken_back_takes_nothing_of_a_step_back() {
    let withdrawn = |story: Story, meanwhile: &dyn Fn(&mut Run)| {
        let (mut run, _) = Run::intending(story, &renames("fra-2"));
        meanwhile(&mut run);
        run.pass.withdraw(&mut run.story.fleet);
        run
    };
    let refused = |story: Story, meanwhile: &dyn Fn(&mut Run)| {
        let mut run = Run::sending(story, &renames("fra-2"));
        meanwhile(&mut run);
        run.after(1);
        run.failed(fault(FaultKind::Rejected));
        run
    };
    for ends in [&withdrawn as End<'_>, &refused] {
        // The resource whose step it is goes, so the step is inherited. No settled read has shown that it is over.
        let run = ends(taken_over(), &|run| {
            let circuit = run.story.circuit().clone();
            run.story.fleet.remove(&circuit, &resource("net/elder"));
        });
        assert_eq!((run.step(), run.story.holds()), (Some(Must), Some(HoldReason::UnderWay)));
        // The last read of the soak proves the step.
        let sent = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &tight());
        let nearly = sent.after(1).sees_for(45, &tight()).writes();
        let nearly = nearly.with_spec(spec().name("fra-2").to(Must).generation(2)).after(14).sees(tight());
        let run = ends(nearly, &|run| {
            run.after(1);
            run.sees(tight());
        });
        assert_eq!(run.step(), None, "it is proven, and does not begin again");
    }
}
