//! Updates whose answer was lost: nobody knows whether AWS carried them out until a read shows it. AWS may do so up to the
//! longest call (12 s) after they were sent, and reads may be late by a settle window (60 s) after that.

use directconnect_core::reason::Reason;

use crate::given::{
    Asks, ConnectionExt, Must, No, Should, connection, encrypted_connection, given, lost, renames, seconds, sets, spec,
};

#[test]
fn a_lost_answer_leads_to_reads_and_never_to_a_second_send_at_once() {
    let story = given(spec().name("fra-2")).sees(connection()).after(12).gets_refusal(&renames("fra-2"), lost());
    let story = story.rests(Reason::AwsUnavailable).after(1).sees(connection()).rests(Reason::AwsUnavailable);
    story.after(10).sees(connection().named("fra-2")).rests(Reason::InSync);
    // If it had no effect, it is sent again after the window.
    let story = given(spec().name("fra-2")).sees(connection()).gets_refusal(&renames("fra-2"), lost());
    story.after(72).sees(connection()).sends(&renames("fra-2"));
    // Once a read has shown it, nothing is waited for if another shows the old name again.
    let story = given(spec().name("fra-2")).sees(connection()).gets_refusal(&renames("fra-2"), lost()).after(5);
    story.sees(connection().named("fra-2")).after(5).sees(connection()).sends(&renames("fra-2"));
}

#[test]
fn a_step_up_whose_answer_was_lost_blocks_itself_and_no_other_mode() {
    let clear = connection().mode("no_encrypt");
    let story = given(spec().to(Should)).sees(clear.clone()).after(1).gets_refusal(&sets(Should), lost());
    let story = story.after(1).sees(clear.clone()).rests(Reason::AwsUnavailable).decides_again_in(71);
    // A new generation forgets the failure, but the mode still settles.
    let again = story.with_spec(spec().to(Should).generation(2)).rests(Reason::Settling).says("AWS may still show");
    // AWS may carry it out up to the longest call after it was sent, and a read may be late by a settle window after that.
    let again = again.after(60).sees(clear.clone()).rests(Reason::Settling);
    again.after(12).sees(clear).sends(&sets(Should));
}

#[test]
fn a_step_down_whose_answer_was_lost_goes_again_once_a_read_shows_the_higher_mode() {
    let cut = connection().key("associated").mode("must_encrypt");
    let story = given(spec().to(Should)).sees(cut.clone()).after(1).gets_refusal(&sets(Should), lost());
    // Not without a read that began after the call, and not before the retry time.
    let story = story.rests(Reason::AwsUnavailable).decides_again_in(1);
    let story = story.after(1).reads().sees(cut.clone()).sends(&sets(Should));
    // The delays grow as they do for every failure, but no settle window is waited for.
    let story = story.gets_refusal(&sets(Should), lost()).after(1).sees(cut.clone());
    let story = story.rests(Reason::AwsUnavailable).decides_again_in(1).after(1).sends(&sets(Should));
    story.with_spec(spec().to(No).generation(3)).sends(&sets(No));
    // After a restart too: nobody knows whether the process before got an answer.
    given(spec().to(Should)).has_sent(sets(Should), 5).sees(cut.clone()).sends(&sets(Should));
    // If AWS has answered that it stored something else, another attempt at once is of no use.
    let story = given(spec().to(Should)).sees(cut.clone()).gets_answer(&sets(Should), &cut);
    let story = story.after(1).sees(cut.clone()).rests(Reason::Settling).says("should_encrypt was sent");
    story.decides_again_in(59).after(58).sees(cut.clone()).rests(Reason::Settling).after(1).sends(&sets(Should));
    // What AWS has confirmed is not sent again for a late read.
    let story = given(spec().to(Should)).sees(cut.clone()).gets_answer(&sets(Should), &connection().key("associated"));
    story.after(1).sees(cut).rests(Reason::InSync);
}

