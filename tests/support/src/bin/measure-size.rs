//! Measures the size of the operator: the size of its binary, and the memory of its process when idle and with a
//! hundred resources; and the size of kubectl-dxcon, which is next to it. Fails if a limit is exceeded.
//!
//! `OPERATOR_BINARY` names the binary, which should be a release build; see `make size`.

use direct_connect_simulator::Connection;
use std::process::ExitCode;
use test_support::{REGION, World, connection, operator_binary, wait};

const MIB: u64 = 1024 * 1024;
const BINARY_LIMIT: u64 = 10 * MIB;
const DXCON_LIMIT: u64 = 15 * MIB;
const IDLE_LIMIT: u64 = 15 * MIB;
const RESOURCES: usize = 100;

/// After this many polls, memory that was needed only once has been released.
const POLLS: usize = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let binary = std::fs::metadata(operator_binary()).expect("the binary is a file").len();
    let dxcon = operator_binary().with_file_name("kubectl-dxcon");
    let dxcon = std::fs::metadata(dxcon).expect("kubectl-dxcon is built beside it").len();
    let world = World::builder().env("RUST_LOG", "info").build().await;
    wait::until(wait::SOON, "the operator to be ready", async || world.http_get("/readyz").await.status == 200).await;
    for _ in 0..POLLS {
        world.http_get("/metrics").await;
    }
    let idle = resident(world.operator().id());

    for number in 0..RESOURCES {
        let id = format!("dxcon-{number:08}");
        world.aws.add(REGION, Connection::new(&id, "as it should be"));
        world.apply(connection(&format!("line-{number}")).id(&id).name("as it should be")).await;
    }
    for number in 0..RESOURCES {
        world.ready(&format!("line-{number}")).await;
    }
    world.polls(POLLS).await;
    let busy = resident(world.operator().id());

    println!("binary                          {binary:>9} bytes, limit {BINARY_LIMIT}");
    println!("binary of kubectl-dxcon         {dxcon:>9} bytes, limit {DXCON_LIMIT}");
    println!("resident with nothing to do     {idle:>9} bytes, limit {IDLE_LIMIT}");
    println!("resident with {RESOURCES} resources     {busy:>9} bytes");
    if binary > BINARY_LIMIT || dxcon > DXCON_LIMIT || idle > IDLE_LIMIT {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The resident set size of a process, in bytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the operator runs, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has a resident set");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number of kB");
    kib * 1024
}
