//! Decisions: for a given connection and spec, the expected plan.

use directconnect_core::decide::Drift;
use directconnect_core::fault::FaultKind;
use directconnect_core::history::Change;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;

use crate::given::{
    Asks, ConnectionExt, Must, No, SETTINGS, Says, Should, Story, claim, connection, encrypted_connection, fault,
    given, given_with, lost, renames, seconds, sets, spec,
};

#[test]
fn a_connection_that_matches_the_spec_needs_nothing() {
    given(spec()).sees(connection()).rests(Reason::InSync).says("manages neither");
    given(spec().name("fra-1")).sees(connection()).rests(Reason::InSync).says("AWS has what the spec asks for");
    let polled = given(spec().name("fra-1").to(Should)).polls(connection()).rests(Reason::InSync);
    assert_eq!(polled.plan().verdict.map(|verdict| verdict.message), Some("AWS has what the spec asks for".into()));
    given(spec().to(No)).sees(connection().incapable().without_mode()).rests(Reason::InSync);
    let plan = given(spec().name("fra-1").to(Should)).sees(connection()).plan();
    assert!(plan.is_met && plan.drift.is_empty() && plan.next_check.is_none(), "{plan:?}");
}

#[test]
fn only_what_differs_is_sent() {
    given(spec().name("fra-2").to(Should)).sees(connection()).sends(&renames("fra-2"));
    given(spec().name("fra-1").to(No)).sees(connection()).sends(&sets(No));
    given(spec().name("fra-2").to(No)).sees(connection()).sends(&Change { name: Some("fra-2".into()), mode: Some(No) });
    given(spec().name("fra-2")).sees(Connection { connection_name: None, ..connection() }).sends(&renames("fra-2"));
}

#[test]
fn a_name_goes_with_a_mode_that_may_go_now_and_alone_otherwise() {
    let both = spec().name("fra-2").to(Must);
    given(both.clone()).sees(connection()).sends(&renames("fra-2"));
    given(both.clone())
        .sees(connection().mode("no_encrypt"))
        .sends(&Change { name: Some("fra-2".into()), mode: Some(Should) });
    let ready = given(both.clone()).soaks(&encrypted_connection());
    ready.sends(&Change { name: Some("fra-2".into()), mode: Some(Must) });
    given(both).sees(connection().in_lag("dxlag-1")).sends(&renames("fra-2"));
}

#[test]
fn differences_are_reported_as_drift() {
    let plan = given(spec().name("fra-2").to(No)).sees(Connection { connection_name: None, ..connection() }).plan();
    assert_eq!(
        plan.drift,
        [
            Drift { field: "connectionName".into(), desired: "fra-2".into(), observed: None },
            Drift {
                field: "encryptionMode".into(),
                desired: "no_encrypt".into(),
                observed: Some("should_encrypt".into())
            },
        ]
    );
    assert!(!plan.is_met);
    // A connection without MACsec or with an unknown mode has no drift of the mode.
    for connection in [
        connection().mode("unknown"),
        connection().without_mode(),
        connection().mode("quantum"),
        connection().incapable(),
    ] {
        assert_eq!(given(spec().to(Must)).sees(connection).plan().drift, []);
    }
}

