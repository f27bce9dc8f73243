//! Many resources in many regions, one of which hangs and one of which throttles. `LOAD_RESOURCES` sets the number.

use direct_connect_simulator::{Call, Connection, Fault, FaultKind};
use futures::{StreamExt, stream};
use std::time::Duration;
use test_support::{World, connection, number, wait};
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
/// The default of `--concurrency`, which is less than the number of regions.
const CONCURRENCY: usize = 16;
/// This many resources of each region are changed at once.
const EACH: usize = 5;
/// The memory of an idle process, and of each resource; for a debug build, which needs more than a release build.
const MEMORY_OF_NOTHING: u64 = 60 * 1024 * 1024;
const MEMORY_OF_EACH: u64 = 16 * 1024;

fn resource_of(number: usize) -> (String, String, &'static str) {
    (format!("line-{number}"), format!("dxcon-{number:08}"), REGIONS[number % REGIONS.len()])
}

async fn apply_name(world: &World, numbers: impl Iterator<Item = usize>, name: &str) {
    stream::iter(numbers)
        .for_each_concurrent(8, |number| async move {
            let (resource, id, region) = resource_of(number);
            world.apply(connection(&resource).id(&id).region(region).name(name)).await;
        })
        .await;
}

/// Gives all resources this name, and returns how long it took until AWS had it everywhere.
async fn serve(world: &World, numbers: &[usize], name: &str) -> Duration {
    let began = Instant::now();
    apply_name(world, numbers.iter().copied(), name).await;
    wait::until(Duration::from_mins(2), format!("{} connections to be named {name:?}", numbers.len()), async || {
        let served = numbers.iter().filter(|number| {
            let (_, id, region) = resource_of(**number);
            world.aws.connection(region, &id).and_then(|line| line.connection_name).as_deref() == Some(name)
        });
        let served = served.count();
        if served == numbers.len() { Ok(()) } else { Err(served.to_string()) }
    })
    .await;
    began.elapsed()
}

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has a resident set");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// The largest number of these calls that were in flight at the same time.
fn most_at_once<'a>(calls: impl Iterator<Item = &'a Call>) -> usize {
    let ends = |call: &Call| call.finished.as_ref().map_or(f64::INFINITY, |moment| moment.millis);
    let mut steps: Vec<(f64, i32)> = calls.flat_map(|call| [(call.time.millis, 1), (ends(call), -1)]).collect();
    // A call that ends at the moment when another begins is not in flight with it.
    steps.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let (mut now, mut most) = (0, 0);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    usize::try_from(most).expect("none ends before it begins")
}

/// Passes make the calls for single connections, one at a time each. The poller of a region makes the others, one at a
/// time.
fn is_bounded(calls: &[Call]) {
    let (of_passes, of_polls): (Vec<&Call>, Vec<&Call>) =
        calls.iter().partition(|call| call.parameter("connectionId").is_some());
    let most = most_at_once(of_passes.iter().copied());
    println!("{most} calls of passes at once at the most");
    assert!(most <= CONCURRENCY, "{most} passes called AWS at once");
    assert!(most > CONCURRENCY / 2, "they were to meet: {most}");
    for region in REGIONS {
        let within = |call: &&&Call| call.region == region;
        let passes = most_at_once(of_passes.iter().filter(within).copied());
        let polls = most_at_once(of_polls.iter().filter(within).copied());
        assert!(passes <= 1 && polls <= 1, "{region}: {passes} calls of passes at once, {polls} of polls");
    }
}

#[tokio::test]
async fn one_region_that_hangs_and_one_that_throttles_slow_no_other_of_twenty() {
    let count = number("LOAD_RESOURCES", 600);
    let mut world = World::builder().without_operator().flag("--poll-interval", "2s").build().await;
    for number in 0..count {
        let (_, id, region) = resource_of(number);
        world.aws.add(region, Connection::new(&id, "as it is"));
    }
    apply_name(&world, 0..count, "as it is").await;
    world.start_operator();
    let writes = async |world: &World| world.operator().metric("directconnect_operator_status_writes_total").await;
    let began = Instant::now();
    wait::until(Duration::from_mins(5), "a status for each resource", async || {
        let written = writes(&world).await;
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        if written == Some(count as f64) { Ok(()) } else { Err(format!("{written:?}")) }
    })
    .await;

    println!("{count} resources: each had its status after {:?}", began.elapsed());

    // A new process lists and polls everything and finds nothing to write.
    world.start_operator();
    wait::until(Duration::from_mins(2), "all regions to be read", async || {
        let read = world.operator().logs().iter().filter(|line| line.contains("AWS was read")).count();
        if read == REGIONS.len() { Ok(()) } else { Err(read.to_string()) }
    })
    .await;
    world.polls(REGIONS.len()).await;
    assert_eq!(writes(&world).await.unwrap_or_default().to_bits(), 0.0_f64.to_bits(), "a list leads to no writes");

    let in_trouble = |number: &usize| [HANGS, THROTTLES].contains(&resource_of(*number).2);
    let elsewhere: Vec<usize> = (0..EACH * REGIONS.len()).filter(|number| !in_trouble(number)).collect();
    // Slow enough for calls to overlap, so that their concurrency can be measured.
    world.aws.configure(|settings| settings.latency = Duration::from_millis(200));
    let calm = serve(&world, &elsewhere, "in calm").await;
    world.aws.inject(Fault::new(FaultKind::Hang { effect: false }).in_region(HANGS));
    world.aws.inject(Fault::new(FaultKind::Throttling).in_region(THROTTLES));
    apply_name(&world, (0..count).filter(in_trouble), "never").await;
    world.aws.clear_calls();
    // Other load on the machine may slow one round down and not the other, but hardly three times in a row.
    let mut troubled = Vec::new();
    while troubled.len() < 3 && troubled.iter().all(|&took| took >= 2 * calm) {
        troubled.push(serve(&world, &elsewhere, &format!("in trouble, round {}", troubled.len())).await);
    }
    println!(
        "{count} resources: {} in the other regions were served in {calm:?}, with trouble in {troubled:?}",
        elsewhere.len()
    );
    // With common slots for all regions, it would take about three times as long.
    assert!(troubled.iter().any(|&took| took < 2 * calm), "in {calm:?} without trouble, and with it in {troubled:?}");
    is_bounded(&world.aws.calls());
    let memory = resident(world.operator().id());
    let limit = MEMORY_OF_NOTHING + MEMORY_OF_EACH * u64::try_from(count).expect("some thousands");
    println!("{count} resources: {memory} bytes resident, of {limit}");
    assert!(memory < limit, "{memory} bytes, of {limit}");
}
