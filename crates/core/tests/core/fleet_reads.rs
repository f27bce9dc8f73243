//! How reads affect the turn: circuits that listings do not contain, or that a new leader takes over.

use std::sync::Arc;

use directconnect_core::clock::Moment;
use directconnect_core::fault::{DESCRIBE, Fault, FaultKind};
use directconnect_core::fleet::Fleet;
use directconnect_core::history::{Observation, Source};
use directconnect_core::identity::ConnectionId;
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::turn::HoldReason;

use crate::fleet::*;
use crate::given::{
    Asks, ConnectionExt, Must, No, REGION, RESOURCE, SETTINGS, Says, Should, Story, circuit, claim, connection,
    encrypted_connection, fault, given, lost, read_at, region, resource, second, seconds, sets, spec, twin,
};

// What is read, and when a read counts.

#[test]
fn until_a_region_is_read_circuits_that_may_be_at_must_encrypt_hold_the_turn() {
    let mut fleet = pair(wants_must("net/a"), claim("net/b").wanting(Should));
    assert_eq!((why(&fleet, &a()), fleet.hold(&b())), (Some(HoldReason::UnprovenMust), None));
    // The first complete listing ends it, whatever it shows.
    let mut listed = fleet.clone();
    listed.record_listing(&region(REGION), (second(1), second(2)), vec![(a().id, encrypted_connection())]);
    assert_eq!(listed.hold(&a()), None);
    // A failed listing ends it only after three poll intervals.
    fleet.record_failed_listing(&region(REGION), fault(FaultKind::Unavailable), second(179));
    assert!(fleet.hold(&a()).is_some());
    fleet.record_failed_listing(&region(REGION), fault(FaultKind::Unavailable), second(180));
    assert_eq!(fleet.hold(&a()), None, "a status that shows nothing holds nothing");
    fleet.apply(&a(), wants_must("net/a").showing(Must).version(2));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenMust));
    // A region that is not read yet counts as awaited.
    let mut unread = Fleet::new(SETTINGS);
    unread.apply(&a(), wants_must("net/a"));
    assert!(unread.hold(&a()).is_some());
}

#[test]
fn a_circuit_that_a_listing_lacks_is_read_by_its_id_and_keeps_its_turn() {
    let mut fleet = ready();
    read(&mut fleet, &a(), 2, &cut());
    let changed =
        fleet.record_listing(&region(REGION), (second(60), second(61)), vec![(b().id, encrypted_connection())]);
    assert_eq!(changed, [a().id], "it is to be read by its id");
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenMust));
    assert!(fleet.circuit(&a()).expect("it is known").history.is_missing());
    fleet.record_read(&a(), read_at(second(62), None));
    assert!(!fleet.circuit(&a()).expect("it is known").history.is_missing());
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenMust));
}

#[test]
fn a_listing_returns_the_circuits_that_changed() {
    let mut fleet = ready();
    let listing =
        |at, of_a: Connection| ((second(at), second(at)), vec![(a().id, of_a), (b().id, encrypted_connection())]);
    let (times, all) = listing(60, encrypted_connection());
    assert!(fleet.record_listing(&region(REGION), times, all).is_empty(), "all as it was");
    let (times, all) = listing(120, encrypted_connection().named("fra-2"));
    assert_eq!(fleet.record_listing(&region(REGION), times, all), [a().id]);
}

#[test]
fn what_a_page_or_a_read_shows_as_it_is_known_is_stored_once() {
    let mut fleet = ready();
    let listed = |shown: Connection| (a().id, Arc::new(shown));
    let share = |fleet: &Fleet, shown: Connection| {
        let mut page = [listed(shown), (b().id, Arc::new(encrypted_connection()))];
        fleet.share_page(&region(REGION), page.iter_mut());
        page[0].1.clone()
    };
    // Without a status, the last read is the copy that is kept.
    let last =
        |fleet: &Fleet| fleet.circuit(&a()).and_then(|circuit| circuit.history.observation()?.connection.clone());
    let is_last = |fleet: &Fleet, copy: &Arc<Connection>| last(fleet).is_some_and(|last| Arc::ptr_eq(&last, copy));
    assert!(is_last(&fleet, &share(&fleet, encrypted_connection())));
    let renamed = Arc::new(encrypted_connection().named("fra-2"));
    assert!(!Arc::ptr_eq(&share(&fleet, (*renamed).clone()), &renamed));
    fleet.share(&a(), &renamed);
    assert!(Arc::ptr_eq(&share(&fleet, (*renamed).clone()), &renamed), "a status shows it before any read does");
    fleet.record_read(&a(), read_at(second(60), Some((*renamed).clone())));
    assert!(is_last(&fleet, &renamed));
    assert_eq!(*share(&fleet, encrypted_connection().named("fra-3")), encrypted_connection().named("fra-3"));
}

