//! What is remembered between reads: settling, late reads, the soak, lost answers, restarts.

use directconnect_core::fault::FaultKind;
use directconnect_core::history::{Change, History, Observation, Source};
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;

use crate::given::{
    Asks, Line, Must, No, SETTINGS, Should, Story, encrypted_line, fault, given, line, lost, read_at, renames, second,
    seconds, sets, wish,
};

const SOAK: std::time::Duration = SETTINGS.encryption_soak;
const WINDOW: std::time::Duration = SETTINGS.settle_window;

fn shown(story: &Story) -> &Connection {
    story.history().connection().expect("it was seen")
}

fn record(history: &mut History, at: u64, connection: Connection) -> bool {
    history.record_read(read_at(second(at), Some(connection)), &SETTINGS)
}

/// The same is read every 15 s.
fn record_between(history: &mut History, from: u64, to: u64, connection: &Connection) {
    for at in (from..=to).step_by(15) {
        assert!(record(history, at, connection.clone()), "at {at}");
    }
}

fn answer(history: &mut History, change: &Change, answer: &Connection, at: u64) {
    history.record_answer(change, answer, second(at));
}

fn fail(history: &mut History, change: &Change, fault: directconnect_core::fault::Fault, at: u64) {
    history.record_update_failure(change, fault, second(at), SETTINGS.poll_interval, 1.0);
}

#[test]
fn a_late_read_does_not_overrule_the_answer() {
    let change = Change { name: Some("fra-2".into()), mode: Some(No) };
    let after = line().named("fra-2").mode("no_encrypt");
    let story = given(wish().name("fra-2").to(No)).sees(line()).after(1).gets_answer(&change, &after);
    let story = story.rests(Reason::InSync).after(59).sees(line()).rests(Reason::InSync);
    assert_eq!(shown(&story), &after);
    // The window is over: that is no late read any more.
    story.after(1).sees(line()).sends(&Change { name: Some("fra-2".into()), mode: Some(No) });
}

#[test]
fn two_updates_settle_each_in_its_own_time() {
    let story = given(wish().name("fra-2")).sees(line()).after(1);
    let story = story.gets_answer(&renames("fra-2"), &line().named("fra-2")).after(5);
    let story = story.wishes(wish().name("fra-2").to(No).generation(2)).sees(line()).sends(&sets(No));
    let after = line().named("fra-2").mode("no_encrypt");
    let story = story.gets_answer(&sets(No), &after).after(5).sees(line()).rests(Reason::InSync);
    assert_eq!(shown(&story), &after);
}

#[test]
fn a_read_may_be_late_by_two_updates_unless_the_first_was_seen() {
    let rename = |seen: bool| {
        let story = given(wish().name("fra-2")).sees(line()).after(1);
        let story = story.gets_answer(&renames("fra-2"), &line().named("fra-2")).after(1);
        let story = if seen { story.sees(line().named("fra-2")) } else { story };
        let story = story.after(1).wishes(wish().name("fra-3").generation(2));
        story.gets_answer(&renames("fra-3"), &line().named("fra-3")).after(1).sees(line())
    };
    rename(false).rests(Reason::InSync);
    rename(true).sends(&renames("fra-3"));

    let (clear, must) = (line().mode("no_encrypt"), line().mode("must_encrypt"));
    let lower = |seen: bool| {
        let story = given(wish().to(Should)).sees(must.clone()).after(1).gets_answer(&sets(Should), &line()).after(1);
        let story = if seen { story.sees(line()) } else { story };
        let story = story.after(1).wishes(wish().to(No).generation(2)).gets_answer(&sets(No), &clear);
        story.after(1).sees(must.clone())
    };
    lower(false).rests(Reason::InSync);
    lower(true).sends(&sets(No));
}

#[test]
fn a_read_of_the_old_value_is_late_even_after_one_of_the_new() {
    // AWS may answer from several places, of which one lags.
    let story = given(wish().name("fra-2")).sees(line()).gets_answer(&renames("fra-2"), &line().named("fra-2"));
    let story = story.after(1).sees(line().named("fra-2")).after(1).sees(line()).rests(Reason::InSync);
    assert_eq!(shown(&story), &line().named("fra-2"));
    // Once the window is over it is somebody's doing.
    story.after(58).sees(line()).sends(&renames("fra-2"));
    let story = given(wish().to(No)).sees(line()).gets_answer(&sets(No), &line().mode("no_encrypt"));
    let story = story.after(1).sees(line().mode("no_encrypt")).after(1).sees(line()).rests(Reason::InSync);
    story.after(58).sees(line()).sends(&sets(No));
}

