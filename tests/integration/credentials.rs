//! Missing or unusable AWS credentials: a source that is down recovers by itself, everything else needs a person.

use axum::Router;
use axum::http::StatusCode;
use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::json;
use std::future::IntoFuture;
use std::time::Duration;
use test_support::{Front, OperatorBuilder, REGION, Resource, World, connection, wait};
use tokio::net::TcpListener;
use tokio::sync::watch;

const ID: &str = "dxcon-aaaaaaaa";

fn without_keys(operator: OperatorBuilder) -> OperatorBuilder {
    operator.without_env("AWS_ACCESS_KEY_ID").without_env("AWS_SECRET_ACCESS_KEY")
}

#[tokio::test]
async fn without_credentials_it_says_so_once_stays_unready_and_calls_nobody() {
    let world = World::builder().operator(without_keys).build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    let line = world.condition("line", "Stalled", "True", "CredentialsInvalid").await;
    let message = line.condition("Ready").expect("it is there").message;
    assert!(message.contains("credentials"), "{message}");
    let said = world.operator().says("no AWS credentials").await;
    for word in ["IRSA", "AWS_ACCESS_KEY_ID"] {
        assert!(said.contains(word), "{said}");
    }
    let answer = world.http_get("/readyz").await;
    assert_eq!((answer.status, answer.body.contains("credentials")), (503, true), "{}", answer.body);
    assert_eq!(world.http_get("/healthz").await.status, 200);

    let failed = "directconnect_operator_aws_requests_total{operation=\"DescribeConnections\",region=\"eu-central-1\",outcome=\"CredentialsInvalid\"}";
    let tries = async || world.operator().metric(failed).await.unwrap_or_default();
    wait::until(wait::SOON, "more tries", async || tries().await > 8.0).await;
    let told = |text: &str| world.operator().logs().iter().filter(|line| line.contains(text)).count();
    assert!(told("no AWS credentials") <= 4, "{:#?}", world.operator().logs());
    assert_eq!(told("AWS could not be read"), 1);
    assert_eq!(world.get("line").await.version(), line.version(), "written once");
    assert_eq!(world.aws.calls(), []);
}

/// A source of credentials that gives the configured answers.
struct Source {
    url: String,
    answer: watch::Sender<(StatusCode, String)>,
}

impl Source {
    async fn answering(status: u16, body: &str) -> Self {
        let (answer, answers) = watch::channel((StatusCode::from_u16(status).expect("a status"), body.to_owned()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let serve = Router::new().fallback(move || async move { answers.borrow().clone() });
        tokio::spawn(axum::serve(listener, serve).into_future());
        Self { url, answer }
    }

    fn answer(&self, status: u16, body: &str) {
        self.answer.send_replace((StatusCode::from_u16(status).expect("a status"), body.to_owned()));
    }
}

/// A URL where nothing listens. A port that was let go may be another test's already.
pub const NOWHERE: &str = "http://127.0.0.1:1";

/// Credentials from a container's endpoint.
fn container_keys() -> String {
    json!({
        "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "any", "Token": "any", "Expiration": "2100-01-01T00:00:00Z",
    })
    .to_string()
}

/// Credentials from STS for a web identity.
fn sts_keys() -> String {
    let keys = "<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>any</SecretAccessKey>\
                <SessionToken>any</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>";
    format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>{keys}</Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
}

fn sts_error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>b25f48e8</RequestId></ErrorResponse>"
    )
}

/// A world with a connection to rename, and an operator whose credentials are configured by `from`.
async fn world(from: impl FnOnce(OperatorBuilder) -> OperatorBuilder) -> World {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.settings = from(without_keys(world.settings));
    world.start_operator();
    world
}

/// The same with a web identity, with `sts` as the endpoint of STS.
async fn with_web_identity(sts: &str) -> World {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    world.settings = of_web_identity(&world, sts);
    world.start_operator();
    world
}

/// How the operator of a world is started so that its credentials are from STS.
fn of_web_identity(world: &World, sts: &str) -> OperatorBuilder {
    let token = world.kubeconfig.with_extension("token");
    std::fs::write(&token, "a token").expect("the folder is the test's own");
    without_keys(world.settings.clone())
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_string_lossy())
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
        .env("AWS_ENDPOINT_URL_STS", sts)
}