#[test]
fn a_listing_that_fails_is_news_once_its_cause_is_of_another_kind_or_has_lasted() {
    let mut fleet = ready();
    // Listings fail for three poll intervals before another cause counts: 180 s.
    let table = [
        (100, FaultKind::CredentialsInvalid, "Token expired: 1764231838", true),
        (160, FaultKind::CredentialsInvalid, "Token expired: 1764231899", false),
        (220, FaultKind::CredentialsInvalid, "Not authorized to assume it", false),
        (280, FaultKind::CredentialsInvalid, "Token expired: 1764231999", false),
        (340, FaultKind::CredentialsInvalid, "Not authorized to assume it", false),
        (519, FaultKind::CredentialsInvalid, "Not authorized to assume it", false),
        (520, FaultKind::CredentialsInvalid, "Not authorized to assume it", true),
        (580, FaultKind::CredentialsInvalid, "Not authorized to assume it", false),
        (581, FaultKind::Unavailable, "Not authorized to assume it", true),
    ];
    let mut told = "";
    for (at, kind, words, is_news) in table {
        assert_eq!(
            fleet.record_failed_listing(&region(REGION), Fault::new(kind, DESCRIBE, words), second(at)),
            is_news,
            "{at}: {words}"
        );
        told = if is_news { words } else { told };
        let known = fleet.region(&region(REGION)).and_then(|region| region.fault.as_ref()).expect("it has failed");
        assert_eq!(known.message, told, "{at}");
    }
}

#[test]
fn a_circuit_that_the_last_listing_did_not_show_is_missing_from_the_start() {
    let mut fleet = Fleet::new(SETTINGS);
    fleet.begin_reading(&region(REGION), second(0));
    fleet.record_if_unlisted(&a());
    assert!(fleet.circuit(&a()).is_none_or(|circuit| circuit.history.observation().is_none()), "nothing was read yet");
    fleet.record_listing(&region(REGION), (second(1), second(2)), Vec::<(ConnectionId, Connection)>::new());
    fleet.record_if_unlisted(&a());
    assert!(fleet.circuit(&a()).expect("it is known").history.is_missing());
}

#[test]
fn a_read_is_settled_a_window_after_the_last_update_ended() {
    let mut fleet = ready();
    assert_eq!((fleet.settles_at(&a()), fleet.is_settled(&a())), (None, true), "nothing was ever sent");
    fleet.with_history(&a(), |history| history.record_answer(&sets(Should), &encrypted_connection(), second(100)));
    assert_eq!(fleet.settles_at(&a()), Some(second(160)));
    for (at, settled) in [(130, false), (160, false), (161, true)] {
        read(&mut fleet, &a(), at, &encrypted_connection());
        assert_eq!(fleet.is_settled(&a()), settled, "{at}");
    }
    // A refused update has no effect on it.
    fleet.with_history(&a(), |history| {
        history.record_update_failure(&sets(Must), fault(FaultKind::Rejected), second(200), seconds(60), 1.0);
    });
    assert_eq!(fleet.settles_at(&a()), Some(second(160)));
    fleet.with_history(&a(), |history| {
        history.record_update_failure(&sets(Must), lost(), second(210), seconds(60), 1.0);
    });
    assert_eq!(fleet.settles_at(&a()), Some(second(270)), "in doubt");
}

#[test]
fn a_region_that_is_read_no_more_loses_what_was_read_and_not_what_was_sent() {
    let mut fleet = ready();
    assert!(fleet.begin_step(&b(), Must));
    fleet.with_history(&a(), |history| history.record_answer(&sets(Must), &cut(), second(2)));
    fleet.remove(&a(), &resource("net/a"));
    fleet.remove(&b(), &resource("net/b"));
    let unused = circuit(REGION, "dxcon-cccccccc");
    read(&mut fleet, &unused, 1, &connection());
    fleet.end_reading(&region(REGION));
    assert!(fleet.circuit(&unused).is_none());
    assert_eq!(fleet.settles_at(&a()), Some(second(62)));
    assert_eq!(fleet.step(&b()), Some(Must));
    assert!(fleet.circuit(&a()).expect("it is of use").history.observation().is_none());
    assert_eq!(fleet.region(&region(REGION)), None);
    // A circuit that is polled again has to be read before it holds no turn.
    fleet.begin_reading(&region(REGION), second(100));
    fleet.apply(&a(), wants_must("net/a"));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenMust));
}

// How often a holder is read.

