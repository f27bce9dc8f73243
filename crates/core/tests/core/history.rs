//! What the history remembers between reads: settle windows, late reads, soaks, lost answers, restarts.

use directconnect_core::fault::FaultKind;
use directconnect_core::history::{Change, History, Observation, Source};
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::settings::FRESH;
use directconnect_core::turn::HoldReason;

use crate::given::{
    Asks, ConnectionExt, Must, No, SETTINGS, Should, Story, connection, encrypted_connection, fault, given, lost,
    read_at, renames, second, seconds, sets, spec,
};

const SOAK: std::time::Duration = SETTINGS.encryption_soak;
const WINDOW: std::time::Duration = SETTINGS.settle_window;

fn shown(story: &Story) -> &Connection {
    story.history().connection().expect("it was seen")
}

fn record(history: &mut History, at: u64, connection: Connection) -> bool {
    history.record_read(read_at(second(at), Some(connection)), &SETTINGS)
}

/// Reads every 15 s show this connection.
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
    let after = connection().named("fra-2").mode("no_encrypt");
    let story = given(spec().name("fra-2").to(No)).sees(connection()).after(1).gets_answer(&change, &after);
    let story = story.rests(Reason::InSync).after(59).sees(connection()).rests(Reason::InSync);
    assert_eq!(shown(&story), &after);
    // The settle window is over, so this read is not late.
    story.after(1).sees(connection()).sends(&Change { name: Some("fra-2".into()), mode: Some(No) });
}

#[test]
fn two_updates_settle_each_in_its_own_time() {
    let story = given(spec().name("fra-2")).sees(connection()).after(1);
    let story = story.gets_answer(&renames("fra-2"), &connection().named("fra-2")).after(5);
    let story = story.with_spec(spec().name("fra-2").to(No).generation(2)).sees(connection()).sends(&sets(No));
    let after = connection().named("fra-2").mode("no_encrypt");
    let story = story.gets_answer(&sets(No), &after).after(5).sees(connection()).rests(Reason::InSync);
    assert_eq!(shown(&story), &after);
}

#[test]
fn a_read_may_be_late_by_two_updates_unless_the_first_was_seen() {
    let rename = |seen: bool| {
        let story = given(spec().name("fra-2")).sees(connection()).after(1);
        let story = story.gets_answer(&renames("fra-2"), &connection().named("fra-2")).after(1);
        let story = if seen { story.sees(connection().named("fra-2")) } else { story };
        let story = story.after(1).with_spec(spec().name("fra-3").generation(2));
        story.gets_answer(&renames("fra-3"), &connection().named("fra-3")).after(1).sees(connection())
    };
    rename(false).rests(Reason::InSync);
    rename(true).sends(&renames("fra-3"));

    let (clear, must) = (connection().mode("no_encrypt"), connection().mode("must_encrypt"));
    let lower = |seen: bool| {
        let story =
            given(spec().to(Should)).sees(must.clone()).after(1).gets_answer(&sets(Should), &connection()).after(1);
        let story = if seen { story.sees(connection()) } else { story };
        let story = story.after(1).with_spec(spec().to(No).generation(2)).gets_answer(&sets(No), &clear);
        story.after(1).sees(must.clone())
    };
    lower(false).rests(Reason::InSync);
    lower(true).sends(&sets(No));
}

#[test]
fn a_read_of_the_old_value_is_late_even_after_one_of_the_new() {
    // AWS may answer from several replicas, one of which lags.
    let story =
        given(spec().name("fra-2")).sees(connection()).gets_answer(&renames("fra-2"), &connection().named("fra-2"));
    let story = story.after(1).sees(connection().named("fra-2")).after(1).sees(connection()).rests(Reason::InSync);
    assert_eq!(shown(&story), &connection().named("fra-2"));
    // After the window, someone else must have changed it.
    story.after(58).sees(connection()).sends(&renames("fra-2"));
    let story = given(spec().to(No)).sees(connection()).gets_answer(&sets(No), &connection().mode("no_encrypt"));
    let story = story.after(1).sees(connection().mode("no_encrypt")).after(1).sees(connection()).rests(Reason::InSync);
    story.after(58).sees(connection()).sends(&sets(No));
}

