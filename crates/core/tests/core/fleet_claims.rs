//! Several resources for one circuit, and writes that the watch has not delivered yet: which resource acts, and which
//! circuit holds the turn.

use directconnect_core::fault::FaultKind;
use directconnect_core::fleet::Fleet;
use directconnect_core::history::History;
use directconnect_core::ledger::Ledger;
use directconnect_core::reason::Reason;
use directconnect_core::turn::{Claim, HoldReason};

use crate::fleet::*;
use crate::given::{
    Asks, Must, REGION, SETTINGS, Says, Should, UID, claim, encrypted_connection, fault, given, region, resource,
    second, sets, spec,
};

#[test]
fn what_was_written_counts_from_its_answer_before_the_watch_brings_it() {
    let mut fleet = ready();
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    fleet.note_written(&a(), &resource("net/a"), UID, unproven.clone(), 5);
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenStep));
    // The watch delivers an older version with a newer spec.
    fleet.apply(&a(), wants_must("net/a").version(4));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenStep));
    fleet.apply(&a(), claim("net/a").wanting(Should).version(4));
    assert_eq!(
        (fleet.hold(&a()), fleet.ledger(&a(), &resource("net/a"))),
        (None, unproven),
        "what the spec says counts"
    );
    // A newer version counts as it is.
    fleet.apply(&a(), wants_must("net/a").version(6));
    assert_eq!((fleet.hold(&a()), fleet.ledger(&a(), &resource("net/a"))), (None, Ledger::default()));
    // A write that is recorded after the watch has delivered a newer version does not count any more.
    let late = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    fleet.note_written(&a(), &resource("net/a"), UID, late.clone(), 5);
    assert_eq!(fleet.hold(&a()), None);
    // One of the same version does: the watch may have dropped what an older CRD does not know.
    fleet.note_written(&a(), &resource("net/a"), UID, late, 6);
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenStep));
}

#[test]
fn a_version_is_the_newest_until_the_watch_has_delivered_a_newer_one() {
    let mut fleet = ready();
    fleet.apply(&a(), wants_must("net/a").version(5));
    let table = [
        ("net/a", UID, 4, false),
        ("net/a", UID, 5, true),
        ("net/a", UID, 6, true),
        ("net/a", "another uid", 5, false),
        ("net/deleted", UID, 5, false),
    ];
    for (path, uid, version, expected) in table {
        assert_eq!(fleet.is_newest(&a(), &resource(path), uid, version), expected, "{path} {uid} {version}");
    }
}

#[test]
fn nothing_of_a_deleted_object_is_applied_to_a_new_one_of_the_same_name() {
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    let mut fleet = ready();
    fleet.note_unwritten(&a(), &resource("net/a"), UID, unproven.clone());
    fleet.apply(&a(), Claim { uid: "another".into(), ..wants_must("net/a") });
    assert_eq!(fleet.ledger(&a(), &resource("net/a")), Ledger::default());
    fleet.note_unwritten(&a(), &resource("net/a"), UID, unproven.clone());
    fleet.note_written(&a(), &resource("net/a"), UID, unproven.clone(), 9);
    assert_eq!((fleet.ledger(&a(), &resource("net/a")), fleet.hold(&a())), (Ledger::default(), None));
    // A write that is recorded late does not bring back a deleted resource either.
    fleet.remove(&a(), &resource("net/a"));
    fleet.note_written(&a(), &resource("net/a"), "another", unproven, 10);
    assert_eq!((fleet.ledger(&a(), &resource("net/a")), fleet.hold(&a())), (Ledger::default(), None));
}

#[test]
fn what_is_not_written_yet_goes_before_what_status_says_until_something_is_written() {
    let mut fleet = ready();
    let (resource, met) =
        (resource("net/a"), |generation| Ledger { met_generation: Some(generation), ..Ledger::default() });
    fleet.note_unwritten(&a(), &resource, UID, met(1));
    assert!(fleet.has_unwritten(&a(), &resource));
    assert_eq!(fleet.ledger(&a(), &resource), met(1));
    // The written ledger was made from the unwritten one.
    fleet.note_written(&a(), &resource, UID, met(2), 2);
    assert_eq!((fleet.has_unwritten(&a(), &resource), fleet.ledger(&a(), &resource)), (false, met(2)));
    // An older state from the watch does not discard it.
    fleet.note_unwritten(&a(), &resource, UID, met(3));
    fleet.apply(&a(), wants_must("net/a").version(3));
    assert_eq!(fleet.ledger(&a(), &resource), met(3));
}

// Which resource acts.

