//! Many resources in many regions, of which one hangs and one throttles. `LOAD_RESOURCES` chooses how many.

use direct_connect_simulator::{Connection, Fault, FaultKind};
use futures::{StreamExt, stream};
use std::time::Duration;
use test_support::{World, connection, wait};
use tokio::time::Instant;

const REGIONS: [&str; 20] = [
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ap-east-1",
    "ap-south-1",
    "ap-south-2",
    "ca-central-1",
    "sa-east-1",
    "me-south-1",
    "af-south-1",
    "il-central-1",
];
const HANGS: &str = REGIONS[0];
const THROTTLES: &str = REGIONS[1];
/// Of a debug build, which takes more than a released one.
const MEMORY_LIMIT: u64 = 250 * 1024 * 1024;

fn line(number: usize) -> (String, String, &'static str) {
    (format!("line-{number}"), format!("dxcon-{number:08}"), REGIONS[number % REGIONS.len()])
}

async fn wish(world: &World, numbers: impl Iterator<Item = usize>, name: &str) {
    stream::iter(numbers)
        .for_each_concurrent(8, |number| async move {
            let (resource, id, region) = line(number);
            world.apply(connection(&resource).id(&id).region(region).name(name)).await;
        })
        .await;
}

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has a resident set");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[tokio::test]
async fn one_region_that_hangs_and_one_that_throttles_slow_no_other_of_twenty() {
    let count = std::env::var("LOAD_RESOURCES").ok().and_then(|count| count.parse().ok()).unwrap_or(600);
    let mut world = World::builder().without_operator().flag("--poll-interval", "2s").build().await;
    for number in 0..count {
        let (_, id, region) = line(number);
        world.aws.add(region, Connection::new(&id, "as it is"));
    }
    wish(&world, 0..count, "as it is").await;
    world.start_operator();
    let writes = async |world: &World| world.operator().metric("directconnect_operator_status_writes_total").await;
    wait::until(Duration::from_mins(5), "a status for each resource", async || {
        let written = writes(&world).await;
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        if written == Some(count as f64) { Ok(()) } else { Err(format!("{written:?}")) }
    })
    .await;

    // A process that starts anew lists and polls everything, and finds nothing to write.
    world.start_operator();
    wait::until(Duration::from_mins(2), "all regions to be read", async || {
        let read = world.operator().logs().iter().filter(|line| line.contains("AWS was read")).count();
        if read == REGIONS.len() { Ok(()) } else { Err(read.to_string()) }
    })
    .await;
    world.polls(REGIONS.len()).await;
    assert_eq!(writes(&world).await.unwrap_or_default().to_bits(), 0.0_f64.to_bits(), "a list leads to no writes");

    world.aws.inject(Fault::new(FaultKind::Hang { effect: false }).in_region(HANGS));
    world.aws.inject(Fault::new(FaultKind::Throttling).in_region(THROTTLES));
    let in_trouble = |number: &usize| [HANGS, THROTTLES].contains(&line(*number).2);
    wish(&world, (0..count).filter(in_trouble), "never").await;
    let began = Instant::now();
    wish(&world, 2..REGIONS.len(), "at once").await;
    wait::until(wait::SOON, "the other regions to be served", async || {
        let served = (2..REGIONS.len()).filter(|number| {
            let (_, id, region) = line(*number);
            let name = world.aws.connection(region, &id).and_then(|line| line.connection_name);
            name.as_deref() == Some("at once")
        });
        let served = served.count();
        if served == REGIONS.len() - 2 { Ok(()) } else { Err(served.to_string()) }
    })
    .await;
    let took = began.elapsed();
    println!("{count} resources: the other regions were served in {took:?}");
    // One or two seconds; with places for all regions in common it is 25.
    assert!(took < Duration::from_secs(15), "the other regions were served in {took:?}");
    let memory = resident(world.operator().id());
    println!("{count} resources: {memory} bytes resident");
    assert!(memory < MEMORY_LIMIT, "{memory} bytes");
}
