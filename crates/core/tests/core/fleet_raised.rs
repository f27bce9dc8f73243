//! Circuits that another writer raises to `must_encrypt`: they hold the turn until it is known how that ends.

use directconnect_core::fault::FaultKind;
use directconnect_core::fleet::Fleet;
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::turn::HoldReason;

use crate::fleet::*;
use crate::given::{
    Asks, ConnectionExt, Must, REGION, SETTINGS, Says, Should, circuit, claim, connection, encrypted_connection, fault,
    given, read_at, region, renames, resource, second, seconds, sets, spec,
};

#[test]
fn a_circuit_that_another_writer_raises_holds_the_turn_until_it_is_proven() {
    let raised = || {
        let mut fleet = ready();
        read(&mut fleet, &a(), 2, &cut());
        assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenMust), "the one that acts wants it there");
        fleet.apply(&a(), claim("net/a").wanting(Should).version(2));
        assert_eq!(why(&fleet, &a()), Some(HoldReason::RaisedByOther));
        fleet
    };
    let mut fleet = raised();
    read_between(&mut fleet, &a(), 15, 60, &tight());
    assert!(fleet.hold(&a()).is_some());
    read(&mut fleet, &a(), 75, &tight());
    assert_eq!(fleet.hold(&a()), None, "proven");
    for over in [connection(), tight().in_lag("dxlag-1"), cut().state("deleted")] {
        let mut fleet = raised();
        read(&mut fleet, &a(), 3, &over);
        assert_eq!(fleet.hold(&a()), None, "{over:?}");
    }
    let mut fleet = raised();
    fleet.record_read(&a(), read_at(second(3), None));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::RaisedByOther), "with other credentials no connection is found");
    // Down for the progress deadline, as proven by a chain of reads and not by the clock.
    let mut fleet = raised();
    read(&mut fleet, &a(), 602, &cut());
    assert!(fleet.hold(&a()).is_some());
    read_between(&mut fleet, &a(), 617, 602 + 585, &cut());
    assert!(fleet.hold(&a()).is_some());
    read(&mut fleet, &a(), 602 + 600, &cut());
    assert_eq!(fleet.hold(&a()), None);
}

#[test]
fn a_raise_beside_a_step_that_is_decided_on_and_never_sent_is_by_another_writer() {
    let step_before = [(None, Some(HoldReason::RaisedByOther)), (Some(Must), None)];
    for (before, expected) in step_before {
        let mut fleet = ready();
        assert!(fleet.begin_step(&a(), Must));
        read(&mut fleet, &a(), 2, &cut());
        fleet.withdraw_step(&a(), before);
        fleet.apply(&a(), claim("net/a").wanting(Should).version(2));
        assert_eq!(why(&fleet, &a()), expected, "{before:?}");
    }
}

#[test]
fn a_step_that_was_withdrawn_hides_no_raise_by_another_writer_though_status_still_says_it() {
    let mut fleet = ready();
    assert!(fleet.begin_step(&a(), Must));
    fleet.apply(&a(), wants_must("net/a").unproven(Must).version(2));
    fleet.withdraw_step(&a(), None);
    let uid = claim("net/a").uid;
    fleet.note_unwritten(&a(), &resource("net/a"), &uid, Ledger::default());
    read(&mut fleet, &a(), 2, &cut());
    fleet.apply(&a(), claim("net/a").wanting(Should).version(3));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::RaisedByOther));
}

#[test]
fn only_a_raise_that_this_process_saw_and_did_not_make_is_by_another_writer() {
    type Ours = fn(&mut Fleet);
    let mut fleet = pair(claim("net/a"), wants_must("net/b"));
    read(&mut fleet, &a(), 1, &tight());
    assert_eq!(fleet.hold(&a()), None, "it was there when this process came");
    let ours: [(&str, Ours); 3] = [
        ("decided on by this process", |fleet| assert!(fleet.begin_step(&a(), Must))),
        ("written to status by the leader before", |fleet| {
            fleet.apply(&a(), wants_must("net/a").unproven(Must).version(2));
        }),
        ("sent by the leader before, for a resource that wants less by now", |fleet| {
            let age = Some(seconds(5));
            fleet.with_history(&a(), |history| history.resume(sets(Must), age, second(1), SETTINGS.settle_window));
        }),
    ];
    for (given, happens) in ours {
        let mut fleet = ready();
        happens(&mut fleet);
        read(&mut fleet, &a(), 2, &cut());
        fleet.apply(&a(), claim("net/a").wanting(Should).version(3));
        assert_eq!(fleet.hold(&a()), None, "{given}");
    }
}