#[tokio::test]
async fn credentials_that_come_late_are_found_and_used() {
    let source = Source::answering(404, "").await;
    let url = format!("{}/role", source.url);
    let world = world(|operator| operator.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)).await;
    world.condition("line", "Stalled", "True", "CredentialsInvalid").await;

    source.answer(200, &container_keys());
    world.condition("line", "Ready", "True", "InSync").await;
    assert!(world.aws.calls().iter().all(|call| call.access_key_id == "ASIAEXAMPLE"));
    assert_eq!(world.updates().len(), 1);
    wait::until(wait::SOON, "readiness", async || world.http_get("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn a_profile_that_is_mounted_late_is_found_and_used() {
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    let profile = world.kubeconfig.with_extension("credentials");
    world.settings = without_keys(world.settings).env("AWS_SHARED_CREDENTIALS_FILE", profile.to_string_lossy());
    world.start_operator();
    world.condition("line", "Stalled", "True", "CredentialsInvalid").await;
    world.operator().says("no AWS credentials").await;

    let keys = "[default]\naws_access_key_id = AKIAMOUNTEDLATE\naws_secret_access_key = any\n";
    std::fs::write(&profile, keys).expect("the folder is the test's own");
    world.ready("line").await;
    assert!(world.aws.calls().iter().all(|call| call.access_key_id == "AKIAMOUNTEDLATE"));
    wait::until(wait::SOON, "readiness", async || world.http_get("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn an_sts_that_is_in_trouble_is_waited_for_and_one_that_refuses_needs_a_person() {
    let no_key = sts_error("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider");
    let passing = [
        (503, String::new()),
        (400, sts_error("Throttling", "Rate exceeded")),
        (400, sts_error("IDPCommunicationError", "No answer")),
        (400, no_key),
    ];
    let sts = Source::answering(403, &sts_error("AccessDenied", "Not authorized to assume it")).await;
    let world = with_web_identity(&sts.url).await;
    let line = world.condition("line", "Stalled", "True", "CredentialsInvalid").await;
    let message = line.condition("Stalled").expect("it is there").message;
    assert!(message.contains("AccessDenied"), "{message}");
    for (status, body) in &passing {
        sts.answer(*status, body);
        world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
        sts.answer(403, &sts_error("AccessDenied", "Not authorized to assume it"));
        world.condition("line", "Stalled", "True", "CredentialsInvalid").await;
    }
    assert_eq!(world.aws.calls(), []);
    sts.answer(200, &sts_keys());
    world.ready("line").await;
}

/// A step down is tried at every poll.
#[tokio::test]
async fn while_sts_refuses_status_is_written_once_for_each_cause_and_the_log_has_the_request() {
    let mut world = World::builder().without_operator().build().await;
    let sts = world.aws.sts_endpoint();
    world.aws.configure(|settings| settings.credential_lifetime = Duration::from_secs(1));
    world.aws.add(REGION, Connection::new(ID, "line").with_mode("should_encrypt"));
    world.apply(connection("line").id(ID).mode("should_encrypt")).await;
    world.settings = of_web_identity(&world, &sts);
    world.start_operator();
    world.ready("line").await;
    let refuses = |message: &str| {
        world.aws.clear_faults();
        let (code, message) = (Some("AccessDenied".to_owned()), message.to_owned());
        world.aws.inject(Fault::new(FaultKind::Error { status: 403, code, message }).on("AssumeRoleWithWebIdentity"));
    };
    let asks_again = async |times: usize| {
        let begun = world.aws.credential_calls().len();
        let asked = async || world.aws.credential_calls().len() >= begun + times;
        wait::until(wait::SOON, format!("{times} refusals"), asked).await;
    };
    refuses("Not authorized to assume it");
    world.apply(connection("line").id(ID).mode("no_encrypt")).await;
    let says = async |words: &str| {
        let is_said = |line: &Resource| line.condition("Stalled").is_some_and(|it| it.message.contains(words));
        world.until("line", words, is_said).await
    };
    says("Not authorized to assume it").await;
    let before = world.condition("line", "Ready", "Unknown", "ObservationStale").await;
    asks_again(10).await;
    assert_eq!(world.get("line").await.version(), before.version(), "{}", world.get("line").await);
    let told = world.operator().says("could not be read: STS answered AccessDenied").await;
    assert!(told.contains("\"request_id\":\""), "{told}");

    refuses("An explicit deny");
    says("STS answered AccessDenied: An explicit deny").await;
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn a_source_that_nobody_answers_for_is_waited_for() {
    let worlds = [
        with_web_identity(NOWHERE).await,
        world(|operator| operator.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{NOWHERE}/role"))).await,
        world(|operator| {
            let operator = operator.without_env("AWS_EC2_METADATA_DISABLED");
            operator.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", NOWHERE)
        })
        .await,
    ];
    for world in worlds {
        let line = world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
        assert!(line.condition("Stalled").is_none(), "{line}");
        assert_eq!(world.http_get("/readyz").await.status, 503);
        assert_eq!(world.aws.calls(), []);
    }
}

#[tokio::test]
async fn a_container_endpoint_that_is_in_trouble_is_waited_for() {
    let source = Source::answering(500, "").await;
    let url = format!("{}/role", source.url);
    let world = world(|operator| operator.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)).await;
    for (status, body) in [(500, ""), (429, ""), (200, "{}")] {
        source.answer(404, "");
        world.condition("line", "Stalled", "True", "CredentialsInvalid").await;
        source.answer(status, body);
        world.condition("line", "Reconciling", "True", "AwsUnavailable").await;
    }
    source.answer(200, &container_keys());
    world.ready("line").await;
}

#[tokio::test]
async fn a_token_that_cannot_be_read_is_told_by_the_name_of_its_file() {
    let world = world(|operator| {
        operator
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
    })
    .await;
    let line = world.condition("line", "Stalled", "True", "CredentialsInvalid").await;
    let message = line.condition("Stalled").expect("it is there").message;
    assert!(message.contains("AWS_WEB_IDENTITY_TOKEN_FILE is /nonexistent/token"), "{message}");
}

#[tokio::test]
async fn a_line_break_in_a_credential_is_told_by_name_and_ends_nothing() {
    for (variable, value) in
        [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE\n"), ("AWS_SECRET_ACCESS_KEY", "wJalr\nXUtnFEMI")]
    {
        let world = World::builder().env(variable, value).build().await;
        world.aws.add(REGION, Connection::new(ID, "old"));
        world.apply(connection("line").id(ID).name("new")).await;
        let line = world.condition("line", "Stalled", "True", "CredentialsInvalid").await;
        let message = line.condition("Stalled").expect("it is there").message;
        assert!(message.contains(variable) && message.contains("line break"), "{message}");
        assert!(!message.contains("EXAMPLE") && !message.contains("XUtnFEMI"), "it is not shown: {message}");
        world.operator().says("no AWS credentials").await;
        assert_eq!(world.http_get("/healthz").await.status, 200);
        assert!(!world.operator().logs().iter().any(|line| line.contains("panicked")));
        assert_eq!(world.aws.calls(), []);
    }
}

#[tokio::test]
async fn credentials_of_this_machine_are_not_asked_for_through_a_proxy() {
    let source = Source::answering(200, &container_keys()).await;
    let mut world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("new")).await;
    let proxy = Front::of_http(&world.aws.endpoint()).await;
    world.settings = without_keys(world.settings)
        .env("HTTP_PROXY", proxy.url())
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/role", source.url))
        // A host name that only the proxy can resolve.
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", "http://directconnect.invalid");
    world.start_operator();
    world.ready("line").await;
    assert!(world.aws.calls().iter().all(|call| call.access_key_id == "ASIAEXAMPLE"));
    assert!(proxy.seen().iter().any(|request| request.calls("UpdateConnection")));
    assert!(!proxy.seen().iter().any(|request| request.path.contains("role")));
}
