//! The ladder: which mode may be sent, given the connection, the wanted mode and the evidence.

use directconnect_core::decide::guard::{Evidence, ModeStep, interrupts, next_mode_step};
use directconnect_core::desired::EncryptionMode;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::turn::{Hold, HoldReason, Holder};

use crate::given::{ConnectionExt, ID, Must, No, REGION, Should, circuit, connection, encrypted_connection, resource};

const NOTHING: Evidence<'_> = Evidence {
    is_soaked: false,
    is_overdue: false,
    skips_ladder: false,
    has_skipped_ladder: false,
    is_unsettled: false,
    holder: None,
    other_proof: None,
};
const SOAKED: Evidence<'_> = Evidence { is_soaked: true, ..NOTHING };
const OVERDUE: Evidence<'_> = Evidence { is_overdue: true, ..NOTHING };
const IMMEDIATE: Evidence<'_> = Evidence { skips_ladder: true, ..NOTHING };
const UNSETTLED: Evidence<'_> = Evidence { is_unsettled: true, ..SOAKED };

fn holder(reason: HoldReason) -> Holder {
    Holder {
        circuit: circuit("us-east-1", "dxcon-ffffffff"),
        hold: Hold { resource: Some(resource("net/fra-2")), reason },
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Met,
    Goes(EncryptionMode),
    Waits(Reason),
}
use Outcome::{Goes, Met, Waits};

fn outcome(wanted: EncryptionMode, connection: &Connection, evidence: Evidence<'_>) -> Outcome {
    match next_mode_step(wanted, connection, evidence, &circuit(REGION, ID)) {
        ModeStep::Satisfied => Met,
        ModeStep::Send(mode) => Goes(mode),
        ModeStep::Blocked(reason, message) => {
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
            assert_eq!(outcome(wanted, &connection().mode(word).state(state), NOTHING), Met, "{word} while {state}");
        }
        assert_eq!(outcome(wanted, &connection().mode(word).in_lag("dxlag-1"), NOTHING), Met, "{word} in a LAG");
    }
}

#[test]
fn down_the_ladder_goes_in_one_call_at_once() {
    let (holder, other) = (holder(HoldReason::UnprovenStep), resource("net/young"));
    let second = Evidence { holder: Some(&holder), ..SOAKED };
    hold(vec![
        ("must to should", Should, connection().mode("must_encrypt"), NOTHING, Goes(Should)),
        ("must to no", No, connection().mode("must_encrypt"), NOTHING, Goes(No)),
        ("should to no", No, connection(), NOTHING, Goes(No)),
        ("must to should while down", Should, connection().mode("must_encrypt").state("down"), NOTHING, Goes(Should)),
        ("must to no while down", No, connection().mode("must_encrypt").state("down"), NOTHING, Goes(No)),
        ("should to no while down", No, connection().state("down"), NOTHING, Goes(No)),
        ("must to should while another is on its way", Should, connection().mode("must_encrypt"), second, Goes(Should)),
        (
            "must to should on a read that may be late",
            Should,
            connection().mode("must_encrypt"),
            UNSETTLED,
            Goes(Should),
        ),
        (
            "must to no while another resource says that it is proven",
            No,
            connection().mode("must_encrypt"),
            Evidence { other_proof: Some(&other), ..NOTHING },
            Goes(No),
        ),
    ]);
}

#[test]
fn up_the_ladder_goes_by_its_steps() {
    let (holder, other) = (holder(HoldReason::UnprovenStep), resource("net/young"));
    let second = Evidence { holder: Some(&holder), ..SOAKED };
    let beside = Evidence { other_proof: Some(&other), ..SOAKED };
    let keyed_clear = || encrypted_connection().mode("no_encrypt");
    let clear = || connection().mode("no_encrypt");
    hold(vec![
        ("no to should", Should, clear(), NOTHING, Goes(Should)),
        ("no to must: should first", Must, clear(), NOTHING, Goes(Should)),
        (
            "no to must with all the evidence: should first",
            Must,
            encrypted_connection().mode("no_encrypt"),
            SOAKED,
            Goes(Should),
        ),
        ("no key", Must, connection(), SOAKED, Waits(Reason::NoMacSecKey)),
        ("no key, overdue", Must, connection(), OVERDUE, Waits(Reason::NoMacSecKey)),
        ("a key that is leaving", Must, connection().key("disassociating"), SOAKED, Waits(Reason::NoMacSecKey)),
        ("a key that has left", Must, connection().key("disassociated"), SOAKED, Waits(Reason::NoMacSecKey)),
        (
            "a key on its way, though the port says up",
            Must,
            connection().key("associating").encryption("Encryption Up"),
            SOAKED,
            Waits(Reason::WaitingForEncryptionUp),
        ),
        ("a key, MACsec down", Must, connection().key("associated"), SOAKED, Waits(Reason::WaitingForEncryptionUp)),
        ("a key, MACsec down too long", Must, connection().key("associated"), OVERDUE, Waits(Reason::EncryptionNotUp)),
        (
            "a status that nobody knows",
            Must,
            connection().key("associated").encryption("Encryption Sideways"),
            SOAKED,
            Waits(Reason::WaitingForEncryptionUp),
        ),
        ("up, not soaked", Must, encrypted_connection(), NOTHING, Waits(Reason::WaitingForEncryptionUp)),
        (
            "up again, though it was overdue",
            Must,
            encrypted_connection(),
            OVERDUE,
            Waits(Reason::WaitingForEncryptionUp),
        ),
        ("up and soaked", Must, encrypted_connection(), SOAKED, Goes(Must)),
        ("one key leaves, another works", Must, encrypted_connection().key("disassociating"), SOAKED, Goes(Must)),
        ("up and soaked, another is on its way", Must, encrypted_connection(), second, Waits(Reason::WaitingForTurn)),
        (
            "not soaked, another is on its way: the soak is told",
            Must,
            encrypted_connection(),
            Evidence { is_soaked: false, ..second },
            Waits(Reason::WaitingForEncryptionUp),
        ),
        (
            "no to should with a key, another is on its way",
            Should,
            keyed_clear(),
            second,
            Waits(Reason::WaitingForTurn),
        ),
        (
            "no to should with a key that comes, another is on its way",
            Must,
            clear().key("associating"),
            second,
            Waits(Reason::WaitingForTurn),
        ),
        ("no to should without a key interrupts nothing", Should, clear(), second, Goes(Should)),
        (
            "no to should with a key that leaves interrupts nothing",
            Should,
            clear().key("disassociating"),
            second,
            Goes(Should),
        ),
        ("up and soaked on a read that may be late", Must, encrypted_connection(), UNSETTLED, Waits(Reason::Settling)),
        ("no to should on a read that may be late", Should, clear(), UNSETTLED, Waits(Reason::Settling)),
        (
            "up and soaked, another resource says proven",
            Must,
            encrypted_connection(),
            beside,
            Waits(Reason::WaitingForTurn),
        ),
        ("no to should, another resource says proven", Should, keyed_clear(), beside, Waits(Reason::WaitingForTurn)),
        (
            "no to should without a key, another resource says proven",
            Should,
            clear(),
            beside,
            Waits(Reason::WaitingForTurn),
        ),
    ]);
}

#[test]
fn what_interrupts_is_must_encrypt_and_encryption_that_begins_with_a_key() {
    let clear = || connection().mode("no_encrypt");
    for key in ["associated", "associating"] {
        assert!(interrupts(Should, &clear().key(key)), "{key}");
    }
    for key in ["disassociating", "disassociated"] {
        assert!(!interrupts(Should, &clear().key(key)), "{key}");
    }
    assert!(!interrupts(Should, &clear()));
    assert!(!interrupts(Should, &encrypted_connection().mode("must_encrypt")), "down the ladder");
    for shown in ["no_encrypt", "should_encrypt"] {
        assert!(
            interrupts(Must, &connection().mode(shown)) && interrupts(Must, &encrypted_connection().mode(shown)),
            "{shown}"
        );
    }
    for shown in ["no_encrypt", "should_encrypt", "must_encrypt"] {
        assert!(!interrupts(No, &encrypted_connection().mode(shown)), "{shown}");
    }
}

#[test]
fn immediate_is_one_call_and_still_one_connection_at_a_time() {
    let (holder, other) = (holder(HoldReason::UnprovenStep), resource("net/young"));
    let at_once = IMMEDIATE;
    hold(vec![
        ("from no", Must, connection().mode("no_encrypt"), IMMEDIATE, Goes(Must)),
        ("from should without a key", Must, connection(), IMMEDIATE, Goes(Must)),
        (
            "another is on its way",
            Must,
            connection(),
            Evidence { holder: Some(&holder), ..at_once },
            Waits(Reason::WaitingForTurn),
        ),
        (
            "the read may be late",
            Must,
            connection(),
            Evidence { is_unsettled: true, ..at_once },
            Waits(Reason::Settling),
        ),
        (
            "another resource says proven",
            Must,
            connection(),
            Evidence { other_proof: Some(&other), ..at_once },
            Waits(Reason::WaitingForTurn),
        ),
        ("no to should", Should, connection().mode("no_encrypt"), IMMEDIATE, Goes(Should)),
        ("not available", Must, connection().state("down"), IMMEDIATE, Waits(Reason::WaitingForAvailable)),
        ("in a LAG", Must, connection().in_lag("dxlag-1"), IMMEDIATE, Waits(Reason::LagMember)),
        ("not capable", Must, connection().incapable(), IMMEDIATE, Waits(Reason::MacSecNotSupported)),
    ]);
}

#[test]
fn a_connection_that_takes_no_mode_gets_none() {
    let met_or_stalled =
        [(No, Met), (Should, Waits(Reason::MacSecNotSupported)), (Must, Waits(Reason::MacSecNotSupported))];
    for (wanted, expected) in met_or_stalled {
        let connections = [
            ("hosted", encrypted_connection().hosted(101)),
            ("not capable", encrypted_connection().incapable()),
            ("capability not shown", Connection { mac_sec_capable: None, ..encrypted_connection() }),
            ("no mode shown", encrypted_connection().without_mode()),
            ("mode unknown", encrypted_connection().mode("unknown")),
        ];
        for (what, connection) in connections {
            for evidence in [NOTHING, SOAKED, IMMEDIATE] {
                assert_eq!(outcome(wanted, &connection, evidence), expected, "{wanted} on {what}");
            }
        }
    }
}

fn message(connection: &Connection, evidence: Evidence<'_>) -> String {
    match next_mode_step(Must, connection, evidence, &circuit(REGION, ID)) {
        ModeStep::Blocked(_, message) => message,
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_blocked_step_says_who_holds_the_turn_and_how_it_becomes_free() {
    let told = |reason| message(&encrypted_connection(), Evidence { holder: Some(&holder(reason)), ..SOAKED });
    let all = [HoldReason::UnprovenStep, HoldReason::UnderWay, HoldReason::UnprovenMust, HoldReason::RaisedByOther];
    for reason in all {
        let message = told(reason);
        assert!(message.contains("net/fra-2 (dxcon-ffffffff in us-east-1)"), "{message}");
        assert!(message.contains("Encryption Up for a whole soak"), "{message}");
    }
    for reason in [HoldReason::UnprovenStep, HoldReason::UnderWay, HoldReason::UnprovenMust] {
        let message = told(reason);
        assert!(message.contains("want another encryptionMode in net/fra-2"), "{message}");
        assert!(message.contains("or delete it"), "{message}");
    }
    // `Observe` frees a circuit that was found at `must_encrypt`, but does not end a step of the operator.
    assert!(told(HoldReason::UnprovenMust).contains("managementPolicy to Observe"));
    assert!(!told(HoldReason::UnprovenStep).contains("Observe"));
    assert!(told(HoldReason::RaisedByOther).contains("somebody else has set"));
    // If the circuit has no resource, the connection is named.
    let unclaimed = Holder { hold: Hold { resource: None, reason: HoldReason::RaisedByOther }, ..holder(all[0]) };
    let told = message(&encrypted_connection(), Evidence { holder: Some(&unclaimed), ..SOAKED });
    assert!(told.contains("dxcon-ffffffff in us-east-1") && !told.contains("net/"), "{told}");
}

#[test]
fn every_blocked_step_says_if_immediate_is_used_up() {
    let used = |evidence| Evidence { has_skipped_ladder: true, ..evidence };
    let waits = [
        (connection(), NOTHING),
        (connection().key("associated"), NOTHING),
        (connection().key("associated"), OVERDUE),
        (encrypted_connection(), NOTHING),
    ];
    for (connection, evidence) in waits {
        assert!(message(&connection, used(evidence)).contains("to use it again, want another mode first"));
        assert!(!message(&connection, evidence).contains("Immediate"));
    }
}

#[test]
fn the_message_says_why_a_connection_takes_no_mode() {
    let told = |connection: Connection| message(&connection, SOAKED);
    assert!(told(connection().hosted(101)).contains("is a hosted connection (vlan 101)"));
    assert!(told(connection().incapable()).contains("is not MACsec capable"));
    assert!(told(connection().without_mode()).contains("AWS shows no encryptionMode"));
    assert!(
        told(connection().in_lag("dxlag-77"))
            .contains("member of dxlag-77 and takes its encryptionMode should_encrypt")
    );
    assert!(told(connection().mode("quantum_encrypt")).contains(r#""quantum_encrypt""#));
    assert!(told(connection()).contains("associate a MACsec key with dxcon-fg1234ab, then nothing else is needed"));
    assert!(
        told(connection().state("pending"))
            .contains("is pending; encryptionMode changes from should_encrypt to must_encrypt")
    );
    let absent = Connection { connection_state: None, ..connection() };
    assert!(told(absent).contains("is absent"));
}

#[test]
fn a_lag_member_gets_no_mode_whatever_the_evidence() {
    for (wanted, shown) in
        [(No, "should_encrypt"), (Should, "must_encrypt"), (Should, "no_encrypt"), (Must, "should_encrypt")]
    {
        for evidence in [NOTHING, SOAKED, OVERDUE, IMMEDIATE] {
            let member = encrypted_connection().mode(shown).in_lag("dxlag-1");
            assert_eq!(outcome(wanted, &member, evidence), Waits(Reason::LagMember), "{shown} to {wanted}");
        }
    }
}

#[test]
fn a_mode_that_nobody_knows_leads_to_none() {
    for wanted in [No, Should, Must] {
        for evidence in [NOTHING, SOAKED, IMMEDIATE] {
            let alien = encrypted_connection().mode("quantum_encrypt");
            assert_eq!(outcome(wanted, &alien, evidence), Waits(Reason::AwsUnavailable), "{wanted}");
        }
    }
}

#[test]
fn a_mode_goes_up_only_while_available() {
    for state in ["ordering", "requested", "pending", "down", "unknown", "marvellous"] {
        for (wanted, shown) in [(Should, "no_encrypt"), (Must, "no_encrypt"), (Must, "should_encrypt")] {
            let connection = encrypted_connection().mode(shown).state(state);
            assert_eq!(
                outcome(wanted, &connection, SOAKED),
                Waits(Reason::WaitingForAvailable),
                "{shown} to {wanted} while {state}"
            );
        }
    }
    for state in ["ordering", "requested", "pending", "unknown", "marvellous"] {
        let connection = connection().mode("must_encrypt").state(state);
        assert_eq!(
            outcome(No, &connection, NOTHING),
            Waits(Reason::WaitingForAvailable),
            "down the ladder while {state}"
        );
    }
}
