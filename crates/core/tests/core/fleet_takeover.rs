//! What a new leader knows of the leader before, and what it has to wait for.

use directconnect_core::clock::Moment;
use directconnect_core::fault::FaultKind;
use directconnect_core::fleet::Fleet;
use directconnect_core::ledger::{LastUpdate, Ledger};
use directconnect_core::observed::Connection;
use directconnect_core::settings::MAX_CALL_DURATION;
use directconnect_core::turn::{Claim, HoldReason, Shown};

use crate::fleet::*;
use crate::given::{
    Asks, Must, REGION, SETTINGS, Says, Should, claim, encrypted_connection, fault, given, lost, region, resource,
    second, sets, spec,
};

#[test]
fn after_a_take_over_a_call_of_the_one_before_may_still_end() {
    let led_at = 10_000;
    let settles = |claim: Claim| {
        let mut fleet = Fleet::new(SETTINGS);
        fleet.lead(second(led_at));
        fleet.apply(&a(), claim);
        fleet.settles_at(&a())
    };
    let later_than = |led_at| Some(second(led_at) + MAX_CALL_DURATION + SETTINGS.settle_window);
    let later = later_than(led_at);
    assert_eq!(settles(wants_must("net/a").updated_at(second(led_at - 3))), later);
    assert_eq!(settles(wants_must("net/a").updated_at(second(led_at - 3599))), later);
    assert_eq!(settles(claim("net/a").observing().updated_at(second(led_at - 10))), later, "whoever made it");
    assert_eq!(settles(wants_must("net/a").updated_at(second(led_at + 20))), later, "one of a time to come");
    assert_eq!(settles(wants_must("net/a").updated_at(second(led_at - 3600))), None, "older than an hour");
    assert_eq!(settles(wants_must("net/a")), None, "none at all");
    // A standby has seen the updates as they came. Only those of the last hour before it leads count.
    for (led_at, expected) in [(3602, later_than(3602)), (3603, None)] {
        let mut fleet = ready();
        fleet.apply(&a(), wants_must("net/a").version(2).updated_at(second(3)));
        fleet.lead(second(led_at));
        assert_eq!(fleet.settles_at(&a()), expected, "{led_at}");
    }
}

#[test]
fn an_update_of_this_process_is_not_taken_for_one_of_the_leader_before() {
    let sent = |time: &str| LastUpdate { time: time.into(), encryption_mode: Some(Must), ..LastUpdate::default() };
    let answered = |sent| LastUpdate { request_id: Some("5b8cf2b7-0000".into()), ..sent };
    let settles = |shown: LastUpdate| {
        let mut fleet = ready();
        fleet.note_own_update(&a(), &resource("net/a"), Some(sent("2026-03-02T09:00:00Z")));
        let ledger = Ledger { last_update: Some(shown), ..Ledger::default() };
        fleet.apply(&a(), Claim { ledger, ..wants_must("net/a").version(2).updated_at(second(1)) });
        fleet.settles_at(&a())
    };
    assert_eq!(settles(sent("2026-03-02T09:00:00Z")), None);
    assert_eq!(settles(answered(sent("2026-03-02T09:00:00Z"))), None, "the answer has come meanwhile");
    let later = Some(Moment::START + MAX_CALL_DURATION + SETTINGS.settle_window);
    assert_eq!(settles(sent("2026-03-02T08:59:58Z")), later, "another one");
}

#[test]
fn a_standby_that_inherited_a_step_and_saw_its_proof_holds_no_turn_once_it_leads() {
    let mut fleet = pair(wants_must("net/told").unproven(Must), wants_must("net/b"));
    fleet.apply(&a(), wants_must("net/younger"));
    fleet.remove(&a(), &resource("net/told"));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay));
    fleet.apply(&a(), wants_must("net/younger").proven().version(2));
    fleet.lead(second(9));
    read(&mut fleet, &a(), 10, &cut());
    assert_eq!(why(&fleet, &a()), None, "an outage does not undo a proof");
}

