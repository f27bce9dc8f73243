//! Another writer that disagrees: what counts as a dispute, and when it ends.

use directconnect_core::history::Change;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;

use crate::given::{Asks, Line, Must, No, Story, encrypted_line, given, line, renames, sets, wish};

/// The field is put back so long after each update, until the operator leaves it alone.
fn put_back_after(story: Story, change: &Change, ours: &Connection, theirs: &Connection, after: u64) -> Story {
    story.sends(change).gets_answer(change, ours).after(1).sees(ours.clone()).after(after).sees(theirs.clone())
}

#[test]
fn the_third_time_within_an_hour_is_a_dispute_and_tries_become_rare() {
    let (ours, theirs) = (line().named("fra-2"), line());
    let change = renames("fra-2");
    let mut story = given(wish().name("fra-2")).sees(theirs.clone());
    for _ in 0..2 {
        story = put_back_after(story, &change, &ours, &theirs, 60);
    }
    for minutes in [5, 10, 20, 40, 60, 60] {
        story = put_back_after(story, &change, &ours, &theirs, 60).rests(Reason::Contended);
        story =
            story.decides_again_in(minutes * 60).after(minutes * 60 - 1).sees(theirs.clone()).rests(Reason::Contended);
        story = story.after(1).sees(theirs.clone());
    }
    // A new wish is tried at once.
    let story = put_back_after(story, &change, &ours, &theirs, 60).rests(Reason::Contended);
    story.wishes(wish().name("fra-3").generation(2)).sends(&renames("fra-3"));
}

#[test]
fn a_dispute_about_the_mode_leaves_the_name_alone() {
    let (ours, theirs) = (line().mode("no_encrypt"), line());
    let mut story = given(wish().to(No)).sees(theirs.clone());
    for _ in 0..3 {
        story = put_back_after(story, &sets(No), &ours, &theirs, 60);
    }
    let story = story.rests(Reason::Contended).says("encryptionMode").decides_again_in(300);
    let mut story = story;
    story.wish = wish().name("fra-2").to(No);
    story.sends(&renames("fra-2"));
}

#[test]
fn a_mode_that_nobody_knows_is_no_dispute() {
    let ours = line().mode("no_encrypt");
    let mut story = given(wish().to(No)).sees(line());
    for _ in 0..4 {
        story = story.after(61).gets_answer(&sets(No), &ours).after(61).sees(line().mode("quantum_encrypt"));
    }
    assert_eq!(story.history().mode_contended(story.now), None);
}

#[test]
fn what_is_put_back_now_and_then_is_no_dispute() {
    let (ours, theirs) = (line().named("fra-2"), line());
    let mut story = given(wish().name("fra-2")).sees(theirs.clone());
    for _ in 0..8 {
        story = put_back_after(story, &renames("fra-2"), &ours, &theirs, 30 * 60 - 1);
    }
    story.sends(&renames("fra-2"));
}

#[test]
fn a_dispute_ends_when_the_field_has_held_for_an_hour() {
    let (ours, theirs) = (line().named("fra-2"), line());
    let mut story = given(wish().name("fra-2")).sees(theirs.clone());
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
    let must = encrypted_line().mode("must_encrypt");
    let mut story = given(wish().to(Must)).was_met(1);
    for _ in 0..4 {
        story = story.soaks(&encrypted_line()).sends(&sets(Must)).gets_answer(&sets(Must), &must);
        story = story.after(1).sees(must.clone()).after(60).sees(line()).rests(Reason::NoMacSecKey).after(1);
    }
    // With a key still there, it was somebody.
    for _ in 0..3 {
        story = story.soaks(&encrypted_line()).sends(&sets(Must)).gets_answer(&sets(Must), &must);
        story = story.after(1).sees(must.clone()).after(60).sees(encrypted_line()).after(1);
    }
    story.soaks(&encrypted_line()).rests(Reason::Contended);
}
