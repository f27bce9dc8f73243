//! Updates that are accepted, but store other values than were sent.

use aws_sdk_directconnect::Client;
use direct_connect_simulator::{Fault, FaultKind, Simulator, Stored};

use crate::{ID, REGION, connection, read, refusal, with};

fn stored(connection_name: Stored, encryption_mode: Stored) -> Fault {
    Fault::new(FaultKind::StoredOtherwise { connection_name, encryption_mode, answers_as_sent: false })
}

fn answered_as_sent(fault: Fault) -> Fault {
    let FaultKind::StoredOtherwise { connection_name, encryption_mode, .. } = fault.what else {
        unreachable!("it is one of ours")
    };
    Fault::new(FaultKind::StoredOtherwise { connection_name, encryption_mode, answers_as_sent: true })
}

/// Sends a name and a mode, and returns those in the answer, in a read, and in the simulator's state.
async fn update(aws: &Simulator, client: &Client, name: &str, mode: &str) -> [(String, String); 3] {
    let update = client.update_connection().connection_id(ID).connection_name(name).encryption_mode(mode);
    let answer = update.send().await.expect("it is accepted");
    let read = read(client).await;
    let truth = aws.connection(REGION, ID).unwrap();
    let pair = |name: Option<&str>, mode: Option<&str>| (name.unwrap().to_owned(), mode.unwrap().to_owned());
    [
        pair(answer.connection_name(), answer.encryption_mode()),
        pair(read.connection_name(), read.encryption_mode()),
        pair(truth.connection_name.as_deref(), truth.encryption_mode.as_deref()),
    ]
}

#[tokio::test]
async fn an_update_stores_what_the_fault_says_and_answers_with_that_or_with_what_was_sent() {
    let cases = [
        (stored(Stored::Trimmed, Stored::AsSent), ("b", "no_encrypt")),
        (stored(Stored::Unchanged, Stored::AsSent), ("frankfurt-a", "no_encrypt")),
        (stored(Stored::AsSent, Stored::Unchanged), (" b ", "should_encrypt")),
        (stored(Stored::Unchanged, Stored::Unchanged), ("frankfurt-a", "should_encrypt")),
        (stored(Stored::Value("B".into()), Stored::Value("must_encrypt".into())), ("B", "must_encrypt")),
    ];
    for (fault, (name, mode)) in cases {
        for as_sent in [false, true] {
            let (aws, client) = with(connection().with_key("abcd")).await;
            aws.inject(if as_sent { answered_as_sent(fault.clone()) } else { fault.clone() });
            let [answer, read, truth] = update(&aws, &client, " b ", "no_encrypt").await;
            let expected = (name.to_owned(), mode.to_owned());
            assert_eq!((&read, &truth), (&expected, &expected), "{fault:?}");
            let told = if as_sent { (" b ".to_owned(), "no_encrypt".to_owned()) } else { expected };
            assert_eq!(answer, told, "{fault:?}, answered as sent: {as_sent}");
            let changes = (name, mode) != ("frankfurt-a", "should_encrypt");
            assert_eq!(aws.calls()[0].effect, changes, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn what_an_update_does_not_send_stays_as_it_is() {
    let (aws, client) = with(connection()).await;
    aws.inject(stored(Stored::AsSent, Stored::Value("no_encrypt".into())));
    client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap();
    let truth = aws.connection(REGION, ID).unwrap();
    assert_eq!((truth.name(), truth.mode()), ("b", "should_encrypt"));
}

#[tokio::test]
async fn only_updates_that_are_stored_otherwise_use_it_up() {
    let (aws, client) = with(connection()).await;
    aws.inject(stored(Stored::Trimmed, Stored::AsSent).for_connection(ID).times(1));
    let rename = |name: &str| client.update_connection().connection_id(ID).connection_name(name).send();
    assert_eq!(rename("clean").await.unwrap().connection_name(), Some("clean"));
    assert_eq!(refusal(rename("").await).0, "DirectConnectClientException", "the rules come first");
    assert_eq!(rename(" b").await.unwrap().connection_name(), Some("b"));
    assert_eq!(rename(" b").await.unwrap().connection_name(), Some(" b"));
}

#[tokio::test]
async fn an_update_that_is_stored_otherwise_can_lose_its_answer() {
    let (aws, client) = with(connection()).await;
    aws.inject(stored(Stored::Trimmed, Stored::AsSent));
    aws.inject(Fault::new(FaultKind::ResetAfter).times(1));
    client.update_connection().connection_id(ID).connection_name(" b ").send().await.unwrap_err();
    assert_eq!(read(&client).await.connection_name(), Some("b"));
}
