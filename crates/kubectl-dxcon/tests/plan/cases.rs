//! Every verdict that a plan can predict, compared with what the operator does.

use std::collections::BTreeSet;

use direct_connect_simulator::{Connection, Fault, FaultKind};
use serde_json::{Value, json};
use test_support::{Manifest, REGION, World, connection, repository};

use crate::said::{Case, by_name, holds, planned, text, updates};

/// Cases of `tests/golden` that a plan cannot predict, and why.
const UNFORESEEN: [(&str, &str); 14] = [
    ("access_denied", "a region that was read and is refused later"),
    ("access_denied_unread", "typed in `wrong`: AWS refuses the plan itself"),
    ("aws_unavailable", "AWS fails later"),
    ("contended", "somebody else writes"),
    ("credentials_invalid", "the plan has no credentials then either"),
    ("encryption_not_up", "a plan takes MACsec to come up where there is a key"),
    ("invalid_spec", "the API server refuses it"),
    ("request_rejected", "only AWS knows before"),
    ("settling", "passes by itself"),
    ("stale_reconciling", "AWS fails later"),
    ("stale_stalled", "AWS fails later"),
    ("throttled", "passes by itself"),
    ("updating", "passes by itself"),
    ("waiting_for_soak", "passes by itself"),
];

fn id(case: usize) -> String {
    format!("dxcon-case{case:04}")
}

