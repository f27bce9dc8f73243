//! When a decision needs another read, which read it rests on, and what it reports while reads fail.

use std::time::Duration;

use directconnect_core::decide::Step;
use directconnect_core::desired::Desired;
use directconnect_core::fault::FaultKind;
use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;
use directconnect_core::turn::Claim;

use crate::given::{
    Asks, ConnectionExt, Must, SETTINGS, Should, connection, encrypted_connection, fault, given, given_with, renames,
    second, seconds, sets, spec,
};

#[test]
fn once_the_settle_window_is_over_the_mode_is_read_again() {
    let clear = connection().mode("no_encrypt");
    let story = given(spec().name("fra-2")).sees(clear.clone());
    let renamed = clear.named("fra-2");
    let story = story.gets_answer(&renames("fra-2"), &renamed).after(30);
    let mut story =
        story.with_spec(spec().name("fra-2").to(Should).generation(2)).sees(renamed).rests(Reason::Settling);
    // A read that began in the last millisecond of the window would not count.
    let over = story.now + seconds(30) + Duration::from_millis(1);
    assert_eq!(story.plan().next_check, Some(over));
    story.now = over;
    assert_eq!(story.clone().reads().plan().next_check, None);
    story.after(3600).reads();
}

#[test]
fn a_read_that_began_as_a_wait_ended_is_not_made_again() {
    let settings = Settings { progress_deadline: seconds(30), ..SETTINGS };
    let down = connection().key("associated");
    let story = given_with(settings, spec().name("fra-2").to(Must)).sees(down.clone());
    let story = story.gets_answer(&renames("fra-2"), &down.clone().named("fra-2")).after(1);
    let story = story.sees(down.named("fra-2")).rests(Reason::WaitingForEncryptionUp).decides_again_in(30).after(30);
    // MACsec has come up by the deadline. The read is late by its name, so it does not end the wait.
    let story = story.sees(encrypted_connection()).rests(Reason::WaitingForEncryptionUp);
    story.decides_again_in(15);
}

#[test]
fn after_a_step_up_the_ladder_a_read_follows_soon_even_without_a_key() {
    let story = given(spec().to(Must)).sees(connection().mode("no_encrypt")).gets_answer(&sets(Should), &connection());
    let story = story.rests(Reason::NoMacSecKey).decides_again_in(15).after(15).reads().sees(connection());
    assert_eq!(story.rests(Reason::NoMacSecKey).plan().next_check, None, "one read is enough");
}

#[test]
fn a_connection_that_is_known_to_be_absent_is_not_read_at_every_poll() {
    let story = given(spec().name("fra-2")).misses().rests(Reason::NotFound);
    story.after(60).polls_without_it().rests(Reason::NotFound).after(60).polls_without_it().rests(Reason::NotFound);
}

#[test]
fn a_plan_says_which_read_it_rests_on() {
    let story = given(spec()).sees(connection()).after(60).polls(encrypted_connection());
    assert_eq!(story.plan().observation.as_ref(), story.history().observation());
    assert_eq!(story.plan().observation.map(|read| read.began), Some(story.now));
}

#[test]
fn a_failed_read_does_not_change_the_status_of_a_resource_in_sync() {
    let story = given(spec().name("fra-1")).sees(connection()).was_met(1).polls_fail(FaultKind::Unavailable);
    let story = story.after(60).rests(Reason::InSync).decides_again_in(120).after(119).rests(Reason::InSync);
    let story = story.after(1).rests(Reason::AwsUnavailable);
    assert!(story.plan().verdict.is_some_and(|verdict| verdict.stale));
    story.after(1).lists(connection()).rests(Reason::InSync);
}

#[test]
fn a_failed_read_shows_at_once_where_an_update_is_due() {
    let story = given(spec().name("fra-2")).polls(connection()).after(1).read_fails(fault(FaultKind::Throttled));
    let story = story.rests(Reason::Throttled).decides_again_in(1);
    let story = story.after(1).reads().sees(connection()).sends(&renames("fra-2"));
    story.after(1).polls_fail(FaultKind::AccessDenied).rests(Reason::AccessDenied);
}