#[test]
fn the_older_resource_acts_then_namespace_and_name_decide() {
    let mut fleet = Fleet::new(SETTINGS);
    for (path, created) in [("net/z", 1), ("net/b", 5), ("net/a", 5), ("lab/c", 5)] {
        fleet.apply(&a(), wants_must(path).created(created));
    }
    let order: Vec<_> =
        fleet.circuit(&a()).expect("it is known").claims().iter().map(|c| c.resource.to_string()).collect();
    assert_eq!(order, ["net/z", "lab/c", "net/a", "net/b"]);
    assert!(fleet.acts(&a(), &resource("net/z")) && !fleet.acts(&a(), &resource("lab/c")));
    assert_eq!(fleet.older_claim(&a(), &resource("net/z")), None);
    assert_eq!(fleet.older_claim(&a(), &resource("net/b")), Some(&resource("net/z")));
    // A resource that only observes neither claims the circuit nor conflicts; nor does one that is being deleted.
    fleet.apply(&a(), wants_must("net/z").created(1).observing().version(2));
    assert!(fleet.acts(&a(), &resource("lab/c")));
    assert_eq!(fleet.older_claim(&a(), &resource("net/z")), None);
    fleet.apply(&a(), wants_must("lab/c").created(5).being_deleted().version(2));
    assert!(fleet.acts(&a(), &resource("net/a")));
    assert_eq!(fleet.older_claim(&a(), &resource("net/b")), Some(&resource("net/a")));
    fleet.remove(&a(), &resource("net/a"));
    assert!(fleet.acts(&a(), &resource("net/b")));
}

#[test]
fn a_hand_over_between_two_resources_of_one_circuit_frees_no_turn() {
    let heir = || wants_must("net/heir").created(200);
    let mut fleet = ready();
    fleet.apply(&a(), heir());
    fleet.begin_step(&a(), Must);
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    fleet.note_written(&a(), &resource("net/a"), UID, unproven, 2);
    read(&mut fleet, &a(), 2, &cut());
    // The resource only observes now, but the step is still one of this operator.
    fleet.apply(&a(), wants_must("net/a").observing().unproven(Must).version(3));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenStep));
    fleet.apply(&a(), wants_must("net/a").being_deleted().unproven(Must).version(4));
    assert!(fleet.hold(&a()).is_some(), "the heir wants it there");
    fleet.remove(&a(), &resource("net/a"));
    assert!(fleet.hold(&a()).is_some());
    fleet.apply(&a(), claim("net/heir").created(200).wanting(Should).version(2));
    assert_eq!(fleet.hold(&a()), None, "nobody wants it there");
}

#[test]
fn while_another_resource_says_proven_that_is_waited_for() {
    let observer = || wants_must("net/watcher").created(200).observing();
    let lowered = given(spec().to(Must)).has_other(observer().proven()).soaks(&encrypted_connection());
    let waiting = lowered.rests(Reason::WaitingForTurn).says("net/watcher is about dxcon-fg1234ab too");
    waiting.has_other(observer().version(2)).sends(&sets(Must));
    // A proof of a resource that is being deleted is not waited for.
    let story = given(spec().to(Must)).has_other(observer().proven().being_deleted()).soaks(&encrypted_connection());
    story.sends(&sets(Must));
}

#[test]
fn whoever_waits_for_a_proof_to_go_is_woken_when_it_has_gone_and_by_nothing_else() {
    let proven = || wants_must("net/a").proven();
    let delivered = |fleet: &mut Fleet, claim| fleet.apply(&a(), claim);
    let written = |fleet: &mut Fleet, claim: Claim| {
        fleet.note_written(&a(), &claim.resource, UID, claim.ledger, claim.version);
    };
    for (how, happens) in [("delivered", &delivered as &dyn Fn(&mut Fleet, Claim)), ("written", &written)] {
        let woken = |before: Claim, after: Claim| {
            let mut fleet = pair(before, wants_must("net/b"));
            fleet.take_freed();
            happens(&mut fleet, after.version(2));
            fleet.take_freed()
        };
        assert!(woken(proven(), wants_must("net/a")), "{how}");
        assert!(!woken(proven(), proven()), "{how}: it is still there");
        assert!(!woken(wants_must("net/a"), wants_must("net/a")), "{how}: there was none");
    }
    let mut fleet = pair(proven(), wants_must("net/b"));
    fleet.take_freed();
    fleet.remove(&a(), &resource("net/a"));
    assert!(fleet.take_freed(), "its resource is gone");
}

// What happens to a step when its resource is gone.