/// Each case has its own account, so that none waits for another's turn.
fn cases() -> Vec<Case> {
    type Line = fn(Connection) -> Connection;
    type Wish = fn(Manifest) -> Manifest;
    let table: [(&'static str, Option<Line>, Wish); 17] = [
        ("in_sync", Some(|line| line), |manifest| manifest.name("line").mode("should_encrypt")),
        ("rename", Some(|line| line), |manifest| manifest.name("new")),
        ("to_clear_text", Some(|line| line.with_key("01")), |manifest| manifest.mode("no_encrypt")),
        ("whole_ladder", Some(|line| line.with_mode("no_encrypt").with_key("01")), |manifest| {
            manifest.name("new").mode("must_encrypt")
        }),
        ("in_sync_encryption_down", Some(|line| line.with_mode("must_encrypt").in_state("down")), |manifest| {
            manifest.mode("must_encrypt")
        }),
        ("immediate", Some(|line| line.with_key("01")), |manifest| {
            manifest.mode("must_encrypt").transition("Immediate")
        }),
        ("no_macsec_key", Some(|line| line.with_mode("no_encrypt")), |manifest| {
            manifest.name("new").mode("must_encrypt")
        }),
        ("macsec_not_supported", Some(|line| line.hosted(101)), |manifest| manifest.name("new").mode("must_encrypt")),
        ("lag_member", Some(|line| line.in_lag("dxlag-ffabcdef")), |manifest| manifest.mode("must_encrypt")),
        ("connection_gone", Some(|line| line.in_state("deleted")), |manifest| manifest.name("new")),
        ("not_found", None, |manifest| manifest.name("new")),
        ("waiting_for_available", Some(|line| line.in_state("pending").with_mode("no_encrypt")), |manifest| {
            manifest.name("new").mode("should_encrypt")
        }),
        ("unknown_mode", Some(|line| line.with_mode("may_encrypt")), |manifest| {
            manifest.name("new").mode("must_encrypt")
        }),
        ("observed", Some(|line| line), |manifest| manifest.name("line").policy("Observe")),
        ("drifted", Some(|line| line), |manifest| manifest.name("new").mode("must_encrypt").policy("Observe")),
        ("paused", Some(|line| line), |manifest| manifest.name("new").annotation("paused", "true")),
        ("in_sync_paused", Some(|line| line), |manifest| manifest.name("line").annotation("paused", "true")),
    ];
    let numbered = table.into_iter().enumerate();
    numbered
        .map(|(case, (name, line, manifest))| {
            let (id, account) = (id(case), format!("{:012}", case + 1));
            let connection_of = |line: Line| line(Connection::new(&id, "line").owned_by(&account));
            let manifest = manifest(connection(&format!("case-{case:02}")).id(&id));
            Case { name, connection: line.map(connection_of), manifests: vec![manifest] }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_for_a_connection_is_what_the_operator_says_and_sends() {
    let mut world = World::builder().without_operator().build().await;
    holds(&mut world, &cases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_manifests_of_one_connection_are_told_as_the_operator_tells_them() {
    let mut world = World::builder().without_operator().build().await;
    let id = id(0);
    let manifests = ["elder", "younger"].map(|name| connection(name).id(&id).name(name)).to_vec();
    let case = Case { name: "conflict", connection: Some(Connection::new(&id, "line")), manifests };
    holds(&mut world, &[case]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_a_turn_that_no_one_gives_back_is_planned_so() {
    let mut world = World::builder().without_operator().build().await;
    let line = |case: usize, line: fn(Connection) -> Connection, manifest: fn(Manifest) -> Manifest| Case {
        name: "waiting_for_turn",
        connection: Some(line(Connection::new(&id(case), "line"))),
        manifests: vec![manifest(connection(&format!("case-{case}")).id(&id(case)).mode("must_encrypt"))],
    };
    let down = line(0, |line| line.with_mode("must_encrypt").in_state("down"), |manifest| manifest);
    let ready = line(1, |line| line.with_key("01"), |manifest| manifest);
    holds(&mut world, &[down, ready]).await;
}

/// Their keys are there, so the routers at their far ends bring MACsec up, and this one goes without another commit.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_lines_that_aws_has_at_must_encrypt_goes_once_macsec_is_up_there() {
    let mut world = World::builder().without_operator().build().await;
    let held = [0, 1];
    for case in held {
        let line = Connection::new(&id(case), "line").with_key("01").with_mode("must_encrypt").with_encryption_down();
        world.aws.add(REGION, line);
    }
    world.aws.add(REGION, Connection::new(&id(2), "line").with_key("01"));
    let manifests = [0, 1, 2].map(|case| connection(&format!("case-{case}")).id(&id(case)).mode("must_encrypt"));
    let (printed, plan) = planned(&world, &text(&manifests), &[]);
    let entry = &by_name(&plan)["case-2"];
    assert_eq!((printed.code, &entry["outcome"]), (Some(2), &json!("met")), "{plan:#}");
    let steps = entry["steps"].as_array().expect("there are steps");
    assert!(steps.iter().any(|step| step["reason"] == "WaitingForTurn" && step["for"] == "turn"), "{plan:#}");
    let last = steps.last().expect("there are steps");
    assert_eq!(last["encryptionMode"]["to"], "must_encrypt", "{plan:#}");
    assert!(last["canCut"].is_string(), "what comes later can cut a line too: {plan:#}");
    for manifest in &manifests {
        world.apply(manifest.clone()).await;
    }
    world.start_operator();
    world.condition("case-2", "Ready", "False", "WaitingForTurn").await;
    for case in held {
        world.aws.edit(REGION, &id(case), |line| line.port_encryption_status = Some("Encryption Up".to_owned()));
    }
    world.ready("case-2").await;
    let sent: Vec<Value> = world.updates().into_iter().map(|call| call.parameters).collect();
    assert_eq!(sent, updates(&plan, &id(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_cannot_be_read_keeps_the_lines_of_others_from_going_no_longer_than_the_operator_lets_it() {
    let mut world = World::builder().without_operator().build().await;
    world.aws.inject(Fault::new(FaultKind::AccessDenied).on("DescribeConnections").in_region("eu-west-1"));
    let line = |case: usize| connection(&format!("case-{case}")).id(&id(case)).mode("must_encrypt");
    let unread = Case { name: "unread", connection: None, manifests: vec![line(0).region("eu-west-1")] };
    let ready = Connection::new(&id(1), "line").with_key("01");
    let ready = Case { name: "ready", connection: Some(ready), manifests: vec![line(1)] };
    holds(&mut world, &[unread, ready]).await;
    assert_eq!(world.updates().len(), 1, "the line that can be read has gone");
}

#[test]
fn every_golden_case_is_planned_or_it_is_said_why_not() {
    let files = std::fs::read_dir(repository("tests/golden/status")).expect("they are there");
    let stem =
        |file: std::fs::DirEntry| file.path().file_stem().expect("a file has a name").to_string_lossy().into_owned();
    let golden: BTreeSet<String> = files.map(|file| stem(file.expect("it is listed"))).collect();
    let elsewhere = ["conflict", "waiting_for_turn", "waiting_for_encryption_up"];
    let planned = cases().into_iter().map(|case| case.name).chain(elsewhere);
    let told: BTreeSet<String> = planned.chain(UNFORESEEN.map(|(name, _)| name)).map(str::to_owned).collect();
    let missing: Vec<_> = golden.difference(&told).collect();
    assert!(missing.is_empty(), "neither planned nor said why not: {missing:?}");
}
