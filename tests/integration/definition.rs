//! The CRD, and how kubectl shows it.

use direct_connect_simulator::Connection;
use serde_json::Value;
use std::fs::File;
use std::process::{Command, Stdio};
use test_support::{ControlPlane, REGION, World, connection, operator_binary, wait};

fn printed() -> String {
    let printed = Command::new(operator_binary()).arg("crd").env_clear().output().expect("the operator starts");
    assert!(printed.status.success());
    String::from_utf8(printed.stdout).expect("the definition is text")
}

#[test]
fn where_it_cannot_be_written_one_line_says_so_and_a_reader_that_has_enough_is_no_error() {
    let print_to = |out: Stdio| {
        let mut command = Command::new(operator_binary());
        let printed = command.arg("crd").env_clear().stdout(out).stderr(Stdio::piped()).output();
        let printed = printed.expect("the operator starts");
        (printed.status.code(), String::from_utf8_lossy(&printed.stderr).into_owned())
    };
    let full = File::options().write(true).open("/dev/full").expect("it is there");
    let (code, told) = print_to(full.into());
    assert_eq!((code, told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.starts_with("directconnect-operator: standard output cannot be written to: "), "{told}");
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    assert_eq!(print_to(writer.into()), (Some(0), String::new()));
}

/// The paths of fields without a description, below a schema.
fn undescribed(path: &str, schema: &Value) -> Vec<String> {
    let own = schema["description"].as_str().unwrap_or_default().is_empty().then(|| path.to_owned());
    let fields = schema["properties"].as_object().into_iter().flatten();
    let below = fields.flat_map(|(name, field)| undescribed(&format!("{path}.{name}"), field));
    let items = &schema["items"]["properties"];
    let items = items.as_object().into_iter().flatten();
    let items = items.flat_map(|(name, field)| undescribed(&format!("{path}[].{name}"), field));
    own.into_iter().chain(below).chain(items).collect()
}

#[test]
fn every_field_is_described() {
    let crd: Value = serde_saphyr::from_str(&printed()).expect("it is YAML");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for part in ["spec", "status"] {
        assert_eq!(undescribed(part, &schema["properties"][part]), Vec::<String>::new());
    }
    assert!(schema["description"].as_str().is_some_and(|text| text.contains("Direct Connect")));
}

/// The paths of fields with a default, below a schema.
fn defaults(path: &str, schema: &Value) -> Vec<String> {
    let own = schema.get("default").map(|default| format!("{path} {default}"));
    let fields = schema["properties"].as_object().into_iter().flatten();
    let below = fields.flat_map(|(name, field)| defaults(&format!("{path}.{name}"), field));
    let items = schema.get("items").into_iter().flat_map(|items| defaults(&format!("{path}[]"), items));
    own.into_iter().chain(below).chain(items).collect()
}

/// A field with a default would be shown even if AWS does not return it.
#[test]
fn no_field_inside_status_has_a_default_and_status_itself_says_that_nobody_has_looked() {
    let crd: Value = serde_saphyr::from_str(&printed()).expect("it is YAML");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    assert_eq!(defaults("status", schema), [r#"status {"observedGeneration":-1}"#]);
}

#[tokio::test]
async fn kubectl_explain_tells_each_field() {
    let control_plane = ControlPlane::shared().await;
    control_plane.install_crd().await;
    let explain = ["explain", "directconnectconnections", "--recursive"];
    let all = control_plane.kubectl(&explain, "").await.text();
    for field in ["connectionId", "encryptionTransition", "macSecKeys", "secretARN", "lastHandledReconcileAt"] {
        assert!(all.contains(field), "{field} is not in {all}");
    }
    let one = control_plane.kubectl(&["explain", "dxcon.spec.encryptionMode"], "").await.text();
    assert!(one.contains("must_encrypt") && one.contains("stops all traffic"), "{one}");
}

#[tokio::test]
async fn kubectl_get_tells_how_a_connection_is() {
    let world = World::new().await;
    let id = "dxcon-aaaaaaaa";
    world.aws.add(REGION, Connection::new(id, "frankfurt-a").with_key("aa"));
    world.apply(connection("line").id(id).name("frankfurt-a")).await;
    world.ready("line").await;
    let get = async |more: &[&str]| {
        let arguments = [&["get", "dxcon", "--namespace", &world.namespace], more].concat();
        let table = world.control_plane.kubectl(&arguments, "").await.text();
        table.lines().map(cells).collect::<Vec<_>>()
    };
    let short = get(&[]).await;
    let columns = ["NAME", "CONNECTION", "CONNECTION NAME", "STATE", "MODE", "ENCRYPTION", "READY", "AGE"];
    assert_eq!(short[0], columns);
    assert_eq!(short[1][..7], ["line", id, "frankfurt-a", "available", "should_encrypt", "Encryption Up", "True"]);
    let wide = get(&["--output", "wide"]).await;
    assert_eq!(wide[0][..8], columns);
    assert_eq!(wide[0][8..], ["REGION", "LOCATION", "BANDWIDTH", "REASON", "MESSAGE"]);
    assert_eq!(wide[1][8..], [REGION, "EqFA5", "10Gbps", "InSync", "AWS has what the spec asks for"]);
    let by_category = ["get", "aws", "--namespace", &world.namespace, "--output", "name"];
    let found = world.control_plane.kubectl(&by_category, "").await.text();
    assert_eq!(found.trim(), "directconnectconnection.directconnect-operator.dev/line");
}

/// The cells of a line of kubectl's output, which are separated by two or more blanks.
fn cells(line: &str) -> Vec<String> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn without_the_definition_it_says_what_to_install_stays_unready_and_goes_on_once_it_is_there() {
    let control_plane = std::sync::Arc::new(ControlPlane::start().await);
    let world = World::builder().on(control_plane).without_crd().build().await;
    let said = world.operator().says("install the CRD").await;
    assert!(said.contains("directconnectconnections.directconnect-operator.dev"), "{said}");
    let answer = world.http_get("/readyz").await;
    assert_eq!(answer.status, 503);
    let listed = "not ready: the resources have not been listed yet: the API server knows no directconnectconnections";
    assert!(answer.body.starts_with(listed) && answer.body.contains("install the CRD"), "{}", answer.body);
    assert_eq!(world.http_get("/healthz").await.status, 200);
    wait::until(wait::SOON, "it to be told again", async || {
        world.operator().logs().iter().filter(|line| line.contains("install the CRD")).count() > 1
    })
    .await;
    let lines = world.operator().logs().len();
    assert!(lines < 30, "{lines} lines");
    assert_eq!(world.aws.calls(), []);

    world.control_plane.install_crd().await;
    world.aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "old"));
    world.apply(connection("line").id("dxcon-aaaaaaaa").name("new")).await;
    world.ready("line").await;
    assert_eq!(world.http_get("/readyz").await.status, 200);
}
