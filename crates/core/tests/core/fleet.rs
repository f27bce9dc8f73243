//! Which circuit holds the turn of an account, depending on the watch, on reads and on passes.

use directconnect_core::fault::FaultKind;
use directconnect_core::fleet::Fleet;
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::settings::MAX_CALL_DURATION;
use directconnect_core::turn::{Claim, HoldReason};

use crate::given::{
    ACCOUNT, Asks, ConnectionExt, Must, REGION, SETTINGS, Says, Should, UID, circuit, claim, connection,
    encrypted_connection, fault, given, lost, read_at, region, renames, resource, second, seconds, sets, spec,
};

pub const OTHER_ACCOUNT: &str = "444455556666";

pub fn a() -> CircuitId {
    circuit(REGION, "dxcon-aaaaaaaa")
}

pub fn b() -> CircuitId {
    circuit(REGION, "dxcon-bbbbbbbb")
}

pub fn tight() -> Connection {
    encrypted_connection().mode("must_encrypt")
}

pub fn cut() -> Connection {
    connection().key("associated").mode("must_encrypt").state("down")
}

/// A fleet whose region is being read, with resource `net/a` for circuit `a` and `net/b` for circuit `b`.
pub fn pair(a_says: Claim, b_says: Claim) -> Fleet {
    let mut fleet = Fleet::new(SETTINGS);
    fleet.begin_reading(&region(REGION), second(0));
    fleet.apply(&a(), a_says);
    fleet.apply(&b(), b_says);
    fleet
}

pub fn wants_must(path: &str) -> Claim {
    claim(path).wanting(Must)
}

pub fn read(fleet: &mut Fleet, id: &CircuitId, at: u64, connection: &Connection) -> bool {
    fleet.record_read(id, read_at(second(at), Some(connection.clone())))
}

pub fn read_between(fleet: &mut Fleet, id: &CircuitId, from: u64, to: u64, connection: &Connection) {
    for at in (from..=to).step_by(15) {
        read(fleet, id, at, connection);
    }
}

pub fn why(fleet: &Fleet, id: &CircuitId) -> Option<HoldReason> {
    fleet.hold(id).map(|hold| hold.reason)
}

pub fn holder(fleet: &Fleet, id: &CircuitId) -> Option<CircuitId> {
    fleet.holder(id).map(|holder| holder.circuit)
}

/// Both circuits have been read, and neither holds the turn.
pub fn ready() -> Fleet {
    let mut fleet = pair(wants_must("net/a"), wants_must("net/b"));
    read(&mut fleet, &a(), 1, &encrypted_connection());
    read(&mut fleet, &b(), 1, &encrypted_connection());
    assert_eq!((fleet.hold(&a()), fleet.hold(&b())), (None, None));
    fleet
}

// Which circuit holds the turn.

#[test]
fn the_first_that_begins_has_the_turn_and_the_other_has_to_wait() {
    let mut fleet = ready();
    assert!(fleet.begin_step(&a(), Must));
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay));
    assert_eq!((holder(&fleet, &a()), holder(&fleet, &b())), (None, Some(a())), "one does not wait for itself");
    assert!(!fleet.begin_step(&b(), Must), "two passes may decide at the same time");
    assert_eq!(fleet.step(&b()), None);
    fleet.withdraw_step(&a(), None);
    assert!(fleet.begin_step(&b(), Must));
    assert_eq!(holder(&fleet, &a()), Some(b()));
}

#[test]
fn a_step_that_is_withdrawn_leaves_the_one_before_it() {
    let mut fleet = ready();
    assert!(fleet.begin_step(&a(), Should) && fleet.begin_step(&a(), Must));
    fleet.withdraw_step(&a(), Some(Should));
    assert_eq!((fleet.step(&a()), why(&fleet, &a())), (Some(Should), Some(HoldReason::UnderWay)));
}

#[test]
fn accounts_do_not_wait_for_each_other_and_regions_of_one_do() {
    let elsewhere = circuit("us-east-1", "dxcon-aaaaaaaa");
    let mut fleet = ready();
    fleet.apply(&elsewhere, wants_must("net/c"));
    read(&mut fleet, &elsewhere, 1, &encrypted_connection().of_account(OTHER_ACCOUNT));
    assert!(fleet.begin_step(&a(), Must) && fleet.begin_step(&elsewhere, Must));
    assert_eq!((holder(&fleet, &b()), holder(&fleet, &elsewhere)), (Some(a()), None));
    // A read shows that it is of the same account.
    read(&mut fleet, &elsewhere, 2, &encrypted_connection());
    assert_eq!((holder(&fleet, &a()), holder(&fleet, &elsewhere)), (Some(elsewhere.clone()), Some(a())));
}

