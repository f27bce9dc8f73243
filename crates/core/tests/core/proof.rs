//! Proofs: how a connection at `must_encrypt` is proven to work, and what ends that.

use directconnect_core::history::{Observation, Source};
use directconnect_core::ledger::Ledger;
use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;
use directconnect_core::turn::{Claim, HoldReason};

use crate::fleet::{a, cut, pair, read, tight, wants_must, why};
use crate::given::{
    Asks, ConnectionExt, Must, SETTINGS, Says, Should, UID, claim, connection, encrypted_connection, given, given_with,
    lost, read_at, renames, resource, seconds, sets, spec,
};
use crate::ledger::rested;

#[test]
fn one_that_was_found_at_must_encrypt_is_proven_by_reads_of_its_own() {
    let story = given(spec().to(Must)).sees(tight()).rests(Reason::InSync).decides_again_in(15).soaks(&tight());
    let story = story.writes();
    assert_eq!((story.holds(), story.ledger().proven, story.plan().next_check), (None, true, None));
    // Also while paused.
    let paused = given(spec().to(Must).paused()).sees(cut()).decides_again_in(15).soaks(&tight()).writes();
    assert_eq!((paused.holds(), paused.ledger().proven), (None, true));
    // A resource that only observes does not adopt the circuit, so it holds no turn.
    let observed = given(spec().to(Must).observing()).sees(cut());
    assert_eq!((observed.holds(), observed.plan().next_check), (None, None));
}

#[test]
fn a_proof_is_over_once_a_read_has_shown_a_lower_mode_whatever_later_reads_show() {
    let proven = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &tight());
    let proven = proven.after(1).sees_for(75, &tight()).writes();
    assert!(proven.ledger().proven);
    // AWS lowers it as its key goes, somebody raises it by hand, and no pass runs between the two reads.
    let story = proven.after(60).sees(connection()).after(5).sees(cut()).writes();
    assert!(!story.ledger().proven);
    assert_eq!(story.restarts(5).sees(cut()).holds(), Some(HoldReason::UnprovenMust));
}

#[test]
fn a_read_that_may_be_late_drops_no_proof() {
    let settings = Settings { settle_window: seconds(300), ..SETTINGS };
    let ready = given_with(settings, spec().to(Must)).soaks(&encrypted_connection()).after(1);
    let sent = [ready.clone().gets_answer(&sets(Must), &tight()), ready.gets_refusal(&sets(Must), lost())];
    for (story, restarts) in sent.into_iter().zip([true, false]) {
        let proven = story.after(1).sees_for(75, &tight()).writes();
        assert!(proven.ledger().proven);
        let story = if restarts { proven.restarts(20) } else { proven.after(15) };
        assert!(rested(&story.clone().sees(encrypted_connection())).proven);
        assert!(!rested(&story.after(320).sees(encrypted_connection())).proven, "one that is settled does");
    }
}

#[test]
fn those_that_carry_a_proof_are_woken_when_a_lower_mode_is_settled_although_it_was_seen_before() {
    let renamed = |mode: &str| connection().named("fra-2").mode(mode);
    let story = given(spec().to(Must)).soaks(&tight()).writes().with_spec(spec().to(Must).name("fra-2").generation(2));
    let story = story.after(1).gets_answer(&renames("fra-2"), &tight().named("fra-2"));
    let mut story = story.after(20).polls(renamed("should_encrypt")).writes();
    assert!(story.ledger().proven, "the read may be late");
    assert_eq!(story.plan().next_check, None, "only news runs another pass");
    let circuit = story.circuit().clone();
    let mut polled = |passed: u64| {
        story.now = story.now + seconds(passed);
        let shown = read_at(story.now, Some(renamed("should_encrypt")));
        story.fleet.record_read(&circuit, Observation { source: Source::Poll, ..shown })
    };
    assert!(!polled(20), "it shows nothing new");
    assert!(polled(60), "it is settled now");
    assert!(!polled(60));
    assert!(!story.writes().ledger().proven);
}

#[test]
fn a_proof_that_is_seen_after_a_lower_mode_is_over() {
    let mut story = given(spec().to(Must)).sees(encrypted_connection());
    let circuit = story.circuit().clone();
    let known = story.claim();
    story.fleet.apply(&circuit, Claim { version: 50, ..known }.proven());
    assert!(!rested(&story).proven);
}

/// The spec wanted another mode for a moment, and the status that says so was written only when it was over.
#[test]
fn who_holds_the_turn_without_the_proof_that_it_has_dropped_is_woken_to_be_proven_anew() {
    for (wanted, is_held) in [(Must, true), (Should, false)] {
        let mut fleet = pair(claim("net/a").wanting(wanted).proven(), wants_must("net/b"));
        read(&mut fleet, &a(), 1, &tight());
        fleet.take_moved();
        fleet.note_written(&a(), &resource("net/a"), UID, Ledger::default(), 2);
        assert_eq!((why(&fleet, &a()).is_some(), fleet.take_moved().contains(&a())), (is_held, is_held));
        fleet.note_written(&a(), &resource("net/a"), UID, Ledger::default(), 3);
        assert!(!fleet.take_moved().contains(&a()), "once is enough");
    }
}