#[test]
fn must_encrypt_that_may_be_older_or_newer_than_an_update_counts_as_seen() {
    // A read had shown the mode before the update ended, so it is not known what was there before.
    let story = given(spec().to(Must)).sees(connection()).gets_refusal(&sets(Should), lost()).after(1);
    let story = story.sees(connection().mode("must_encrypt"));
    assert!(story.history().had_must(), "somebody may have set it");
    assert_eq!(story.history().last_mode(), Some(Should), "but it may be from before");
    assert_eq!(story.holds(), Some(HoldReason::UnprovenMust));
}

#[test]
fn a_third_value_within_the_window_is_from_another_writer() {
    let story =
        given(spec().name("fra-2")).sees(connection()).gets_answer(&renames("fra-2"), &connection().named("fra-2"));
    story.after(1).sees(connection().named("mine")).sends(&renames("fra-2"));
    let story = given(spec().to(No)).sees(connection()).gets_answer(&sets(No), &connection().mode("no_encrypt"));
    story.after(1).sees(connection().mode("must_encrypt")).sends(&sets(No));
}

#[test]
fn an_answer_that_shows_the_old_value_settles_without_a_claim() {
    let story = given(spec().name("fra-2")).sees(connection()).gets_answer(&renames("fra-2"), &connection());
    let story = story.rests(Reason::Settling).decides_again_in(60).after(30).sees(connection()).rests(Reason::Settling);
    assert!(!story.plan().is_met);
    story.after(30).sees(connection()).sends(&renames("fra-2"));
}

#[test]
fn an_answer_counts_as_a_read_of_name_mode_and_state_only() {
    let answer = connection().named("fra-2").state("down").without_mode().in_lag("dxlag-1").key("associated");
    let story = given(spec().name("fra-2")).sees(connection()).gets_answer(&renames("fra-2"), &answer);
    assert_eq!(shown(&story), &connection().named("fra-2").state("down"), "no mode says nothing of it");
}

#[test]
fn a_read_that_began_before_the_last_update_ended_or_the_newest_read_is_ignored() {
    let mut history = History::default();
    assert!(record(&mut history, 100, connection()));
    assert!(!record(&mut history, 99, encrypted_connection()), "older than the newest");
    assert!(record(&mut history, 100, connection()));
    answer(&mut history, &sets(No), &connection().mode("no_encrypt"), 110);
    for at in [109, 110] {
        assert!(!record(&mut history, at, connection()), "it may have begun before the update ended");
    }
    assert!(!history.is_fresh(second(110), FRESH));
    assert!(record(&mut history, 111, connection().mode("no_encrypt")));
    assert!(history.is_fresh(second(141), FRESH) && !history.is_fresh(second(142), FRESH), "for 30 s");
}

#[test]
fn every_end_of_an_update_makes_the_read_before_it_old_but_a_throttle() {
    let ended = |class| {
        let mut history = History::default();
        record(&mut history, 100, connection());
        fail(&mut history, &sets(No), fault(class), 101);
        history.is_fresh(second(102), FRESH)
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
fn an_accepted_update_ends_the_run_of_refusals() {
    let story = given(spec().name("fra-2")).sees(connection()).after(1);
    let story = story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected)).after(15).sees(connection());
    let story = story
        .gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected))
        .decides_again_in(30)
        .after(30)
        .sees(connection());
    let answer = connection().named("fra-2");
    let story = story.gets_answer(&renames("fra-2"), &answer).after(1).sees(answer.clone());
    let story = story.with_spec(spec().name("fra-2").to(No));
    story.gets_refusal(&sets(No), fault(FaultKind::Rejected)).decides_again_in(15);
    // A lost answer counts as another failure; only a read tells its outcome.
    let story = given(spec().to(No)).sees(connection()).gets_refusal(&sets(No), fault(FaultKind::Unavailable));
    let story = story.gets_refusal(&sets(No), lost());
    assert_eq!(story.history().update_failure().map(|failure| failure.tries), Some(2));
}

#[test]
fn reads_prove_a_soak_and_not_the_clock() {
    let mut history = History::default();
    record(&mut history, 100, encrypted_connection());
    assert!(!history.is_soaked(Should, SOAK));
    assert!(history.is_soaked(Should, seconds(0)));
    record_between(&mut history, 115, 145, &encrypted_connection());
    record(&mut history, 159, encrypted_connection());
    assert!(!history.is_soaked(Should, SOAK));
    record(&mut history, 160, encrypted_connection());
    assert!(history.is_soaked(Should, SOAK));
    assert_eq!(history.macsec_up_since(), Some(second(100)));
    assert!(!history.is_soaked(Must, SOAK), "of the mode that the reads showed");
}

