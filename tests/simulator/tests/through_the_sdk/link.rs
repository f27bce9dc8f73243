//! Keys, sessions, and the link that `must_encrypt` takes down.

use std::time::Duration;

use direct_connect_simulator::{Connection, ENCRYPTION_DOWN, ENCRYPTION_UP, Simulator};

use crate::{ID, REGION, connection, eventually, with};

const NEVER: Duration = Duration::from_hours(1);

/// The state, the mode, and whether the session is up.
fn state_of(aws: &Simulator) -> (String, String, bool) {
    let truth = aws.connection(REGION, ID).unwrap();
    (truth.state().to_owned(), truth.mode().to_owned(), truth.encryption_is_up())
}

async fn becomes(aws: &Simulator, state: &str, mode: &str, up: bool) {
    let wanted = (state.to_owned(), mode.to_owned(), up);
    eventually(&format!("{wanted:?}, but {:?}", state_of(aws)), async || state_of(aws) == wanted).await;
}

fn key_states(aws: &Simulator) -> Vec<String> {
    let truth = aws.connection(REGION, ID).unwrap();
    truth.keys().iter().filter_map(|key| key.state.clone()).collect()
}

#[tokio::test]
async fn must_encrypt_without_a_session_takes_the_link_down_at_once_and_should_encrypt_gives_it_back() {
    let (aws, client) = with(connection()).await;
    let answer = client.update_connection().connection_id(ID).encryption_mode("must_encrypt").send().await.unwrap();
    assert_eq!(answer.connection_state().map(|state| state.as_str()), Some("down"));

    let answer = client.update_connection().connection_id(ID).encryption_mode("should_encrypt").send().await.unwrap();
    assert_eq!(answer.connection_state().map(|state| state.as_str()), Some("available"));
    assert_eq!(state_of(&aws), ("available".into(), "should_encrypt".into(), false));
}

#[tokio::test]
async fn must_encrypt_with_a_session_keeps_the_link() {
    let (aws, client) = with(connection().with_key("abcd")).await;
    client.update_connection().connection_id(ID).encryption_mode("must_encrypt").send().await.unwrap();
    assert_eq!(state_of(&aws), ("available".into(), "must_encrypt".into(), true));
}

#[tokio::test]
async fn a_session_that_is_lost_under_must_encrypt_cuts_the_link_until_it_is_back() {
    let (aws, _client) = with(connection().with_key("abcd").with_mode("must_encrypt")).await;
    aws.edit(REGION, ID, |connection| connection.port_encryption_status = Some(ENCRYPTION_DOWN.into()));
    assert_eq!(state_of(&aws), ("down".into(), "must_encrypt".into(), false));
    aws.edit(REGION, ID, |connection| connection.port_encryption_status = Some(ENCRYPTION_UP.into()));
    assert_eq!(state_of(&aws), ("available".into(), "must_encrypt".into(), true));
}

#[tokio::test]
async fn a_key_is_first_associating_then_associated_and_after_a_while_the_session_is_up() {
    let (aws, _client) = with(connection()).await;
    aws.configure(|settings| {
        settings.key_change_after = NEVER;
        settings.macsec_up_after = Duration::from_millis(50);
    });
    aws.associate_key(REGION, ID, "abcd");
    assert_eq!(key_states(&aws), ["associating"]);
    assert_eq!(state_of(&aws), ("available".into(), "should_encrypt".into(), false));

    aws.configure(|settings| settings.key_change_after = Duration::from_millis(50));
    aws.associate_key(REGION, ID, "ef01");
    eventually("the second key is associated", async || key_states(&aws) == ["associating", "associated"]).await;
    becomes(&aws, "available", "should_encrypt", true).await;
}

#[tokio::test]
async fn a_session_never_comes_up_before_its_delay() {
    let (aws, _client) = with(connection()).await;
    aws.configure(|settings| {
        settings.key_change_after = Duration::ZERO;
        settings.macsec_up_after = NEVER;
    });
    aws.associate_key(REGION, ID, "abcd");
    eventually("the key is associated", async || key_states(&aws) == ["associated"]).await;
    assert_eq!(state_of(&aws), ("available".into(), "should_encrypt".into(), false));
}

#[tokio::test]
async fn a_session_that_comes_up_gives_back_the_link_that_must_encrypt_cut() {
    let (aws, client) = with(connection().with_mode("no_encrypt").with_key("abcd")).await;
    aws.configure(|settings| settings.macsec_up_after = Duration::from_millis(100));
    let answer = client.update_connection().connection_id(ID).encryption_mode("must_encrypt").send().await.unwrap();
    assert_eq!(answer.connection_state().map(|state| state.as_str()), Some("down"));
    becomes(&aws, "available", "must_encrypt", true).await;
}

