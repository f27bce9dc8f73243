//! A whole account with 250 connections in three regions is imported into a cluster.

use std::collections::{BTreeMap, BTreeSet};

use direct_connect_simulator::{Connection, Simulator};
use serde_json::Value;
use test_support::{World, wait};

use crate::typed::dxcon;
use crate::{files, manifests, run, text};

const REGIONS: &str = "eu-central-1,eu-west-1,us-east-1";
const COUNT: usize = 250;

/// Realistic names, and some that should not exist.
const NAMES: [&str; 24] = [
    "spare",
    "Spare",
    "",
    "no",
    "1e3",
    "017",
    "12:30:45",
    "2026-01-01",
    "yes",
    "null",
    "a: b #c",
    "- dash",
    "\"quoted\" 'twice' \\ and %",
    "Zürich – Straße",
    "東京 プライマリ",
    "Москва",
    "नमस्ते",
    "family 👨\u{200d}👩\u{200d}👧",
    "line\u{2028}separator",
    "no\u{a0}break and \u{feff}mark",
    "right \u{202e}to left",
    " blank ",
    "tab\there",
    "---",
];

fn connection(number: usize) -> (&'static str, Connection) {
    let region = ["eu-central-1", "eu-west-1", "us-east-1"][number % 3];
    let name = match NAMES.get(number / 2) {
        Some(name) => (*name).to_owned(),
        None if number.is_multiple_of(10) => "x".repeat(200),
        None => format!("{region} circuit {number}"),
    };
    let connection = Connection::new(&format!("dxcon-{number:08}"), &name);
    let connection = match number % 7 {
        0 => connection.hosted(101),
        1 => connection.in_lag("dxlag-aaaaaaaa"),
        2 => connection.not_capable(),
        3 => connection.in_state("down"),
        4 => connection.with_key(&"ab".repeat(32)).with_mode("must_encrypt"),
        _ => connection,
    };
    (region, connection)
}

fn add_fleet(aws: &Simulator) -> BTreeMap<String, Connection> {
    (0..COUNT)
        .map(|number| {
            let (region, connection) = connection(number);
            aws.add(region, connection.clone());
            (connection.connection_id.clone(), connection)
        })
        .collect()
}

#[tokio::test]
async fn a_whole_account_is_imported_twice_with_the_same_bytes() {
    let aws = Simulator::start().await;
    add_fleet(&aws);
    let home = tempfile::tempdir().expect("a folder can be made");
    let (first, second) = (home.path().join("first"), home.path().join("second"));
    let import = |order: &'static str| run(dxcon(["import", "--region", order]).aws(&aws.endpoint()));
    let printed = import(REGIONS).await;
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    assert_eq!(manifests(&printed.out).len(), COUNT);
    assert_eq!(import("us-east-1,eu-west-1,eu-central-1").await.out, printed.out);
    for folder in [&first, &second] {
        let typed = dxcon(["import", "--region", REGIONS, "-o", text(folder)]).aws(&aws.endpoint());
        let printed = run(typed).await;
        assert_eq!((printed.code, printed.out.as_str()), (Some(0), ""), "{}", printed.err);
        assert_eq!(
            printed.err,
            format!("250 manifests in {0}\nnext: kubectl apply -k {0}\n", folder.display()),
            "it says what to do next, without colours"
        );
    }
    assert_eq!(files(&first), files(&second));
    assert_eq!(files(&first).len(), COUNT + 1);
}

#[tokio::test]
async fn names_that_collide_each_have_their_id_and_are_those_of_yesterday_beside_a_new_one() {
    let aws = Simulator::start().await;
    for (region, id, name) in [
        ("eu-central-1", "dxcon-aaaaaaaa", "spare"),
        ("eu-west-1", "dxcon-bbbbbbbb", "Spare"),
        ("eu-west-1", "dxcon-cccccccc", "東京"),
        ("eu-west-1", "dxcon-dddddddd", ""),
    ] {
        aws.add(region, Connection::new(id, name));
    }
    let names = async || {
        let printed = run(dxcon(["import", "--region", REGIONS]).aws(&aws.endpoint())).await;
        manifests(&printed.out).into_keys().collect::<BTreeSet<_>>()
    };
    let yesterday = names().await;
    assert_eq!(Vec::from_iter(&yesterday), ["dongjing", "dxcon-dddddddd", "spare-aaaaaaaa", "spare-bbbbbbbb"]);
    aws.add("us-east-1", Connection::new("dxcon-00000000", "new"));
    assert_eq!(Vec::from_iter(&names().await - &yesterday), ["new"]);
}

