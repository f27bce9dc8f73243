//! Reads of earlier states between reads of the current state.

use std::time::Duration;

use aws_sdk_directconnect::Client;
use direct_connect_simulator::{Age, Connection, ENCRYPTION_UP, Fault, FaultKind, Simulator};

use crate::{ID, REGION, connection, eventually, read, refusal, with};

const OTHER: &str = "dxcon-other123";

fn old(age: Age) -> Fault {
    Fault::new(FaultKind::OldRead(age))
}

fn rename(aws: &Simulator, id: &str, name: &str) {
    aws.edit(REGION, id, |connection| connection.connection_name = Some(name.into()));
}

/// The names on a page.
async fn listed(client: &Client) -> Vec<String> {
    let page = client.describe_connections().send().await.unwrap();
    page.connections().iter().map(|each| each.connection_name().unwrap().to_owned()).collect()
}

async fn names(client: &Client, reads: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..reads {
        names.push(read(client).await.connection_name().unwrap().to_owned());
    }
    names
}

#[tokio::test]
async fn reads_show_the_old_state_the_new_one_and_the_old_one_again() {
    let (aws, client) = with(connection()).await;
    aws.inject(old(Age::Changes(1)).every_other().times(2));
    assert_eq!(names(&client, 3).await, ["frankfurt-a"; 3], "nothing is old yet, so nothing is used up");
    rename(&aws, ID, "b");
    assert_eq!(names(&client, 5).await, ["frankfurt-a", "b", "frankfurt-a", "b", "b"]);
}

#[tokio::test]
async fn a_replica_lags_by_so_many_changes_of_whatever_field_or_shows_the_oldest_state_there_is() {
    let (aws, client) = with(connection()).await;
    rename(&aws, ID, "b");
    client.update_connection().connection_id(ID).encryption_mode("must_encrypt").send().await.unwrap();
    rename(&aws, ID, "b");
    rename(&aws, ID, "c");
    for (changes, expected) in [
        (1, ("b", "must_encrypt", "down")),
        (2, ("b", "should_encrypt", "available")),
        (3, ("frankfurt-a", "should_encrypt", "available")),
        (9, ("frankfurt-a", "should_encrypt", "available")),
    ] {
        aws.inject(old(Age::Changes(changes)));
        let shown = read(&client).await;
        let state = shown.connection_state().map(|state| state.as_str().to_owned());
        let shown = (shown.connection_name().unwrap(), shown.encryption_mode().unwrap(), state.as_deref().unwrap());
        assert_eq!(shown, expected, "{changes} changes ago");
        aws.clear_faults();
    }
    assert_eq!(names(&client, 1).await, ["c"]);
}

#[tokio::test]
async fn a_replica_lags_by_a_while() {
    let (aws, client) = with(connection()).await;
    aws.inject(old(Age::Millis(60_000)));
    rename(&aws, ID, "b");
    assert_eq!(names(&client, 3).await, ["frankfurt-a"; 3]);
    aws.clear_faults();
    aws.inject(old(Age::Millis(100)));
    rename(&aws, ID, "c");
    eventually("the replica has the newest state", async || names(&client, 1).await == ["c"]).await;
}

#[tokio::test]
async fn keys_and_sessions_are_part_of_what_was() {
    let (aws, client) = with(connection()).await;
    aws.configure(|settings| {
        settings.key_change_after = Duration::from_millis(10);
        settings.macsec_up_after = Duration::from_millis(10);
    });
    aws.associate_key(REGION, ID, "abcd");
    eventually("the session is up", async || aws.connection(REGION, ID).unwrap().encryption_is_up()).await;
    for (changes, status, key) in [
        (1, "Encryption Down", Some("associated")),
        (2, "Encryption Down", Some("associating")),
        (3, "Encryption Down", None),
    ] {
        aws.inject(old(Age::Changes(changes)));
        let shown = read(&client).await;
        let state = shown.mac_sec_keys().first().and_then(|key| key.state());
        assert_eq!((shown.port_encryption_status(), state), (Some(status), key), "{changes} changes ago");
        aws.clear_faults();
    }
    assert_eq!(read(&client).await.port_encryption_status(), Some(ENCRYPTION_UP));
}

#[tokio::test]
async fn one_connection_or_all_of_them_are_read_out_of_order_and_a_page_takes_one_turn() {
    let (aws, client) = with(connection()).await;
    aws.add(REGION, Connection::new(OTHER, "other"));
    rename(&aws, ID, "b");
    rename(&aws, OTHER, "d");
    aws.inject(old(Age::Changes(1)).for_connection(OTHER).every_other());
    assert_eq!(listed(&client).await, ["b", "other"]);
    assert_eq!(listed(&client).await, ["b", "d"]);
    assert_eq!(listed(&client).await, ["b", "other"]);
    aws.clear_faults();

    aws.inject(old(Age::Changes(1)).every_other().times(2));
    for _ in 0..2 {
        assert_eq!(listed(&client).await, ["frankfurt-a", "other"]);
        assert_eq!(listed(&client).await, ["b", "d"]);
    }
    assert_eq!(listed(&client).await, ["b", "d"]);
}

#[tokio::test]
async fn an_update_is_answered_with_the_newest_state_whatever_reads_show() {
    let (aws, client) = with(connection()).await;
    aws.inject(old(Age::Changes(1)));
    let answer = client.update_connection().connection_id(ID).connection_name("b").send().await.unwrap();
    assert_eq!(answer.connection_name(), Some("b"));
    assert_eq!(names(&client, 1).await, ["frankfurt-a"]);
}

#[tokio::test]
async fn other_faults_can_hit_every_other_call_as_well() {
    let (aws, client) = with(connection()).await;
    aws.inject(Fault::new(FaultKind::Throttling).every_other());
    for _ in 0..2 {
        assert_eq!(refusal(client.describe_connections().send().await).0, "ThrottlingException");
        client.describe_connections().send().await.expect("it is not its turn");
    }
}