#[test]
fn after_a_restart_all_wait_for_all_that_are_unproven() {
    let mut fleet = pair(wants_must("net/a").unproven(Must), wants_must("net/b").unproven(Must));
    let c = circuit(REGION, "dxcon-cccccccc");
    fleet.apply(&c, wants_must("net/c"));
    read(&mut fleet, &c, 1, &encrypted_connection());
    assert_eq!((holder(&fleet, &a()), holder(&fleet, &b())), (Some(b()), Some(a())));
    assert!(!fleet.begin_step(&c, Must));
    for id in [a(), b()] {
        read_between(&mut fleet, &id, 1, 61, &tight());
        assert!(holder(&fleet, &c).is_some(), "not before it is in status");
        let path = if id == a() { "net/a" } else { "net/b" };
        let proven = Ledger { proven: true, ..Ledger::default() };
        fleet.note_written(&id, &resource(path), UID, proven, 2);
    }
    assert_eq!(holder(&fleet, &c), None);
    assert!(fleet.begin_step(&c, Must));
}

#[test]
fn one_whose_account_is_not_known_holds_in_every_account() {
    let mut fleet = pair(wants_must("net/a").unproven(Must), wants_must("net/b"));
    read(&mut fleet, &b(), 1, &encrypted_connection().of_account(OTHER_ACCOUNT));
    assert_eq!((fleet.account(&a()), holder(&fleet, &b())), (None, Some(a())));
    fleet.take_freed();
    // A read or a status shows its account, so the resources that wait in other accounts are woken.
    let mut of_status = fleet.clone();
    of_status.apply(&a(), wants_must("net/a").unproven(Must).showing_account(ACCOUNT).version(2));
    assert_eq!(holder(&of_status, &b()), None);
    assert!(of_status.take_freed(), "whoever waits in another account is to be woken");
    read(&mut fleet, &a(), 1, &cut());
    assert_eq!(holder(&fleet, &b()), None);
    assert!(fleet.take_freed());
    // If AWS shows no owner, the circuit shares a turn with all.
    read(&mut fleet, &a(), 2, &Connection { owner_account: None, ..cut() });
    assert_eq!(holder(&fleet, &b()), Some(a()));
}

#[test]
fn whoever_waits_is_woken_when_a_turn_becomes_free() {
    let mut fleet = ready();
    fleet.take_freed();
    fleet.begin_step(&a(), Must);
    assert!(!fleet.take_freed());
    fleet.withdraw_step(&a(), None);
    assert!(fleet.take_freed());
    assert!(!fleet.take_freed(), "once");
    // Also by deletion.
    let mut fleet = pair(wants_must("net/a").unproven(Must), wants_must("net/b"));
    fleet.take_freed();
    fleet.apply(&a(), wants_must("net/a").unproven(Must).being_deleted().version(2));
    assert!(fleet.take_freed());
    let mut fleet = pair(wants_must("net/a").unproven(Must), wants_must("net/b"));
    fleet.take_freed();
    fleet.remove(&a(), &resource("net/a"));
    assert!(fleet.take_freed());
    assert_eq!(fleet.hold(&a()), None);
}

#[test]
fn nobody_is_woken_when_the_account_of_a_circuit_without_a_turn_becomes_known() {
    let mut fleet = pair(claim("net/a"), wants_must("net/b"));
    fleet.take_freed();
    fleet.apply(&a(), claim("net/a").showing_account(ACCOUNT).version(2));
    assert!(!fleet.take_freed());
}

// When a step of this process holds the turn.

#[test]
fn a_step_holds_the_turn_from_the_send_until_its_proof_is_in_status() {
    let story = given(spec().to(Must)).soaks(&encrypted_connection());
    assert_eq!(story.holds(), None, "nothing was sent");
    let story = story.after(1).gets_answer(&sets(Must), &tight());
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
    let story = story.after(1).sees_for(45, &tight()).after(14).sees(tight()).writes();
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
    let story = story.after(1).sees(tight()).writes();
    assert_eq!((story.holds(), story.ledger().proven), (None, true));
    // A later outage does not revoke the proof.
    assert_eq!(story.after(60).sees(cut()).writes().holds(), None);
}

#[test]
fn a_connection_that_never_comes_up_keeps_the_turn() {
    let story = given(spec().to(Must)).sees(encrypted_connection()).gets_answer(&sets(Must), &cut());
    let story = story.after(86_400).sees(cut()).writes();
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
    assert_eq!(story.restarts(5).sees(cut()).writes().holds(), Some(HoldReason::UnprovenStep));
}