#[test]
fn a_third_value_within_the_window_is_somebody_elses() {
    let story = given(wish().name("fra-2")).sees(line()).gets_answer(&renames("fra-2"), &line().named("fra-2"));
    story.after(1).sees(line().named("mine")).sends(&renames("fra-2"));
    let story = given(wish().to(No)).sees(line()).gets_answer(&sets(No), &line().mode("no_encrypt"));
    story.after(1).sees(line().mode("must_encrypt")).sends(&sets(No));
}

#[test]
fn an_answer_that_shows_the_old_value_settles_without_a_claim() {
    let story = given(wish().name("fra-2")).sees(line()).gets_answer(&renames("fra-2"), &line());
    let story = story.rests(Reason::Settling).decides_again_in(60).after(30).sees(line()).rests(Reason::Settling);
    assert!(!story.plan().is_met);
    story.after(30).sees(line()).sends(&renames("fra-2"));
}

#[test]
fn an_answer_counts_as_a_read_of_name_mode_and_state_only() {
    let answer = line().named("fra-2").state("down").without_mode().in_lag("dxlag-1").key("associated");
    let story = given(wish().name("fra-2")).sees(line()).gets_answer(&renames("fra-2"), &answer);
    assert_eq!(shown(&story), &line().named("fra-2").state("down").without_mode());
}

#[test]
fn a_look_that_began_before_the_last_update_ended_or_the_newest_look_is_passed_over() {
    let mut history = History::default();
    assert!(record(&mut history, 100, line()));
    assert!(!record(&mut history, 99, encrypted_line()), "older than the newest");
    assert!(record(&mut history, 100, line()));
    answer(&mut history, &sets(No), &line().mode("no_encrypt"), 110);
    assert!(!record(&mut history, 109, line()), "older than the update");
    assert!(!history.is_fresh(second(110)));
    assert!(record(&mut history, 111, line().mode("no_encrypt")));
    assert!(history.is_fresh(second(141)) && !history.is_fresh(second(142)), "for 30 s");
}

#[test]
fn every_end_of_an_update_makes_the_read_before_it_old_but_a_throttle() {
    let ended = |class| {
        let mut history = History::default();
        record(&mut history, 100, line());
        fail(&mut history, &sets(No), fault(class), 101);
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
    let story = given(wish().name("fra-2")).sees(line()).after(12).gets_refusal(&renames("fra-2"), lost());
    let story = story.rests(Reason::AwsUnavailable).after(1).sees(line()).rests(Reason::AwsUnavailable);
    story.after(10).sees(line().named("fra-2")).rests(Reason::InSync);
    // Had it not taken effect, it would be sent again once the window was over.
    let story = given(wish().name("fra-2")).sees(line()).gets_refusal(&renames("fra-2"), lost());
    story.after(60).sees(line()).sends(&renames("fra-2"));
}

#[test]
fn a_mode_whose_answer_was_lost_holds_back_itself_and_no_other_wish() {
    let must = line().mode("must_encrypt");
    let story = given(wish().to(Should)).sees(must.clone()).after(1).gets_refusal(&sets(Should), lost());
    let story = story.after(1).sees(must.clone()).rests(Reason::AwsUnavailable).decides_again_in(59);
    // A new wish forgets the failure, and the mode is held back all the same.
    let again = story.wishes(wish().to(Should).generation(2)).rests(Reason::Settling).says("should_encrypt was sent");
    again.wishes(wish().to(No).generation(3)).sends(&sets(No));
}

#[test]
fn a_lost_answer_is_no_dispute() {
    let mut story = given(wish().name("fra-2")).sees(line());
    for _ in 0..5 {
        story = story.gets_refusal(&renames("fra-2"), lost()).after(61).sees(line()).sends(&renames("fra-2"));
    }
}

#[test]
fn an_accepted_update_ends_the_run_of_refusals() {
    let story = given(wish().name("fra-2").to(No)).sees(line()).after(1);
    let story = story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected)).after(15).sees(line());
    let story =
        story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected)).decides_again_in(30).after(30).sees(line());
    let answer = line().named("fra-2");
    let story = story.gets_answer(&renames("fra-2"), &answer).after(1).sees(answer.clone());
    story.gets_refusal(&sets(No), fault(FaultKind::Rejected)).decides_again_in(15);
    // A lost answer is one more: what came of it is for a read to say.
    let story = given(wish().to(No)).sees(line()).gets_refusal(&sets(No), fault(FaultKind::Unavailable));
    let story = story.gets_refusal(&sets(No), lost());
    assert_eq!(story.history().update_failure().map(|failure| failure.tries), Some(2));
}