#[test]
fn a_restart_knows_whose_turn_it_is_and_reads_before_it_acts() {
    let story =
        given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &tight()).restarts(5);
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
    let story = story.sees(encrypted_connection()).writes();
    assert!(story.holds().is_some(), "a late read, maybe");
    let story = story.after(61).sees(encrypted_connection()).writes();
    assert!(story.holds().is_some(), "a call of the process before may have ended just now");
    let story = story.after(12).sees(encrypted_connection()).writes();
    assert_eq!(story.holds(), None, "it was not carried out");
    // If the update had an effect after all, it is proven after the restart.
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).gets_refusal(&sets(Must), lost()).restarts(5);
    let story = story.soaks(&tight()).writes();
    assert_eq!((story.holds(), story.ledger().proven), (None, true));
}

/// Its next status does not say it any more, and people may want that mode again before a settled read.
#[test]
fn a_step_that_nobody_wants_any_more_is_known_until_a_settled_read_shows_what_has_become_of_it() {
    for (read_at, expected) in [(1_005, Some(HoldReason::UnderWay)), (1_073, None)] {
        let mut fleet = Fleet::new(SETTINGS);
        fleet.lead(second(1_000));
        let sent = second(995);
        fleet.apply(&a(), claim("net/a").wanting(Should).unproven(Must).updated_at(sent));
        assert_eq!(why(&fleet, &a()), None, "nobody wants it");
        read(&mut fleet, &a(), read_at, &encrypted_connection());
        fleet.apply(&a(), wants_must("net/a").version(2).updated_at(sent));
        assert_eq!(why(&fleet, &a()), expected, "read at {read_at}");
        read(&mut fleet, &a(), 1_075, &encrypted_connection());
        assert_eq!(why(&fleet, &a()), None);
    }
}

#[test]
fn a_status_that_does_not_say_whether_the_port_is_capable_of_macsec_may_still_show_must_encrypt() {
    let shows = |mac_sec_capable| {
        let mut claim = wants_must("net/a");
        claim.shown = Shown::of(&Connection { mac_sec_capable, ..tight() });
        let mut fleet = pair(claim, wants_must("net/b"));
        fleet.record_failed_listing(&region(REGION), fault(FaultKind::Unavailable), second(181));
        why(&fleet, &a())
    };
    assert_eq!(shows(None), Some(HoldReason::UnprovenMust));
    assert_eq!(shows(Some(true)), Some(HoldReason::UnprovenMust));
    assert_eq!(shows(Some(false)), None);
}

#[test]
fn what_a_resource_said_of_its_last_update_counts_after_the_resource_has_gone() {
    for is_made_anew in [false, true] {
        let mut fleet = Fleet::new(SETTINGS);
        fleet.apply(&a(), wants_must("net/told").unproven(Must).updated_at(second(995)));
        fleet.apply(&a(), wants_must("net/younger").created(200));
        if is_made_anew {
            fleet.apply(&a(), Claim { uid: "new".into(), ..wants_must("net/told").created(300).version(9) });
        } else {
            fleet.remove(&a(), &resource("net/told"));
        }
        fleet.lead(second(1000));
        fleet.begin_reading(&region(REGION), second(1000));
        read(&mut fleet, &a(), 1001, &encrypted_connection());
        assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay), "the call was sent 6 s ago: {is_made_anew}");
        let settled = 1000 + (MAX_CALL_DURATION + SETTINGS.settle_window).as_secs() + 1;
        read(&mut fleet, &a(), settled, &encrypted_connection());
        assert_eq!(why(&fleet, &a()), None);
    }
}

#[test]
fn before_the_first_read_a_circuit_is_in_a_lag_only_if_all_its_statuses_say_so() {
    let in_lag = |mut claim: Claim| {
        claim.shown.in_lag = true;
        claim
    };
    let step = || wants_must("net/a").unproven(Must);
    let observer = || wants_must("net/o").observing().created(5);
    let holds = |one: Claim, other: Claim| {
        let mut fleet = pair(one, wants_must("net/b"));
        fleet.apply(&a(), other);
        why(&fleet, &a())
    };
    assert_eq!(holds(step(), in_lag(observer())), Some(HoldReason::UnprovenStep));
    assert_eq!(holds(in_lag(step()), in_lag(observer())), None);
    assert_eq!(holds(in_lag(step()), observer().being_deleted()), None);
}
