//! `--missing`: connections without a resource in the cluster.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection};

use crate::typed::{Printed, dxcon};
use crate::{manifests, run};

/// The tests share one API server, so each uses ids of its own.
async fn missing(world: &World, regions: &str) -> Printed {
    let typed = dxcon(["import", "--missing", "--region", regions, "--namespace", &world.namespace]);
    run(typed.aws(&world.aws.endpoint()).cluster(world.control_plane.kubeconfig())).await
}

#[tokio::test]
async fn only_connections_that_no_resource_is_about_are_written() {
    let world = World::builder().without_operator().build().await;
    let other = World::builder().without_operator().on(world.control_plane.clone()).build().await;
    for (id, name) in [("dxcon-only0001", "one"), ("dxcon-only0002", "two"), ("dxcon-only0003", "three")] {
        world.aws.add(REGION, Connection::new(id, name));
    }
    world.aws.add("eu-west-1", Connection::new("dxcon-only0001", "elsewhere"));
    // The first resource names no region. Its region is the default region, both here and for the operator.
    world.apply(connection("any").id("dxcon-only0001")).await;
    other.apply(connection("any").id("dxcon-only0002").region(REGION)).await;
    let printed = missing(&world, "eu-central-1,eu-west-1").await;
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let written = manifests(&printed.out);
    assert_eq!(written.keys().collect::<Vec<_>>(), ["elsewhere", "three"]);
    assert_eq!(written["three"]["metadata"]["namespace"], *world.namespace);
    assert_eq!(printed.err, "left out: 2 that the cluster has a resource for\n");
}

#[tokio::test]
async fn a_new_name_is_none_that_a_resource_of_the_namespace_has() {
    let world = World::builder().without_operator().build().await;
    let other = World::builder().without_operator().on(world.control_plane.clone()).build().await;
    world.aws.add(REGION, Connection::new("dxcon-taken001", "fra"));
    world.aws.add(REGION, Connection::new("dxcon-taken002", "zrh"));
    world.apply(connection("fra").id("dxcon-taken009").region("eu-west-1")).await;
    other.apply(connection("zrh").id("dxcon-taken008").region("eu-west-1")).await;
    let printed = missing(&world, REGION).await;
    assert_eq!(manifests(&printed.out).into_keys().collect::<Vec<_>>(), ["fra-taken001", "zrh"]);
    world.control_plane.kubectl(&["apply", "-f", "-"], &printed.out).await.text();
    let printed = missing(&world, REGION).await;
    assert_eq!((printed.code, printed.out.as_str()), (Some(0), ""));
    assert_eq!(printed.err, "nothing to write\nleft out: 2 that the cluster has a resource for\n");
}

#[tokio::test]
async fn a_name_is_that_of_a_whole_import_though_the_other_has_a_resource() {
    let world = World::builder().without_operator().build().await;
    world.aws.add(REGION, Connection::new("dxcon-whole001", "fra"));
    world.aws.add(REGION, Connection::new("dxcon-whole002", "fra"));
    world.apply(connection("called-otherwise").id("dxcon-whole001").region(REGION)).await;
    let printed = missing(&world, REGION).await;
    assert_eq!(manifests(&printed.out).into_keys().collect::<Vec<_>>(), ["fra-whole002"]);
}

#[tokio::test]
async fn without_a_cluster_it_is_one_line_and_aws_is_not_read() {
    let aws = direct_connect_simulator::Simulator::start().await;
    let printed = run(dxcon(["import", "--missing"]).aws(&aws.endpoint())).await;
    assert_eq!((printed.code, printed.out.as_str()), (Some(1), ""));
    assert_eq!(printed.err.lines().count(), 1, "{}", printed.err);
    assert!(printed.err.contains("cluster"), "{}", printed.err);
    assert_eq!(aws.calls(), []);
}
