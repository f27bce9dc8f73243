//! Reads that say less than they should: without a mode, with a word that nobody knows, or with another field missing.

use directconnect_core::decide::Step;
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
    let known = story.fleet.circuit(&circuit).expect("it is known").claims()[0].clone();
    let shown = Claim { version: known.version + 1, ..known }.showing(Must).showing_account(ACCOUNT);
    story.fleet.apply(&circuit, shown);
    for strange in [cut().without_mode(), cut().mode("quantum_encrypt")] {
        assert_eq!(story.clone().sees(strange).holds(), Some(HoldReason::UnprovenMust));
    }
    // Such a read is written to status, and the next process finds only that must_encrypt was seen.
    let nothing = |claim: Claim| Claim { shown: Shown { mode: None, ..claim.shown.clone() }, ..claim };
    let known = story.fleet.circuit(&circuit).expect("it is known").claims()[0].clone();
    let seen = Ledger { must_encrypt_generation: Some(1), ..known.ledger.clone() };
    let mut later = story.clone();
    later.fleet.apply(&circuit, nothing(Claim { version: known.version + 1, ledger: seen, ..known }));
    assert_eq!(later.sees(cut().without_mode()).holds(), Some(HoldReason::UnprovenMust));
    assert_eq!(story.sees(connection()).holds(), None);
}

#[test]
fn a_read_without_a_mode_meets_no_wish_and_is_made_again() {
    for wish in [spec().to(No), spec().to(Must)] {
        let story = given(wish.generation(2)).sees(tight()).after(15).sees(tight().without_mode());
        let story =
            story.rests(Reason::AwsUnavailable).says("shows no encryptionMode for dxcon-fg1234ab and did before");
        assert!(!story.plan().is_met);
        story.decides_again_in(15).after(15).reads();
    }
    // A connection that has never shown one has none.
    given(spec().to(No)).sees(connection().without_mode()).rests(Reason::InSync);
    given(spec().to(Must)).sees(connection().without_mode()).rests(Reason::MacSecNotSupported);
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