#[test]
fn an_update_is_decided_on_a_fresh_read_of_this_connection() {
    let story = given(spec().name("fra-2")).polls(connection()).reads();
    assert_eq!(story.plan().verdict.map(|verdict| verdict.reason), Some(Reason::Updating));
    let story = story.after(1).sees(connection()).sends(&renames("fra-2")).says(r#"connectionName to "fra-2""#);
    let story = story.after(30).sends(&renames("fra-2"));
    story.after(1).reads().says("setting connectionName");
}

#[test]
fn a_name_goes_from_requested_on() {
    for state in ["requested", "pending", "available", "down"] {
        given(spec().name("fra-2")).sees(connection().state(state)).sends(&renames("fra-2"));
    }
    for state in ["ordering", "unknown", "marvellous"] {
        let story = given(spec().name("fra-2")).sees(connection().state(state));
        story.rests(Reason::WaitingForAvailable).says(&format!("is {state};"));
    }
    let stateless = Connection { connection_state: None, ..connection() };
    given(spec().name("fra-2")).sees(stateless).rests(Reason::WaitingForAvailable).says("is absent");
}

#[test]
fn nothing_is_sent_to_a_connection_that_is_gone() {
    for state in ["deleting", "deleted", "rejected"] {
        let asks = spec().name("fra-2").to(No);
        let story = given(asks.clone()).sees(encrypted_connection().state(state)).rests(Reason::ConnectionGone);
        story.says(state).has_older_claim("net/old").rests(Reason::ConnectionGone);
        given(asks.paused()).sees(connection().state(state)).rests(Reason::ConnectionGone);
    }
}

#[test]
fn a_connection_that_is_not_found_is_read_again_and_never_created() {
    let story = given(spec().name("fra-2")).misses().rests(Reason::NotFound).says("never created");
    // A person asks for a read after a change of the spec.
    let story = story.after(5).with_spec(spec().name("fra-3").generation(2)).asks_for_a_read().reads();
    story.after(1).misses().rests(Reason::NotFound).after(60).sees(connection()).sends(&renames("fra-3"));
}

#[test]
fn sends_nothing_while_paused_observing_or_in_conflict() {
    let asks = spec().name("fra-2").to(No);
    let paused = given(asks.clone().paused()).sees(connection()).rests(Reason::Paused);
    paused.says(r#"connectionName is "fra-1" in AWS and "fra-2" in the spec"#).says("encryptionMode is");
    given(asks.clone().observing()).sees(connection()).rests(Reason::Drifted).says("managementPolicy is Observe");
    given(asks.clone()).has_older_claim("net/old").sees(connection()).rests(Reason::Conflict).says("net/old");
    given(asks.clone().paused()).has_older_claim("net/old").sees(connection()).rests(Reason::Conflict);
    given(asks.observing().paused()).sees(connection()).rests(Reason::Drifted);
    given(spec().paused().name("fra-1")).sees(connection()).rests(Reason::InSync).says("paused");
    given(spec().observing().name("fra-1")).sees(connection()).rests(Reason::Observed);
    given(spec().observing().to(Must)).sees(connection().incapable()).rests(Reason::Drifted).says("not MACsec capable");
    let nameless = Connection { connection_name: None, ..connection() };
    given(spec().observing().name("fra-2")).sees(nameless).rests(Reason::Drifted).says("is absent in AWS");
}

#[test]
fn an_unknown_value_leads_to_no_update() {
    let asks = spec().name("fra-2").to(No);
    given(asks.clone())
        .sees(connection().mode("quantum_encrypt"))
        .rests(Reason::AwsUnavailable)
        .says("quantum_encrypt");
    given(asks).sees(connection().state("marvellous")).rests(Reason::WaitingForAvailable).says("marvellous");
    // `unknown` only means that the connection has no MACsec.
    given(spec().name("fra-2")).sees(connection().mode("unknown")).sends(&renames("fra-2"));
}

#[test]
fn the_ladder_from_clear_text_to_must_encrypt() {
    let story = given(spec().to(Must)).sees(connection().mode("no_encrypt")).sends(&sets(Should));
    let story = story.gets_answer(&sets(Should), &connection()).after(1).sees(connection()).rests(Reason::NoMacSecKey);
    let story = story.after(60).sees(connection().key("associating")).rests(Reason::WaitingForEncryptionUp);
    let story = story.after(60).sees(connection().key("associated")).rests(Reason::WaitingForEncryptionUp);
    let story = story.decides_again_in(9 * 60).after(60).sees(encrypted_connection());
    let story = story.rests(Reason::WaitingForEncryptionUp).says("whole soak").decides_again_in(15);
    let story = story.after(15).reads().sees(encrypted_connection()).after(15).sees(encrypted_connection());
    let story = story.after(15).sees(encrypted_connection()).rests(Reason::WaitingForEncryptionUp).after(15).reads();
    let story = story.sees(encrypted_connection()).sends(&sets(Must));
    let must = encrypted_connection().mode("must_encrypt");
    let story = story.gets_answer(&sets(Must), &must).rests(Reason::InSync);
    assert!(story.plan().is_met);
}

#[test]
fn a_flap_begins_the_soak_anew() {
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).sends(&sets(Must));
    let story = story.after(1).sees(connection().key("associated")).rests(Reason::WaitingForEncryptionUp);
    let story = story.after(1).sees(encrypted_connection()).rests(Reason::WaitingForEncryptionUp).says("whole soak");
    let story = story.sees_for(45, &encrypted_connection()).after(14).sees(encrypted_connection());
    let story = story.rests(Reason::WaitingForEncryptionUp).decides_again_in(1);
    story.after(1).reads().sees(encrypted_connection()).sends(&sets(Must));
}

#[test]
fn after_the_deadline_the_resource_is_stalled_and_it_recovers_by_itself() {
    let keyed = connection().key("associated");
    // MACsec was down for an hour before the spec wanted it up. The deadline counts from the change of the spec.
    let story = given(spec().to(Should)).sees(keyed.clone()).after(3600).with_spec(spec().to(Must).generation(2));
    let story = story.sees(keyed.clone()).rests(Reason::WaitingForEncryptionUp).decides_again_in(600);
    let story = story.after(599).sees(keyed.clone()).rests(Reason::WaitingForEncryptionUp).decides_again_in(1);
    let story = story.after(1).rests(Reason::EncryptionNotUp).says("check CKN, CAK and cipher suite");
    story.after(3600).soaks(&encrypted_connection()).sends(&sets(Must));
}

#[test]
fn during_a_soak_reads_are_close_together() {
    let story = given(spec().to(Must)).sees(encrypted_connection()).decides_again_in(15).after(15).reads();
    // The last read comes when the soak is over, not a whole interval later.
    let story = story
        .sees(encrypted_connection())
        .after(20)
        .sees(encrypted_connection())
        .after(15)
        .sees(encrypted_connection());
    let story = story.decides_again_in(10);
    story.after(10).reads().sees(encrypted_connection()).sends(&sets(Must));
    // No close reads if no soak is awaited.
    for asks in [spec().to(Should), spec().to(Must).paused(), spec().to(Must).observing()] {
        assert_eq!(given(asks).sees(encrypted_connection()).plan().next_check, None);
    }
    let member = encrypted_connection().in_lag("dxlag-1");
    assert_eq!(given(spec().to(Must)).sees(member).plan().next_check, None);
    let younger = given(spec().to(Must)).has_older_claim("net/old").sees(encrypted_connection());
    assert_eq!(younger.plan().next_check, None);
    // A short poll interval is also the soak cadence.
    let hasty = given_with(Settings { poll_interval: seconds(5), ..SETTINGS }, spec().to(Must));
    hasty.sees(encrypted_connection()).decides_again_in(5);
}

#[test]
fn must_encrypt_is_kept_while_encryption_is_down() {
    let down = connection().key("associated").mode("must_encrypt").state("down");
    given(spec().to(Must)).sees(down.clone()).rests(Reason::InSync).says("lets no traffic pass");
    let said = |story: Story| story.rests(Reason::InSync).plan().verdict.map(|verdict| verdict.message);
    let plain = Some("AWS has what the spec asks for".to_owned());
    assert_eq!(said(given(spec().to(Must)).sees(encrypted_connection().mode("must_encrypt"))), plain);
    assert_eq!(said(given(spec().name("fra-1")).sees(down)), plain, "the mode is not asked for");
}

#[test]
fn a_mode_that_aws_lowered_goes_up_by_the_ladder() {
    let must = encrypted_connection().mode("must_encrypt");
    for asks in [spec().to(Must), spec().to(Must).immediately()] {
        let story = given(asks).sees(encrypted_connection()).was_met(1);
        let story = story.gets_answer(&sets(Must), &must).after(120).sees(must.clone()).rests(Reason::InSync);
        // The last key is removed, and AWS lowers the mode to keep the link up.
        let story = story.after(60).sees(connection()).rests(Reason::NoMacSecKey);
        let story = story.after(60).sees(encrypted_connection()).rests(Reason::WaitingForEncryptionUp);
        story.after(60).soaks(&encrypted_connection()).sends(&sets(Must));
    }
}

#[test]
fn immediate_works_once_while_must_encrypt_is_wanted_whatever_the_generation() {
    let asks = |generation| spec().to(Must).immediately().generation(generation);
    given(asks(3)).sees(connection()).sends(&sets(Must));
    given(asks(3)).was_met(2).sees(connection()).sends(&sets(Must));
    for sent_for in [1, 2, 3] {
        let story = given(asks(3)).had_must(sent_for).sees(connection()).rests(Reason::NoMacSecKey);
        story.says("to use it again, want another mode first");
        // From `no_encrypt` it goes by the ladder too.
        given(asks(3)).had_must(sent_for).sees(connection().mode("no_encrypt")).sends(&sets(Should));
    }
    // Who did not ask for Immediate is not told of it.
    let guarded = given(spec().to(Must)).had_must(1).sees(connection()).rests(Reason::NoMacSecKey).plan();
    assert!(!guarded.verdict.is_some_and(|verdict| verdict.message.contains("Immediate")));
    // A step to `should_encrypt` on the way does not use up Immediate.
    let story = given(spec().to(Must)).sees(connection().mode("no_encrypt")).gets_answer(&sets(Should), &connection());
    story.after(61).with_spec(asks(2)).sees(connection()).sends(&sets(Must));
}

#[test]
fn immediate_can_be_used_again_once_another_mode_was_wanted() {
    let must = encrypted_connection().mode("must_encrypt");
    let story = given(spec().to(Must).immediately()).sees(connection()).gets_answer(&sets(Must), &must).writes();
    let story = story.after(61).sees(connection()).writes().rests(Reason::NoMacSecKey);
    let story = story.after(1).with_spec(spec().to(Should).generation(2)).sees(connection()).writes();
    let story = story.with_spec(spec().to(Must).immediately().generation(3)).sees(connection());
    story.sends(&sets(Must));
}

#[test]
fn a_must_that_was_shown_while_another_mode_was_wanted_does_not_use_up_immediate() {
    let must = encrypted_connection().mode("must_encrypt");
    let story = given(spec().to(Should)).sees(must).sends(&sets(Should)).gets_answer(&sets(Should), &connection());
    let story = story.after(61).with_spec(spec().to(Must).immediately().generation(2)).sees(connection());
    story.sends(&sets(Must));
}

#[test]
fn immediate_does_not_put_back_what_was_seen_and_taken_back() {
    // Paused, with a name that was never set. AWS showed the mode for this same spec, and then lowered it.
    let asks = spec().name("fra-2").to(Must).immediately();
    let tight = encrypted_connection().mode("must_encrypt");
    let story = given(asks.clone().paused()).sees(tight).rests(Reason::Paused).writes();
    assert_eq!(story.ledger().must_encrypt_generation, Some(1), "seen, not sent");
    let story = story.after(60).sees(connection()).rests(Reason::Paused).writes();
    story.with_spec(asks).after(1).sees(connection()).sends(&renames("fra-2"));
}

#[test]
fn a_must_that_was_seen_is_remembered_before_it_is_written() {
    let tight = encrypted_connection().mode("must_encrypt");
    let asks = spec().to(Must).immediately();
    // No status was written between the two reads.
    given(asks).sees(tight).after(60).sees(connection()).rests(Reason::NoMacSecKey).says("another mode first");
}

#[test]
fn immediate_does_not_begin_anew_after_a_rename() {
    let story = given(spec().name("fra-2").to(Must).immediately()).sees(connection());
    let both = Change { name: Some("fra-2".into()), mode: Some(Must) };
    // AWS accepts both, but someone changes the name back, and the last update in status is then a rename.
    let story = story.sends(&both).gets_answer(&both, &connection().mode("must_encrypt")).after(61);
    let story = story.sees(connection()).sends(&renames("fra-2"));
    let story = story.gets_answer(&renames("fra-2"), &connection().named("fra-2"));
    story.after(1).sees(connection().named("fra-2")).rests(Reason::NoMacSecKey);
}

#[test]
fn an_immediate_whose_answer_was_lost_is_read_and_never_just_sent_again() {
    let story = given(spec().to(Must).immediately()).sees(connection().mode("no_encrypt")).sends(&sets(Must));
    let story = story.gets_refusal(&sets(Must), lost());
    let story = story.after(1).sees(connection().mode("no_encrypt")).rests(Reason::AwsUnavailable).decides_again_in(15);
    let story = story.after(59).sees(connection().mode("no_encrypt")).rests(Reason::AwsUnavailable);
    // A read that began a settle window after the longest call shows that it had no effect. It goes on by the ladder.
    story.after(13).sees(connection().mode("no_encrypt")).sends(&sets(Should));
}

#[test]
fn an_immediate_that_aws_refused_can_go_again() {
    let story = given(spec().to(Must).immediately()).sees(connection()).after(1);
    let story = story.gets_refusal(&sets(Must), fault(FaultKind::Rejected)).after(15);
    story.reads().sees(connection()).sends(&sets(Must));
}

#[test]
fn a_circuit_with_an_unproven_step_is_waited_for() {
    let story = given(spec().to(Must)).waits_for("net/fra-2").soaks(&encrypted_connection());
    story.rests(Reason::WaitingForTurn).says("net/fra-2").decides_again_in(15);
    let story = given(spec().name("fra-9").to(Must)).waits_for("net/fra-2").soaks(&encrypted_connection());
    story.sends(&renames("fra-9"));
    given(spec().to(Should)).waits_for("net/fra-2").sees(connection().mode("no_encrypt")).sends(&sets(Should));
    // With a key, encryption may begin, and it is not known whether the link then carries traffic.
    let keyed = encrypted_connection().mode("no_encrypt");
    let story = given(spec().to(Should)).waits_for("net/fra-2").sees(keyed.clone());
    story.rests(Reason::WaitingForTurn).decides_again_in(60);
    // Steps down the ladder do not wait.
    given(spec().to(No)).waits_for("net/fra-2").sees(encrypted_connection()).sends(&sets(No));
    // A circuit of another account is not waited for.
    let elsewhere = claim("net/fra-2").wanting(Must).unproven(Must).showing_account("444455556666");
    given(spec().to(Should)).has_twin(elsewhere).sees(keyed).sends(&sets(Should));
}

#[test]
fn a_refused_update_waits_and_says_why() {
    let story = given(spec().name("fra-2"))
        .sees(connection())
        .after(1)
        .gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected));
    let story = story.rests(Reason::RequestRejected).says("AWS says no").decides_again_in(15);
    let story = story.after(15).reads().sees(connection()).sends(&renames("fra-2"));
    let story = story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected)).decides_again_in(30);
    // A change of the spec is tried at once.
    story.with_spec(spec().name("fra-3").generation(2)).after(1).sees(connection()).sends(&renames("fra-3"));
}