#[tokio::test]
async fn no_encrypt_has_no_session_and_should_encrypt_brings_it_up() {
    let (aws, client) = with(connection().with_key("abcd")).await;
    aws.configure(|settings| settings.macsec_up_after = Duration::from_millis(20));
    client.update_connection().connection_id(ID).encryption_mode("no_encrypt").send().await.unwrap();
    assert_eq!(state_of(&aws), ("available".into(), "no_encrypt".into(), false));
    client.update_connection().connection_id(ID).encryption_mode("should_encrypt").send().await.unwrap();
    becomes(&aws, "available", "should_encrypt", true).await;
}

#[tokio::test]
async fn the_last_key_that_goes_turns_must_encrypt_into_should_encrypt() {
    let (aws, _client) = with(connection().with_key("abcd").with_key("ef01").with_mode("must_encrypt")).await;
    aws.configure(|settings| settings.key_change_after = Duration::ZERO);
    aws.disassociate_key(REGION, ID, "abcd");
    eventually("the first key is gone", async || key_states(&aws) == ["associated"]).await;
    assert_eq!(state_of(&aws), ("available".into(), "must_encrypt".into(), true));

    aws.disassociate_key(REGION, ID, "ef01");
    becomes(&aws, "available", "should_encrypt", false).await;
    eventually("the last key is gone", async || key_states(&aws).is_empty()).await;
}

#[tokio::test]
async fn a_key_on_its_way_out_works_until_it_is_disassociated_and_is_still_listed_then() {
    let (aws, _client) = with(connection().with_key("abcd").with_mode("must_encrypt")).await;
    aws.configure(|settings| settings.key_change_after = NEVER);
    aws.disassociate_key(REGION, ID, "abcd");
    assert_eq!(key_states(&aws), ["disassociating"]);
    assert_eq!(state_of(&aws), ("available".into(), "must_encrypt".into(), true));

    aws.configure(|settings| settings.key_change_after = Duration::ZERO);
    aws.disassociate_key(REGION, ID, "abcd");
    aws.configure(|settings| settings.key_change_after = NEVER);
    assert_eq!(key_states(&aws), ["disassociated"]);
    assert_eq!(state_of(&aws), ("available".into(), "should_encrypt".into(), false));
}

#[tokio::test]
async fn a_cut_fibre_takes_the_session_along_and_no_session_mends_it() {
    let (aws, _client) = with(connection().with_key("abcd").with_mode("must_encrypt")).await;
    aws.configure(|settings| settings.macsec_up_after = NEVER);
    aws.edit(REGION, ID, |connection| connection.connection_state = Some("down".into()));
    assert_eq!(state_of(&aws), ("down".into(), "must_encrypt".into(), false));
    aws.edit(REGION, ID, |connection| connection.encryption_mode = Some("should_encrypt".into()));
    assert_eq!(state_of(&aws), ("down".into(), "should_encrypt".into(), false));

    aws.edit(REGION, ID, |connection| connection.connection_state = Some("available".into()));
    assert_eq!(state_of(&aws), ("available".into(), "should_encrypt".into(), false));
    aws.edit(REGION, ID, |connection| connection.connection_state = Some("down".into()));
    aws.configure(|settings| settings.macsec_up_after = Duration::from_millis(20));
    aws.edit(REGION, ID, |connection| connection.connection_state = Some("available".into()));
    becomes(&aws, "available", "should_encrypt", true).await;
}

#[tokio::test]
async fn a_link_that_the_mode_cut_and_the_fibre_after_it_is_not_given_back_by_the_mode() {
    let (aws, _client) = with(connection().with_mode("must_encrypt")).await;
    for state in ["pending", "down"] {
        aws.edit(REGION, ID, |connection| connection.connection_state = Some(state.into()));
    }
    aws.edit(REGION, ID, |connection| connection.encryption_mode = Some("no_encrypt".into()));
    assert_eq!(state_of(&aws), ("down".into(), "no_encrypt".into(), false));
}

#[tokio::test]
async fn joining_a_lag_drops_the_connections_own_keys_and_leaves_its_mode() {
    let (aws, _client) = with(connection().with_key("abcd").with_mode("must_encrypt")).await;
    aws.edit(REGION, ID, |connection| connection.lag_id = Some("dxlag-fg1234ab".into()));
    assert!(key_states(&aws).is_empty());
    assert_eq!(state_of(&aws), ("available".into(), "must_encrypt".into(), true));
}

#[tokio::test]
async fn a_connection_is_seeded_as_given_but_for_a_link_that_cannot_be_up() {
    let (aws, _client) = with(connection().with_key("abcd").with_mode("must_encrypt").with_encryption_down()).await;
    assert_eq!(state_of(&aws), ("down".into(), "must_encrypt".into(), false));
    let odd = Connection { port_encryption_status: Some(ENCRYPTION_UP.into()), ..connection() };
    aws.add(REGION, odd.clone());
    assert_eq!(aws.connection(REGION, ID), Some(odd));
}

#[tokio::test]
#[should_panic(expected = "already has three keys")]
async fn a_fourth_key_is_a_mistake_of_the_test() {
    let (aws, _client) = with(connection().with_key("a").with_key("b").with_key("c")).await;
    aws.associate_key(REGION, ID, "d");
}
