//! The ladder: which mode goes to a connection that AWS shows so, for a wish like that.

use directconnect_core::conditions::Reason;
use directconnect_core::desired::EncryptionMode;
use directconnect_core::guard::{Evidence, Rung, climb};
use directconnect_core::observed::Connection;

use crate::given::{ID, Line, Must, No, Should, encrypted_line, line};

const NOTHING: Evidence<'_> = Evidence { soaked: false, overdue: false, immediate: false, other: None };
const SOAKED: Evidence<'_> = Evidence { soaked: true, ..NOTHING };
const OVERDUE: Evidence<'_> = Evidence { overdue: true, ..NOTHING };
const IMMEDIATE: Evidence<'_> = Evidence { immediate: true, ..NOTHING };
const SECOND: Evidence<'_> = Evidence { other: Some("net/fra-2"), ..SOAKED };
const IMMEDIATE_SECOND: Evidence<'_> = Evidence { other: Some("net/fra-2"), ..IMMEDIATE };

#[derive(Debug, PartialEq)]
enum Outcome {
    Met,
    Goes(EncryptionMode),
    Waits(Reason),
}
use Outcome::{Goes, Met, Waits};

fn outcome(wanted: EncryptionMode, connection: &Connection, evidence: Evidence<'_>) -> Outcome {
    match climb(wanted, connection, evidence, ID) {
        Rung::Met => Met,
        Rung::Go(mode) => Goes(mode),
        Rung::Not(reason, message) => {
            assert!(message.contains(ID), "{message}");
            Waits(reason)
        }
    }
}