#[test]
fn a_field_that_aws_refuses_does_not_hold_back_the_other() {
    let refused = || fault(FaultKind::Rejected);
    let cut = connection().key("associated").mode("must_encrypt");
    let both = Change { name: Some("bad".into()), mode: Some(Should) };
    // MACsec is down and the line is cut, and AWS refuses the name that is in the spec beside the lower mode.
    let story = given(spec().name("bad").to(Should)).sees(cut.clone()).sends(&both).gets_refusal(&both, refused());
    let story = story.after(1).reads().sees(cut.clone()).sends(&sets(Should));
    let lowered = story.clone().gets_answer(&sets(Should), &connection()).after(1).sees(connection());
    lowered.sends(&renames("bad")).gets_refusal(&renames("bad"), refused()).rests(Reason::RequestRejected);
    // A mode that is refused does not hold back the name either. Then both wait.
    let story = story.gets_refusal(&sets(Should), refused()).after(1).reads().sees(cut.clone());
    let story = story.sends(&renames("bad")).gets_refusal(&renames("bad"), refused()).after(1).sees(cut.clone());
    let story = story.rests(Reason::RequestRejected).decides_again_in(59).after(59).sees(cut.clone());
    let story = story.sends(&both).gets_refusal(&both, refused()).after(1).sees(cut.clone());
    story.rests(Reason::RequestRejected).decides_again_in(119);
    // A mode that somebody else raises later does not wait for the name that was refused before.
    let story = given(spec().name("bad").to(Should)).sees(connection()).gets_refusal(&renames("bad"), refused());
    story.after(1).sees(cut.clone()).sends(&sets(Should));
    // If AWS throttles or denies updates, it does so whatever they contain.
    for kind in [FaultKind::Throttled, FaultKind::AccessDenied, FaultKind::Unavailable] {
        let story = given(spec().name("bad").to(Should)).sees(cut.clone()).gets_refusal(&both, fault(kind));
        let reason = fault(kind).reason();
        story.sees(cut.clone()).rests(reason);
    }
}

