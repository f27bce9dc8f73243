//! What several resources of a circuit, and what is written but not yet watched, make of who acts and of the turn.

use directconnect_core::fleet::Fleet;
use directconnect_core::ledger::Ledger;
use directconnect_core::reason::Reason;
use directconnect_core::turn::{Claim, HoldReason};

use crate::fleet::*;
use crate::given::{
    Asks, Must, REGION, SETTINGS, Says, Should, UID, claim, encrypted_line, given, region, resource, second, sets, wish,
};

#[test]
fn what_was_written_counts_from_its_answer_before_the_watch_brings_it() {
    let mut fleet = ready();
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    fleet.note_written(&a(), &resource("net/a"), UID, unproven.clone(), 5);
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenStep));
    // An older version of it comes by the watch, with a newer spec.
    fleet.apply(&a(), wants_must("net/a").version(4));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenStep));
    fleet.apply(&a(), claim("net/a").wanting(Should).version(4));
    assert_eq!(
        (fleet.hold(&a()), fleet.ledger(&a(), &resource("net/a"))),
        (None, unproven),
        "what the spec says counts"
    );
    // A newer one counts as it is.
    fleet.apply(&a(), wants_must("net/a").version(6));
    assert_eq!((fleet.hold(&a()), fleet.ledger(&a(), &resource("net/a"))), (None, Ledger::default()));
    // And an older write that is told late counts no more.
    let late = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    fleet.note_written(&a(), &resource("net/a"), UID, late, 5);
    assert_eq!(fleet.hold(&a()), None);
}

#[test]
fn nothing_of_an_object_that_is_gone_is_laid_over_its_namesake() {
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    let mut fleet = ready();
    fleet.note_unwritten(&a(), &resource("net/a"), UID, unproven.clone());
    fleet.apply(&a(), Claim { uid: "another".into(), ..wants_must("net/a") });
    assert_eq!(fleet.ledger(&a(), &resource("net/a")), Ledger::default());
    fleet.note_unwritten(&a(), &resource("net/a"), UID, unproven.clone());
    fleet.note_written(&a(), &resource("net/a"), UID, unproven.clone(), 9);
    assert_eq!((fleet.ledger(&a(), &resource("net/a")), fleet.hold(&a())), (Ledger::default(), None));
    // Nor is one that was deleted brought back by a write that is told late.
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
    // Whatever is written is made of it.
    fleet.note_written(&a(), &resource, UID, met(2), 2);
    assert_eq!((fleet.has_unwritten(&a(), &resource), fleet.ledger(&a(), &resource)), (false, met(2)));
    // The watch that brings an older state does not make it forgotten.
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
    // Who only observes neither claims nor conflicts, and who is being deleted does no more.
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
    // Observed from now on: it is still the step of this operator.
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
    let lowered = given(wish().to(Must)).has_other(observer().proven()).soaks(&encrypted_line());
    let waiting = lowered.rests(Reason::WaitingForTurn).says("net/watcher is about dxcon-fg1234ab too");
    waiting.has_other(observer().version(2)).sends(&sets(Must));
    // Of one that is being deleted nobody waits for the word.
    let story = given(wish().to(Must)).has_other(observer().proven().being_deleted()).soaks(&encrypted_line());
    story.sends(&sets(Must));
}

// What somebody else raises.

#[test]
fn a_step_in_doubt_outlives_the_resource_that_told_of_it_while_another_one_wants_it() {
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
    // A process that begins sees it first as it is being deleted.
    let mut fleet = ready();
    fleet.remove(&a(), &resource("net/a"));
    fleet.apply(&a(), Claim { ledger: unproven, is_being_deleted: true, ..wants_must("net/told") });
    fleet.apply(&a(), wants_must("net/younger"));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay));
}

#[test]
fn a_line_that_the_first_listing_leaves_out_holds_until_it_was_read_by_its_id() {
    let mut fleet = pair(wants_must("net/a"), wants_must("net/b"));
    let shown = vec![(b().id, encrypted_line())];
    fleet.record_listing(&region(REGION), (second(1), second(1)), shown);
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnprovenMust), "it may be at must_encrypt");
    read(&mut fleet, &a(), 2, &encrypted_line());
    assert_eq!(why(&fleet, &a()), None);
}
