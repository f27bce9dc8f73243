//! Given this connection and this wish, that plan.

use directconnect_core::decide::{Drift, Step};
use directconnect_core::fault::FaultKind;
use directconnect_core::history::Change;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;

use crate::given::{
    Asks, Line, Must, No, SETTINGS, Says, Should, Story, claim, encrypted_line, fault, given, given_with, line, lost,
    renames, second, seconds, sets, wish,
};

#[test]
fn what_is_as_asked_needs_nothing() {
    given(wish()).sees(line()).rests(Reason::InSync).says("manages neither");
    given(wish().name("fra-1")).sees(line()).rests(Reason::InSync).says("AWS has what the spec asks for");
    let polled = given(wish().name("fra-1").to(Should)).polls(line()).rests(Reason::InSync);
    assert_eq!(polled.plan().verdict.map(|verdict| verdict.message), Some("AWS has what the spec asks for".into()));
    given(wish().to(No)).sees(line().incapable().without_mode()).rests(Reason::InSync);
    let plan = given(wish().name("fra-1").to(Should)).sees(line()).plan();
    assert!(plan.is_met && plan.drift.is_empty() && plan.next_check.is_none(), "{plan:?}");
}

#[test]
fn only_what_differs_is_sent() {
    given(wish().name("fra-2").to(Should)).sees(line()).sends(&renames("fra-2"));
    given(wish().name("fra-1").to(No)).sees(line()).sends(&sets(No));
    given(wish().name("fra-2").to(No)).sees(line()).sends(&Change { name: Some("fra-2".into()), mode: Some(No) });
    given(wish().name("fra-2")).sees(Connection { connection_name: None, ..line() }).sends(&renames("fra-2"));
}

#[test]
fn a_name_goes_with_a_mode_that_may_go_now_and_alone_otherwise() {
    let both = wish().name("fra-2").to(Must);
    given(both.clone()).sees(line()).sends(&renames("fra-2"));
    given(both.clone())
        .sees(line().mode("no_encrypt"))
        .sends(&Change { name: Some("fra-2".into()), mode: Some(Should) });
    let ready = given(both.clone()).soaks(&encrypted_line());
    ready.sends(&Change { name: Some("fra-2".into()), mode: Some(Must) });
    given(both).sees(line().in_lag("dxlag-1")).sends(&renames("fra-2"));
}

#[test]
fn what_differs_is_told_as_drift() {
    let plan = given(wish().name("fra-2").to(No)).sees(Connection { connection_name: None, ..line() }).plan();
    assert_eq!(
        plan.drift,
        [
            Drift { field: "connectionName", desired: "fra-2".into(), observed: None },
            Drift { field: "encryptionMode", desired: "no_encrypt".into(), observed: Some("should_encrypt".into()) },
        ]
    );
    assert!(!plan.is_met);
    // Values that say that there is no MACsec, or nothing that is known, are no drift.
    for connection in [line().mode("unknown"), line().without_mode(), line().mode("quantum"), line().incapable()] {
        assert_eq!(given(wish().to(Must)).sees(connection).plan().drift, []);
    }
}