#[test]
fn what_was_sent_without_an_answer_is_in_doubt_although_aws_shows_what_the_spec_wants_now() {
    let should = encrypted_connection();
    let cut = connection().key("associated").mode("must_encrypt");
    let ready = given(spec().to(Must)).soaks(&should).gets_refusal(&sets(Must), lost()).after(1);
    let story = ready.with_spec(spec().to(Should).generation(2)).rests(Reason::Settling).says("must_encrypt was sent");
    assert_eq!(story.clone().writes().ledger().met_generation, None, "not as long as it is in doubt");
    // It is looked at as in a soak, so it is lowered long before the next poll.
    let story = story.decides_again_in(14).after(14).reads().sees(should.clone()).rests(Reason::Settling);
    story.clone().decides_again_in(15).after(15).reads().sees(cut.clone()).sends(&sets(Should));
    // What no read has shown by the end of the settle window was not stored.
    let story = story.after(57).reads().sees(should.clone()).rests(Reason::InSync);
    assert_eq!(story.writes().ledger().met_generation, Some(2));
    // If one read has shown it and the next does not, that one may be late.
    let shown = given(spec().to(Must)).soaks(&should).gets_refusal(&sets(Must), lost()).after(1).sees(cut.clone());
    let shown = shown.with_spec(spec().to(Should).generation(2)).sends(&sets(Should)).after(1).sees(should.clone());
    shown.rests(Reason::Settling).after(71).sees(should.clone()).rests(Reason::InSync);
    // AWS has answered that it stored another mode, which happens to be the one that is wanted now.
    let otherwise = given(spec().to(Must)).soaks(&should).gets_answer(&sets(Must), &should).after(1);
    otherwise.with_spec(spec().to(Should).generation(2)).rests(Reason::InSync);
    // A restart changes nothing about it.
    given(spec().to(Should)).has_sent(sets(Must), 5).sees(should.clone()).rests(Reason::Settling).decides_again_in(15);
    // So it is with a name, and also if nothing may be sent.
    let renamed = given(spec().name("fra-2")).sees(connection()).gets_refusal(&renames("fra-2"), lost());
    let back = |spec| renamed.clone().after(1).with_spec(spec).after(1).sees(connection());
    let in_doubt = back(spec().name("fra-1").generation(2)).rests(Reason::Settling).says("\"fra-2\" was sent");
    in_doubt.decides_again_in(70).after(70).reads().sees(connection()).rests(Reason::InSync);
    // A pause ends no doubt: if AWS has the other one, that is what is held back.
    let paused = back(spec().name("fra-1").generation(2).paused()).rests(Reason::Paused).says("\"fra-2\" was sent");
    paused.after(70).sees(connection()).rests(Reason::InSync);
    back(spec().name("fra-1").generation(2).observing()).rests(Reason::Observed);
    back(spec().name("fra-2").generation(2).paused()).rests(Reason::Paused);
}

#[test]
fn a_lost_answer_is_no_dispute() {
    let mut story = given(spec().name("fra-2")).sees(connection());
    for _ in 0..5 {
        story = story.gets_refusal(&renames("fra-2"), lost()).after(73).sees(connection()).sends(&renames("fra-2"));
    }
    let mut story = given(spec().to(No)).sees(connection());
    for _ in 0..5 {
        story = story.gets_refusal(&sets(No), lost()).after(73).sees(connection()).sends(&sets(No));
    }
}

#[test]
fn a_step_whose_outcome_is_unknown_is_told_before_the_soak_that_it_has_to_wait_for_again() {
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_refusal(&sets(Must), lost());
    let story = story.after(15).sees(encrypted_connection()).rests(Reason::AwsUnavailable).says("AWS says no");
    story.after(61).sees(encrypted_connection()).rests(Reason::WaitingForEncryptionUp);
    // Once a read shows the name, there is no doubt any more.
    let story = given(spec().name("fra-2").to(Must)).sees(connection()).gets_refusal(&renames("fra-2"), lost());
    story.after(1).sees(connection().named("fra-2")).rests(Reason::NoMacSecKey);
}

#[test]
fn once_an_update_is_in_doubt_no_more_what_blocks_it_is_reported() {
    let lagged = || encrypted_connection().in_lag("dxlag-fg1234ab");
    let clear = || connection().mode("no_encrypt");
    let cases = [
        (Must, encrypted_connection(), lagged(), Reason::LagMember),
        (Should, clear(), clear().state("down"), Reason::WaitingForAvailable),
    ];
    for (mode, before, shown, reason) in cases {
        let story = given(spec().to(mode)).soaks(&before).after(1).gets_refusal(&sets(mode), lost());
        let story = story.after(1).sees(shown).rests(Reason::AwsUnavailable).decides_again_in(71);
        // No read has shown anything new.
        story.after(71).rests(reason);
    }
}

#[test]
fn a_paused_resource_is_read_again_once_a_name_is_in_doubt_no_more() {
    let renamed = given(spec().name("fra-2")).sees(connection()).gets_refusal(&renames("fra-2"), lost());
    let story = renamed.after(1).with_spec(spec().name("fra-1").generation(2).paused()).after(1).sees(connection());
    let story = story.rests(Reason::Paused).says("\"fra-2\" was sent").decides_again_in(70);
    let mut story = story.after(70).reads().sees(connection()).rests(Reason::InSync);
    assert_eq!(story.plan().next_check, None);
    // Nor is it asked for again and again: the poll may have read it meanwhile.
    story.now = story.now + seconds(3600);
    story.rests(Reason::InSync);
}