#[test]
fn a_step_of_unknown_outcome_outlives_its_resource_while_another_one_wants_it() {
    let unproven = Ledger { unproven_step: Some(Must), circuit: Some((&a()).into()), ..Ledger::default() };
    for is_kept_by_a_finalizer in [false, true] {
        let mut fleet = ready();
        let told = Claim { ledger: unproven.clone(), ..wants_must("net/a") };
        fleet.apply(&a(), told.clone());
        fleet.apply(&a(), wants_must("net/younger"));
        if is_kept_by_a_finalizer {
            fleet.apply(&a(), Claim { is_being_deleted: true, version: told.version + 1, ..told });
        } else {
            fleet.remove(&a(), &resource("net/a"));
        }
        assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay), "a call of a process before may still come");
        fleet.remove(&a(), &resource("net/younger"));
        assert_eq!(why(&fleet, &a()), None, "nobody wants it there");
    }
    // A new process sees the resource for the first time while it is being deleted.
    let mut fleet = ready();
    fleet.remove(&a(), &resource("net/a"));
    let gone = || Claim { ledger: unproven.clone(), is_being_deleted: true, ..wants_must("net/told") };
    fleet.apply(&a(), gone());
    fleet.apply(&a(), wants_must("net/younger"));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay));
    // One that knew it sees the step and the deletion at once, for the same object or for a new one of that name.
    for uid in [UID, "another"] {
        let mut fleet = pair(wants_must("net/told"), wants_must("net/b"));
        fleet.apply(&a(), wants_must("net/younger"));
        read(&mut fleet, &a(), 1, &encrypted_connection());
        fleet.apply(&a(), Claim { uid: uid.into(), version: 2, ..gone() });
        assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay), "{uid}");
    }
}

#[test]
fn an_update_that_was_certainly_not_sent_is_no_step_of_a_resource_that_is_gone() {
    let mut fleet = pair(wants_must("net/a").unproven(Must), wants_must("net/b"));
    fleet.apply(&a(), wants_must("net/younger").created(200));
    read(&mut fleet, &a(), 1, &encrypted_connection());
    // Its pass ended after the intention was written, and status is not mended yet.
    fleet.note_unwritten(&a(), &resource("net/a"), UID, Ledger::default());
    fleet.remove(&a(), &resource("net/a"));
    assert_eq!((fleet.step(&a()), why(&fleet, &a())), (None, None));
}

#[test]
fn a_step_of_a_resource_that_is_gone_does_not_come_back_after_a_proof() {
    let told = || wants_must("net/told").unproven(Must).being_deleted();
    // A new process sees first the proof, and then the resource that a finalizer has kept since before that.
    let mut fleet = pair(wants_must("net/younger").proven(), wants_must("net/b"));
    fleet.apply(&a(), told());
    read(&mut fleet, &a(), 2, &cut());
    assert_eq!(why(&fleet, &a()), None, "an outage does not undo a proof");
    // The finalizer is taken away.
    fleet.remove(&a(), &resource("net/told"));
    assert_eq!(why(&fleet, &a()), None);
    // A step that ended while the finalizer was there does not begin again when it goes.
    let mut fleet = ready();
    fleet.remove(&a(), &resource("net/a"));
    fleet.apply(&a(), wants_must("net/younger"));
    fleet.apply(&a(), told());
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay));
    read(&mut fleet, &a(), 2, &encrypted_connection());
    assert_eq!(fleet.step(&a()), None, "it was not carried out");
    fleet.apply(&a(), told().version(2));
    assert_eq!(fleet.step(&a()), None, "nor when something else of it changes");
    // Another object of that name is another matter.
    let mut renewed = fleet.clone();
    renewed.apply(&a(), Claim { uid: "another".into(), ..told() });
    assert_eq!(renewed.step(&a()), Some(Must));
    fleet.remove(&a(), &resource("net/told"));
    assert_eq!(fleet.step(&a()), None);
}

