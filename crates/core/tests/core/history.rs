//! What is remembered between looks: settling, late reads, the soak, contention, lost answers, restarts.

use directconnect_core::clock::Moment;
use directconnect_core::conditions::Reason;
use directconnect_core::fault::FaultKind;
use directconnect_core::history::{Change, History, Look};
use directconnect_core::observed::Connection;

use crate::given::{
    Asks, Line, Must, No, SETTINGS, Should, Story, encrypted_line, fault, given, line, lost, renames, second, seconds,
    sets, wish,
};

const SOAK: std::time::Duration = SETTINGS.encryption_soak;
const WINDOW: std::time::Duration = SETTINGS.settle_window;

fn shown(story: &Story) -> &Connection {
    story.history.look().and_then(|look| look.connection.as_ref()).expect("it was seen")
}

fn look_at(began: Moment, connection: Connection) -> Look {
    Look { began, ended: began, by_id: true, connection: Some(connection) }
}

#[test]
fn a_late_read_does_not_overrule_the_answer() {
    let change = Change { name: Some("fra-2".into()), mode: Some(No) };
    let after = line().named("fra-2").mode("no_encrypt");
    let story = given(wish().name("fra-2").to(No)).sees(line()).after(1).gets_answer(change, &after);
    let story = story.rests(Reason::InSync).after(59).sees(line()).rests(Reason::InSync);
    assert_eq!(shown(&story), &after);
    // The window is over: that is no late read any more.
    story.after(1).sees(line()).sends(&Change { name: Some("fra-2".into()), mode: Some(No) });
}

#[test]
fn two_updates_settle_each_in_its_own_time() {
    let story = given(wish().name("fra-2")).sees(line()).after(1);
    let story = story.gets_answer(renames("fra-2"), &line().named("fra-2")).after(5);
    let story = story.wishes(wish().name("fra-2").to(No).generation(2)).sees(line()).sends(&sets(No));
    let after = line().named("fra-2").mode("no_encrypt");
    let story = story.gets_answer(sets(No), &after).after(5).sees(line()).rests(Reason::InSync);
    assert_eq!(shown(&story), &after);
}

#[test]
fn a_read_may_be_late_by_two_updates_unless_the_first_was_seen() {
    let rename = |seen: bool| {
        let story = given(wish().name("fra-2")).sees(line()).after(1);
        let story = story.gets_answer(renames("fra-2"), &line().named("fra-2")).after(1);
        let story = if seen { story.sees(line().named("fra-2")) } else { story };
        let story = story.after(1).wishes(wish().name("fra-3").generation(2));
        story.gets_answer(renames("fra-3"), &line().named("fra-3")).after(1).sees(line())
    };
    rename(false).rests(Reason::InSync);
    rename(true).sends(&renames("fra-3"));

    let (clear, must) = (line().mode("no_encrypt"), line().mode("must_encrypt"));
    let lower = |seen: bool| {
        let story = given(wish().to(Should)).sees(must.clone()).after(1).gets_answer(sets(Should), &line()).after(1);
        let story = if seen { story.sees(line()) } else { story };
        let story = story.after(1).wishes(wish().to(No).generation(2)).gets_answer(sets(No), &clear);
        story.after(1).sees(must.clone())
    };
    lower(false).rests(Reason::InSync);
    lower(true).sends(&sets(No));
}

#[test]
fn once_a_read_has_shown_a_value_another_one_is_somebody_elses() {
    let story = given(wish().name("fra-2")).sees(line()).gets_answer(renames("fra-2"), &line().named("fra-2"));
    let story = story.after(1).sees(line().named("fra-2")).after(1).sees(line());
    story.sends(&renames("fra-2"));
}

#[test]
fn a_third_value_within_the_window_is_somebody_elses() {
    let story = given(wish().name("fra-2")).sees(line()).gets_answer(renames("fra-2"), &line().named("fra-2"));
    story.after(1).sees(line().named("mine")).sends(&renames("fra-2"));
    let story = given(wish().to(No)).sees(line()).gets_answer(sets(No), &line().mode("no_encrypt"));
    story.after(1).sees(line().mode("must_encrypt")).sends(&sets(No));
}