#[test]
fn an_update_is_decided_on_a_fresh_read_of_this_connection() {
    let story = given(wish().name("fra-2")).polls(line()).reads();
    assert_eq!(story.plan().verdict.map(|verdict| verdict.reason), Some(Reason::Updating));
    let story = story.after(1).sees(line()).sends(&renames("fra-2")).says(r#"connectionName to "fra-2""#);
    let story = story.after(30).sends(&renames("fra-2"));
    story.after(1).reads().says("setting connectionName");
}

#[test]
fn a_name_goes_from_requested_on() {
    for state in ["requested", "pending", "available", "down"] {
        given(wish().name("fra-2")).sees(line().state(state)).sends(&renames("fra-2"));
    }
    for state in ["ordering", "unknown", "marvellous"] {
        let story = given(wish().name("fra-2")).sees(line().state(state));
        story.rests(Reason::WaitingForAvailable).says(&format!("is {state};"));
    }
    let stateless = Connection { connection_state: None, ..line() };
    given(wish().name("fra-2")).sees(stateless).rests(Reason::WaitingForAvailable).says("is absent");
}

#[test]
fn nothing_goes_to_what_has_ended() {
    for state in ["deleting", "deleted", "rejected"] {
        let asks = wish().name("fra-2").to(No);
        let story = given(asks.clone()).sees(encrypted_line().state(state)).rests(Reason::ConnectionGone);
        story.says(state).has_elder("net/old").rests(Reason::ConnectionGone);
        given(asks.paused()).sees(line().state(state)).rests(Reason::ConnectionGone);
    }
}

#[test]
fn what_is_not_found_is_looked_for_and_never_created() {
    let story = given(wish().name("fra-2")).misses().rests(Reason::NotFound).says("never created");
    // A new wish asks once more.
    let story = story.after(5).wishes(wish().name("fra-3").generation(2)).asks_for_a_read().reads();
    story.after(1).misses().rests(Reason::NotFound).after(60).sees(line()).sends(&renames("fra-3"));
}

#[test]
fn hands_off_while_paused_observing_or_conflicting() {
    let asks = wish().name("fra-2").to(No);
    let paused = given(asks.clone().paused()).sees(line()).rests(Reason::Paused);
    paused.says(r#"connectionName is "fra-1" in AWS and "fra-2" in the spec"#).says("encryptionMode is");
    given(asks.clone().observing()).sees(line()).rests(Reason::Drifted).says("managementPolicy is Observe");
    given(asks.clone()).has_elder("net/old").sees(line()).rests(Reason::Conflict).says("net/old");
    given(asks.clone().paused()).has_elder("net/old").sees(line()).rests(Reason::Conflict);
    given(asks.observing().paused()).sees(line()).rests(Reason::Drifted);
    given(wish().paused().name("fra-1")).sees(line()).rests(Reason::InSync).says("paused");
    given(wish().observing().name("fra-1")).sees(line()).rests(Reason::Observed);
    given(wish().observing().to(Must)).sees(line().incapable()).rests(Reason::Drifted).says("not MACsec capable");
    let nameless = Connection { connection_name: None, ..line() };
    given(wish().observing().name("fra-2")).sees(nameless).rests(Reason::Drifted).says("is absent in AWS");
}

#[test]
fn an_unknown_value_leads_to_no_update() {
    let asks = wish().name("fra-2").to(No);
    given(asks.clone()).sees(line().mode("quantum_encrypt")).rests(Reason::AwsUnavailable).says("quantum_encrypt");
    given(asks).sees(line().state("marvellous")).rests(Reason::WaitingForAvailable).says("marvellous");
    // `unknown` only says that there is no MACsec.
    given(wish().name("fra-2")).sees(line().mode("unknown")).sends(&renames("fra-2"));
}

#[test]
fn the_ladder_from_clear_text_to_must_encrypt() {
    let story = given(wish().to(Must)).sees(line().mode("no_encrypt")).sends(&sets(Should));
    let story = story.gets_answer(&sets(Should), &line()).after(1).sees(line()).rests(Reason::NoMacSecKey);
    let story = story.after(60).sees(line().key("associating")).rests(Reason::WaitingForEncryptionUp);
    let story = story.after(60).sees(line().key("associated")).rests(Reason::WaitingForEncryptionUp);
    let story = story.decides_again_in(9 * 60).after(60).sees(encrypted_line());
    let story = story.rests(Reason::WaitingForEncryptionUp).says("whole soak").decides_again_in(15);
    let story = story.after(15).reads().sees(encrypted_line()).after(15).sees(encrypted_line());
    let story = story.after(15).sees(encrypted_line()).rests(Reason::WaitingForEncryptionUp).after(15).reads();
    let story = story.sees(encrypted_line()).sends(&sets(Must));
    let must = encrypted_line().mode("must_encrypt");
    let story = story.gets_answer(&sets(Must), &must).rests(Reason::InSync);
    assert!(story.plan().is_met);
}

#[test]
fn a_flap_begins_the_soak_anew() {
    let story = given(wish().to(Must)).soaks(&encrypted_line()).sends(&sets(Must));
    let story = story.after(1).sees(line().key("associated")).rests(Reason::WaitingForEncryptionUp);
    let story = story.after(1).sees(encrypted_line()).rests(Reason::WaitingForEncryptionUp).says("whole soak");
    let story = story.sees_for(45, &encrypted_line()).after(14).sees(encrypted_line());
    let story = story.rests(Reason::WaitingForEncryptionUp).decides_again_in(1);
    story.after(1).reads().sees(encrypted_line()).sends(&sets(Must));
}

#[test]
fn after_the_deadline_a_person_is_asked_and_it_goes_on_by_itself() {
    let keyed = line().key("associated");
    // Down for an hour before anyone wanted it up: the deadline is that of the wish.
    let story = given(wish().to(Should)).sees(keyed.clone()).after(3600).wishes(wish().to(Must).generation(2));
    let story = story.sees(keyed.clone()).rests(Reason::WaitingForEncryptionUp).decides_again_in(600);
    let story = story.after(599).sees(keyed.clone()).rests(Reason::WaitingForEncryptionUp).decides_again_in(1);
    let story = story.after(1).rests(Reason::EncryptionNotUp).says("check CKN, CAK and cipher suite");
    story.after(3600).soaks(&encrypted_line()).sends(&sets(Must));
}

#[test]
fn while_a_soak_runs_looks_are_close_together() {
    let story = given(wish().to(Must)).sees(encrypted_line()).decides_again_in(15).after(15).reads();
    // The last look comes when the soak is over, not a whole interval later.
    let story = story.sees(encrypted_line()).after(20).sees(encrypted_line()).after(15).sees(encrypted_line());
    let story = story.decides_again_in(10);
    story.after(10).reads().sees(encrypted_line()).sends(&sets(Must));
    // Not where no soak is waited for.
    for asks in [wish().to(Should), wish().to(Must).paused(), wish().to(Must).observing()] {
        assert_eq!(given(asks).sees(encrypted_line()).plan().next_check, None);
    }
    let member = encrypted_line().in_lag("dxlag-1");
    assert_eq!(given(wish().to(Must)).sees(member).plan().next_check, None);
    let younger = given(wish().to(Must)).has_elder("net/old").sees(encrypted_line());
    assert_eq!(younger.plan().next_check, None);
    // A short poll interval is the cadence.
    let hasty = given_with(Settings { poll_interval: seconds(5), ..SETTINGS }, wish().to(Must));
    hasty.sees(encrypted_line()).decides_again_in(5);
}

#[test]
fn must_encrypt_is_held_while_encryption_is_down() {
    let down = line().key("associated").mode("must_encrypt").state("down");
    given(wish().to(Must)).sees(down.clone()).rests(Reason::InSync).says("lets no traffic pass");
    let said = |story: Story| story.rests(Reason::InSync).plan().verdict.map(|verdict| verdict.message);
    let plain = Some("AWS has what the spec asks for".to_owned());
    assert_eq!(said(given(wish().to(Must)).sees(encrypted_line().mode("must_encrypt"))), plain);
    assert_eq!(said(given(wish().name("fra-1")).sees(down)), plain, "the mode is not asked for");
}

#[test]
fn what_aws_takes_back_goes_by_the_ladder() {
    let must = encrypted_line().mode("must_encrypt");
    for asks in [wish().to(Must), wish().to(Must).immediately()] {
        let story = given(asks).sees(encrypted_line()).was_met(1);
        let story = story.gets_answer(&sets(Must), &must).after(120).sees(must.clone()).rests(Reason::InSync);
        // The last key goes, and AWS lowers the mode to keep the link up.
        let story = story.after(60).sees(line()).rests(Reason::NoMacSecKey);
        let story = story.after(60).sees(encrypted_line()).rests(Reason::WaitingForEncryptionUp);
        story.after(60).soaks(&encrypted_line()).sends(&sets(Must));
    }
}

#[test]
fn immediate_goes_once_for_an_unbroken_wish_whatever_the_generation() {
    let asks = |generation| wish().to(Must).immediately().generation(generation);
    given(asks(3)).sees(line()).sends(&sets(Must));
    given(asks(3)).was_met(2).sees(line()).sends(&sets(Must));
    for sent_for in [1, 2, 3] {
        let story = given(asks(3)).had_must(sent_for).sees(line()).rests(Reason::NoMacSecKey);
        story.says("to use it again, want another mode first");
        // From clear text too it goes by the ladder.
        given(asks(3)).had_must(sent_for).sees(line().mode("no_encrypt")).sends(&sets(Should));
    }
    // A step on the way is no must_encrypt.
    let story = given(wish().to(Must)).sees(line().mode("no_encrypt")).gets_answer(&sets(Should), &line());
    story.after(61).wishes(asks(2)).sees(line()).sends(&sets(Must));
}

#[test]
fn immediate_can_be_used_again_once_another_mode_was_wanted() {
    let must = encrypted_line().mode("must_encrypt");
    let story = given(wish().to(Must).immediately()).sees(line()).gets_answer(&sets(Must), &must).writes();
    let story = story.after(61).sees(line()).writes().rests(Reason::NoMacSecKey);
    let story = story.after(1).wishes(wish().to(Should).generation(2)).sees(line()).writes();
    let story = story.wishes(wish().to(Must).immediately().generation(3)).sees(line());
    story.sends(&sets(Must));
}

#[test]
fn a_must_that_was_shown_while_another_mode_was_wanted_does_not_use_up_immediate() {
    let must = encrypted_line().mode("must_encrypt");
    let story = given(wish().to(Should)).sees(must).sends(&sets(Should)).gets_answer(&sets(Should), &line());
    let story = story.after(61).wishes(wish().to(Must).immediately().generation(2)).sees(line());
    story.sends(&sets(Must));
}

#[test]
fn immediate_does_not_put_back_what_was_seen_and_taken_back() {
    // A pause with a name that was never met: the mode was there for this very wish, and AWS took it back.
    let asks = wish().name("fra-2").to(Must).immediately();
    let tight = encrypted_line().mode("must_encrypt");
    let story = given(asks.clone().paused()).sees(tight).rests(Reason::Paused).writes();
    assert_eq!(story.ledger().must_encrypt_generation, Some(1), "seen, not sent");
    let story = story.after(60).sees(line()).rests(Reason::Paused).writes();
    story.wishes(asks).after(1).sees(line()).sends(&renames("fra-2"));
}

#[test]
fn a_must_that_was_seen_is_remembered_before_it_is_written() {
    let tight = encrypted_line().mode("must_encrypt");
    let asks = wish().to(Must).immediately();
    // Nobody has written anything between the two reads.
    given(asks).sees(tight).after(60).sees(line()).rests(Reason::NoMacSecKey).says("another mode first");
}

#[test]
fn immediate_does_not_begin_anew_after_a_rename() {
    let story = given(wish().name("fra-2").to(Must).immediately()).sees(line());
    let both = Change { name: Some("fra-2".into()), mode: Some(Must) };
    // AWS takes both, but somebody puts the name back, and the last update that status tells of is a rename.
    let story = story.sends(&both).gets_answer(&both, &line().mode("must_encrypt")).after(61);
    let story = story.sees(line()).sends(&renames("fra-2"));
    let story = story.gets_answer(&renames("fra-2"), &line().named("fra-2"));
    story.after(1).sees(line().named("fra-2")).rests(Reason::NoMacSecKey);
}

#[test]
fn an_immediate_whose_answer_was_lost_is_read_and_never_just_sent_again() {
    let story = given(wish().to(Must).immediately()).sees(line().mode("no_encrypt")).sends(&sets(Must));
    let story = story.gets_refusal(&sets(Must), lost());
    let story = story.after(1).sees(line().mode("no_encrypt")).rests(Reason::AwsUnavailable).decides_again_in(15);
    let story = story.after(59).sees(line().mode("no_encrypt")).rests(Reason::AwsUnavailable);
    // It did not take effect, as a read that began after the window shows: on by the ladder.
    story.after(1).sees(line().mode("no_encrypt")).sends(&sets(Should));
}

#[test]
fn an_immediate_that_aws_refused_can_go_again() {
    let story = given(wish().to(Must).immediately()).sees(line()).after(1);
    let story = story.gets_refusal(&sets(Must), fault(FaultKind::Rejected)).after(15);
    story.reads().sees(line()).sends(&sets(Must));
}

#[test]
fn another_on_its_way_is_waited_for() {
    let story = given(wish().to(Must)).waits_for("net/fra-2").soaks(&encrypted_line());
    story.rests(Reason::WaitingForTurn).says("net/fra-2").decides_again_in(15);
    let story = given(wish().name("fra-9").to(Must)).waits_for("net/fra-2").soaks(&encrypted_line());
    story.sends(&renames("fra-9"));
    given(wish().to(Should)).waits_for("net/fra-2").sees(line().mode("no_encrypt")).sends(&sets(Should));
    // With a key in place encryption may begin, and whether the line carries it is not known.
    let keyed = encrypted_line().mode("no_encrypt");
    let story = given(wish().to(Should)).waits_for("net/fra-2").sees(keyed.clone());
    story.rests(Reason::WaitingForTurn).decides_again_in(60);
    // Down the ladder nobody waits.
    given(wish().to(No)).waits_for("net/fra-2").sees(encrypted_line()).sends(&sets(No));
    // One of another account is not waited for.
    let elsewhere = claim("net/fra-2").wanting(Must).unproven(Must).showing_account("444455556666");
    given(wish().to(Should)).has_twin(elsewhere).sees(keyed).sends(&sets(Should));
}

#[test]
fn a_refused_update_waits_and_says_why() {
    let story =
        given(wish().name("fra-2")).sees(line()).after(1).gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected));
    let story = story.rests(Reason::RequestRejected).says("AWS says no").decides_again_in(15);
    let story = story.after(15).reads().sees(line()).sends(&renames("fra-2"));
    let story = story.gets_refusal(&renames("fra-2"), fault(FaultKind::Rejected)).decides_again_in(30);
    // A change of the spec tries at once.
    story.wishes(wish().name("fra-3").generation(2)).after(1).sees(line()).sends(&renames("fra-3"));
}