#[test]
fn every_holder_is_read_at_the_cadence_of_a_soak_whatever_its_pause_policy_or_claim() {
    let older = || claim("net/old").created(1).wanting(No);
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    let held: [(&str, Story); 5] = [
        ("acting", given(spec().to(Must))),
        ("paused", given(spec().to(Must).paused())),
        ("observed", given(spec().to(Must).observing())),
        ("in conflict", given(spec().to(Must)).has_other(older())),
        ("in conflict and paused", given(spec().to(Must).paused()).has_other(older())),
    ];
    for (given, story) in held {
        // Also while MACsec is down, since the far end may bring it up at any time.
        for shown in [cut(), tight(), encrypted_connection()] {
            let story = story.clone().has_ledger(unproven.clone()).sees(shown).decides_again_in(15);
            assert!(story.plan().is_watched, "{given}");
            story.after(15).reads();
        }
    }
    // If listings come at the soak cadence, no reads by id are made.
    let mut swept = given(spec().to(Must)).has_ledger(unproven).sees(cut()).after(15);
    let circuit = swept.circuit().clone();
    swept.fleet.set_watched(&circuit, &resource(RESOURCE), true);
    assert_eq!(swept.fleet.plan_listing(&region(REGION), 0), SETTINGS.soak_cadence());
    swept.rests(Reason::InSync).decides_again_in(15);
}

#[test]
fn a_circuit_that_waits_for_the_turn_says_how_it_can_be_freed() {
    let story = given(spec().to(Must)).has_twin(wants_must("net/twin")).soaks(&encrypted_connection());
    // The region of the other circuit has not been read yet.
    let story = story.rests(Reason::WaitingForTurn).says("net/twin (dxcon-ffffffff in us-east-1)");
    let mut story = story.says("managementPolicy to Observe");
    story.fleet.record_read(&twin(), read_at(story.now, Some(encrypted_connection())));
    let mut story = story.sends(&sets(Must));
    story.fleet.record_read(&twin(), read_at(story.now + seconds(1), Some(cut())));
    let mut story = story.rests(Reason::WaitingForTurn);
    story.fleet.apply(&twin(), wants_must("net/twin").observing().version(2));
    // The raise happened while this process was reading, and was not made by this operator.
    let mut story = story.rests(Reason::WaitingForTurn).says("somebody else has set");
    story.fleet.record_read(&twin(), read_at(story.now + seconds(2), Some(connection())));
    story.sends(&sets(Must));
}

#[test]
fn a_holder_that_is_down_says_how_the_others_can_go_on() {
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    for spec in [spec().to(Must), spec().to(Must).paused(), spec().to(Must).observing()] {
        let step = given(spec.clone()).has_ledger(unproven.clone()).sees(cut());
        let message = step.says("want another encryptionMode or delete this resource").plan().verdict;
        assert!(!message.is_some_and(|verdict| verdict.message.contains("managementPolicy to Observe")), "{spec:?}");
    }
    for spec in [spec().to(Must), spec().to(Must).paused()] {
        given(spec).sees(cut()).says("set managementPolicy to Observe or delete this resource");
    }
    let (acting, paused) = (given(spec().to(Must)), given(spec().to(Must).paused()));
    for quiet in [acting.sees(tight()), paused.sees(tight()), given(spec().to(Must).observing()).sees(cut())] {
        assert!(!quiet.plan().verdict.is_some_and(|verdict| verdict.message.contains("wait for it")));
    }
}

#[test]
fn how_many_want_close_reads_is_counted_by_region() {
    let mut fleet = ready();
    fleet.set_watched(&a(), &resource("net/a"), true);
    fleet.set_watched(&circuit("us-east-1", "dxcon-aaaaaaaa"), &resource("net/a"), true);
    assert_eq!(fleet.watched(&region(REGION)), (1, false));
    assert_eq!(fleet.watched(&region("us-east-1")), (0, false), "nothing is known there");
    fleet.apply(&a(), wants_must("net/a").being_deleted().version(2));
    assert_eq!(fleet.watched(&region(REGION)), (0, false), "no pass looks at it any more, and a finalizer may keep it");
    fleet.apply(&a(), wants_must("net/younger"));
    assert_eq!(fleet.watched(&region(REGION)), (1, false));
    // Only the one that acts knows that it is over.
    fleet.apply(&a(), wants_must("net/watcher").created(1).observing());
    fleet.set_watched(&a(), &resource("net/watcher"), false);
    assert_eq!(fleet.watched(&region(REGION)), (1, false));
    fleet.set_watched(&a(), &resource("net/younger"), false);
    assert_eq!(fleet.watched(&region(REGION)), (0, false));
    // Whoever holds the turn is read, whatever a pass asked for.
    read(&mut fleet, &a(), 2, &cut());
    fleet.set_watched(&a(), &resource("net/younger"), false);
    assert_eq!(fleet.watched(&region(REGION)), (1, false));
}

#[test]
fn a_poll_that_began_before_an_update_ended_changes_nothing() {
    let mut story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &tight());
    let (before, circuit) = (story.fleet.clone(), story.circuit().clone());
    let slow = Observation {
        began: story.now - seconds(1),
        ended: story.now + seconds(2),
        source: Source::Poll,
        connection: Some(Arc::new(encrypted_connection())),
    };
    assert!(!story.fleet.record_read(&circuit, slow));
    assert_eq!(story.fleet, before);
    assert!(Moment::START < story.now && story.ledger().unproven_step == Some(Must));
    assert!(story.fleet.acts(&circuit, &resource(RESOURCE)));
}
