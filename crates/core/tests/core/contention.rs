//! Contention: when another writer's changes count as a dispute, and when the dispute ends.

use directconnect_core::decide::Step;
use directconnect_core::history::Change;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;

use crate::given::{
    Asks, ConnectionExt, Must, No, SETTINGS, Should, Story, connection, encrypted_connection, given, given_with,
    renames, seconds, sets, spec,
};

/// The operator updates the field, and someone changes it back `after` seconds later.
fn put_back_after(story: Story, change: &Change, ours: &Connection, theirs: &Connection, after: u64) -> Story {
    story.sends(change).gets_answer(change, ours).after(1).sees(ours.clone()).after(after).sees(theirs.clone())
}

#[test]
fn the_third_time_within_an_hour_is_a_dispute_and_tries_become_rare() {
    let (ours, theirs) = (connection().named("fra-2"), connection());
    let change = renames("fra-2");
    let mut story = given(spec().name("fra-2")).sees(theirs.clone());
    for _ in 0..2 {
        story = put_back_after(story, &change, &ours, &theirs, 60);
    }
    for minutes in [5, 10, 20, 40, 60, 60] {
        story = put_back_after(story, &change, &ours, &theirs, 60).rests(Reason::Contended);
        story =
            story.decides_again_in(minutes * 60).after(minutes * 60 - 1).sees(theirs.clone()).rests(Reason::Contended);
        story = story.after(1).sees(theirs.clone());
    }
    // A new generation is tried at once.
    let story = put_back_after(story, &change, &ours, &theirs, 60).rests(Reason::Contended);
    story.with_spec(spec().name("fra-3").generation(2)).sends(&renames("fra-3"));
}

#[test]
fn a_dispute_about_the_mode_leaves_the_name_alone() {
    let (ours, theirs) = (connection().mode("no_encrypt"), connection());
    let mut story = given(spec().to(No)).sees(theirs.clone());
    for _ in 0..3 {
        story = put_back_after(story, &sets(No), &ours, &theirs, 60);
    }
    let story = story.rests(Reason::Contended).says("encryptionMode").decides_again_in(300);
    let mut story = story;
    story.spec = spec().name("fra-2").to(No);
    story.sends(&renames("fra-2"));
}

#[test]
fn a_mode_that_nobody_knows_is_no_dispute() {
    let ours = connection().mode("no_encrypt");
    let mut story = given(spec().to(No)).sees(connection());
    for _ in 0..4 {
        story = story.after(61).gets_answer(&sets(No), &ours).after(61).sees(connection().mode("quantum_encrypt"));
    }
    assert_eq!(story.history().mode().contended(story.now), None);
}

#[test]
fn what_is_put_back_now_and_then_is_no_dispute() {
    let (ours, theirs) = (connection().named("fra-2"), connection());
    let mut story = given(spec().name("fra-2")).sees(theirs.clone());
    for _ in 0..8 {
        story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 30 * 60 - 1);
    }
    story.sends(&renames("fra-2"));
}

#[test]
fn a_dispute_ends_when_the_field_has_held_for_an_hour() {
    let (ours, theirs) = (connection().named("fra-2"), connection());
    let mut story = given(spec().name("fra-2")).sees(theirs.clone());
    for _ in 0..3 {
        story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 60);
    }
    let mut story = story.rests(Reason::Contended).after(300).sees(theirs.clone());
    story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 3600);
    story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 60);
    story.sends(&renames("fra-2"));
}

#[test]
fn aws_lowering_the_mode_is_no_other_writer() {
    let must = encrypted_connection().mode("must_encrypt");
    let mut story = given(spec().to(Must)).was_met(1);
    for _ in 0..4 {
        story = story.soaks(&encrypted_connection()).sends(&sets(Must)).gets_answer(&sets(Must), &must);
        story = story.after(1).sees(must.clone()).after(60).sees(connection()).rests(Reason::NoMacSecKey).after(1);
    }
    // If there is still a key, someone else lowered the mode.
    for _ in 0..3 {
        story = story.soaks(&encrypted_connection()).sends(&sets(Must)).gets_answer(&sets(Must), &must);
        story = story.after(1).sees(must.clone()).after(60).sees(encrypted_connection()).after(1);
    }
    story.soaks(&encrypted_connection()).rests(Reason::Contended);
}

#[test]
fn a_dispute_is_told_before_whatever_else_is_waited_for() {
    let ready = encrypted_connection;
    let lowered = |soak: u64, low: Connection| {
        let settings = Settings { encryption_soak: seconds(soak), ..SETTINGS };
        let mut story = given_with(settings, spec().to(Must));
        for _ in 0..3 {
            let tight = ready().mode("must_encrypt");
            story = story.sees_for(soak + 75, &ready()).after(1).gets_answer(&sets(Must), &tight);
            story = story.after(61).sees(tight).after(5).sees(low.clone());
        }
        story
    };
    lowered(60, ready()).rests(Reason::Contended);
    lowered(60, connection().key("associated")).rests(Reason::Contended);
    lowered(60, ready().state("pending")).rests(Reason::Contended);
    lowered(60, ready()).waits_for("net/twin").rests(Reason::Contended);
    lowered(600, ready()).rests(Reason::Contended);
    // Also if AWS itself stores another mode.
    let mut story = given(spec().to(Must));
    for _ in 0..3 {
        story = story.sees_for(150, &ready()).after(1).gets_answer(&sets(Must), &ready()).after(1);
    }
    story.after(61).sees(ready()).rests(Reason::Contended);
}

#[test]
fn a_lowering_that_aws_takes_without_saying_what_it_stored_is_not_sent_without_end() {
    let cut = || connection().key("associated").mode("must_encrypt");
    let mut story = given(spec().to(Should)).sees(cut());
    let mut sent = 0;
    for _ in 0..600 {
        match story.plan().step {
            Step::Update(change) => (story, sent) = (story.gets_answer(&change, &cut().without_mode()), sent + 1),
            Step::Read => story = story.sees(cut()),
            Step::Rest => {}
        }
        story = story.after(1);
    }
    assert_eq!(sent, 4, "three in a row, and once more after five minutes");
    story.rests(Reason::Contended);
}

/// The mode waits for a turn meanwhile, and must be tried as soon as that is free.
#[test]
fn in_a_dispute_about_the_name_it_still_says_that_the_mode_waits_for_a_turn() {
    let (ours, theirs) = (encrypted_connection().named("fra-2"), encrypted_connection());
    let mut story = given(spec().name("fra-2").to(Must).immediately()).waits_for("net/other").sees(theirs.clone());
    for _ in 0..3 {
        story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 60);
    }
    let plan = story.rests(Reason::Contended).plan();
    assert!(plan.waits_for_turn);
}
