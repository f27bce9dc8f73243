//! One connection of an account at a time on its way to `must_encrypt`.

use directconnect_core::conditions::Reason;
use directconnect_core::desired::ConnectionKey;
use directconnect_core::fault::FaultKind;
use directconnect_core::turn::{Turns, is_on_its_way};

use crate::given::{Asks, Line, Must, Should, Story, encrypted_line, fault, given, line, lost, seconds, sets, wish};

const ONE: &str = "111122223333";
const TWO: &str = "444455556666";

fn key(id: &str) -> ConnectionKey {
    ConnectionKey { region: "eu-central-1".into(), id: id.into() }
}

fn under_way(story: &Story) -> bool {
    is_on_its_way(&story.wish, &story.history, &story.settings, story.now)
}

#[test]
fn the_first_has_the_turn_until_it_gives_it_up() {
    let (a, b) = (key("dxcon-aaaaaaaa"), key("dxcon-bbbbbbbb"));
    let mut turns = Turns::default();
    assert!(turns.try_take(ONE, &a, "net/a"));
    assert_eq!(turns.other(ONE, &a), None, "one does not wait for itself");
    assert_eq!(turns.other(ONE, &b), Some("net/a"));
    assert!(turns.try_take(ONE, &a, "net/a"), "it has it already");
    assert!(!turns.try_take(ONE, &b, "net/b"));
    assert!(!turns.release(&b, "net/b"), "it never had it");
    assert!(!turns.release(&a, "net/young"), "it is not its to give");
    assert_eq!(turns.other(ONE, &b), Some("net/a"));
    assert!(turns.release(&a, "net/a"));
    assert!(turns.try_take(ONE, &b, "net/b"));
}

#[test]
fn accounts_do_not_wait_for_each_other() {
    let (a, b) = (key("dxcon-aaaaaaaa"), key("dxcon-bbbbbbbb"));
    let mut turns = Turns::default();
    assert!(turns.try_take(ONE, &a, "net/a") && turns.try_take(TWO, &b, "net/b"));
    assert_eq!((turns.other(ONE, &a), turns.other(TWO, &b)), (None, None));
}

#[test]
fn regions_of_an_account_do() {
    let a = key("dxcon-aaaaaaaa");
    let elsewhere = ConnectionKey { region: "us-east-1".into(), ..a.clone() };
    let mut turns = Turns::default();
    assert!(turns.try_take(ONE, &a, "net/a"));
    assert!(!turns.try_take(ONE, &elsewhere, "net/b"));
}

#[test]
fn after_a_restart_all_wait_for_all_that_are_unproven() {
    let (a, b, c) = (key("dxcon-aaaaaaaa"), key("dxcon-bbbbbbbb"), key("dxcon-cccccccc"));
    let mut turns = Turns::default();
    turns.hold(ONE, &a, "net/a");
    turns.hold(ONE, &b, "net/b");
    assert_eq!((turns.other(ONE, &a), turns.other(ONE, &b)), (Some("net/b"), Some("net/a")));
    assert!(turns.release(&a, "net/a") && !turns.try_take(ONE, &c, "net/c"));
    assert!(turns.release(&b, "net/b") && turns.try_take(ONE, &c, "net/c"));
}

#[test]
fn a_connection_that_turns_out_to_be_of_another_account_leaves_the_first() {
    let (a, b) = (key("dxcon-aaaaaaaa"), key("dxcon-bbbbbbbb"));
    let mut turns = Turns::default();
    turns.hold("", &a, "net/a");
    turns.hold(ONE, &a, "net/a");
    assert_eq!((turns.other("", &b), turns.other(ONE, &b)), (None, Some("net/a")));
    assert!(turns.release(&a, "net/a"));
    assert_eq!(turns, Turns::default());
}

#[test]
fn on_its_way_from_the_send_to_the_end_of_a_soak() {
    let must = encrypted_line().mode("must_encrypt");
    let story = given(wish().to(Must)).soaks(&encrypted_line());
    assert!(!under_way(&story), "nothing was sent");
    let story = story.after(1).gets_answer(sets(Must), &must);
    assert!(under_way(&story));
    let story = story.after(1).sees(must.clone()).after(59).sees(must.clone());
    assert!(under_way(&story));
    assert!(!under_way(&story.after(1).sees(must)));
}

#[test]
fn a_line_that_never_comes_up_stays_on_its_way() {
    let cut = line().key("associated").mode("must_encrypt").state("down");
    let story = given(wish().to(Must)).sees(encrypted_line()).gets_answer(sets(Must), &cut);
    assert!(under_way(&story.after(86_400).sees(cut)));
}

#[test]
fn whether_macsec_works_after_must_encrypt_is_looked_at_before_the_next_poll() {
    let must = line().mode("must_encrypt");
    let story = given(wish().to(Must).immediately()).sees(line()).gets_answer(sets(Must), &must);
    let story = story.rests(Reason::InSync).looks_again_in(15).after(15).reads();
    // A look that shows it down is the far end's to change, and that is news of a poll.
    story.sees(must).rests(Reason::InSync).looks_again_in(45);
}

