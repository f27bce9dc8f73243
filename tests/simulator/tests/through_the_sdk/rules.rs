//! Which connections accept which updates, and the error messages otherwise.

use aws_sdk_directconnect::Client;
use aws_sdk_directconnect::operation::update_connection::UpdateConnectionOutput;
use direct_connect_simulator::{Connection, Simulator};

use crate::{ID, REGION, client, connection, read, refusal, with};

/// Sends an update with the given fields, and returns the message of AWS if it is refused.
async fn update(client: &Client, name: Option<&str>, mode: Option<&str>) -> Result<UpdateConnectionOutput, String> {
    let call = client.update_connection().connection_id(ID);
    let call = call.set_connection_name(name.map(str::to_owned)).set_encryption_mode(mode.map(str::to_owned));
    match call.send().await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            assert!(error.as_service_error().is_some_and(|error| error.is_direct_connect_client_exception()));
            assert_eq!(error.raw_response().map(|answer| answer.status().as_u16()), Some(400));
            Err(refusal::<(), _>(Err(error)).1)
        }
    }
}

#[tokio::test]
async fn a_malformed_id_is_refused_as_such() {
    let (_aws, client) = with(connection()).await;
    for id in [
        "foobar",
        "",
        "dxcon-",
        "dxcon-short1",
        "dxcon-FG1234AB",
        "dxcon-fg1234ab ",
        "dxlag-fg1234ab",
        "DXCON-fg1234ab",
    ] {
        let told = ("DirectConnectClientException".to_owned(), format!("Connection ID {id} has an invalid format."));
        assert_eq!(refusal(client.describe_connections().connection_id(id).send().await), told);
        assert_eq!(refusal(client.update_connection().connection_id(id).connection_name("b").send().await), told);
    }
}

#[tokio::test]
async fn a_connection_that_is_nobodys_or_elsewhere_is_not_found() {
    let aws = Simulator::start().await;
    aws.configure(|settings| settings.access_keys.extend([("AKIDOTHER".into(), "210987654321".into())]));
    aws.add("eu-west-1", Connection::new("dxcon-inireland", "a"));
    aws.add(REGION, Connection::new("dxcon-notmine1", "b").owned_by("210987654321"));
    let mine = client(&aws.endpoint(), REGION, "AKIDEXAMPLE");
    for id in ["dxcon-nobodys1", "dxcon-inireland", "dxcon-notmine1"] {
        let told = ("DirectConnectClientException".to_owned(), format!("Could not find Connection with ID {id}"));
        assert_eq!(refusal(mine.describe_connections().connection_id(id).send().await), told);
        assert_eq!(refusal(mine.update_connection().connection_id(id).connection_name("c").send().await), told);
    }
    assert_eq!(mine.describe_connections().send().await.unwrap().connections(), []);

    let others = client(&aws.endpoint(), REGION, "AKIDOTHER");
    assert_eq!(others.describe_connections().send().await.unwrap().connections().len(), 1);
}

#[tokio::test]
async fn a_missing_connection_can_be_an_empty_list_instead() {
    let (aws, client) = with(connection()).await;
    aws.configure(|settings| settings.missing_is_empty = true);
    let answer = client.describe_connections().connection_id("dxcon-nobodys1").send().await.unwrap();
    assert_eq!(answer.connections(), []);
}

#[tokio::test]
async fn an_update_answers_the_whole_connection_and_leaves_what_it_does_not_name() {
    let (aws, client) = with(connection()).await;
    let answer = update(&client, Some("frankfurt-b"), None).await.unwrap();
    assert_eq!((answer.connection_name(), answer.encryption_mode()), (Some("frankfurt-b"), Some("should_encrypt")));
    assert_eq!(answer.location(), Some("EqFA5"));

    let answer = update(&client, None, Some("no_encrypt")).await.unwrap();
    assert_eq!((answer.connection_name(), answer.encryption_mode()), (Some("frankfurt-b"), Some("no_encrypt")));
    assert_eq!(read(&client).await.encryption_mode(), Some("no_encrypt"));
    assert_eq!(aws.connection(REGION, ID).unwrap().name(), "frankfurt-b");
}

#[tokio::test]
async fn an_update_is_made_whole_or_not_at_all() {
    let (aws, client) = with(connection().in_lag("dxlag-fg1234ab")).await;
    update(&client, Some("new-name"), Some("no_encrypt")).await.unwrap_err();
    assert_eq!(aws.connection(REGION, ID).unwrap(), connection().in_lag("dxlag-fg1234ab"));
    assert!(!aws.calls()[0].effect);
}