#[test]
fn reads_prove_a_soak_and_not_the_clock() {
    let mut history = History::default();
    record(&mut history, 100, encrypted_line());
    assert!(!history.is_soaked(Should, SOAK));
    assert!(history.is_soaked(Should, seconds(0)));
    record_between(&mut history, 115, 145, &encrypted_line());
    record(&mut history, 159, encrypted_line());
    assert!(!history.is_soaked(Should, SOAK));
    record(&mut history, 160, encrypted_line());
    assert!(history.is_soaked(Should, SOAK));
    assert_eq!(history.macsec_up_since(), Some(second(100)));
    assert!(!history.is_soaked(Must, SOAK), "of the mode that the reads showed");
}

#[test]
fn a_poll_that_shows_news_wants_a_read_by_id_before_anything_is_decided() {
    let poll = |at, connection| Observation { source: Source::Poll, ..read_at(second(at), Some(connection)) };
    let mut history = History::default();
    record(&mut history, 100, line());
    history.record_read(poll(110, line()), &SETTINGS);
    assert!(history.is_fresh(second(110)), "it shows the same");
    history.record_read(poll(120, line().named("another")), &SETTINGS);
    assert!(!history.is_fresh(second(120)), "it shows news");
    record(&mut history, 121, line().named("another"));
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
        record_between(&mut history, 100, 130, &encrypted_line());
        history.record_read(read_at(second(140), broken.clone()), &SETTINGS);
        assert_eq!(history.macsec_up_since(), None, "{broken:?}");
        record_between(&mut history, 145, 190, &encrypted_line());
        assert!(!history.is_soaked(Should, SOAK), "{broken:?}");
        record(&mut history, 205, encrypted_line());
        assert!(history.is_soaked(Should, SOAK), "{broken:?}");
    }
}

#[test]
fn a_soak_lasts_from_the_end_of_the_first_good_read_to_the_begin_of_the_last() {
    let mut history = History::default();
    let mut lasting = |began, ended| {
        let read = Observation { ended: second(ended), ..read_at(second(began), Some(encrypted_line())) };
        history.record_read(read, &SETTINGS);
        (history.macsec_up_since(), history.is_soaked(Should, SOAK))
    };
    for (began, ended) in [(100, 110), (125, 126), (150, 160), (169, 180)] {
        assert_eq!(lasting(began, ended), (Some(second(110)), false));
    }
    assert_eq!(lasting(170, 190), (Some(second(110)), true));
}

#[test]
fn an_update_begins_the_soak_anew() {
    for lose in [true, false] {
        let mut history = History::default();
        record_between(&mut history, 100, 160, &encrypted_line());
        assert!(history.is_soaked(Should, SOAK));
        if lose {
            fail(&mut history, &renames("fra-1"), lost(), 161);
        } else {
            answer(&mut history, &renames("fra-1"), &line(), 161);
        }
        assert!(!history.is_soaked(Should, SOAK));
        record_between(&mut history, 162, 207, &encrypted_line());
        record(&mut history, 221, encrypted_line());
        assert!(!history.is_soaked(Should, SOAK));
        record(&mut history, 222, encrypted_line());
        assert!(history.is_soaked(Should, SOAK));
    }
}