#[test]
fn while_only_listings_fail_a_lowering_goes_and_a_soak_is_looked_at() {
    let cut = connection().key("associated").mode("must_encrypt");
    let lowers = given(spec().to(Should)).polls(cut.clone()).polls_fail(FaultKind::Unavailable);
    lowers.reads().sees(cut.clone()).sends(&sets(Should));
    for spec in [spec().to(Should).paused(), spec().to(Should).observing()] {
        given(spec).sees(cut.clone()).polls_fail(FaultKind::Unavailable).after(60).plan_rests();
    }
    let soaks = given(spec().to(Must)).sees(encrypted_connection()).polls_fail(FaultKind::Unavailable);
    let soaks = soaks.after(15).reads().sees(encrypted_connection()).after(15).reads().sees(encrypted_connection());
    // A read by id that fails too waits for its time.
    soaks.after(15).read_fails(fault(FaultKind::Unavailable)).plan_rests().after(1).reads();
    // Everything else waits until listings work, also what a person asks for.
    let met = given(spec().to(Should)).sees(connection()).after(1).polls_fail(FaultKind::Unavailable);
    met.asks_for_a_read().plan_rests();
    let renamed = given(spec().name("fra-2")).polls(connection()).polls_fail(FaultKind::Unavailable);
    renamed.rests(Reason::AwsUnavailable).sees(connection()).rests(Reason::AwsUnavailable);
    let raised = given(spec().to(Must)).soaks(&encrypted_connection()).polls_fail(FaultKind::Unavailable);
    raised.rests(Reason::AwsUnavailable).after(15).plan_rests();
}

#[test]
fn a_lowering_that_aws_refuses_is_tried_again_in_its_time_though_listings_fail() {
    let cut = connection().key("associated").mode("must_encrypt");
    let mut story = given(spec().to(Should)).sees(cut).polls_fail(FaultKind::Unavailable);
    for _ in 0..5 {
        story = story.gets_refusal(&sets(Should), fault(FaultKind::Rejected));
    }
    story.after(181).plan_rests().decides_again_in(59).after(59).reads();
}

#[test]
fn after_a_failed_read_nothing_is_sent_on_an_earlier_one() {
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).sends(&sets(Must)).after(1);
    let story = story.read_fails(fault(FaultKind::Unavailable)).plan_rests();
    story.after(1).reads().sees(encrypted_connection()).sends(&sets(Must));
}

#[test]
fn must_encrypt_is_sent_on_a_read_no_older_than_two_reads_of_a_soak_may_be_apart() {
    for (soak, limit) in [(60, 30), (20, 20), (2, 10)] {
        let settings = Settings { encryption_soak: seconds(soak), ..SETTINGS };
        let story = given_with(settings, spec().to(Must)).sees_for(60, &encrypted_connection());
        let story = (0..soak).fold(story, |story, _| story.after(1).sees(encrypted_connection()));
        story.clone().after(limit).sends(&sets(Must));
        story.clone().after(limit + 1).reads();
        let story = given_with(settings, spec().name("fra-2")).sees(connection());
        story.clone().after(30).sends(&renames("fra-2")).after(1).reads();
    }
}

#[test]
fn a_soak_in_which_aws_shows_no_mode_any_more_is_read_at_its_cadence() {
    let tight = encrypted_connection().mode("must_encrypt");
    for odd in [tight.clone().without_mode(), tight.clone().mode("quantum_encrypt")] {
        let story = given(spec().to(Must)).soaks(&encrypted_connection()).gets_answer(&sets(Must), &tight).after(1);
        let story = story.sees(tight.clone()).after(15).sees(odd.clone()).after(45).reads().sees(odd.clone());
        story.plan_rests().decides_again_in(15).after(15).reads().sees(odd).plan_rests().decides_again_in(15);
    }
}

#[test]
fn a_read_is_tried_again_in_its_time_however_old_the_last_one_is() {
    let unavailable = || fault(FaultKind::Unavailable);
    let story =
        given(spec().name("fra-2")).polls(connection()).after(175).read_fails(unavailable()).decides_again_in(1);
    let story = story.after(1).reads().says("setting connectionName").decides_again_in(4);
    let story = story.after(4).reads().read_fails(unavailable()).rests(Reason::AwsUnavailable).decides_again_in(2);
    assert!(story.plan().verdict.is_some_and(|verdict| verdict.stale));
    let story = story.after(2).reads();
    assert_eq!(story.plan().next_check, None);
    // Before the first read, only the poller tries again.
    let story = given(spec().name("fra-2")).read_fails(unavailable()).rests(Reason::AwsUnavailable).decides_again_in(1);
    assert_eq!(story.after(1).rests(Reason::AwsUnavailable).plan().next_check, None);
}