#[track_caller]
fn hold(table: Vec<(&str, EncryptionMode, Connection, Evidence<'_>, Outcome)>) {
    for (given, wanted, connection, evidence, expected) in table {
        assert_eq!(outcome(wanted, &connection, evidence), expected, "{given}");
    }
}

#[test]
fn each_mode_is_met_where_aws_shows_it() {
    for (wanted, word) in [(No, "no_encrypt"), (Should, "should_encrypt"), (Must, "must_encrypt")] {
        for state in ["available", "down", "pending", "unknown", "marvellous"] {
            assert_eq!(outcome(wanted, &line().mode(word).state(state), NOTHING), Met, "{word} while {state}");
        }
        assert_eq!(outcome(wanted, &line().mode(word).in_lag("dxlag-1"), NOTHING), Met, "{word} in a LAG");
    }
}

#[test]
fn down_the_ladder_goes_in_one_call_at_once() {
    hold(vec![
        ("must to should", Should, line().mode("must_encrypt"), NOTHING, Goes(Should)),
        ("must to no", No, line().mode("must_encrypt"), NOTHING, Goes(No)),
        ("should to no", No, line(), NOTHING, Goes(No)),
        ("must to should while down", Should, line().mode("must_encrypt").state("down"), NOTHING, Goes(Should)),
        ("must to no while down", No, line().mode("must_encrypt").state("down"), NOTHING, Goes(No)),
        ("should to no while down", No, line().state("down"), NOTHING, Goes(No)),
        ("must to should while another is on its way", Should, line().mode("must_encrypt"), SECOND, Goes(Should)),
    ]);
}

#[test]
fn up_the_ladder_goes_by_its_rungs() {
    let clear = || line().mode("no_encrypt");
    hold(vec![
        ("no to should", Should, clear(), NOTHING, Goes(Should)),
        ("no to must: should first", Must, clear(), NOTHING, Goes(Should)),
        (
            "no to must with all the evidence: should first",
            Must,
            encrypted_line().mode("no_encrypt"),
            SOAKED,
            Goes(Should),
        ),
        ("no key", Must, line(), SOAKED, Waits(Reason::NoMacSecKey)),
        ("no key, overdue", Must, line(), OVERDUE, Waits(Reason::NoMacSecKey)),
        ("a key that is leaving", Must, line().key("disassociating"), SOAKED, Waits(Reason::NoMacSecKey)),
        ("a key that has left", Must, line().key("disassociated"), SOAKED, Waits(Reason::NoMacSecKey)),
        (
            "a key on its way, though the port says up",
            Must,
            line().key("associating").encryption("Encryption Up"),
            SOAKED,
            Waits(Reason::WaitingForEncryptionUp),
        ),
        ("a key, MACsec down", Must, line().key("associated"), SOAKED, Waits(Reason::WaitingForEncryptionUp)),
        ("a key, MACsec down too long", Must, line().key("associated"), OVERDUE, Waits(Reason::EncryptionNotUp)),
        (
            "a status that nobody knows",
            Must,
            line().key("associated").encryption("Encryption Sideways"),
            SOAKED,
            Waits(Reason::WaitingForEncryptionUp),
        ),
        ("up, not soaked", Must, encrypted_line(), NOTHING, Waits(Reason::WaitingForEncryptionUp)),
        ("up again, though it was overdue", Must, encrypted_line(), OVERDUE, Waits(Reason::WaitingForEncryptionUp)),
        ("up and soaked", Must, encrypted_line(), SOAKED, Goes(Must)),
        ("one key leaves, another works", Must, encrypted_line().key("disassociating"), SOAKED, Goes(Must)),
        ("up and soaked, another is on its way", Must, encrypted_line(), SECOND, Waits(Reason::WaitingForTurn)),
        (
            "not soaked, another is on its way: the soak is told",
            Must,
            encrypted_line(),
            Evidence { soaked: false, ..SECOND },
            Waits(Reason::WaitingForEncryptionUp),
        ),
    ]);
}

#[test]
fn immediate_is_one_call_and_still_one_connection_at_a_time() {
    hold(vec![
        ("from no", Must, line().mode("no_encrypt"), IMMEDIATE, Goes(Must)),
        ("from should without a key", Must, line(), IMMEDIATE, Goes(Must)),
        ("another is on its way", Must, line(), IMMEDIATE_SECOND, Waits(Reason::WaitingForTurn)),
        ("no to should", Should, line().mode("no_encrypt"), IMMEDIATE, Goes(Should)),
        ("not available", Must, line().state("down"), IMMEDIATE, Waits(Reason::WaitingForAvailable)),
        ("in a LAG", Must, line().in_lag("dxlag-1"), IMMEDIATE, Waits(Reason::LagMember)),
        ("not capable", Must, line().incapable(), IMMEDIATE, Waits(Reason::MacSecNotSupported)),
    ]);
}

#[test]
fn what_takes_no_mode_gets_none() {
    let met_or_stalled =
        [(No, Met), (Should, Waits(Reason::MacSecNotSupported)), (Must, Waits(Reason::MacSecNotSupported))];
    for (wanted, expected) in met_or_stalled {
        let lines = [
            ("hosted", encrypted_line().hosted(101)),
            ("not capable", encrypted_line().incapable()),
            ("capability not shown", Connection { mac_sec_capable: None, ..encrypted_line() }),
            ("no mode shown", encrypted_line().without_mode()),
            ("mode unknown", encrypted_line().mode("unknown")),
        ];
        for (what, connection) in lines {
            for evidence in [NOTHING, SOAKED, IMMEDIATE] {
                assert_eq!(outcome(wanted, &connection, evidence), expected, "{wanted} on {what}");
            }
        }
    }
}

#[test]
fn why_a_line_takes_no_mode_is_told() {
    let told = |connection: Connection| match climb(Must, &connection, SOAKED, ID) {
        Rung::Not(_, message) => message,
        rung => panic!("{rung:?}"),
    };
    assert!(told(line().hosted(101)).contains("is a hosted connection (vlan 101)"));
    assert!(told(line().incapable()).contains("is not MACsec capable"));
    assert!(told(line().without_mode()).contains("AWS shows no encryptionMode"));
    assert!(told(line().in_lag("dxlag-77")).contains("member of dxlag-77 and takes its encryptionMode should_encrypt"));
    assert!(told(line().mode("quantum_encrypt")).contains(r#""quantum_encrypt""#));
    assert!(told(line()).contains("associate a MACsec key with dxcon-fg1234ab, then nothing else is needed"));
    assert!(
        told(line().state("pending"))
            .contains("is pending; encryptionMode changes from should_encrypt to must_encrypt")
    );
    let absent = Connection { connection_state: None, ..line() };
    assert!(told(absent).contains("is absent"));
}

#[test]
fn a_lag_member_gets_no_mode_whatever_the_evidence() {
    for (wanted, shown) in
        [(No, "should_encrypt"), (Should, "must_encrypt"), (Should, "no_encrypt"), (Must, "should_encrypt")]
    {
        for evidence in [NOTHING, SOAKED, OVERDUE, IMMEDIATE] {
            let member = encrypted_line().mode(shown).in_lag("dxlag-1");
            assert_eq!(outcome(wanted, &member, evidence), Waits(Reason::LagMember), "{shown} to {wanted}");
        }
    }
}

#[test]
fn a_mode_that_nobody_knows_leads_to_none() {
    for wanted in [No, Should, Must] {
        for evidence in [NOTHING, SOAKED, IMMEDIATE] {
            let alien = encrypted_line().mode("quantum_encrypt");
            assert_eq!(outcome(wanted, &alien, evidence), Waits(Reason::AwsUnavailable), "{wanted}");
        }
    }
}

#[test]
fn a_mode_goes_up_only_while_available() {
    for state in ["ordering", "requested", "pending", "down", "unknown", "marvellous"] {
        for (wanted, shown) in [(Should, "no_encrypt"), (Must, "no_encrypt"), (Must, "should_encrypt")] {
            let connection = encrypted_line().mode(shown).state(state);
            assert_eq!(
                outcome(wanted, &connection, SOAKED),
                Waits(Reason::WaitingForAvailable),
                "{shown} to {wanted} while {state}"
            );
        }
    }
    for state in ["ordering", "requested", "pending", "unknown", "marvellous"] {
        let connection = line().mode("must_encrypt").state(state);
        assert_eq!(
            outcome(No, &connection, NOTHING),
            Waits(Reason::WaitingForAvailable),
            "down the ladder while {state}"
        );
    }
}