#[test]
fn a_poll_that_shows_a_change_requires_a_read_by_id_before_an_update() {
    let poll = |at, connection| Observation { source: Source::Poll, ..read_at(second(at), Some(connection)) };
    let mut history = History::default();
    record(&mut history, 100, connection());
    history.record_read(poll(110, connection()), &SETTINGS);
    assert!(history.is_fresh(second(110), FRESH), "it shows the same");
    history.record_read(poll(120, connection().named("another")), &SETTINGS);
    assert!(!history.is_fresh(second(120), FRESH), "it shows news");
    record(&mut history, 121, connection().named("another"));
    assert!(history.is_fresh(second(121), FRESH));
}

#[test]
fn whatever_breaks_macsec_breaks_the_soak() {
    let breaks = [
        Some(connection().key("associated")),
        Some(encrypted_connection().without_keys()),
        Some(connection().key("disassociating").encryption("Encryption Up")),
        Some(connection().key("associated").encryption("Encryption Sideways")),
        Some(Connection { port_encryption_status: None, ..encrypted_connection() }),
        None,
    ];
    for broken in breaks {
        let mut history = History::default();
        record_between(&mut history, 100, 130, &encrypted_connection());
        history.record_read(read_at(second(140), broken.clone()), &SETTINGS);
        assert_eq!(history.macsec_up_since(), None, "{broken:?}");
        record_between(&mut history, 145, 190, &encrypted_connection());
        assert!(!history.is_soaked(Should, SOAK), "{broken:?}");
        record(&mut history, 205, encrypted_connection());
        assert!(history.is_soaked(Should, SOAK), "{broken:?}");
    }
}

#[test]
fn a_soak_lasts_from_the_end_of_the_first_good_read_to_the_begin_of_the_last() {
    let mut history = History::default();
    let mut lasting = |began, ended| {
        let read = Observation { ended: second(ended), ..read_at(second(began), Some(encrypted_connection())) };
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
        record_between(&mut history, 100, 160, &encrypted_connection());
        assert!(history.is_soaked(Should, SOAK));
        if lose {
            fail(&mut history, &renames("fra-1"), lost(), 161);
        } else {
            answer(&mut history, &renames("fra-1"), &connection(), 161);
        }
        assert!(!history.is_soaked(Should, SOAK));
        record_between(&mut history, 162, 207, &encrypted_connection());
        record(&mut history, 221, encrypted_connection());
        assert!(!history.is_soaked(Should, SOAK));
        record(&mut history, 222, encrypted_connection());
        assert!(history.is_soaked(Should, SOAK));
    }
}

#[test]
fn the_deadline_counts_while_there_is_a_key_and_macsec_is_down() {
    let mut history = History::default();
    record(&mut history, 100, connection());
    assert_eq!(history.waiting_since(), None, "no key");
    record(&mut history, 110, connection().key("associating"));
    record(&mut history, 120, connection().key("associated"));
    assert_eq!(history.waiting_since(), Some(second(110)));
    history.start_generation("uid", 2, Some(Must), second(115));
    assert_eq!(history.waiting_since(), Some(second(115)), "of the spec");
    record(&mut history, 130, encrypted_connection());
    assert_eq!(history.waiting_since(), None, "up");
    record(&mut history, 140, connection().key("associated"));
    record(&mut history, 150, connection());
    assert_eq!(history.waiting_since(), None, "the key is gone");
    record(&mut history, 160, connection().key("associated"));
    history.record_read(read_at(second(170), None), &SETTINGS);
    assert_eq!(history.waiting_since(), None, "the connection is gone");
    record(&mut history, 180, connection().key("associated"));
    answer(&mut history, &sets(Should), &connection(), 190);
    assert_eq!(history.waiting_since(), None, "an update begins it anew");
}

#[test]
fn after_a_restart_what_was_sent_last_settles_on() {
    let resumed = |age| given(spec().name("fra-2")).has_sent(renames("fra-2"), age).sees(connection());
    resumed(10)
        .rests(Reason::Settling)
        .decides_again_in(50)
        .after(50)
        .reads()
        .sees(connection())
        .sends(&renames("fra-2"));
    resumed(60).sends(&renames("fra-2"));
    resumed(10).after(1).sees(connection().named("fra-2")).rests(Reason::InSync);
}

