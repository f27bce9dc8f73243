//! Reads that say less than they should: without a mode, with a word that nobody knows, or with another field missing.

use directconnect_core::decide::Step;
use directconnect_core::fault::FaultKind;
use directconnect_core::ledger::Ledger;
use directconnect_core::reason::Reason;
use directconnect_core::turn::{Claim, HoldReason, Shown};

use crate::fleet::{cut, tight};
use crate::given::{
    ACCOUNT, Asks, ConnectionExt, Must, No, Says, Should, connection, encrypted_connection, given, sets, spec,
};

#[test]
fn a_first_read_without_a_mode_frees_no_line_that_its_status_shows_at_must_encrypt() {
    let mut story = given(spec().to(Must)).sees(cut()).writes().restarts(5);
    let circuit = story.circuit().clone();
    let known = story.claim();
    let shown = Claim { version: known.version + 1, ..known }.showing(Must).showing_account(ACCOUNT);
    story.fleet.apply(&circuit, shown);
    for strange in [cut().without_mode(), cut().mode("quantum_encrypt")] {
        assert_eq!(story.clone().sees(strange).holds(), Some(HoldReason::UnprovenMust));
    }
    assert_eq!(story.sees(connection()).holds(), None);
}

/// The line is at `must_encrypt`, and another mode is wanted there at first, so nothing but status says what it shows.
#[test]
fn the_mode_that_a_status_showed_is_not_forgotten_when_a_read_without_one_is_written_to_it() {
    let seen = Ledger { must_encrypt_generation: Some(1), ..Ledger::default() };
    for (mode, ledger) in [(Some(Must), Ledger::default()), (None, seen)] {
        let mut story = given(spec().to(No)).restarts(5);
        let circuit = story.circuit().clone();
        let known = story.claim().showing_account(ACCOUNT);
        let shown = Shown { mode, ..known.shown.clone() };
        story.fleet.apply(&circuit, Claim { version: known.version + 1, ledger, shown, ..known.clone() });
        let mut story = story.sees(cut().without_mode());
        let nothing = Shown { mode: None, ..known.shown.clone() };
        story.fleet.note_written(&circuit, &known.resource, &known.uid, Ledger::default(), known.version + 2);
        let written = Claim { version: known.version + 2, shown: nothing, ledger: Ledger::default(), ..known };
        story.fleet.apply(&circuit, written.clone());
        story.fleet.apply(&circuit, Claim { version: written.version + 1, wants: Some(Must), ..written });
        assert_eq!(story.holds(), Some(HoldReason::UnprovenMust), "{mode:?}");
    }
}

#[test]
fn a_read_without_a_mode_meets_no_wish() {
    for (wish, before, read_again) in [(spec().to(No), tight(), true), (spec().to(Must), connection(), false)] {
        let story = given(wish.generation(2)).sees(before.clone()).after(15).sees(before.without_mode());
        let story =
            story.rests(Reason::AwsUnavailable).says("shows no encryptionMode for dxcon-fg1234ab and did before");
        assert!(!story.plan().is_met);
        // A step down may bring a line back, so it does not wait for the next poll, whether polls work or not.
        assert_eq!(story.plan().next_check.is_some(), read_again);
        let story = story.after(15);
        assert_eq!(story.plan().step == Step::Read, read_again);
        let story = story.after(600).polls_fail(FaultKind::Unavailable);
        assert_eq!(story.plan().step == Step::Read, read_again);
    }
    // What a LAG member lacks is not waited for.
    let lagged = || tight().in_lag("dxlag-fg1234ab").without_mode();
    given(spec().to(No)).sees(tight()).after(15).sees(lagged()).rests(Reason::InSync);
    // A connection that has never shown one has none.
    given(spec().to(No)).sees(connection().without_mode()).rests(Reason::InSync);
    given(spec().to(Must)).sees(connection().without_mode()).rests(Reason::MacSecNotSupported);
}

#[test]
fn a_line_that_was_seen_at_must_encrypt_and_shows_no_mode_since_holds_the_turn_after_a_restart() {
    let story = given(spec().to(Must)).sees(cut()).writes().after(60).sees(cut().without_mode()).writes();
    let story = story.after(4000).restarts(5).sees(cut().without_mode()).writes();
    assert_eq!(story.holds(), Some(HoldReason::UnprovenMust), "nothing says that it is not there any more");
    assert_eq!(story.clone().sees(connection()).holds(), None);
    // Whoever waits is told the ways out.
    assert_eq!(story.with_spec(spec().to(No).generation(2)).holds(), None);
}

#[test]
fn a_key_in_a_state_that_nobody_knows_counts_where_it_may_interrupt_and_not_where_it_has_to_work() {
    for state in ["rotating", ""] {
        let keyed = || connection().key(state);
        let clear = given(spec().to(Must)).waits_for("net/twin").sees(keyed().mode("no_encrypt"));
        clear.rests(Reason::WaitingForTurn);
        given(spec().to(Must)).sees(keyed()).rests(Reason::NoMacSecKey);
    }
    for state in ["disassociating", "disassociated"] {
        let gone = connection().mode("no_encrypt").key(state);
        let story = given(spec().to(Must)).waits_for("net/twin").sees(gone);
        assert!(matches!(story.plan().step, Step::Update(_)), "{state}: {:#?}", story.plan());
    }
    // Such a key does not give a step back.
    let begun = encrypted_connection().mode("no_encrypt");
    let story = given(spec().to(Must)).sees(begun).gets_answer(&sets(Should), &connection());
    let kept = story.clone().after(61).sees(connection().key("rotating")).writes();
    assert_eq!(kept.holds(), Some(HoldReason::UnprovenStep));
    assert_eq!(story.after(61).sees(connection()).writes().holds(), None);
}