#[test]
fn the_deadline_counts_while_there_is_a_key_and_macsec_is_down() {
    let mut history = History::default();
    record(&mut history, 100, line());
    assert_eq!(history.waiting_since(), None, "no key");
    record(&mut history, 110, line().key("associating"));
    record(&mut history, 120, line().key("associated"));
    assert_eq!(history.waiting_since(), Some(second(110)));
    history.start_generation("uid", 2, Some(Must), second(115));
    assert_eq!(history.waiting_since(), Some(second(115)), "of the wish");
    record(&mut history, 130, encrypted_line());
    assert_eq!(history.waiting_since(), None, "up");
    record(&mut history, 140, line().key("associated"));
    record(&mut history, 150, line());
    assert_eq!(history.waiting_since(), None, "the key is gone");
    record(&mut history, 160, line().key("associated"));
    history.record_read(read_at(second(170), None), &SETTINGS);
    assert_eq!(history.waiting_since(), None, "the connection is gone");
    record(&mut history, 180, line().key("associated"));
    answer(&mut history, &sets(Should), &line(), 190);
    assert_eq!(history.waiting_since(), None, "an update begins it anew");
}

#[test]
fn after_a_restart_what_was_sent_last_settles_on() {
    let resumed = |age| given(wish().name("fra-2")).has_sent(renames("fra-2"), age).sees(line());
    resumed(10).rests(Reason::Settling).decides_again_in(50).after(50).reads().sees(line()).sends(&renames("fra-2"));
    resumed(60).sends(&renames("fra-2"));
    resumed(10).after(1).sees(line().named("fra-2")).rests(Reason::InSync);
}

#[test]
fn what_was_sent_an_hour_ago_does_not_settle_in_a_young_process() {
    let mut history = History::default();
    history.start_generation("uid", 1, None, second(2));
    history.resume(renames("fra-2"), Some(seconds(3600)), second(2), WINDOW);
    assert_eq!(history.name_settles_at("fra-2", second(2), WINDOW), None);
    // A time that is still to come is no age.
    let mut history = History::default();
    history.resume(renames("fra-2"), None, second(2), WINDOW);
    assert_eq!(history.name_settles_at("fra-2", second(2), WINDOW), None);
    // One of half a minute ago settles for as long again, though the process is younger than that.
    let mut history = History::default();
    history.resume(renames("fra-2"), Some(seconds(30)), second(2), WINDOW);
    assert_eq!(history.name_settles_at("fra-2", second(2), WINDOW), Some(second(32)));
}

#[test]
fn a_lowering_of_last_week_holds_up_none_of_today() {
    let cut = line().key("associated").mode("must_encrypt").state("down");
    given(wish().to(Should)).has_sent(sets(Should), 7 * 86_400).sees(cut).sends(&sets(Should));
}

#[test]
fn a_process_that_has_sent_something_itself_knows_better_than_status() {
    let sent_before = |history: &mut History, name, age| {
        history.resume(renames(name), Some(seconds(age)), second(102), WINDOW);
    };
    let mut history = History::default();
    answer(&mut history, &renames("fra-3"), &line().named("fra-3"), 101);
    sent_before(&mut history, "fra-2", 1);
    assert_eq!(history.name_settles_at("fra-2", second(102), WINDOW), None);
    assert_eq!(history.name_settles_at("fra-3", second(102), WINDOW), Some(second(161)));
    // Only the first word of status counts.
    let mut history = History::default();
    sent_before(&mut history, "fra-2", 1);
    sent_before(&mut history, "fra-3", 1);
    assert_eq!(history.name_settles_at("fra-2", second(102), WINDOW), Some(second(161)));
}

#[test]
fn a_new_wish_forgets_what_earlier_ones_met_with() {
    let story = given(wish().name("fra-2")).sees(line()).after(1);
    let story =
        story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected)).read_fails(fault(FaultKind::Throttled));
    let failures = |uid, generation| {
        let mut history = story.history().clone();
        history.start_generation(uid, generation, None, story.now);
        (history.update_failure().is_some(), history.read_failure().is_some())
    };
    assert_eq!(failures("uid", 1), (true, true));
    assert_eq!(failures("another uid", 1), (false, false));
    assert_eq!(failures("uid", 2), (false, false));
}

#[test]
fn what_a_status_shows_too_is_kept_once() {
    let story = given(wish()).sees(line());
    let shown = std::sync::Arc::new(line());
    let mut history = story.history().clone();
    history.share(&shown);
    assert!(std::ptr::addr_eq(history.connection().expect("it was read"), std::sync::Arc::as_ptr(&shown)));
    let other = std::sync::Arc::new(line().named("another"));
    history.share(&other);
    assert_eq!(history.connection(), Some(&*shown), "what was not read is not taken over");
}