#[test]
fn an_answer_that_shows_the_old_value_settles_without_a_claim() {
    let story = given(wish().name("fra-2")).sees(line()).gets_answer(renames("fra-2"), &line());
    let story = story.rests(Reason::Settling).looks_again_in(60).after(30).sees(line()).rests(Reason::Settling);
    assert!(!story.plan().met);
    story.after(30).sees(line()).sends(&renames("fra-2"));
}

#[test]
fn an_answer_counts_as_a_read_of_name_mode_and_state_only() {
    let answer = line().named("fra-2").state("down").without_mode().in_lag("dxlag-1").key("associated");
    let story = given(wish().name("fra-2")).sees(line()).gets_answer(renames("fra-2"), &answer);
    assert_eq!(shown(&story), &line().named("fra-2").state("down").without_mode());
}

#[test]
fn a_look_that_began_before_the_last_update_ended_or_the_newest_look_is_passed_over() {
    let mut history = History::default();
    assert!(history.saw(look_at(second(100), line()), WINDOW));
    assert!(!history.saw(look_at(second(99), encrypted_line()), WINDOW), "older than the newest");
    assert!(history.saw(look_at(second(100), line()), WINDOW));
    history.answered(sets(No), &line().mode("no_encrypt"), second(110));
    assert!(!history.saw(look_at(second(109), line()), WINDOW), "older than the update");
    assert!(!history.is_fresh(second(110)));
    assert!(history.saw(look_at(second(111), line().mode("no_encrypt")), WINDOW));
    assert!(history.is_fresh(second(141)) && !history.is_fresh(second(142)), "for 30 s");
}

#[test]
fn every_end_of_an_update_makes_the_read_before_it_old_but_a_throttle() {
    let ended = |class| {
        let mut history = History::default();
        history.saw(look_at(second(100), line()), WINDOW);
        history.refused(sets(No), fault(class), second(101), SETTINGS.poll_interval, 1.0);
        history.is_fresh(second(102))
    };
    assert!(ended(FaultKind::Throttled), "a throttled request was not looked at");
    for class in [
        FaultKind::Rejected,
        FaultKind::Unavailable,
        FaultKind::AccessDenied,
        FaultKind::CredentialsInvalid,
        FaultKind::NotFound,
    ] {
        assert!(!ended(class), "{class:?}");
    }
}

#[test]
fn a_lost_answer_leads_to_reads_and_never_to_a_second_send_at_once() {
    let story = given(wish().name("fra-2")).sees(line()).after(12).gets_refusal(renames("fra-2"), lost());
    let story = story.rests(Reason::Settling).after(1).sees(line()).rests(Reason::Settling);
    story.after(10).sees(line().named("fra-2")).rests(Reason::InSync);
    // Had it not taken effect, it would be sent again once the window was over.
    let story = given(wish().name("fra-2")).sees(line()).gets_refusal(renames("fra-2"), lost());
    story.after(60).sees(line()).sends(&renames("fra-2"));
}

#[test]
fn a_mode_whose_answer_was_lost_holds_back_itself_and_no_other_wish() {
    let must = line().mode("must_encrypt");
    let story = given(wish().to(Should)).sees(must.clone()).after(1).gets_refusal(sets(Should), lost());
    let story =
        story.after(1).sees(must.clone()).rests(Reason::Settling).says("should_encrypt was sent").looks_again_in(59);
    story.wishes(wish().to(No).generation(2)).sends(&sets(No));
}

#[test]
fn a_lost_answer_is_no_dispute() {
    let mut story = given(wish().name("fra-2")).sees(line());
    for _ in 0..5 {
        story = story.gets_refusal(renames("fra-2"), lost()).after(61).sees(line()).sends(&renames("fra-2"));
    }
}

