//! Pages of at most 100 connections, tokens that are valid only for their listing, and faults on single pages.

use std::collections::BTreeSet;

use aws_sdk_directconnect::Client;
use direct_connect_simulator::{Connection, Fault, FaultKind, Simulator};

use crate::{REGION, client, refusal};

async fn with_many(count: usize) -> (Simulator, Client) {
    let aws = Simulator::start().await;
    for number in 0..count {
        aws.add(REGION, Connection::new(&format!("dxcon-{number:08}"), "many"));
    }
    let client = client(&aws.endpoint(), REGION, "AKIDEXAMPLE");
    (aws, client)
}

/// The sizes of all pages, and all ids.
async fn walk(client: &Client, max_results: Option<i32>) -> (Vec<usize>, BTreeSet<String>) {
    let (mut sizes, mut ids, mut token) = (Vec::new(), BTreeSet::new(), None);
    loop {
        let call = client.describe_connections().set_max_results(max_results).set_next_token(token);
        let page = call.send().await.unwrap();
        sizes.push(page.connections().len());
        ids.extend(page.connections().iter().filter_map(|each| each.connection_id().map(str::to_owned)));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return (sizes, ids);
        }
    }
}

#[tokio::test]
async fn a_page_holds_at_most_100_and_the_pages_together_hold_each_connection_once() {
    let cases: [(usize, Option<i32>, &[usize]); 8] = [
        (0, Some(100), &[0]),
        (1, Some(100), &[1]),
        (100, Some(100), &[100]),
        (101, Some(100), &[100, 1]),
        (250, Some(100), &[100, 100, 50]),
        (250, Some(1000), &[100, 100, 50]),
        (250, None, &[100, 100, 50]),
        (5, Some(2), &[2, 2, 1]),
    ];
    for (count, max_results, expected) in cases {
        let (_aws, client) = with_many(count).await;
        let (sizes, ids) = walk(&client, max_results).await;
        assert_eq!(sizes, expected, "{count} by {max_results:?}");
        assert_eq!(ids.len(), count);
    }
}

#[tokio::test]
async fn pages_can_be_made_smaller_than_what_is_asked_for() {
    let (aws, client) = with_many(5).await;
    aws.configure(|settings| settings.page_size = 3);
    assert_eq!(walk(&client, Some(100)).await.0, [3, 2]);
}

#[tokio::test]
async fn a_fault_can_hit_one_page_of_a_listing_and_nothing_else() {
    let (aws, client) = with_many(5).await;
    aws.configure(|settings| settings.page_size = 2);
    for faulty in 1..=3 {
        aws.inject(Fault::new(FaultKind::ServiceUnavailable).on_page(faulty));
        client.describe_connections().connection_id("dxcon-00000000").send().await.expect("it is no listing");
        let mut token = None;
        for _ in 1..faulty {
            let page = client.describe_connections().set_next_token(token).send().await;
            token = page.expect("a page before it").next_token;
        }
        client.describe_connections().set_next_token(token).send().await.expect_err("it is hit");
        aws.clear_faults();
    }
}

#[tokio::test]
async fn max_results_below_1_is_refused() {
    let (_aws, client) = with_many(1).await;
    for count in [0, -1] {
        let answer = client.describe_connections().max_results(count).send().await;
        assert_eq!(refusal(answer).0, "DirectConnectClientException");
    }
}

#[tokio::test]
async fn a_token_that_was_not_given_out_here_is_refused() {
    let (aws, here) = with_many(3).await;
    aws.configure(|settings| settings.access_keys.extend([("AKIDOTHER".into(), "210987654321".into())]));
    let page = here.describe_connections().max_results(1).send().await.unwrap();
    let token = page.next_token().expect("there are two more");
    assert!(!token.contains("dxcon"), "a token tells nothing");

    let elsewhere = client(&aws.endpoint(), "eu-west-1", "AKIDEXAMPLE");
    let other_account = client(&aws.endpoint(), REGION, "AKIDOTHER");
    for (whose, client, token) in [
        ("invented", &here, "2"),
        ("empty", &here, ""),
        ("region", &elsewhere, token),
        ("account", &other_account, token),
    ] {
        let answer = client.describe_connections().next_token(token).send().await;
        let told = ("DirectConnectClientException".to_owned(), "The pagination token is invalid.".to_owned());
        assert_eq!(refusal(answer), told, "{whose}");
    }
    here.describe_connections().next_token(token).send().await.expect("it is still good where it came from");
}

#[tokio::test]
async fn connections_that_come_and_go_between_pages_do_not_upset_the_rest() {
    let (aws, client) = with_many(4).await;
    let page = client.describe_connections().max_results(2).send().await.unwrap();
    aws.remove(REGION, "dxcon-00000001");
    aws.add(REGION, Connection::new("dxcon-00000009", "new"));
    let rest = client.describe_connections().next_token(page.next_token().unwrap()).send().await.unwrap();
    let ids: Vec<_> = rest.connections().iter().filter_map(|each| each.connection_id()).collect();
    assert_eq!(ids, ["dxcon-00000002", "dxcon-00000003", "dxcon-00000009"]);
}
