//! What a resource is told, where several things are in its way or something was tried before.

use directconnect_core::fault::FaultKind;
use directconnect_core::ledger::Ledger;
use directconnect_core::reason::Reason;

use crate::fleet::cut;
use crate::given::{
    Asks, ConnectionExt, Must, Should, connection, encrypted_connection, fault, given, lost, renames, sets, spec,
};

#[test]
fn an_update_that_aws_refuses_is_told_although_another_circuit_has_the_turn() {
    // Each attempt takes the turn for a moment, so those whose attempts AWS refuses as well meet it now and then.
    for kind in [FaultKind::AccessDenied, FaultKind::CredentialsInvalid, FaultKind::Rejected] {
        let story = given(spec().to(Must)).soaks(&encrypted_connection());
        let story = story.sends(&sets(Must)).gets_refusal(&sets(Must), fault(kind));
        let reason = fault(kind).reason();
        let waiting = story.rests(reason).waits_for("net/other").rests(reason);
        assert!(waiting.plan().next_check.is_some_and(|at| at.since(waiting.now).as_secs() <= 60));
    }
    // What ends by itself says less than the wait does.
    let story = given(spec().to(Must)).soaks(&encrypted_connection());
    let story = story.gets_refusal(&sets(Must), fault(FaultKind::Throttled));
    story.waits_for("net/other").rests(Reason::WaitingForTurn);
}

#[test]
fn whoever_has_used_immediate_is_told_how_to_use_it_again_whatever_it_waits_for() {
    let used = || given(spec().to(Must).immediately()).had_must(1);
    let clear = || connection().mode("no_encrypt");
    let settling = used().sees(clear()).gets_refusal(&sets(Should), lost());
    let settling = settling.with_spec(spec().to(Must).immediately().generation(2)).after(1).sees(clear());
    let cases = [
        (used().waits_for("net/twin").soaks(&encrypted_connection()), Reason::WaitingForTurn),
        (settling, Reason::Settling),
        (used().sees(connection()), Reason::NoMacSecKey),
    ];
    for (story, reason) in cases {
        story.rests(reason).says("want another mode first");
    }
}

#[test]
fn a_resource_in_conflict_whose_step_is_down_says_how_to_let_the_others_go_on() {
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    let story = given(spec().to(Must)).has_ledger(unproven).has_older_claim("net/old").sees(cut());
    story.rests(Reason::Conflict).says("want another encryptionMode or delete this resource");
}

#[test]
fn a_pause_is_not_told_as_what_holds_an_update_back_that_can_never_be_sent() {
    let hosted = || connection().hosted(102);
    let lagged = || encrypted_connection().in_lag("dxlag-fg1234ab");
    for (shown, reason) in [(hosted(), Reason::MacSecNotSupported), (lagged(), Reason::LagMember)] {
        given(spec().to(Must).paused()).sees(shown.clone()).rests(reason).says("; paused by annotation");
        let observed = given(spec().to(Must).observing()).sees(shown.clone()).rests(Reason::Drifted);
        let message = observed.plan().verdict.expect("a verdict").message;
        assert!(!message.contains("set managementPolicy to Manage"), "that would not change it: {message}");
        // A name beside it is held back.
        given(spec().name("fra-2").to(Must).paused()).sees(shown).rests(Reason::Paused);
    }
    let story = given(spec().name("fra-2").to(Must)).sees(lagged()).gets_answer(&renames("fra-2"), &lagged());
    story.after(61).sees(lagged().named("fra-2")).rests(Reason::LagMember);
}

#[test]
fn a_wait_for_macsec_that_was_decided_on_a_late_read_ends_too() {
    let down = || connection().key("associated");
    let story = given(spec().name("fra-2").to(Must)).sees(down()).sends(&renames("fra-2"));
    let story = story.gets_answer(&renames("fra-2"), &down().named("fra-2"));
    // AWS shows the old name still. What shows the new one is no news to the answer, so it wakes nobody.
    let story = story.after(15).sees(down()).rests(Reason::WaitingForEncryptionUp);
    let deadline = story.fleet.settings().progress_deadline.as_secs();
    let story = story.decides_again_in(deadline).after(60).polls(down().named("fra-2"));
    story.after(deadline).polls(down().named("fra-2")).rests(Reason::EncryptionNotUp);
}