#[test]
fn an_accepted_update_ends_the_run_of_refusals() {
    let story = given(wish().name("fra-2").to(No)).sees(line()).after(1);
    let story = story.gets_refusal(renames("fra-2"), fault(FaultKind::Rejected)).after(15).sees(line());
    let story =
        story.gets_refusal(renames("fra-2"), fault(FaultKind::Rejected)).looks_again_in(30).after(30).sees(line());
    let answer = line().named("fra-2");
    let story = story.gets_answer(renames("fra-2"), &answer).after(1).sees(answer.clone());
    story.gets_refusal(sets(No), fault(FaultKind::Rejected)).looks_again_in(15);
    // So does a lost answer: what came of it is for a read to say.
    let story = given(wish().to(No)).sees(line()).gets_refusal(sets(No), fault(FaultKind::Rejected));
    let story = story.gets_refusal(sets(No), lost());
    assert_eq!(story.history.update_failure(), None);
}

#[test]
fn looks_prove_a_soak_and_not_the_clock() {
    let mut history = History::default();
    history.saw(look_at(second(100), encrypted_line()), WINDOW);
    assert!(!history.is_soaked(SOAK));
    assert!(history.is_soaked(seconds(0)));
    history.saw(look_at(second(159), encrypted_line()), WINDOW);
    assert!(!history.is_soaked(SOAK));
    history.saw(look_at(second(160), encrypted_line()), WINDOW);
    assert!(history.is_soaked(SOAK));
    assert_eq!(history.working_since(), Some(second(100)));
}

#[test]
fn a_poll_that_shows_news_wants_a_read_by_id_before_anything_is_decided() {
    let poll = |at, connection| Look { by_id: false, ..look_at(second(at), connection) };
    let mut history = History::default();
    history.saw(look_at(second(100), line()), WINDOW);
    history.saw(poll(110, line()), WINDOW);
    assert!(history.is_fresh(second(110)), "it shows the same");
    history.saw(poll(120, line().named("another")), WINDOW);
    assert!(!history.is_fresh(second(120)), "it shows news");
    history.saw(look_at(second(121), line().named("another")), WINDOW);
    assert!(history.is_fresh(second(121)));
}

#[test]
fn whatever_breaks_macsec_breaks_the_soak() {
    let breaks = [
        Some(line().key("associated")),
        Some(encrypted_line().without_keys()),
        Some(line().key("disassociating").encryption("Encryption Up")),
        Some(line().key("associated").encryption("Encryption Sideways")),
        Some(Connection { port_encryption_status: None, ..encrypted_line() }),
        None,
    ];
    for broken in breaks {
        let mut history = History::default();
        history.saw(look_at(second(100), encrypted_line()), WINDOW);
        history.saw(Look { connection: broken.clone(), by_id: false, ..look_at(second(130), line()) }, WINDOW);
        assert_eq!(history.working_since(), None, "{broken:?}");
        history.saw(look_at(second(160), encrypted_line()), WINDOW);
        assert!(!history.is_soaked(SOAK), "{broken:?}");
    }
}

#[test]
fn a_soak_lasts_from_the_end_of_the_first_good_look_to_the_begin_of_the_last() {
    let lasting = |began, ended| Look { ended: second(ended), ..look_at(second(began), encrypted_line()) };
    let mut history = History::default();
    history.saw(lasting(100, 110), WINDOW);
    assert_eq!(history.working_since(), Some(second(110)));
    history.saw(lasting(169, 180), WINDOW);
    assert!(!history.is_soaked(SOAK));
    history.saw(lasting(170, 190), WINDOW);
    assert!(history.is_soaked(SOAK));
}

#[test]
fn an_update_begins_the_soak_anew() {
    for lose in [true, false] {
        let mut history = History::default();
        history.saw(look_at(second(100), encrypted_line()), WINDOW);
        history.saw(look_at(second(160), encrypted_line()), WINDOW);
        if lose {
            history.refused(renames("fra-2"), lost(), second(161), SETTINGS.poll_interval, 1.0);
        } else {
            history.answered(renames("fra-2"), &line(), second(161));
        }
        assert!(!history.is_soaked(SOAK));
        history.saw(look_at(second(162), encrypted_line()), WINDOW);
        history.saw(look_at(second(221), encrypted_line()), WINDOW);
        assert!(!history.is_soaked(SOAK));
        history.saw(look_at(second(222), encrypted_line()), WINDOW);
        assert!(history.is_soaked(SOAK));
    }
}

