//! Two operators that watch the same namespace, each with a Lease of its own: they overwrite each other's status.

use direct_connect_simulator::Connection;
use test_support::{REGION, World, connection, shipped_rbac, wait};

const ID: &str = "dxcon-aaaaaaaa";

#[tokio::test]
async fn two_operators_of_one_namespace_write_ever_more_rarely_and_say_that_there_are_two() {
    let world = World::new().await;
    world.aws.add(REGION, Connection::new(ID, "old"));
    world.apply(connection("line").id(ID).name("old")).await;
    world.ready("line").await;
    let elsewhere = world.control_plane.namespace().await;
    let kubeconfig = world.control_plane.service_account_kubeconfig(&elsewhere, &shipped_rbac()).await;
    let other = world.settings.clone().env("KUBECONFIG", kubeconfig.to_string_lossy());
    let other = other.flag("--lease-namespace", &elsewhere).start();
    wait::until(wait::SOON, "the other to lead", async || {
        other.metric("directconnect_operator_leader").await == Some(1.0)
    })
    .await;
    let written = async || {
        let series = "directconnect_operator_status_writes_total";
        let of = [world.operator().metric(series).await, other.metric(series).await];
        of.map(|count| count.expect("it is counted")).iter().sum::<f64>()
    };
    world.polls(4).await;
    let before = written().await;
    let began = std::time::Instant::now();
    world.apply(connection("line").id(ID).name("new")).await;
    world.polls(100).await;
    let writes = written().await - before;
    let seconds = began.elapsed().as_secs_f64();
    // Pauses double, so in twice the time each writes once more.
    assert!(writes < 8.5 + 2.0 * seconds.log2(), "{writes} writes in {seconds:.0} s");
    let told = "another writer keeps overwriting the status";
    wait::until(wait::SOON, "one of them to say so", async || {
        let logs = [world.operator().logs(), other.logs()].concat();
        logs.into_iter().find(|line| line.contains(told) && line.contains("second operator"))
    })
    .await;
}