#[tokio::test]
async fn a_cluster_takes_a_whole_account_and_the_operator_sends_nothing() {
    let mut world = World::builder().without_operator().build().await;
    let fleet = add_fleet(&world.aws);
    let home = tempfile::tempdir().expect("a folder can be made");
    let folder = home.path().join("circuits");
    let typed = dxcon(["import", "--region", REGIONS, "-o", text(&folder)]).aws(&world.aws.endpoint());
    let printed = run(typed).await;
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let apply = ["apply", "-n", &world.namespace, "-k", text(&folder)];
    let applied = world.control_plane.kubectl(&apply, "").await.text();
    assert_eq!(applied.lines().filter(|line| line.ends_with("created")).count(), COUNT);
    for (name, resource) in resources(&world).await {
        let spec = &resource["spec"];
        let connection = &fleet[spec["connectionId"].as_str().expect("it has an id")];
        match spec.get("connectionName") {
            Some(name) => assert_eq!(name, connection.name(), "{name}"),
            None => assert!(["", " blank ", "tab\there"].contains(&connection.name()), "{name}: {spec}"),
        }
        assert_eq!(spec.get("encryptionMode").and_then(Value::as_str), connection.encryption_mode.as_deref(), "{name}");
    }

    world.start_operator();
    wait::until(wait::SOON, "each to be observed", async || {
        let resources = resources(&world).await;
        let waiting: Vec<&String> =
            resources.iter().filter(|(_, resource)| !is_observed(resource)).map(|(name, _)| name).collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("{waiting:?}")) }
    })
    .await;
    let before = versions(&world).await;
    world.polls(9).await;
    assert_eq!(versions(&world).await, before, "what is seen again is not written again");
    assert_eq!(status_writes(&world).await, COUNT);
    assert_eq!(world.updates(), []);
}

#[tokio::test]
async fn managed_as_it_is_nothing_is_sent_either() {
    let mut world = World::builder().without_operator().build().await;
    add_fleet(&world.aws);
    let typed = dxcon(["import", "--region", REGIONS, "--manage", "name,mode", "-n", &world.namespace]);
    let printed = run(typed.aws(&world.aws.endpoint())).await;
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    world.control_plane.kubectl(&["apply", "--server-side", "-f", "-"], &printed.out).await.text();
    world.start_operator();
    wait::until(wait::SOON, "each to be in sync", async || {
        let resources = resources(&world).await;
        let waiting: Vec<&String> =
            resources.iter().filter(|(_, it)| reason(it) != Some("InSync")).map(|(name, _)| name).collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("{waiting:?}")) }
    })
    .await;
    world.polls(9).await;
    assert_eq!(world.updates(), []);
}

/// All resources of the namespace, by name.
async fn resources(world: &World) -> BTreeMap<String, Value> {
    let get = ["get", "directconnectconnections", "-n", &world.namespace, "-o", "json"];
    let listed = world.control_plane.kubectl(&get, "").await.text();
    let listed: Value = serde_json::from_str(&listed).expect("it is JSON");
    let items = listed["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().map(|item| (crate::name_of(&item), item)).collect()
}

async fn versions(world: &World) -> Vec<Value> {
    resources(world).await.into_values().map(|resource| resource["metadata"]["resourceVersion"].clone()).collect()
}

fn is_observed(resource: &Value) -> bool {
    reason(resource) == Some("Observed")
}

/// The reason of `Ready`.
fn reason(resource: &Value) -> Option<&str> {
    let conditions = resource["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == "Ready")?["reason"].as_str()
}

async fn status_writes(world: &World) -> usize {
    let metrics = world.http_get("/metrics").await.body;
    let written = metrics.lines().find_map(|line| line.strip_prefix("directconnect_operator_status_writes_total "));
    written.expect("it is counted").parse().expect("it is a number")
}
