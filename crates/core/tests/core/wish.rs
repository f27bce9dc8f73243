//! From the moment at which the watch brings a wish for `must_encrypt`, what is seen counts for it.

use directconnect_core::pass::{Event, Pass};
use directconnect_core::reason::Reason;
use directconnect_core::turn::Claim;

use crate::fleet::tight;
use crate::given::{
    Asks, ConnectionExt, Must, RESOURCE, Says, Should, Story, UID, claim, connection, given, resource, spec,
};
use crate::pass::{Run, rests};

/// AWS shows `must_encrypt`, and lowers it as the last key goes.
fn seen_and_lowered(story: Story) -> Story {
    story.after(1).sees(connection().key("associated").mode("must_encrypt")).after(15).sees(connection())
}

#[test]
fn must_encrypt_that_is_seen_between_a_wish_and_its_pass_uses_up_immediate() {
    // A pass for the earlier wish runs.
    let mut run = Run::of(given(spec().to(Should)).sees(tight()));
    run.after(20);
    run.is_watched_as(|claim| claim.wanting(Must));
    run.after(20);
    run.sees(tight());
    run.after(20);
    run.sees(connection());
    let mut story = run.story;
    story.spec = spec().to(Must).immediately().generation(2);
    rests(Run::of(story).next(Event::Decide), Reason::NoMacSecKey);
}

#[test]
fn a_pass_with_an_older_wish_does_not_wipe_what_was_seen_for_the_newer_one() {
    let mut story = given(spec().to(Should)).sees(connection().key("associated"));
    let circuit = story.circuit().clone();
    let known = story.claim();
    story.fleet.apply(&circuit, Claim { wants: Some(Must), version: 50, ..known });
    let mut story = seen_and_lowered(story);
    // This pass has waited for its place since before that.
    Pass::begin(&mut story.fleet, resource(RESOURCE), UID, spec().to(Should), None, story.now);
    story.spec = spec().to(Must).immediately().generation(2);
    rests(Run::of(story).next(Event::Decide), Reason::NoMacSecKey);
}

#[test]
fn the_wish_of_an_heir_counts_from_when_the_elder_goes() {
    let story = given(spec().to(Must).immediately()).has_other(claim("net/elder").created(1).wanting(Should));
    let mut story = story.sees(connection().key("associated"));
    let circuit = story.circuit().clone();
    story.fleet.remove(&circuit, &resource("net/elder"));
    rests(Run::of(seen_and_lowered(story)).next(Event::Decide), Reason::NoMacSecKey);
}
