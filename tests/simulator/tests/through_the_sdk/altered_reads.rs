//! Reads that show another state than the current one, in calls that otherwise succeed.

use aws_sdk_directconnect::Client;
use aws_sdk_directconnect::types::Connection as Shown;
use direct_connect_simulator::{Connection, Fault, FaultKind, Simulator};

use crate::{ID, REGION, client, connection, refusal, with};

const OTHER: &str = "dxcon-other123";

/// A simulator with two connections, one per page.
async fn two_pages() -> (Simulator, Client) {
    let (aws, client) = with(connection()).await;
    aws.add(REGION, Connection::new(OTHER, "other"));
    aws.configure(|settings| settings.page_size = 1);
    (aws, client)
}

/// The ids on all pages.
async fn listed(client: &Client) -> Vec<String> {
    let (mut ids, mut token) = (Vec::new(), None);
    loop {
        let page = client.describe_connections().set_next_token(token).send().await.unwrap();
        ids.extend(page.connections().iter().map(|each| each.connection_id().unwrap().to_owned()));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return ids;
        }
    }
}

async fn is_found(client: &Client, id: &str) -> bool {
    let answer = client.describe_connections().connection_id(id).send().await;
    let found = answer.is_ok();
    if !found {
        let message = format!("Could not find Connection with ID {id}");
        assert_eq!(refusal(answer), ("DirectConnectClientException".to_owned(), message));
    }
    found
}

fn left_out(id: &str) -> Fault {
    Fault::new(FaultKind::LeftOut).for_connection(id)
}

#[tokio::test]
async fn a_connection_can_be_missing_from_so_many_listings_while_a_read_by_id_finds_it() {
    for id in [ID, OTHER] {
        let (aws, client) = two_pages().await;
        aws.inject(left_out(id).on_listings().times(2));
        let rest = if id == ID { OTHER } else { ID };
        for _ in 0..2 {
            assert_eq!(listed(&client).await, [rest], "the page of the other one uses up nothing");
            assert!(is_found(&client, id).await);
        }
        assert_eq!(listed(&client).await, [ID, OTHER]);
    }
}

#[tokio::test]
async fn a_read_by_id_can_miss_what_the_listings_show_until_faults_are_cleared() {
    let (aws, client) = two_pages().await;
    aws.inject(left_out(ID).on_reads_by_id());
    for _ in 0..2 {
        assert!(!is_found(&client, ID).await);
        assert!(is_found(&client, OTHER).await);
        assert_eq!(listed(&client).await, [ID, OTHER]);
    }
    aws.configure(|settings| settings.missing_is_empty = true);
    let answer = client.describe_connections().connection_id(ID).send().await.unwrap();
    assert_eq!(answer.connections(), []);
    client.update_connection().connection_id(ID).connection_name("b").send().await.expect("it is there to be updated");
    aws.clear_faults();
    assert!(is_found(&client, ID).await);
}

#[tokio::test]
async fn a_connection_can_be_missing_from_every_read_of_one_region() {
    let (aws, here) = with(connection()).await;
    aws.add("eu-west-1", connection());
    let there = client(&aws.endpoint(), "eu-west-1", "AKIDEXAMPLE");
    aws.inject(left_out(ID).in_region("eu-west-1"));
    assert!(is_found(&here, ID).await && !is_found(&there, ID).await);
    assert_eq!((listed(&here).await.len(), listed(&there).await.len()), (1, 0));
}

#[tokio::test]
async fn what_a_read_shows_can_be_altered_while_another_fault_hits_the_call() {
    let (aws, client) = two_pages().await;
    aws.inject(left_out(ID).on_listings());
    aws.inject(Fault::new(FaultKind::HeldAnswer { millis: None }).on_listings().times(1));
    let describe = tokio::spawn(client.describe_connections().send());
    aws.wait_until_held(1).await;
    aws.clear_faults();
    let page = describe.await.unwrap().unwrap();
    let ids: Vec<_> = page.connections().iter().filter_map(|each| each.connection_id()).collect();
    assert_eq!(ids, [OTHER], "the answer was made while the fault was there");
}

#[tokio::test]
async fn so_many_reads_of_a_connection_lack_a_field() {
    let (aws, client) = two_pages().await;
    aws.configure(|settings| settings.page_size = 100);
    let without = |field: &str| Fault::new(FaultKind::WithoutField { field: field.to_owned() }).for_connection(OTHER);
    aws.inject(without("encryptionMode").times(2));
    aws.inject(without("connectionId").times(1));

    let page = client.describe_connections().send().await.unwrap();
    let [first, other] = page.connections() else { panic!("{page:?}") };
    assert_eq!((first.connection_id(), first.encryption_mode()), (Some(ID), Some("should_encrypt")));
    assert_eq!((other.connection_id(), other.encryption_mode(), other.connection_name()), (None, None, Some("other")));

    let mode = async || {
        let answer = client.describe_connections().connection_id(OTHER).send().await.unwrap();
        answer.connections()[0].encryption_mode().map(str::to_owned)
    };
    client.update_connection().connection_id(OTHER).encryption_mode("no_encrypt").send().await.unwrap();
    assert_eq!(mode().await, None);
    assert_eq!(mode().await.as_deref(), Some("no_encrypt"));
}

#[tokio::test]
async fn every_field_of_a_connection_can_be_lacking() {
    let full = connection().with_key("abcd");
    let (aws, client) = with(full.clone()).await;
    for field in serde_json::to_value(full).unwrap().as_object().unwrap().keys() {
        aws.inject(Fault::new(FaultKind::WithoutField { field: field.clone() }));
    }
    let shown = client.describe_connections().connection_id(ID).send().await.unwrap();
    assert_eq!(shown.connections()[0], Shown::builder().build());
}