#[test]
fn what_is_no_longer_wanted_there_is_not_on_its_way() {
    let must = encrypted_line().mode("must_encrypt");
    let story = given(wish().to(Must)).sees(encrypted_line()).gets_answer(sets(Must), &must);
    assert!(!under_way(&story.wishes(wish().to(Should).generation(2))));
}

#[test]
fn what_aws_lowered_is_not_on_its_way() {
    let must = encrypted_line().mode("must_encrypt");
    let story = given(wish().to(Must)).sees(encrypted_line()).gets_answer(sets(Must), &must);
    let story = story.after(1).sees(must).after(1).sees(line());
    assert!(!under_way(&story));
}

#[test]
fn a_mode_that_nobody_knows_takes_no_turn_away() {
    let (must, strange) = (line().mode("must_encrypt"), line().mode("quantum_encrypt"));
    let sent = || given(wish().to(Must)).sees(line()).gets_answer(sets(Must), &must);
    assert!(under_way(&sent().after(1).sees(strange.clone())), "the first read after it");
    let story = sent().after(1).sees(must.clone()).after(3600).sees(strange);
    assert!(under_way(&story), "it may be must_encrypt as well as anything");
    assert!(!under_way(&story.after(1).sees(line())));
    for other in [line().mode("unknown"), line().without_mode(), line().mode("quantum_encrypt").hosted(101)] {
        assert!(!under_way(&sent().after(60).sees(other)), "what takes no mode has none");
    }
}

#[test]
fn what_may_yet_have_taken_effect_is_on_its_way() {
    let story = given(wish().to(Must)).sees(encrypted_line()).after(1).gets_refusal(sets(Must), lost());
    let story = story.after(1).sees(encrypted_line());
    assert!(under_way(&story), "the read may be late");
    assert!(!under_way(&story.after(60).sees(encrypted_line())));

    let unavailable = || fault(FaultKind::Unavailable);
    let story = given(wish().to(Must)).soaks(&encrypted_line()).after(1).gets_refusal(sets(Must), unavailable());
    assert!(under_way(&story));
    let story = story.after(1).sees(encrypted_line());
    assert!(under_way(&story), "a server that failed may have done it");
    let story = story.after(58);
    assert!(under_way(&story), "the window is not over");
    let story = story.after(1);
    assert!(!under_way(&story), "the window is over, and a read since shows the old mode");
    let story = story.sees(line().mode("must_encrypt"));
    assert!(under_way(&story), "it did it after all");
    let unread = given(wish().to(Must)).sees(encrypted_line()).after(1).gets_refusal(sets(Must), unavailable());
    assert!(under_way(&unread.after(3600)), "no read has said since");
    let unread = given(wish().to(Must)).soaks(&encrypted_line()).gets_refusal(sets(Must), unavailable());
    assert!(under_way(&unread.after(3600)), "a read that began as it ended says nothing");
}

#[test]
fn what_aws_refused_is_not_on_its_way() {
    for class in [
        FaultKind::Rejected,
        FaultKind::AccessDenied,
        FaultKind::CredentialsInvalid,
        FaultKind::Throttled,
        FaultKind::NotFound,
    ] {
        let story = given(wish().to(Must)).sees(encrypted_line()).after(1).gets_refusal(sets(Must), fault(class));
        assert!(!under_way(&story), "{class:?}");
    }
    let story = given(wish().to(Must)).sees(encrypted_line()).after(1);
    assert!(!under_way(&story.gets_refusal(sets(Should), fault(FaultKind::Unavailable))));
}

#[test]
fn after_a_restart_it_is_on_its_way_until_a_look_proves_it_or_shows_otherwise() {
    let mut story = given(wish().to(Must));
    story.history.resume(sets(Must), seconds(3600), story.now);
    assert!(under_way(&story), "not seen yet");
    let story = story.sees(line().mode("must_encrypt"));
    assert!(under_way(&story));
    assert!(!under_way(&story.after(1).sees(line())));
}

#[test]
fn a_turn_in_doubt_is_looked_at_again_when_it_can_be_known() {
    let doubtful = || given(wish().to(Must)).soaks(&encrypted_line()).after(1).gets_refusal(sets(Must), lost());
    let story = doubtful().after(1).sees(line()).rests(Reason::NoMacSecKey).looks_again_in(59);
    assert_eq!(story.after(59).plan().look_again, None);
    // Nobody reads by itself what is paused; but others wait for it.
    let paused = || doubtful().wishes(wish().to(Must).paused());
    let story = paused().rests(Reason::Paused).looks_again_in(60).after(60).reads();
    story.sees(line()).rests(Reason::Paused);
    // Nobody waits for what is wanted elsewhere, or is another resource's.
    let elsewhere = doubtful().wishes(wish().to(Should).paused()).after(60);
    assert_eq!(elsewhere.rests(Reason::InSync).plan().look_again, None);
    let younger = paused().has_elder("net/old").rests(Reason::Conflict);
    assert_eq!(younger.plan().look_again, None);
    assert_eq!(younger.after(60).rests(Reason::Conflict).plan().look_again, None);
    let observer = doubtful().wishes(wish().to(Must).observing()).rests(Reason::Drifted);
    assert_eq!(observer.after(60).rests(Reason::Drifted).plan().look_again, None);
}
