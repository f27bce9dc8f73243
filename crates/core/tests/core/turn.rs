//! Turns: which circuit of an account holds the turn, and why.

use directconnect_core::desired::EncryptionMode;
use directconnect_core::identity::AccountId;
use directconnect_core::turn::{CircuitView, Claim, HoldReason, Read, Shown, share_turn};

use crate::given::{ACCOUNT, ConnectionExt, Must, No, Says, Should, claim, connection, encrypted_connection, resource};

const OTHER_ACCOUNT: &str = "444455556666";
const AWAITED: Read = Read::Nothing { is_awaited: true, last_mode: None };
const GIVEN_UP: Read = Read::Nothing { is_awaited: false, last_mode: None };

fn at(mode: EncryptionMode) -> Read {
    Read::Seen(Shown { mode: Some(mode), ..Shown::of(&connection()) })
}

fn in_lag(mode: EncryptionMode) -> Read {
    Read::Seen(Shown { mode: Some(mode), ..Shown::of(&connection().in_lag("dxlag-1")) })
}

fn without_mode() -> Read {
    Read::Seen(Shown::of(&connection().without_mode()))
}

fn acting() -> Claim {
    claim("net/a")
}

fn younger() -> Claim {
    claim("net/b").created(200)
}

/// It is not found any more, and had this mode.
fn lost_at(mode: EncryptionMode) -> Read {
    Read::Nothing { is_awaited: false, last_mode: Some(mode) }
}

fn view(claims: &[Claim], read: Read) -> CircuitView<'_> {
    CircuitView { claims, read, step: None, was_raised: false, is_proof_over: false }
}