#[test]
fn a_step_that_is_no_longer_wanted_holds_no_turn() {
    let story = given(spec().to(Must)).sees(encrypted_connection()).gets_answer(&sets(Must), &tight());
    assert_eq!(story.with_spec(spec().to(Should).generation(2)).holds(), None);
}

#[test]
fn a_mode_that_aws_lowered_holds_no_turn_once_a_settled_read_shows_it() {
    let story = given(spec().to(Must)).sees(encrypted_connection()).gets_answer(&sets(Must), &tight());
    let story = story.after(1).sees(tight()).after(1).sees(connection()).writes();
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep), "it may be late");
    assert_eq!(story.after(59).sees(connection()).writes().holds(), None);
}

#[test]
fn an_unknown_mode_frees_no_turn() {
    let sent =
        || given(spec().to(Must)).sees(connection()).gets_answer(&sets(Must), &connection().mode("must_encrypt"));
    for strange in [connection().mode("quantum_encrypt"), connection().mode("unknown"), connection().without_mode()] {
        assert!(sent().after(3600).sees(strange.clone()).writes().holds().is_some(), "it may be must_encrypt");
        assert_eq!(sent().after(3600).sees(strange).after(1).sees(connection()).writes().holds(), None);
    }
    // The same for a circuit that was found at `must_encrypt`.
    let unsaid = Connection { mac_sec_capable: None, ..cut() };
    for strange in [connection().mode("quantum_encrypt"), connection().without_mode(), unsaid] {
        let story = given(spec().to(Must)).sees(cut()).after(60).sees(strange);
        assert_eq!(story.holds(), Some(HoldReason::UnprovenMust));
    }
}

#[test]
fn a_connection_that_is_not_found_holds_the_turn_until_nobody_wants_the_step_any_more() {
    // With the credentials of another account, AWS says of every line that there is none.
    let sent = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &tight());
    let adopted = given(spec().to(Must)).sees(cut());
    assert_eq!(adopted.clone().misses().holds(), Some(HoldReason::UnprovenMust), "though no status says so yet");
    let adopted = adopted.writes();
    for (story, reason) in [(sent, HoldReason::UnprovenStep), (adopted, HoldReason::UnprovenMust)] {
        let story = story.after(15).misses().after(3600).misses().rests(Reason::NotFound).decides_again_in(15);
        let story = story.says("other connections of the AWS account wait for it").writes();
        assert_eq!(story.holds(), Some(reason));
        assert_eq!(story.clone().restarts(20).misses().writes().holds(), Some(reason), "nor after a restart");
        assert_eq!(story.clone().after(1).sees(connection()).writes().holds(), None, "it was lowered");
        assert_eq!(story.clone().after(1).sees(cut().state("deleted")).writes().holds(), None);
        assert_eq!(story.with_spec(spec().to(Should).generation(2)).writes().holds(), None);
    }
    let raised = given(spec()).sees(connection()).after(15).sees(cut()).after(15).misses().rests(Reason::NotFound);
    assert_eq!(raised.says("to let them go on, delete this resource").holds(), Some(HoldReason::RaisedByOther));
    // Of one that was never seen at must_encrypt nothing says that it may be there.
    let story = given(spec().to(Must)).misses().rests(Reason::NotFound).says("never created").writes();
    assert_eq!(story.holds(), None);
}

#[test]
fn an_update_that_may_have_taken_effect_holds_the_turn() {
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_refusal(&sets(Must), lost());
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
    let unread = given(spec().to(Must)).sees(encrypted_connection()).after(1).gets_refusal(&sets(Must), lost());
    assert!(unread.after(3600).holds().is_some(), "no read has said since");
    let story = story.after(1).sees(encrypted_connection());
    assert!(story.holds().is_some(), "the read may be late");
    let story = story.after(71).sees(encrypted_connection()).writes();
    assert!(story.holds().is_some(), "it began no later than a window after the longest call");
    // The update of the server that failed had an effect after all.
    assert!(story.after(5).sees(cut()).holds().is_some());
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_refusal(&sets(Must), lost());
    let story = story.after(73).sees(encrypted_connection()).writes();
    assert_eq!(story.holds(), None, "it did not take effect");
    let story = story.after(5).sees(cut());
    assert!(story.holds().is_some(), "it did after all, whoever did it");
}

#[test]
fn a_must_encrypt_that_a_failing_server_did_set_keeps_the_turn() {
    let clear = encrypted_connection().mode("no_encrypt").encryption("Encryption Down");
    let story =
        given(spec().to(Must)).sees(clear).sends(&sets(Should)).gets_answer(&sets(Should), &encrypted_connection());
    let story = story.after(1).soaks(&encrypted_connection()).sends(&sets(Must));
    let story = story.after(1).gets_refusal(&sets(Must), lost()).after(5).sees(cut());
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
}

