//! What people and tools are told: each verdict as conditions.

use directconnect_core::clock::Moment;
use directconnect_core::conditions::{Condition, Kind, Reason, Stance, Truth, Verdict, conditions};
use directconnect_core::history::Look;
use directconnect_core::observed::Connection;
use directconnect_core::text::{CONDITION_LIMIT, MESSAGE_LIMIT};

use crate::given::{Line, line};

fn look(connection: Connection) -> Look {
    Look { began: Moment::START, ended: Moment::START, by_id: true, connection: Some(connection) }
}

fn of(kind: Kind, all: &[Condition]) -> Option<&Condition> {
    all.iter().find(|condition| condition.kind == kind)
}

fn told(verdict: &Verdict, kind: Kind, look: Option<&Look>) -> (Truth, Reason, String) {
    let all = conditions(verdict, look);
    let condition = of(kind, &all).expect("it is always there");
    (condition.truth, condition.reason, condition.message.clone())
}

#[test]
fn each_reason_has_its_word_once() {
    let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    for (reason, word) in Reason::ALL.iter().zip(&words) {
        assert_eq!(format!("{reason:?}"), *word);
    }
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Reason::ALL.len());
    let kinds = [Kind::Ready, Kind::LinkUp, Kind::Encrypted, Kind::Reconciling, Kind::Stalled];
    assert_eq!(kinds.map(Kind::as_str), ["Ready", "LinkUp", "Encrypted", "Reconciling", "Stalled"]);
    assert_eq!([Truth::True, Truth::False, Truth::Unknown].map(Truth::as_str), ["True", "False", "Unknown"]);
}

#[test]
fn ready_follows_from_the_stance_and_one_of_the_other_two_carries_it() {
    for reason in Reason::ALL {
        let all = conditions(&Verdict::new(reason, "what and why"), Some(&look(line())));
        let (ready, carrier) = match reason.stance() {
            Stance::Done => (Truth::True, None),
            Stance::Reconciling => (Truth::False, Some(Kind::Reconciling)),
            Stance::Stalled => (Truth::False, Some(Kind::Stalled)),
            Stance::Held => (Truth::False, None),
            Stance::Unknown => (Truth::Unknown, None),
        };
        let expected = Condition { kind: Kind::Ready, truth: ready, reason, message: "what and why".into() };
        assert_eq!(of(Kind::Ready, &all), Some(&expected));
        for kind in [Kind::Reconciling, Kind::Stalled] {
            let expected = Condition { kind, truth: Truth::True, ..expected.clone() };
            assert_eq!(of(kind, &all), (carrier == Some(kind)).then_some(&expected), "{reason:?}");
        }
    }
}

#[test]
fn a_message_fits_whatever_it_quotes() {
    let word = "\u{e}".repeat(MESSAGE_LIMIT);
    let odd = look(Connection { port_encryption_status: Some(word.clone().into()), ..line() });
    let verdict = Verdict::new(Reason::RequestRejected, format!("{word:?} {word:?}"));
    for condition in conditions(&verdict, Some(&odd)) {
        assert!(condition.message.len() <= CONDITION_LIMIT, "{condition:?}");
        assert!(!condition.message.contains(char::is_control), "{condition:?}");
    }
    assert_eq!(CONDITION_LIMIT, 4096);
}

#[test]
fn once_stale_nothing_is_claimed_and_the_fault_is_carried_on() {
    for (reason, carrier) in [(Reason::AwsUnavailable, Kind::Reconciling), (Reason::AccessDenied, Kind::Stalled)] {
        let verdict = Verdict { stale: true, ..Verdict::new(reason, "no answer") };
        let look = look(line());
        for kind in [Kind::Ready, Kind::LinkUp, Kind::Encrypted] {
            let expected = (Truth::Unknown, Reason::ObservationStale, "no answer".to_owned());
            assert_eq!(told(&verdict, kind, Some(&look)), expected);
        }
        assert_eq!(told(&verdict, carrier, Some(&look)), (Truth::True, reason, "no answer".to_owned()));
    }
}

#[test]
fn what_was_never_seen_is_not_claimed() {
    let verdict = Verdict::new(Reason::InvalidSpec, "no id");
    for kind in [Kind::LinkUp, Kind::Encrypted] {
        assert_eq!(told(&verdict, kind, None), (Truth::Unknown, Reason::ObservationStale, "no id".to_owned()));
    }
}

#[test]
fn link_up_carries_the_state() {
    let verdict = Verdict::new(Reason::InSync, "");
    let of = |look: Look| told(&verdict, Kind::LinkUp, Some(&look));
    let (up, down) = ((Truth::True, Reason::Available), (Truth::False, Reason::NotAvailable));
    assert_eq!(of(look(line())), (up.0, up.1, "connectionState is available".into()));
    for state in ["down", "pending", "marvellous"] {
        assert_eq!(of(look(line().state(state))), (down.0, down.1, format!("connectionState is {state}")));
    }
    let hostile = of(look(line().state("up\u{1b}[31m\n")));
    assert_eq!(hostile.2, "connectionState is up [31m ", "a terminal can show it");
    let stateless = Connection { connection_state: None, ..line() };
    assert_eq!(of(look(stateless)), (down.0, down.1, "AWS shows no connectionState".into()));
    let gone = Look { connection: None, ..look(line()) };
    assert_eq!(of(gone), (down.0, down.1, "AWS shows no such connection".into()));
}

#[test]
fn encrypted_carries_the_port_status() {
    let verdict = Verdict::new(Reason::InSync, "");
    let of = |look: Look| told(&verdict, Kind::Encrypted, Some(&look));
    let said = "portEncryptionStatus is Encryption Up".to_owned();
    assert_eq!(of(look(line().encryption("Encryption Up"))), (Truth::True, Reason::EncryptionUp, said));
    let said = "portEncryptionStatus is Encryption Down".to_owned();
    assert_eq!(of(look(line())), (Truth::False, Reason::EncryptionDown, said));
    let (truth, reason, message) = of(look(line().encryption("Encryption Sideways")));
    assert_eq!((truth, reason), (Truth::Unknown, Reason::NotReported));
    assert!(message.contains(r#""Encryption Sideways", which this operator does not know"#), "{message}");
    let silent = (Truth::Unknown, Reason::NotReported, "AWS shows no portEncryptionStatus".to_owned());
    assert_eq!(of(look(Connection { port_encryption_status: None, ..line() })), silent);
    assert_eq!(of(Look { connection: None, ..look(line()) }), silent);
}