#[test]
fn the_deadline_counts_while_there_is_a_key_and_macsec_is_down() {
    let mut history = History::default();
    history.saw(look_at(second(100), line()), WINDOW);
    assert_eq!(history.waits_since(), None, "no key");
    history.saw(look_at(second(110), line().key("associating")), WINDOW);
    history.saw(look_at(second(120), line().key("associated")), WINDOW);
    assert_eq!(history.waits_since(), Some(second(110)));
    history.wished("uid", 2, second(115));
    assert_eq!(history.waits_since(), Some(second(115)), "of the wish");
    history.saw(look_at(second(130), encrypted_line()), WINDOW);
    assert_eq!(history.waits_since(), None, "up");
    history.saw(look_at(second(140), line().key("associated")), WINDOW);
    history.saw(look_at(second(150), line()), WINDOW);
    assert_eq!(history.waits_since(), None, "the key is gone");
    history.saw(look_at(second(160), line().key("associated")), WINDOW);
    history.saw(Look { connection: None, ..look_at(second(170), line()) }, WINDOW);
    assert_eq!(history.waits_since(), None, "the connection is gone");
    history.saw(look_at(second(180), line().key("associated")), WINDOW);
    history.answered(sets(Should), &line(), second(190));
    assert_eq!(history.waits_since(), None, "an update begins it anew");
}

/// The field is put back so long after each update, until the operator leaves it alone.
fn put_back_after(story: Story, change: &Change, ours: &Connection, theirs: &Connection, after: u64) -> Story {
    story.sends(change).gets_answer(change.clone(), ours).after(1).sees(ours.clone()).after(after).sees(theirs.clone())
}

#[test]
fn the_third_time_within_an_hour_is_a_dispute_and_tries_become_rare() {
    let (ours, theirs) = (line().named("fra-2"), line());
    let change = renames("fra-2");
    let mut story = given(wish().name("fra-2")).sees(theirs.clone());
    for _ in 0..2 {
        story = put_back_after(story, &change, &ours, &theirs, 60);
    }
    for minutes in [5, 10, 20, 40, 60, 60] {
        story = put_back_after(story, &change, &ours, &theirs, 60).rests(Reason::Contended);
        story =
            story.looks_again_in(minutes * 60).after(minutes * 60 - 1).sees(theirs.clone()).rests(Reason::Contended);
        story = story.after(1).sees(theirs.clone());
    }
    // A new wish is tried at once.
    let story = put_back_after(story, &change, &ours, &theirs, 60).rests(Reason::Contended);
    story.wishes(wish().name("fra-3").generation(2)).sends(&renames("fra-3"));
}

#[test]
fn a_dispute_about_the_mode_leaves_the_name_alone() {
    let (ours, theirs) = (line().mode("no_encrypt"), line());
    let mut story = given(wish().to(No)).sees(theirs.clone());
    for _ in 0..3 {
        story = put_back_after(story, &sets(No), &ours, &theirs, 60);
    }
    let story = story.rests(Reason::Contended).says("encryptionMode").looks_again_in(300);
    let mut story = story;
    story.wish = wish().name("fra-2").to(No);
    story.sends(&renames("fra-2"));
}

#[test]
fn a_mode_that_nobody_knows_is_no_dispute() {
    let ours = line().mode("no_encrypt");
    let mut story = given(wish().to(No)).sees(line());
    for _ in 0..4 {
        story = story.after(61).gets_answer(sets(No), &ours).after(61).sees(line().mode("quantum_encrypt"));
    }
    assert_eq!(story.history.mode_contended(story.now), None);
}

#[test]
fn what_is_put_back_now_and_then_is_no_dispute() {
    let (ours, theirs) = (line().named("fra-2"), line());
    let mut story = given(wish().name("fra-2")).sees(theirs.clone());
    for _ in 0..8 {
        story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 30 * 60 - 1);
    }
    story.sends(&renames("fra-2"));
}

#[test]
fn a_dispute_ends_when_the_field_has_held_for_an_hour() {
    let (ours, theirs) = (line().named("fra-2"), line());
    let mut story = given(wish().name("fra-2")).sees(theirs.clone());
    for _ in 0..3 {
        story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 60);
    }
    let mut story = story.rests(Reason::Contended).after(300).sees(theirs.clone());
    story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 3600);
    story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 60);
    story.sends(&renames("fra-2"));
}