#[test]
fn a_late_read_after_a_true_one_frees_no_turn() {
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &cut());
    let story = story.after(2).sees(cut()).after(2).sees(encrypted_connection()).writes().after(2).sees(cut()).writes();
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
}

#[test]
fn an_update_that_aws_refused_holds_no_turn() {
    for kind in [
        FaultKind::Rejected,
        FaultKind::AccessDenied,
        FaultKind::CredentialsInvalid,
        FaultKind::Throttled,
        FaultKind::NotFound,
    ] {
        let story = given(spec().to(Must)).sees(encrypted_connection()).after(1).gets_refusal(&sets(Must), fault(kind));
        assert_eq!((story.holds(), story.fleet.step(story.circuit())), (None, None), "{kind:?}");
    }
    let story = given(spec().to(Must)).sees(encrypted_connection()).after(1).gets_refusal(&sets(Should), lost());
    assert_eq!(story.holds(), None, "it interrupts nothing");
}

#[test]
fn a_lowering_that_was_lost_proves_nothing() {
    let story =
        given(spec().to(Must)).sees(encrypted_connection()).gets_answer(&sets(Must), &cut()).after(60).sees(cut());
    // The spec lowers the mode; the answer is lost, and the update had no effect. Then the spec wants `must_encrypt`
    // again.
    let story = story.with_spec(spec().to(Should).generation(2)).gets_refusal(&sets(Should), lost());
    let story = story.after(1).with_spec(spec().to(Must).generation(3)).sees(cut()).rests(Reason::Settling);
    assert!(story.holds().is_some(), "it is at must_encrypt, wanted there, and has never worked");
    // A late read that shows the mode from before the lowering is no raise by somebody else.
    let story = given(spec().to(Should)).sees(cut()).gets_refusal(&sets(Should), lost()).after(1);
    let story = story.sees(connection()).after(1).sees(cut());
    assert_eq!(story.holds(), None);
    // A new process reads it within the settle window of the lost update.
    let story = given(spec().to(Must)).has_sent(sets(Should), 5).sees(cut());
    assert_eq!(story.holds(), Some(HoldReason::UnprovenMust));
}

#[test]
fn a_rename_does_not_make_a_restart_forget_whose_turn_it_is() {
    let story = given(spec().name("fra-2").to(Must)).sees(encrypted_connection().named("fra-2"));
    let story = story.gets_answer(&sets(Must), &cut().named("fra-2")).after(90).sees(cut().named("fra-2")).writes();
    let story = story.with_spec(spec().name("fra-3").to(Must).generation(2)).sees(cut().named("fra-2"));
    let story = story.gets_answer(&renames("fra-3"), &cut().named("fra-3")).writes().restarts(20);
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
}

#[test]
fn a_member_of_a_lag_holds_no_turn_however_it_became_one() {
    let member = tight().in_lag("dxlag-1");
    let unproven = Ledger { unproven_step: Some(Must), ..Ledger::default() };
    let story = given(spec().to(Must)).has_ledger(unproven).sees(member).rests(Reason::InSync);
    assert_eq!(story.holds(), None);
    assert_eq!(story.writes().ledger().unproven_step, None);
}

#[test]
fn a_read_while_the_update_is_in_flight_says_nothing_about_it() {
    // The resource of the step is deleted meanwhile, and another one wants the mode too.
    let mut fleet = ready();
    fleet.apply(&a(), wants_must("net/heir").created(200));
    assert!(fleet.begin_step(&a(), Must));
    read(&mut fleet, &a(), 2, &encrypted_connection());
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay), "it is decided on, and not sent yet");
    fleet.record_send(&a(), second(2));
    fleet.remove(&a(), &resource("net/a"));
    read(&mut fleet, &a(), 3, &encrypted_connection());
    assert_eq!(why(&fleet, &a()), Some(HoldReason::UnderWay));
    assert!(!fleet.is_settled(&a()));
    // A call without a recorded end is over after the longest call, and visible a settle window later.
    let over = second(2) + MAX_CALL_DURATION + SETTINGS.settle_window;
    assert_eq!(fleet.settles_at(&a()), Some(over));
    fleet.record_read(&a(), read_at(over, Some(encrypted_connection())));
    assert!(fleet.hold(&a()).is_some());
    fleet.record_read(&a(), read_at(over + seconds(1), Some(encrypted_connection())));
    assert_eq!(fleet.hold(&a()), None);
}