#[tokio::test]
async fn a_rename_goes_from_requested_on_and_until_the_end() {
    let cases = [
        ("ordering", false),
        ("requested", true),
        ("pending", true),
        ("available", true),
        ("down", true),
        ("deleting", false),
        ("deleted", false),
        ("rejected", false),
        ("unknown", false),
        ("frozen", false),
    ];
    for (state, accepted) in cases {
        for connection in [connection(), connection().hosted(101), connection().in_lag("dxlag-fg1234ab")] {
            let (_aws, client) = with(connection.in_state(state)).await;
            let answer = update(&client, Some("new-name"), None).await;
            assert_eq!(answer.is_ok(), accepted, "{state}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_mode_goes_to_a_capable_port_of_its_own_that_is_available_or_downwards_while_down() {
    let should = || connection().with_key("abcd");
    let must = || should().with_mode("must_encrypt");
    let no = || connection().with_mode("no_encrypt").with_key("abcd");
    let state = "must be in state available";
    let cases = [
        (no(), "should_encrypt", Ok(())),
        (no(), "must_encrypt", Ok(())),
        (should(), "no_encrypt", Ok(())),
        (should(), "should_encrypt", Ok(())),
        (should(), "must_encrypt", Ok(())),
        (must(), "should_encrypt", Ok(())),
        (must(), "no_encrypt", Ok(())),
        (must().in_state("down"), "should_encrypt", Ok(())),
        (must().in_state("down"), "no_encrypt", Ok(())),
        (should().in_state("down"), "no_encrypt", Ok(())),
        (should().in_state("down"), "should_encrypt", Err(state)),
        (should().in_state("down"), "must_encrypt", Err(state)),
        (no().in_state("down"), "should_encrypt", Err(state)),
        (must().in_state("requested"), "no_encrypt", Err(state)),
        (must().in_state("pending"), "no_encrypt", Err(state)),
        (must().in_state("ordering"), "no_encrypt", Err(state)),
        (must().in_state("unknown"), "no_encrypt", Err(state)),
        (must().in_state("deleting"), "no_encrypt", Err("cannot be updated")),
        (must().in_state("deleted"), "no_encrypt", Err("cannot be updated")),
        (must().in_state("rejected"), "no_encrypt", Err("cannot be updated")),
        (connection().not_capable(), "no_encrypt", Err("not MACsec capable")),
        (connection().not_capable().with_mode("unknown"), "should_encrypt", Err("not MACsec capable")),
        (connection().hosted(101), "no_encrypt", Err("hosted")),
        (connection().in_lag("dxlag-fg1234ab"), "no_encrypt", Err("associated with LAG")),
        (should(), "unknown", Err("is invalid")),
        (should(), "", Err("is invalid")),
        (should(), "MUST_ENCRYPT", Err("is invalid")),
    ];
    for (connection, mode, expected) in cases {
        let case = format!("{} {} to {mode}", connection.state(), connection.mode());
        let (aws, client) = with(connection).await;
        match (update(&client, None, Some(mode)).await, expected) {
            (Ok(answer), Ok(())) => {
                assert_eq!(answer.encryption_mode(), Some(mode), "{case}");
                assert_eq!(aws.connection(REGION, ID).unwrap().mode(), mode, "{case}");
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{case}: {message}"),
            (answer, _) => panic!("{case}: {answer:?}, but expected {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_name_has_1_to_200_characters_without_control_characters() {
    let (_aws, client) = with(connection()).await;
    let cases = [("x", true), (&"ü".repeat(200), true), ("", false), (&"x".repeat(201), false), ("two\nlines", false)];
    for (name, accepted) in cases {
        assert_eq!(update(&client, Some(name), None).await.is_ok(), accepted, "{name:?}");
    }
}

#[tokio::test]
async fn an_update_of_nothing_is_refused() {
    let (_aws, client) = with(connection()).await;
    update(&client, None, None).await.unwrap_err();
    assert_eq!(refusal(client.update_connection().connection_name("b").send().await).0, "DirectConnectClientException");
}

#[tokio::test]
async fn an_update_to_what_is_already_so_is_accepted_and_has_no_effect() {
    let (aws, client) = with(connection()).await;
    update(&client, Some("frankfurt-a"), Some("should_encrypt")).await.unwrap();
    assert!(aws.calls()[0].is_ok());
    assert!(!aws.calls()[0].effect);
}
