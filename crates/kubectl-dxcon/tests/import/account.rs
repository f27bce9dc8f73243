//! Which connections of an account are written, and how.

use direct_connect_simulator::{Connection, Fault, FaultKind, Simulator};
use test_support::REGION;

use crate::typed::dxcon;
use crate::{files, manifests, run, text};

#[tokio::test]
async fn each_connection_is_a_document_by_region_and_id() {
    let aws = Simulator::start().await;
    aws.add("eu-west-1", Connection::new("dxcon-aaaaaaaa", "dublin"));
    aws.add(REGION, Connection::new("dxcon-cccccccc", "zeta"));
    aws.add(REGION, Connection::new("dxcon-bbbbbbbb", "Frankfurt A").with_mode("must_encrypt"));
    let printed = run(dxcon(["import", "--region", "eu-west-1,eu-central-1", "-n", "net"]).aws(&aws.endpoint())).await;
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    let documents: Vec<&str> = printed.out.split("---\n").collect();
    assert_eq!(documents.len(), 3);
    assert_eq!(
        documents[0],
        "apiVersion: directconnect-operator.dev/v1alpha1
kind: DirectConnectConnection
metadata:
  name: frankfurt-a
  namespace: net
spec:
  connectionId: dxcon-bbbbbbbb
  region: eu-central-1
  connectionName: Frankfurt A
  encryptionMode: must_encrypt
  managementPolicy: Observe
"
    );
    assert!(documents[1].contains("name: zeta") && documents[2].contains("region: eu-west-1"), "{}", printed.out);
}

#[tokio::test]
async fn the_region_is_that_of_the_configuration_where_none_is_named() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "here"));
    aws.add("eu-west-1", Connection::new("dxcon-bbbbbbbb", "there"));
    let printed = run(dxcon(["import"]).aws(&aws.endpoint())).await;
    assert_eq!(manifests(&printed.out).into_keys().collect::<Vec<_>>(), ["here"]);
    let printed = run(dxcon(["import"]).aws(&aws.endpoint()).env("AWS_REGION", "eu-west-1")).await;
    assert_eq!(manifests(&printed.out).into_keys().collect::<Vec<_>>(), ["there"]);
    for (arguments, words) in [(&["import"][..], "no region"), (&["import", "--all-regions"][..], "none is")] {
        let printed = run(dxcon(arguments.iter().copied()).aws(&aws.endpoint()).env("AWS_REGION", "")).await;
        assert_eq!((printed.code, printed.out.as_str()), (Some(1), ""));
        assert_eq!(printed.err.lines().count(), 1, "{}", printed.err);
        for words in [words, "--region", "AWS_REGION"] {
            assert!(printed.err.contains(words), "{}", printed.err);
        }
    }
}

#[tokio::test]
async fn all_regions_of_the_partition_are_read_and_no_other() {
    let aws = Simulator::start().await;
    for (region, id) in
        [("eu-central-1", "dxcon-aaaaaaaa"), ("sa-east-1", "dxcon-bbbbbbbb"), ("us-gov-west-1", "dxcon-cccccccc")]
    {
        aws.add(region, Connection::new(id, region));
    }
    for (configured, expected) in
        [("us-east-1", &["eu-central-1", "sa-east-1"][..]), ("us-gov-east-1", &["us-gov-west-1"][..])]
    {
        let typed = dxcon(["import", "--all-regions"]).aws(&aws.endpoint()).env("AWS_REGION", configured);
        let printed = run(typed).await;
        assert_eq!(printed.code, Some(0), "{}", printed.err);
        assert_eq!(manifests(&printed.out).into_keys().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn what_has_ended_is_left_out_and_an_unknown_state_stays() {
    let aws = Simulator::start().await;
    let states = ["deleting", "deleted", "rejected", "available", "down", "ordering", "unknown", "frozen"];
    for (number, state) in states.into_iter().enumerate() {
        aws.add(REGION, Connection::new(&format!("dxcon-aaaaaaa{number}"), state).in_state(state));
    }
    let printed = run(dxcon(["import"]).aws(&aws.endpoint())).await;
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    assert_eq!(
        manifests(&printed.out).into_keys().collect::<Vec<_>>(),
        ["available", "down", "frozen", "ordering", "unknown"]
    );
    assert!(printed.out.contains("# AWS shows the state \"frozen\""), "{}", printed.out);
    assert_eq!(printed.err, "left out: 1 deleted, 1 deleting, 1 rejected\n");
}

#[tokio::test]
async fn a_mode_that_nobody_can_manage_is_told_and_left_out_where_it_is_to_be_managed() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "hosted").hosted(101));
    aws.add(REGION, Connection::new("dxcon-bbbbbbbb", "member").in_lag("dxlag-aaaaaaaa"));
    aws.add(REGION, Connection::new("dxcon-cccccccc", "old").not_capable());
    aws.add(REGION, Connection::new("dxcon-dddddddd", "dedicated"));
    let observed = run(dxcon(["import"]).aws(&aws.endpoint())).await;
    let managed = run(dxcon(["import", "--manage", "name,mode"]).aws(&aws.endpoint())).await;
    for words in ["# hosted connection (vlan 101)", "# member of the LAG \"dxlag-aaaaaaaa\"", "# port without MACsec"] {
        assert!(observed.out.contains(words) && managed.out.contains(words), "{words}: {}", managed.out);
    }
    let (observed, managed) = (manifests(&observed.out), manifests(&managed.out));
    assert_eq!(observed["member"]["spec"]["encryptionMode"], "should_encrypt");
    for name in ["hosted", "member", "old"] {
        assert_eq!(managed[name]["spec"].get("encryptionMode"), None);
        assert_eq!(managed[name]["spec"]["connectionName"], name);
        assert_eq!(managed[name]["spec"]["managementPolicy"], "Manage");
    }
    assert_eq!(managed["dedicated"]["spec"]["encryptionMode"], "should_encrypt");
}

