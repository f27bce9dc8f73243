//! Invalid specs: `kubectl apply` refuses them and says what to do.

use futures::{StreamExt, stream};
use serde_json::Value;
use test_support::{Manifest, World, connection};

/// Number of concurrent kubectl processes.
const AT_ONCE: usize = 3;

async fn apply(world: &World, manifest: Manifest) -> Result<(), String> {
    let arguments = ["apply", "--namespace", &world.namespace, "--filename", "-"];
    let output = world.control_plane.kubectl(&arguments, &manifest.json().to_string()).await;
    if output.status.success() { Ok(()) } else { Err(output.stderr) }
}

async fn without_operator() -> World {
    World::builder().without_operator().build().await
}

fn good() -> Manifest {
    connection("line").id("dxcon-fg1234ab")
}

#[tokio::test]
async fn a_bad_spec_is_refused_with_the_field_and_what_to_do() {
    let id = "dxcon- and eight or more lower-case letters or digits";
    let region = "an AWS region, such as eu-central-1";
    let control = "must not contain control characters";
    let blank = "must not begin or end with a blank: take the blanks at its ends away";
    let bad: &[(&str, Value, &str)] = &[
        ("connectionId", "".into(), id),
        ("connectionId", "foobar".into(), id),
        ("connectionId", "dxcon-short".into(), id),
        ("connectionId", "dxcon-FG1234AB".into(), id),
        ("connectionId", "dxcon-fg1234ab\n".into(), id),
        ("connectionId", " dxcon-fg1234ab".into(), id),
        ("connectionId", "dxlag-fg1234ab".into(), id),
        ("connectionId", "arn:aws:directconnect:eu-central-1:123456789012:dxcon/dxcon-fg1234ab".into(), "64"),
        ("connectionId", format!("dxcon-{}", "a".repeat(59)).into(), "64"),
        ("connectionId", 7.into(), "must be of type string"),
        ("region", "".into(), region),
        ("region", "Frankfurt".into(), region),
        ("region", "eu-central".into(), region),
        ("region", "eu-central-1a".into(), region),
        ("region", "eu-central-1\n".into(), region),
        ("region", format!("eu-{}-1", "a".repeat(30)).into(), "32"),
        ("connectionName", "".into(), "leave it out to keep the name"),
        ("connectionName", "a".repeat(201).into(), "200"),
        ("connectionName", "線".repeat(201).into(), "200"),
        ("connectionName", "two\nlines".into(), control),
        ("connectionName", "a\ttab".into(), control),
        ("connectionName", "nul\u{0}".into(), control),
        ("connectionName", "delete\u{7f}".into(), control),
        ("connectionName", "next\u{85}line".into(), control),
        ("connectionName", "last\u{9f}".into(), control),
        ("connectionName", " name".into(), blank),
        ("connectionName", "name ".into(), blank),
        ("connectionName", " ".into(), blank),
        ("connectionName", "\u{a0}name".into(), blank),
        ("connectionName", "name\u{1680}".into(), blank),
        ("connectionName", "name\u{2003}".into(), blank),
        ("connectionName", "\u{2028}name".into(), blank),
        ("connectionName", "name\u{2029}".into(), blank),
        ("connectionName", "\u{202f}name".into(), blank),
        ("connectionName", "name\u{205f}".into(), blank),
        ("connectionName", "線\u{3000}".into(), blank),
        ("encryptionMode", "must-encrypt".into(), "\"no_encrypt\", \"should_encrypt\", \"must_encrypt\""),
        ("encryptionMode", "unknown".into(), "\"no_encrypt\", \"should_encrypt\", \"must_encrypt\""),
        ("encryptionTransition", "Fast".into(), "\"Guarded\", \"Immediate\""),
        ("managementPolicy", "observe".into(), "\"Manage\", \"Observe\""),
        ("conectionName", "misspelled".into(), "unknown field"),
    ];
    let world = without_operator().await;
    let refuse = async |(field, value, advice): &(&str, Value, &str)| {
        let told = apply(&world, good().spec(field, value.clone())).await;
        let told = told.expect_err(&format!("{field} {value} is accepted"));
        assert!(told.contains(&format!("spec.{field}")), "{field} {value}: {told}");
        assert!(told.contains(advice), "{field} {value}: {told}");
    };
    stream::iter(bad).map(refuse).buffer_unordered(AT_ONCE).for_each(async |()| ()).await;
    let missing = apply(&world, connection("line")).await.expect_err("an id is required");
    assert!(missing.contains("spec.connectionId: Required value"), "{missing}");
}

#[tokio::test]
async fn what_is_unusual_and_right_is_accepted() {
    let good: &[(&str, &str, String)] = &[
        ("shortest-id", "connectionId", "dxcon-00000000".to_owned()),
        ("longest-id", "connectionId", format!("dxcon-{}", "a".repeat(58))),
        ("gov-region", "region", "us-gov-west-1".to_owned()),
        ("isob-region", "region", "us-isob-east-1".to_owned()),
        ("sovereign-region", "region", "eusc-de-east-1".to_owned()),
        ("shortest-name", "connectionName", "x".to_owned()),
        ("longest-name", "connectionName", "線".repeat(200)),
        ("spaced-name", "connectionName", "a  name: \"with\" \\ 'marks' \u{a0}ü 🛰".to_owned()),
        ("a-must", "encryptionMode", "must_encrypt".to_owned()),
    ];
    let world = without_operator().await;
    for (name, field, value) in good {
        let manifest = connection(name).id("dxcon-fg1234ab").spec(field, value.as_str());
        let accepted = apply(&world, manifest).await;
        assert_eq!(accepted, Ok(()), "{field} {value}");
        assert_eq!(world.get(name).await.0["spec"][field], value.as_str());
    }
}

#[tokio::test]
async fn what_cannot_be_changed_later_is_refused_with_a_way_out() {
    let id = "spec.connectionId cannot be changed: delete this resource (AWS is not touched)";
    let region = "spec.region cannot be changed, added or removed: delete this resource (AWS is not touched)";
    let changes = [
        ("id", good(), good().id("dxcon-other000"), id),
        ("region", good().region("eu-central-1"), good().region("us-west-2"), region),
        ("region-added", good(), good().region("eu-central-1"), region),
        ("region-removed", good().region("eu-central-1"), good(), region),
    ];
    let world = without_operator().await;
    for (name, before, after, advice) in changes {
        let (before, after) = (before.called(name), after.called(name));
        assert_eq!(apply(&world, before.clone()).await, Ok(()));
        let told = apply(&world, after).await.expect_err(name);
        assert!(told.contains(advice), "{name}: {told}");
        assert_eq!(apply(&world, before.name("a name")).await, Ok(()), "{name}: all else can be changed");
    }
}

#[tokio::test]
async fn a_resource_that_was_never_reconciled_does_not_read_as_healthy() {
    let world = without_operator().await;
    assert_eq!(apply(&world, good()).await, Ok(()));
    let line = world.get("line").await;
    assert_eq!(line.0["status"], serde_json::json!({ "observedGeneration": -1 }));
    let wait = ["wait", "--for=condition=Ready", "--timeout=0s", "--namespace", &world.namespace, "dxcon/line"];
    let in_vain = world.control_plane.kubectl(&wait, "").await;
    assert!(in_vain.stderr.contains("condition not met"), "{in_vain:?}");
}
