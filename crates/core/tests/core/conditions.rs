//! The conditions that follow from each verdict.

use directconnect_core::clock::Moment;
use directconnect_core::conditions::{Condition, ConditionStatus, ConditionType, Verdict, conditions};
use directconnect_core::history::Observation;
use directconnect_core::observed::Connection;
use directconnect_core::reason::{Phase, Reason};
use directconnect_core::text::{CONDITION_LIMIT, MESSAGE_LIMIT};
use strum::VariantArray;

use crate::given::{ConnectionExt, connection, read_at};

fn read(connection: Connection) -> Observation {
    read_at(Moment::START, Some(connection))
}

fn of(condition_type: ConditionType, all: &[Condition]) -> Option<&Condition> {
    all.iter().find(|condition| condition.condition_type == condition_type)
}

fn told(
    verdict: &Verdict,
    condition_type: ConditionType,
    read: Option<&Observation>,
) -> (ConditionStatus, Reason, String) {
    let all = conditions(verdict, read);
    let condition = of(condition_type, &all).expect("it is always there");
    (condition.status, condition.reason, condition.message.clone())
}

#[test]
fn each_reason_has_its_word_once() {
    let mut words: Vec<_> = Reason::VARIANTS.iter().map(|reason| reason.as_str()).collect();
    for (reason, word) in Reason::VARIANTS.iter().zip(&words) {
        assert_eq!(format!("{reason:?}"), *word);
    }
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Reason::VARIANTS.len());
    let kinds = [
        ConditionType::Ready,
        ConditionType::LinkUp,
        ConditionType::Encrypted,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ];
    assert_eq!(kinds.map(ConditionType::as_str), ["Ready", "LinkUp", "Encrypted", "Reconciling", "Stalled"]);
    assert_eq!(
        [ConditionStatus::True, ConditionStatus::False, ConditionStatus::Unknown].map(ConditionStatus::as_str),
        ["True", "False", "Unknown"]
    );
}

#[test]
fn ready_follows_from_the_phase_and_one_of_the_other_two_carries_it() {
    for &reason in Reason::VARIANTS {
        let all = conditions(&Verdict::new(reason, "what and why"), Some(&read(connection())));
        let (ready, carrier) = match reason.phase() {
            Phase::Done => (ConditionStatus::True, None),
            Phase::Reconciling => (ConditionStatus::False, Some(ConditionType::Reconciling)),
            Phase::Stalled => (ConditionStatus::False, Some(ConditionType::Stalled)),
            Phase::Held => (ConditionStatus::False, None),
            Phase::Unknown => (ConditionStatus::Unknown, None),
        };
        let expected =
            Condition { condition_type: ConditionType::Ready, status: ready, reason, message: "what and why".into() };
        assert_eq!(of(ConditionType::Ready, &all), Some(&expected));
        for condition_type in [ConditionType::Reconciling, ConditionType::Stalled] {
            let expected = Condition { condition_type, status: ConditionStatus::True, ..expected.clone() };
            assert_eq!(of(condition_type, &all), (carrier == Some(condition_type)).then_some(&expected), "{reason:?}");
        }
    }
}

#[test]
fn a_message_fits_whatever_it_quotes() {
    let word = "\u{e}".repeat(MESSAGE_LIMIT);
    let odd = read(Connection { port_encryption_status: Some(word.clone().into()), ..connection() });
    let verdict = Verdict::new(Reason::RequestRejected, format!("{word:?} {word:?}"));
    for condition in conditions(&verdict, Some(&odd)) {
        assert!(condition.message.len() <= CONDITION_LIMIT, "{condition:?}");
        assert!(!condition.message.contains(char::is_control), "{condition:?}");
    }
    assert_eq!(CONDITION_LIMIT, 4096);
}

#[test]
fn once_stale_nothing_is_claimed_and_the_fault_is_carried_on() {
    for (reason, carrier) in
        [(Reason::AwsUnavailable, ConditionType::Reconciling), (Reason::AccessDenied, ConditionType::Stalled)]
    {
        let verdict = Verdict { stale: true, ..Verdict::new(reason, "no answer") };
        let read = read(connection());
        for condition_type in [ConditionType::Ready, ConditionType::LinkUp, ConditionType::Encrypted] {
            let expected = (ConditionStatus::Unknown, Reason::ObservationStale, "no answer".to_owned());
            assert_eq!(told(&verdict, condition_type, Some(&read)), expected);
        }
        assert_eq!(told(&verdict, carrier, Some(&read)), (ConditionStatus::True, reason, "no answer".to_owned()));
    }
}

#[test]
fn what_was_never_seen_is_not_claimed() {
    let verdict = Verdict::new(Reason::InvalidSpec, "no id");
    for condition_type in [ConditionType::LinkUp, ConditionType::Encrypted] {
        assert_eq!(
            told(&verdict, condition_type, None),
            (ConditionStatus::Unknown, Reason::ObservationStale, "no id".to_owned())
        );
    }
}

#[test]
fn link_up_carries_the_state() {
    let verdict = Verdict::new(Reason::InSync, "");
    let of = |read: Observation| told(&verdict, ConditionType::LinkUp, Some(&read));
    let (up, down) = ((ConditionStatus::True, Reason::Available), (ConditionStatus::False, Reason::NotAvailable));
    assert_eq!(of(read(connection())), (up.0, up.1, "connectionState is available".into()));
    for state in ["down", "pending", "marvellous"] {
        assert_eq!(of(read(connection().state(state))), (down.0, down.1, format!("connectionState is {state}")));
    }
    let hostile = of(read(connection().state("up\u{1b}[31m\n")));
    assert_eq!(hostile.2, "connectionState is up [31m ", "a terminal can show it");
    let stateless = Connection { connection_state: None, ..connection() };
    assert_eq!(of(read(stateless)), (down.0, down.1, "AWS shows no connectionState".into()));
    let gone = Observation { connection: None, ..read(connection()) };
    assert_eq!(of(gone), (down.0, down.1, "AWS shows no such connection".into()));
}

#[test]
fn encrypted_carries_the_port_status() {
    let verdict = Verdict::new(Reason::InSync, "");
    let of = |read: Observation| told(&verdict, ConditionType::Encrypted, Some(&read));
    let said = "portEncryptionStatus is Encryption Up".to_owned();
    assert_eq!(of(read(connection().encryption("Encryption Up"))), (ConditionStatus::True, Reason::EncryptionUp, said));
    let said = "portEncryptionStatus is Encryption Down".to_owned();
    assert_eq!(of(read(connection())), (ConditionStatus::False, Reason::EncryptionDown, said));
    let (status, reason, message) = of(read(connection().encryption("Encryption Sideways")));
    assert_eq!((status, reason), (ConditionStatus::Unknown, Reason::NotReported));
    assert!(message.contains(r#""Encryption Sideways", which this operator does not know"#), "{message}");
    let silent = (ConditionStatus::Unknown, Reason::NotReported, "AWS shows no portEncryptionStatus".to_owned());
    assert_eq!(of(read(Connection { port_encryption_status: None, ..connection() })), silent);
    assert_eq!(of(Observation { connection: None, ..read(connection()) }), silent);
}