#[test]
fn a_raised_circuit_without_a_resource_holds_the_turn_and_is_read_by_listings() {
    let listing = |fleet: &mut Fleet, at, connections: Vec<(&CircuitId, Connection)>| {
        let all = connections.into_iter().map(|(id, connection)| (id.id.clone(), connection)).collect();
        fleet.record_listing(&region(REGION), (second(at), second(at)), all)
    };
    let raised = || {
        let mut fleet = Fleet::new(SETTINGS);
        fleet.begin_reading(&region(REGION), second(0));
        fleet.apply(&b(), wants_must("net/b"));
        listing(&mut fleet, 1, vec![(&a(), connection()), (&b(), connection())]);
        assert_eq!(fleet.watched(&region(REGION)), (0, false));
        listing(&mut fleet, 60, vec![(&a(), cut()), (&b(), connection())]);
        assert_eq!(holder(&fleet, &b()), Some(a()));
        assert_eq!(fleet.watched(&region(REGION)), (0, true), "nobody else reads it");
        fleet
    };
    let mut fleet = raised();
    listing(&mut fleet, 75, vec![(&a(), connection()), (&b(), connection())]);
    assert_eq!((holder(&fleet, &b()), fleet.watched(&region(REGION))), (None, (0, false)));
    // One listing without it may be wrong, and nobody reads it by id. After two it counts as gone.
    let mut fleet = raised();
    listing(&mut fleet, 75, vec![(&b(), connection())]);
    assert_eq!(holder(&fleet, &b()), Some(a()));
    listing(&mut fleet, 90, vec![(&b(), connection())]);
    assert_eq!(holder(&fleet, &b()), None);
    // A resource reads it by its id, so no number of listings says that it is gone.
    let mut fleet = raised();
    fleet.apply(&a(), claim("net/a"));
    listing(&mut fleet, 75, vec![(&b(), connection())]);
    listing(&mut fleet, 90, vec![(&b(), connection())]);
    assert_eq!(holder(&fleet, &b()), Some(a()));
    // Nor does a read by its id, as long as there is a resource.
    fleet.record_read(&a(), read_at(second(91), None));
    assert_eq!(holder(&fleet, &b()), Some(a()));
    fleet.remove(&a(), &resource("net/a"));
    assert_eq!(holder(&fleet, &b()), Some(a()));
    listing(&mut fleet, 105, vec![(&b(), connection())]);
    assert_eq!(holder(&fleet, &b()), None);
    // If its only resource is being deleted, only listings read it, too.
    let mut fleet = raised();
    fleet.apply(&a(), wants_must("net/a").being_deleted());
    assert_eq!(fleet.watched(&region(REGION)), (0, true));
    // If the listings fail for good, nothing can show that it is over. An outage of a while is not that.
    let deadline = SETTINGS.stale_after() + SETTINGS.progress_deadline;
    let fails = |fleet: &mut Fleet, at| fleet.record_failed_listing(&region(REGION), fault(FaultKind::Unavailable), at);
    fails(&mut fleet, second(60) + deadline - seconds(1));
    assert_eq!(holder(&fleet, &b()), Some(a()));
    fails(&mut fleet, second(60) + deadline);
    assert_eq!((holder(&fleet, &b()), fleet.watched(&region(REGION))), (None, (0, false)));
    let after = (60 + deadline.as_secs()) + 60;
    listing(&mut fleet, after, vec![(&a(), cut()), (&b(), connection())]);
    assert_eq!(holder(&fleet, &b()), Some(a()), "it can be read again, and is still there");
    let mut fleet = raised();
    fleet.apply(&a(), claim("net/a"));
    fails(&mut fleet, second(60) + deadline * 2);
    assert_eq!(holder(&fleet, &b()), Some(a()), "it is read by its id");
}

#[test]
fn a_raise_counts_in_a_read_that_is_late_by_its_name_alone() {
    let story =
        given(spec().name("fra-2")).sees(connection()).gets_answer(&renames("fra-2"), &connection().named("fra-2"));
    let story = story.after(5).sees(cut());
    assert_eq!(story.holds(), Some(HoldReason::RaisedByOther));
}

#[test]
fn a_raise_counts_in_the_answer_to_an_update_of_the_name() {
    let answer = cut().named("fra-2");
    let story = given(spec().name("fra-2")).sees(connection()).gets_answer(&renames("fra-2"), &answer);
    assert_eq!(story.holds(), Some(HoldReason::RaisedByOther));
    assert_eq!(story.after(1).sees(answer).holds(), Some(HoldReason::RaisedByOther));
}

#[test]
fn a_step_of_a_resource_that_is_being_deleted_hides_no_raise_by_another_writer() {
    let told = wants_must("net/told").unproven(Must).being_deleted();
    let mut fleet = pair(claim("net/a"), wants_must("net/b"));
    fleet.apply(&a(), told);
    read(&mut fleet, &a(), 1, &encrypted_connection());
    assert_eq!(fleet.step(&a()), None, "it was not carried out, or AWS has lowered the mode since");
    read(&mut fleet, &a(), 2, &cut());
    assert_eq!(why(&fleet, &a()), Some(HoldReason::RaisedByOther));
}

#[test]
fn a_raised_circuit_whose_region_is_read_no_more_holds_nobody_up() {
    let elsewhere = circuit("us-east-1", "dxcon-aaaaaaaa");
    let mut fleet = pair(claim("net/a"), claim("net/b"));
    read(&mut fleet, &a(), 1, &encrypted_connection());
    read(&mut fleet, &a(), 2, &cut());
    fleet.remove(&a(), &resource("net/a"));
    assert!(fleet.holder(&elsewhere).is_some());
    assert!(fleet.watched(&region(REGION)).1, "so the region has to be read until it is known how that ends");
    fleet.take_freed();
    fleet.end_reading(&region(REGION));
    assert_eq!((fleet.circuit(&a()), fleet.hold(&a()), fleet.holder(&elsewhere)), (None, None, None));
    assert!(fleet.take_freed());
}