#[test]
fn all_resources_of_a_circuit_are_woken_when_it_holds_the_turn_for_another_of_them() {
    let mut fleet = ready();
    let made_the_step = || claim("net/old").wanting(Must).unproven(Must).observing();
    fleet.apply(&a(), made_the_step());
    read(&mut fleet, &a(), 2, &cut());
    fleet.take_moved();
    let moved = |fleet: &mut Fleet| fleet.take_moved().contains(&a());
    // The one that made the step wants another mode now, so the turn is held by the one that acts.
    let mut lowered = fleet.clone();
    lowered.apply(&a(), Claim { wants: Some(Should), version: 2, ..made_the_step() });
    assert!(moved(&mut lowered) && why(&lowered, &a()) == Some(HoldReason::UnprovenMust));
    // It writes down the proof, which the one that acts has to write down too.
    let proof = Ledger { proven: true, ..Ledger::default() };
    fleet.note_written(&a(), &resource("net/old"), UID, proof, 2);
    assert!(moved(&mut fleet) && why(&fleet, &a()).is_none());
    fleet.with_history(&a(), |_| ());
    assert!(!moved(&mut fleet), "nothing has changed");
    // A pass that takes the turn and gives it back wakes nobody: it would wake itself, although it has to wait a while
    // after a failed write.
    fleet.apply(&a(), claim("net/old").observing().version(3));
    read(&mut fleet, &a(), 3, &encrypted_connection());
    fleet.take_moved();
    assert!(fleet.begin_step(&a(), Must) && why(&fleet, &a()) == Some(HoldReason::UnderWay));
    assert!(!moved(&mut fleet));
    fleet.withdraw_step(&a(), None);
    assert!(!moved(&mut fleet) && why(&fleet, &a()).is_none());
    read(&mut fleet, &a(), 4, &cut());
    fleet.withdraw_step(&a(), None);
    assert!(moved(&mut fleet), "what a read has shown is not lost by that");
    // A circuit of one resource needs no one else to be woken.
    let mut fleet = pair(wants_must("net/a"), wants_must("net/b"));
    read(&mut fleet, &a(), 2, &cut());
    assert!(why(&fleet, &a()).is_some() && !moved(&mut fleet));
}

#[test]
fn whoever_waits_is_woken_when_the_turn_is_held_because_of_another_resource() {
    let mut fleet = pair(wants_must("net/told"), wants_must("net/b"));
    fleet.apply(&a(), wants_must("net/younger").created(200));
    read(&mut fleet, &a(), 1, &cut());
    let named = |fleet: &Fleet| fleet.holder(&b()).and_then(|holder| holder.hold.resource);
    assert_eq!(named(&fleet), Some(resource("net/told")));
    fleet.take_freed();
    fleet.remove(&a(), &resource("net/told"));
    assert_eq!(named(&fleet), Some(resource("net/younger")));
    assert!(fleet.take_freed(), "the one that waits says to delete net/told, which has gone");
    read(&mut fleet, &a(), 2, &cut());
    assert!(!fleet.take_freed(), "nothing has changed");
}

#[test]
fn a_circuit_that_the_first_listing_lacks_holds_the_turn_until_it_is_read_by_its_id() {
    let mut fleet = pair(wants_must("net/a"), wants_must("net/b"));
    let shown = vec![(b().id, encrypted_connection())];
    fleet.record_listing(&region(REGION), (second(1), second(1)), shown);
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenMust), "it may be at must_encrypt");
    read(&mut fleet, &a(), 2, &encrypted_connection());
    assert_eq!(why(&fleet, &a()), None);
}

#[test]
fn a_circuit_that_cannot_be_read_by_its_id_is_not_waited_for_longer_than_a_region_is() {
    let unread = |shown: Claim| {
        let mut fleet = pair(shown, wants_must("net/b"));
        fleet.record_listing(&region(REGION), (second(1), second(1)), vec![(b().id, encrypted_connection())]);
        fleet
    };
    for kind in [FaultKind::Rejected, FaultKind::AccessDenied, FaultKind::Unavailable] {
        let fails = |fleet: &mut Fleet, at: u64| {
            fleet.with_history(&a(), |history| {
                history.record_read_failure(fault(kind), second(at), SETTINGS.poll_interval, 1.0);
            });
        };
        let mut fleet = unread(wants_must("net/a"));
        let mut at = 1;
        while why(&fleet, &a()).is_some() && at < 1000 {
            fails(&mut fleet, at);
            at += 15;
        }
        assert!((60..=180).contains(&at), "{kind:?}: {at} s, about three poll intervals with the next try");
        // That somebody asks for a read again and again does not begin this anew.
        let mut fleet = unread(wants_must("net/a"));
        for at in (1..600).step_by(15) {
            fails(&mut fleet, at);
            fleet.with_history(&a(), History::reset_backoff);
        }
        assert_eq!(why(&fleet, &a()), None, "{kind:?}");
        // What a status shows stands for the read.
        let mut fleet = unread(wants_must("net/a").showing(Must));
        for at in (0..600).step_by(15) {
            fails(&mut fleet, at);
        }
        assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenMust));
    }
}