#[test]
fn a_resource_in_sync_stays_so_while_a_requested_read_fails() {
    let story = given(spec().name("fra-1")).sees(connection()).after(20).asks_for_a_read();
    story.read_fails(fault(FaultKind::Throttled)).rests(Reason::InSync).decides_again_in(1);
}

#[test]
fn before_the_first_read_a_fault_is_shown_at_once_unless_the_spec_was_met() {
    let story = given(spec().name("fra-2"));
    assert_eq!((story.plan().verdict, story.plan().step), (None, Step::Rest));
    let story = story.polls_fail(FaultKind::CredentialsInvalid).rests(Reason::CredentialsInvalid);
    assert!(story.plan().verdict.is_some_and(|verdict| !verdict.stale), "it is no older than its resource");
    let mut story = given(spec().name("fra-2"));
    story.now = second(30);
    let failed = story.clone().polls_fail(FaultKind::Unavailable).rests(Reason::AwsUnavailable);
    assert_eq!(failed.plan().next_check, None, "it does not become stale");
    let story = story.was_met(1);
    assert_eq!((story.plan().verdict, story.plan().next_check), (None, None), "nothing has failed");
    let story = story.polls_fail(FaultKind::Unavailable);
    assert_eq!(story.plan().verdict, None, "status is kept for a while");
    let story = story.decides_again_in(150).after(150).rests(Reason::AwsUnavailable);
    assert!(story.plan().verdict.is_some_and(|verdict| verdict.stale));
}

#[test]
fn a_requested_read_is_made() {
    let story = given(spec().name("fra-1")).sees(connection()).after(20).asks_for_a_read();
    story.reads().sees(connection()).rests(Reason::InSync);
}

#[test]
fn a_connection_that_is_gone_is_not_read_at_the_soak_cadence() {
    for state in ["deleting", "deleted", "rejected"] {
        let story = given(spec().to(Must)).sees(encrypted_connection().state(state)).rests(Reason::ConnectionGone);
        let plan = story.plan();
        assert!(!plan.is_watched && plan.next_check.is_none(), "{state}: {plan:#?}");
    }
}

#[test]
fn one_failed_read_changes_nothing_for_a_resource_that_waits_or_for_which_nothing_is_sent() {
    let must = encrypted_connection().mode("must_encrypt");
    let sent = given(spec().to(Must)).soaks(&encrypted_connection()).gets_answer(&sets(Must), &must);
    let sent = sent.after(1).sees(must.clone()).rests(Reason::InSync);
    let other = || spec().to(Must).name("fra-2").generation(2);
    let soaking = given(spec().to(Must)).sees_for(45, &encrypted_connection());
    let cases = [
        (sent.clone().with_spec(other().paused()), Reason::Paused),
        (sent.clone().with_spec(other().observing()), Reason::Drifted),
        (sent.has_older_claim("net/older"), Reason::Conflict),
        (soaking, Reason::WaitingForEncryptionUp),
    ];
    for (story, reason) in cases {
        let story = story.rests(reason).after(15).reads();
        story.read_fails(fault(FaultKind::Unavailable)).rests(reason);
    }
}

#[test]
fn before_the_first_read_a_resource_that_says_that_nothing_is_on_its_way_keeps_its_status() {
    let reported = |spec: Desired| {
        let mut story = given(spec);
        story.now = second(30);
        let circuit = story.circuit().clone();
        let known = story.claim();
        story.fleet.apply(&circuit, Claim { is_reported: true, version: known.version + 1, ..known });
        story.polls_fail(FaultKind::Unavailable)
    };
    for spec in [spec().name("fra-2").observing(), spec().name("fra-2").paused(), spec().to(Must)] {
        let story = reported(spec);
        assert_eq!(story.plan().verdict, None);
        let stale = story.decides_again_in(150).after(150).rests(Reason::AwsUnavailable);
        assert!(stale.plan().verdict.is_some_and(|verdict| verdict.stale));
    }
}