/// A description, the claims, the last read, and the expected holder with its reason.
type Row<'a> = (&'a str, Vec<Claim>, Read, Option<(&'a str, HoldReason)>);

#[track_caller]
fn holds(table: Vec<Row<'_>>) {
    for (given, claims, read, expected) in table {
        let hold = view(&claims, read).hold();
        let found = hold.map(|hold| (hold.resource.expect("a resource is about it"), hold.reason));
        assert_eq!(found, expected.map(|(path, reason)| (resource(path), reason)), "{given}");
    }
}

#[test]
fn an_unproven_step_that_is_still_wanted_holds_the_turn_whatever_policy_or_claim() {
    use HoldReason::UnprovenStep as Step;
    let old = || claim("net/old").created(1).wanting(No);
    holds(vec![
        ("the acting one's, not read", vec![acting().wanting(Must).unproven(Must)], AWAITED, Some(("net/a", Step))),
        ("not read, and nobody waits", vec![acting().wanting(Must).unproven(Must)], GIVEN_UP, Some(("net/a", Step))),
        ("whatever a read shows", vec![acting().wanting(Must).unproven(Must)], at(Should), Some(("net/a", Step))),
        ("should, on the way to must", vec![acting().wanting(Must).unproven(Should)], at(No), Some(("net/a", Step))),
        ("should, wanted itself", vec![acting().wanting(Should).unproven(Should)], at(Should), Some(("net/a", Step))),
        ("observed", vec![acting().wanting(Must).observing().unproven(Must)], at(Must), Some(("net/a", Step))),
        ("in conflict", vec![old(), acting().wanting(Must).unproven(Must)], at(Must), Some(("net/a", Step))),
        (
            "though another one is proven",
            vec![old().wanting(Must).proven(), acting().wanting(Must).unproven(Must)],
            at(Must),
            Some(("net/a", Step)),
        ),
        ("must, though should is wanted by now", vec![acting().wanting(Should).unproven(Must)], at(Must), None),
        ("should, though no is wanted by now", vec![acting().wanting(No).unproven(Should)], at(Should), None),
        ("no mode is managed any more", vec![acting().unproven(Must)], at(Must), None),
        ("being deleted", vec![acting().wanting(Must).unproven(Must).being_deleted()], at(Must), None),
        ("in a LAG", vec![acting().wanting(Must).unproven(Must)], in_lag(Must), None),
        ("gone", vec![acting().wanting(Must).unproven(Must)], Read::Gone, None),
        ("a read without a mode", vec![acting().wanting(Must).unproven(Must)], without_mode(), Some(("net/a", Step))),
    ]);
    // Before the first read, a status shows that the circuit is in a LAG.
    let mut member = acting().wanting(Must).unproven(Must);
    member.shown.in_lag = true;
    assert_eq!(view(&[member.clone()], AWAITED).hold(), None);
    // The status of one that is being deleted is not written any more, so it says nothing.
    let wants = acting().wanting(Must).unproven(Must);
    assert!(view(&[wants, member.being_deleted()], AWAITED).hold().is_some());
}

#[test]
fn an_unproven_circuit_at_must_encrypt_holds_the_turn_for_the_acting_resource() {
    use HoldReason::UnprovenMust as Held;
    let old = || claim("net/old").created(1);
    holds(vec![
        ("found there", vec![acting().wanting(Must)], at(Must), Some(("net/a", Held))),
        ("proven", vec![acting().wanting(Must).proven()], at(Must), None),
        ("proven, written by a younger one", vec![acting().wanting(Must), younger().proven()], at(Must), None),
        (
            "proven by one that is being deleted",
            vec![acting().wanting(Must), younger().proven().being_deleted()],
            at(Must),
            Some(("net/a", Held)),
        ),
        (
            "proven, but another step is unproven",
            vec![acting().wanting(Must).proven(), younger().wanting(No).unproven(Must)],
            at(Must),
            Some(("net/a", Held)),
        ),
        (
            "proven, and one that is being deleted never was",
            vec![acting().wanting(Must).proven(), younger().wanting(Must).unproven(Must).being_deleted()],
            at(Must),
            None,
        ),
        ("lower", vec![acting().wanting(Must)], at(Should), None),
        ("no known mode", vec![acting().wanting(Must)], without_mode(), None),
        ("wanted lower", vec![acting().wanting(Should)], at(Must), None),
        ("not managed", vec![acting()], at(Must), None),
        ("observed", vec![acting().wanting(Must).observing()], at(Must), None),
        ("being deleted", vec![acting().wanting(Must).being_deleted()], at(Must), None),
        ("wanted by one in conflict alone", vec![old().wanting(No), acting().wanting(Must)], at(Must), None),
        (
            "the older one only observes",
            vec![old().wanting(No).observing(), acting().wanting(Must)],
            at(Must),
            Some(("net/a", Held)),
        ),
        (
            "the older one is being deleted",
            vec![old().wanting(No).being_deleted(), acting().wanting(Must)],
            at(Must),
            Some(("net/a", Held)),
        ),
        ("in a LAG", vec![acting().wanting(Must)], in_lag(Must), None),
        ("gone", vec![acting().wanting(Must)], Read::Gone, None),
    ]);
}

#[test]
fn until_the_first_read_a_circuit_that_may_be_at_must_encrypt_holds_the_turn() {
    use HoldReason::UnprovenMust as Held;
    let had_must = || {
        let mut claim = acting().wanting(Must);
        claim.ledger.must_encrypt_generation = Some(1);
        claim
    };
    holds(vec![
        ("awaited", vec![acting().wanting(Must)], AWAITED, Some(("net/a", Held))),
        ("awaited, status shows less", vec![acting().wanting(Must).showing(Should)], AWAITED, Some(("net/a", Held))),
        ("awaited, proven", vec![acting().wanting(Must).proven()], AWAITED, None),
        ("awaited, wanted lower", vec![acting().wanting(Should).showing(Must)], AWAITED, None),
        ("given up, status shows must", vec![acting().wanting(Must).showing(Must)], GIVEN_UP, Some(("net/a", Held))),
        (
            "given up, the status of another shows must",
            vec![acting().wanting(Must), younger().observing().showing(Must)],
            GIVEN_UP,
            Some(("net/a", Held)),
        ),
        ("given up, status shows less", vec![acting().wanting(Must).showing(Should)], GIVEN_UP, None),
        ("given up, status shows no mode, but that must was seen", vec![had_must()], GIVEN_UP, Some(("net/a", Held))),
        ("given up, status shows less than was seen before", vec![had_must().showing(Should)], GIVEN_UP, None),
        ("given up, status shows nothing", vec![acting().wanting(Must)], GIVEN_UP, None),
        ("given up, proven", vec![acting().wanting(Must).showing(Must).proven()], GIVEN_UP, None),
        ("not found, and seen there before", vec![acting().wanting(Must)], lost_at(Must), Some(("net/a", Held))),
        ("not found, and seen lower since that status", vec![had_must().showing(Must)], lost_at(Should), None),
    ]);
}

#[test]
fn a_step_of_this_process_holds_the_turn_while_any_resource_wants_it() {
    let held = |step, claims: &[Claim], read| {
        let view = CircuitView { step: Some(step), ..view(claims, read) };
        view.hold().map(|hold| (hold.resource.expect("somebody wants it"), hold.reason))
    };
    let by = |path| Some((resource(path), HoldReason::UnderWay));
    assert_eq!(held(Must, &[acting().wanting(Must)], at(Should)), by("net/a"));
    assert_eq!(held(Should, &[acting().wanting(Must)], at(No)), by("net/a"));
    // The step counts whichever resource it was made for.
    assert_eq!(held(Must, &[acting().wanting(No), younger().wanting(Must)], at(Should)), by("net/b"));
    assert_eq!(held(Must, &[acting().wanting(Must).being_deleted(), younger().wanting(Must)], at(No)), by("net/b"));
    assert_eq!(held(Must, &[acting().wanting(Must).observing()], at(Should)), by("net/a"));
    for nobody in [vec![], vec![acting().wanting(Should)], vec![acting().wanting(Must).being_deleted()]] {
        assert_eq!(held(Must, &nobody, at(Should)), None);
    }
    assert_eq!(held(Must, &[acting().wanting(Must)], in_lag(Should)), None);
    assert_eq!(held(Must, &[acting().wanting(Must)], GIVEN_UP), by("net/a"));
    assert_eq!(held(Must, &[acting().wanting(Must)], Read::Gone), None);
}

#[test]
fn a_circuit_that_another_writer_raised_holds_the_turn_for_any_resource() {
    let held = |claims: &[Claim], read| {
        let hold = CircuitView { was_raised: true, ..view(claims, read) }.hold();
        hold.map(|hold| (hold.resource, hold.reason))
    };
    let raised = |path: Option<&str>| Some((path.map(resource), HoldReason::RaisedByOther));
    assert_eq!(held(&[], at(Must)), raised(None), "no resource is about it");
    assert_eq!(held(&[acting().wanting(Must).proven()], at(Must)), raised(Some("net/a")));
    assert_eq!(held(&[acting().wanting(No)], at(Must)), raised(Some("net/a")), "it is not wanted there");
    assert_eq!(held(&[acting().being_deleted()], at(Must)), raised(None));
    assert_eq!(held(&[], in_lag(Must)), None);
}

#[test]
fn the_account_is_that_of_the_last_read_else_of_a_status() {
    let known = |account| Some(AccountId::new(account));
    let of = |claims: &[Claim], read| view(claims, read).account();
    let elsewhere = acting().showing_account(OTHER_ACCOUNT);
    assert_eq!(of(std::slice::from_ref(&elsewhere), at(Must)), known(ACCOUNT), "the read goes before");
    for read in [AWAITED, GIVEN_UP] {
        assert_eq!(of(&[acting(), younger().showing_account(OTHER_ACCOUNT)], read.clone()), known(OTHER_ACCOUNT));
        assert_eq!(of(&[acting()], read), None);
    }
    let ownerless = directconnect_core::observed::Connection { owner_account: None, ..connection() };
    assert_eq!(of(&[elsewhere], Read::Seen(Shown::of(&ownerless))), None);
}

#[test]
fn accounts_of_which_one_is_not_known_share_their_turn() {
    let (this, that) = (Some(AccountId::new(ACCOUNT)), Some(AccountId::new(OTHER_ACCOUNT)));
    let table = [(&this, &this, true), (&this, &that, false), (&this, &None, true), (&None, &None, true)];
    for (one, other, expected) in table {
        assert_eq!(share_turn(one, other), expected, "{one:?} {other:?}");
        assert_eq!(share_turn(other, one), expected, "{other:?} {one:?}");
    }
}

#[test]
fn turns_depend_on_mode_lag_and_account_of_a_connection() {
    let must = Shown::of(&encrypted_connection().mode("must_encrypt"));
    assert_eq!((must.mode, must.in_lag), (Some(Must), false));
    assert_eq!(must.account, Some(AccountId::new(ACCOUNT)));
    assert!(Shown::of(&connection().in_lag("dxlag-1")).in_lag);
    for without in
        [connection().hosted(101), connection().incapable(), connection().mode("unknown"), connection().mode("quantum")]
    {
        assert_eq!(Shown::of(&without).mode, None);
    }
}