#[test]
fn contention_is_reported_first_then_stalled_blockers_then_waiting_ones() {
    // The mode needs a key, but while the outcome of the rename is unknown that is reported: nothing else tells of it.
    let story = given(spec().name("fra-2").to(Must)).sees(connection()).gets_refusal(&renames("fra-2"), lost());
    let story = story.after(1).sees(connection()).rests(Reason::AwsUnavailable).decides_again_in(71);
    let story = story.after(71).reads().sees(connection()).sends(&renames("fra-2"));
    let story = story.gets_answer(&renames("fra-2"), &connection().named("fra-2")).after(61).sees(connection());
    let mut story = story.sends(&renames("fra-2"));
    for _ in 0..2 {
        story = story.gets_answer(&renames("fra-2"), &connection().named("fra-2")).after(61).sees(connection());
    }
    story.rests(Reason::Contended).says("connectionName of dxcon-fg1234ab back three times");
}

#[test]
fn a_refused_name_delays_no_mode_that_waits_for_its_turn() {
    let both = Change { name: Some("fra-2".into()), mode: Some(Should) };
    let clear = || encrypted_connection().mode("no_encrypt");
    let mut story = given(spec().name("fra-2").to(Should)).sees(clear()).sends(&both);
    for _ in 0..8 {
        story = story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected));
    }
    let story = story.waits_for("net/other").after(5).sees(clear()).rests(Reason::RequestRejected);
    story.decides_again_in(60);
}
