//! Reads that still show the old values after an update.

use std::time::Duration;

use aws_sdk_directconnect::Client;
use direct_connect_simulator::{Connection, Simulator};

use crate::{ID, REGION, connection, eventually, read, with};

async fn rename(client: &Client, name: &str) {
    let answer = client.update_connection().connection_id(ID).connection_name(name).send().await.unwrap();
    assert_eq!(answer.connection_name(), Some(name), "the update's own answer is not late");
}

async fn shown(client: &Client) -> (String, String) {
    let shown = read(client).await;
    (shown.connection_name().unwrap().to_owned(), shown.encryption_mode().unwrap().to_owned())
}

async fn late(late_reads: u32, late_reads_for: Duration) -> (Simulator, Client) {
    let (aws, client) = with(connection()).await;
    aws.configure(|settings| {
        settings.late_reads = late_reads;
        settings.late_reads_for = late_reads_for;
    });
    (aws, client)
}

#[tokio::test]
async fn so_many_reads_show_the_old_name_and_mode() {
    let (aws, client) = late(2, Duration::ZERO).await;
    let update = client.update_connection().connection_id(ID).connection_name("b").encryption_mode("no_encrypt");
    update.send().await.unwrap();
    assert_eq!(aws.connection(REGION, ID).unwrap().name(), "b", "the truth is not late");

    let old = ("frankfurt-a".to_owned(), "should_encrypt".to_owned());
    assert_eq!(shown(&client).await, old);
    let page = client.describe_connections().send().await.unwrap();
    assert_eq!(page.connections()[0].connection_name(), Some("frankfurt-a"), "a page is a read, too");
    assert_eq!(shown(&client).await, ("b".to_owned(), "no_encrypt".to_owned()));
}

#[tokio::test]
async fn reads_show_the_old_values_for_a_while() {
    let (_aws, client) = late(0, Duration::from_millis(200)).await;
    let updated = std::time::Instant::now();
    rename(&client, "b").await;
    eventually("the new name shows", async || shown(&client).await.0 == "b").await;
    assert!(updated.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_second_update_meanwhile_still_shows_what_was_before_the_first() {
    let (_aws, client) = late(2, Duration::ZERO).await;
    rename(&client, "b").await;
    assert_eq!(shown(&client).await.0, "frankfurt-a");
    rename(&client, "c").await;
    assert_eq!(shown(&client).await.0, "frankfurt-a");
    assert_eq!(shown(&client).await.0, "frankfurt-a");
    assert_eq!(shown(&client).await.0, "c");
}

#[tokio::test]
async fn state_and_session_are_never_late() {
    let (_aws, client) = late(1, Duration::ZERO).await;
    client.update_connection().connection_id(ID).encryption_mode("must_encrypt").send().await.unwrap();
    let shown = read(&client).await;
    assert_eq!(shown.encryption_mode(), Some("should_encrypt"));
    assert_eq!(shown.connection_state().map(|state| state.as_str()), Some("down"));
}

#[tokio::test]
async fn only_some_connections_can_be_late() {
    let (aws, client) = late(1, Duration::ZERO).await;
    aws.add(REGION, Connection::new("dxcon-other123", "other"));
    aws.configure(|settings| settings.late_connections.extend(["dxcon-other123".to_owned()]));
    rename(&client, "b").await;
    client.update_connection().connection_id("dxcon-other123").connection_name("d").send().await.unwrap();
    let page = client.describe_connections().send().await.unwrap();
    let names: Vec<_> = page.connections().iter().filter_map(|each| each.connection_name()).collect();
    assert_eq!(names, ["b", "other"]);
}

#[tokio::test]
async fn what_someone_else_changes_is_read_at_once() {
    let (aws, client) = late(5, Duration::ZERO).await;
    aws.edit(REGION, ID, |connection| connection.connection_name = Some("theirs".into()));
    assert_eq!(shown(&client).await.0, "theirs");
}