#[test]
fn a_failed_read_is_no_news_to_what_needs_nothing() {
    let story = given(wish().name("fra-1")).sees(line()).was_met(1).polls_fail(FaultKind::Unavailable);
    let story = story.after(60).rests(Reason::InSync).decides_again_in(120).after(119).rests(Reason::InSync);
    let story = story.after(1).rests(Reason::AwsUnavailable);
    assert!(story.plan().verdict.is_some_and(|verdict| verdict.stale));
    story.after(1).polls_work().polls(line()).rests(Reason::InSync);
}

#[test]
fn a_failed_read_shows_at_once_where_an_update_is_due() {
    let story = given(wish().name("fra-2")).polls(line()).after(1).read_fails(fault(FaultKind::Throttled));
    let story = story.rests(Reason::Throttled).decides_again_in(1);
    let story = story.after(1).reads().sees(line()).sends(&renames("fra-2"));
    story.after(1).polls_fail(FaultKind::AccessDenied).rests(Reason::AccessDenied);
}

#[test]
fn a_read_is_tried_again_in_its_time_however_old_the_last_one_is() {
    let unavailable = || fault(FaultKind::Unavailable);
    let story = given(wish().name("fra-2")).polls(line()).after(175).read_fails(unavailable()).decides_again_in(1);
    let story = story.after(1).reads().says("setting connectionName").decides_again_in(4);
    let story = story.after(4).reads().read_fails(unavailable()).rests(Reason::AwsUnavailable).decides_again_in(2);
    assert!(story.plan().verdict.is_some_and(|verdict| verdict.stale));
    let story = story.after(2).reads();
    assert_eq!(story.plan().next_check, None);
    // Before the first read it is the poller that tries again.
    let story = given(wish().name("fra-2")).read_fails(unavailable()).rests(Reason::AwsUnavailable).decides_again_in(1);
    assert_eq!(story.after(1).rests(Reason::AwsUnavailable).plan().next_check, None);
}