#[test]
fn what_was_sent_an_hour_ago_does_not_settle_in_a_young_process() {
    let mut history = History::default();
    history.start_generation("uid", 1, None, second(2));
    history.resume(renames("fra-2"), Some(seconds(3600)), second(2), WINDOW);
    assert_eq!(history.name().settles_at(&"fra-2".into(), second(2), WINDOW), None);
    // A time in the future has no age.
    let mut history = History::default();
    history.resume(renames("fra-2"), None, second(2), WINDOW);
    assert_eq!(history.name().settles_at(&"fra-2".into(), second(2), WINDOW), None);
    // An update that was sent 30 s ago settles for another 30 s, even if the process started after it was sent.
    let mut history = History::default();
    history.resume(renames("fra-2"), Some(seconds(30)), second(2), WINDOW);
    assert_eq!(history.name().settles_at(&"fra-2".into(), second(2), WINDOW), Some(second(32)));
    // Once the window is over, AWS may have been changed by anyone.
    let mut history = History::default();
    history.resume(sets(Must), Some(WINDOW), second(2), WINDOW);
    assert_eq!(history.mode().sent(), None);
}

#[test]
fn an_old_update_does_not_delay_a_new_one() {
    let cut = connection().key("associated").mode("must_encrypt").state("down");
    given(spec().to(Should)).has_sent(sets(Should), 7 * 86_400).sees(cut).sends(&sets(Should));
}

#[test]
fn a_process_that_has_sent_something_itself_knows_better_than_status() {
    let sent_before = |history: &mut History, name, age| {
        history.resume(renames(name), Some(seconds(age)), second(102), WINDOW);
    };
    let mut history = History::default();
    answer(&mut history, &renames("fra-3"), &connection().named("fra-3"), 101);
    sent_before(&mut history, "fra-2", 1);
    assert_eq!(history.name().settles_at(&"fra-2".into(), second(102), WINDOW), None);
    assert_eq!(history.name().settles_at(&"fra-3".into(), second(102), WINDOW), Some(second(161)));
    // Only the first update from status is taken over.
    let mut history = History::default();
    sent_before(&mut history, "fra-2", 1);
    sent_before(&mut history, "fra-3", 1);
    assert_eq!(history.name().settles_at(&"fra-2".into(), second(102), WINDOW), Some(second(161)));
}

#[test]
fn a_new_generation_forgets_earlier_failures() {
    let story = given(spec().name("fra-2")).sees(connection()).after(1);
    let story =
        story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected)).read_fails(fault(FaultKind::Throttled));
    let failures = |uid, generation| {
        let mut history = story.history().clone();
        history.start_generation(uid, generation, None, story.now);
        (history.update_failure().is_some(), history.read_failure().is_some())
    };
    assert_eq!(failures("uid", 1), (true, true));
    // A read is tried at once, but since when reads fail is not forgotten.
    assert_eq!(failures("another uid", 1), (false, true));
    assert_eq!(failures("uid", 2), (false, true));
    story.with_spec(spec().name("fra-2").generation(2)).reads();
}

#[test]
fn a_connection_that_a_status_shows_too_is_stored_once() {
    let story = given(spec()).sees(connection());
    let shown = std::sync::Arc::new(connection());
    let mut history = story.history().clone();
    history.share(&shown);
    assert!(std::ptr::addr_eq(history.connection().expect("it was read"), std::sync::Arc::as_ptr(&shown)));
    let other = std::sync::Arc::new(connection().named("another"));
    history.share(&other);
    assert_eq!(history.connection(), Some(&*shown), "what was not read is not taken over");
}

#[test]
fn an_answer_without_a_name_says_nothing_of_it() {
    let unnamed = |connection: Connection| Connection { connection_name: None, ..connection };
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1);
    let story = story.gets_answer(&sets(Must), &unnamed(encrypted_connection().mode("must_encrypt")));
    assert_eq!(shown(&story).connection_name.as_deref(), Some("fra-1"));
    let stateless = Connection { connection_state: None, ..encrypted_connection() };
    let story =
        story.after(61).sees(encrypted_connection().mode("must_encrypt")).gets_answer(&sets(Should), &stateless);
    assert_eq!(shown(&story).connection_state, encrypted_connection().connection_state, "nor of a state");
    // But if reads show that AWS has stored another one, each time, a person is told.
    let mut story = given(spec().name("fra-2")).sees(connection());
    for _ in 0..3 {
        story = story.sends(&renames("fra-2")).gets_answer(&renames("fra-2"), &unnamed(connection()));
        story = story.after(1).sees(connection()).rests(Reason::Settling).after(60).sees(connection());
    }
    story.rests(Reason::Contended);
}