#[test]
fn aws_lowering_the_mode_is_no_other_writer() {
    let must = encrypted_line().mode("must_encrypt");
    let mut story = given(wish().to(Must)).was_met(1);
    for _ in 0..4 {
        story = story.soaks(&encrypted_line()).sends(&sets(Must)).gets_answer(sets(Must), &must);
        story = story.after(1).sees(must.clone()).after(60).sees(line()).rests(Reason::NoMacSecKey).after(1);
    }
    // With a key still there, it was somebody.
    for _ in 0..3 {
        story = story.soaks(&encrypted_line()).sends(&sets(Must)).gets_answer(sets(Must), &must);
        story = story.after(1).sees(must.clone()).after(1).sees(encrypted_line()).after(1);
    }
    story.soaks(&encrypted_line()).rests(Reason::Contended);
}

#[test]
fn after_a_restart_what_was_sent_last_settles_on() {
    let resumed = |age| {
        let mut story = given(wish().name("fra-2"));
        story.history.resume(renames("fra-2"), seconds(age), story.now);
        story.sees(line())
    };
    resumed(10).rests(Reason::Settling).looks_again_in(50).after(50).reads().sees(line()).sends(&renames("fra-2"));
    resumed(60).sends(&renames("fra-2"));
    resumed(10).after(1).sees(line().named("fra-2")).rests(Reason::InSync);
}

#[test]
fn after_a_restart_must_encrypt_has_to_prove_itself() {
    let must = encrypted_line().mode("must_encrypt");
    let mut story = given(wish().to(Must));
    story.history.resume(sets(Must), seconds(86_400), story.now);
    assert!(story.history.is_unproven(SOAK));
    let story = story.sees(must.clone()).rests(Reason::InSync).looks_again_in(15).soaks(&must);
    assert!(!story.history.is_unproven(SOAK));
    assert_eq!(story.plan().look_again, None);
    let mut story = given(wish().to(Should));
    story.history.resume(sets(Should), seconds(1), story.now);
    assert!(!story.history.is_unproven(SOAK));
}

#[test]
fn a_process_that_has_sent_something_itself_knows_better_than_status() {
    let mut story = given(wish().to(Must)).sees(line());
    story.history.answered(sets(Should), &line(), second(10_001));
    story.history.resume(sets(Must), seconds(1), second(10_002));
    assert!(!story.history.is_unproven(SOAK));
    // Only the first word of status counts.
    let mut history = History::default();
    history.resume(sets(Must), seconds(1), second(100));
    history.resume(sets(Should), seconds(1), second(100));
    assert!(history.is_unproven(SOAK));
}

#[test]
fn a_proof_holds_through_a_later_outage() {
    let must = encrypted_line().mode("must_encrypt");
    let mut story = given(wish().to(Must)).sees(encrypted_line()).gets_answer(sets(Must), &must);
    assert!(story.history.is_unproven(SOAK));
    story.history.prove_if_soaked(SOAK);
    let mut story = story.after(1).soaks(&must);
    assert!(!story.history.is_unproven(SOAK));
    story.history.prove_if_soaked(SOAK);
    let story = story.after(1).sees(line().mode("must_encrypt"));
    assert!(!story.history.is_unproven(SOAK));
}

#[test]
fn a_new_wish_forgets_what_earlier_ones_met_with() {
    let mut story = given(wish().name("fra-2")).sees(line()).after(1);
    story = story.gets_refusal(renames("fra-2"), fault(FaultKind::Rejected)).read_fails(fault(FaultKind::Throttled));
    let now = story.now;
    story.history.wished("uid", 1, now);
    assert!(story.history.update_failure().is_some() && story.history.read_failure().is_some());
    let mut other = story.history.clone();
    other.wished("another uid", 1, now);
    assert!(other.update_failure().is_none() && other.read_failure().is_none());
    story.history.wished("uid", 2, now);
    assert!(story.history.update_failure().is_none() && story.history.read_failure().is_none());
    assert!(story.history.is_news_to_last_look());
    assert!(!story.after(1).sees(line()).history.is_news_to_last_look());
}