#[test]
fn what_is_met_says_so_while_a_look_that_was_asked_for_fails() {
    let story = given(wish().name("fra-1")).sees(line()).after(20).asks_for_a_read();
    story.read_fails(fault(FaultKind::Throttled)).rests(Reason::InSync).decides_again_in(1);
}

#[test]
fn before_the_first_read_the_fault_shows_at_once_unless_the_wish_was_met() {
    let story = given(wish().name("fra-2"));
    assert_eq!((story.plan().verdict, story.plan().step), (None, Step::Rest));
    let story = story.polls_fail(FaultKind::CredentialsInvalid).rests(Reason::CredentialsInvalid);
    assert!(story.plan().verdict.is_some_and(|verdict| !verdict.stale), "it is no older than its resource");
    let mut story = given(wish().name("fra-2"));
    story.now = second(30);
    let story = story.polls_fail(FaultKind::Unavailable).rests(Reason::AwsUnavailable);
    assert_eq!(story.plan().next_check, None, "it does not become stale");
    let story = story.was_met(1).polls_work();
    assert_eq!((story.plan().verdict, story.plan().next_check), (None, None), "nothing has failed");
    let story = story.polls_fail(FaultKind::Unavailable);
    assert_eq!(story.plan().verdict, None, "status is kept for a while");
    let story = story.decides_again_in(150).after(150).rests(Reason::AwsUnavailable);
    assert!(story.plan().verdict.is_some_and(|verdict| verdict.stale));
}

#[test]
fn a_look_that_was_asked_for_is_made() {
    let story = given(wish().name("fra-1")).sees(line()).after(20).asks_for_a_read();
    story.reads().sees(line()).rests(Reason::InSync);
}

#[test]
fn contention_is_told_first_then_what_needs_a_person_then_what_needs_time() {
    // The name is in doubt, the mode needs a key: the key is told, and the name is looked at again all the same.
    let story = given(wish().name("fra-2").to(Must)).sees(line()).gets_refusal(&renames("fra-2"), lost());
    let story = story.after(1).sees(line()).rests(Reason::NoMacSecKey).decides_again_in(59);
    let story = story.after(59).reads().sees(line()).sends(&renames("fra-2"));
    let story = story.gets_answer(&renames("fra-2"), &line().named("fra-2")).after(61).sees(line());
    let mut story = story.sends(&renames("fra-2"));
    for _ in 0..2 {
        story = story.gets_answer(&renames("fra-2"), &line().named("fra-2")).after(61).sees(line());
    }
    story.rests(Reason::Contended).says("connectionName of dxcon-fg1234ab back three times");
}