#[tokio::test]
async fn what_is_written_differs_in_nothing_from_what_aws_has() {
    let aws = Simulator::start().await;
    for (number, mode) in ["no_encrypt", "should_encrypt", "must_encrypt"].into_iter().enumerate() {
        let line = |kind: &str| Connection::new(&format!("dxcon-{kind}00000{number}"), &format!("{kind} {mode}"));
        aws.add(REGION, line("aa").hosted(102).with_mode(mode));
        aws.add(REGION, line("bb").not_capable().with_mode(mode));
        aws.add(REGION, line("cc").in_lag("dxlag-aaaaaaaa").with_mode(mode));
        aws.add(REGION, Connection { mac_sec_capable: None, ..line("dd").with_mode(mode) });
    }
    let written = run(dxcon(["import"]).aws(&aws.endpoint())).await;
    assert_eq!(written.code, Some(0), "{}", written.err);
    let endpoint = aws.endpoint();
    let plan = move || dxcon(["plan"]).aws(&endpoint).with_input(&written.out);
    let planned = tokio::task::spawn_blocking(plan).await.expect("no panic");
    assert!(planned.out.starts_with("12 manifests: 12 as they should be\n"), "{}", planned.out);
    assert_eq!(planned.code, Some(0));
}

/// `CloudTrail` shows it, so that whoever looks for calls beside those of the operator finds these.
#[tokio::test]
async fn its_calls_carry_its_own_name_and_not_that_of_the_operator() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "line"));
    let home = tempfile::tempdir().expect("a folder can be made");
    let credentials = home.path().join("credentials");
    let profile = "[net]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI\n";
    std::fs::write(&credentials, profile).expect("it is written");
    for arguments in [&["import"][..], &["import", "--profile", "net"]] {
        aws.clear_calls();
        let typed = dxcon(arguments.iter().copied()).aws(&aws.endpoint());
        let printed = run(typed.env("AWS_SHARED_CREDENTIALS_FILE", text(&credentials))).await;
        assert!(!aws.calls().is_empty(), "{printed:?}");
        for call in aws.calls() {
            let agent = call.user_agent.unwrap_or_default();
            assert!(agent.split(' ').any(|part| part == "app/kubectl-dxcon"), "{arguments:?}: {agent}");
        }
    }
}

#[tokio::test]
async fn a_region_that_is_refused_is_told_and_the_rest_is_written() {
    let aws = Simulator::start().await;
    aws.add(REGION, Connection::new("dxcon-aaaaaaaa", "frankfurt"));
    aws.inject(Fault::new(FaultKind::AccessDenied).on("DescribeConnections").in_region("eu-west-1"));
    let home = tempfile::tempdir().expect("a folder can be made");
    let folder = home.path().join("circuits");
    let both = ["import", "--region", "eu-west-1,eu-central-1"];
    let printed = run(dxcon(both).aws(&aws.endpoint())).await;
    assert_eq!(printed.code, Some(3));
    assert_eq!(manifests(&printed.out).into_keys().collect::<Vec<_>>(), ["frankfurt"]);
    assert_eq!(printed.err.lines().count(), 1, "{}", printed.err);
    assert!(printed.err.starts_with("eu-west-1 could not be read: "), "{}", printed.err);
    let printed = run(dxcon(both.into_iter().chain(["-o", text(&folder)])).aws(&aws.endpoint())).await;
    assert_eq!(printed.code, Some(3));
    assert_eq!(files(&folder).into_keys().collect::<Vec<_>>(), ["frankfurt.yaml", "kustomization.yaml"]);
    assert!(printed.err.contains("eu-west-1 could not be read: "), "{}", printed.err);
}

#[tokio::test]
async fn with_no_region_read_there_is_no_folder_and_no_output() {
    let aws = Simulator::start().await;
    aws.inject(Fault::new(FaultKind::AccessDenied).on("DescribeConnections"));
    let home = tempfile::tempdir().expect("a folder can be made");
    let folder = home.path().join("circuits");
    let typed = dxcon(["import", "--region", "eu-west-1,eu-central-1", "-o", text(&folder)]).aws(&aws.endpoint());
    let printed = run(typed).await;
    assert_eq!((printed.code, printed.out.as_str()), (Some(1), ""));
    assert_eq!(printed.err.lines().count(), 1, "{}", printed.err);
    for words in ["eu-central-1 could not be read: ", "1 others"] {
        assert!(printed.err.contains(words), "{}", printed.err);
    }
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_account_without_connections_makes_no_folder() {
    let aws = Simulator::start().await;
    let home = tempfile::tempdir().expect("a folder can be made");
    let folder = home.path().join("circuits");
    let printed = run(dxcon(["import", "-o", text(&folder)]).aws(&aws.endpoint())).await;
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), "nothing to write, so no folder was made\n"));
    assert!(!folder.exists());
}
