//! Two replicas under random kills, stops and partitions, verified by what AWS and the API server saw.
//!
//! `SOAK_SECONDS` and `SOAK_SEED` set the duration and the random seed; `make soak` runs for longer.

use crate::replicas::{LEASE, Term, access_key, leases, replica_of, term_of};
use direct_connect_simulator::{Call, Connection};
use futures::StreamExt;
use jiff::Timestamp;
use kube::runtime::{WatchStreamExt, watcher};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use test_support::{
    Operator, REGION, Signal, Weather, Wire, World, api_server, connection, kubeconfig_via, number, wait,
};
use tokio::time::{Instant, sleep};

const CONNECTIONS: usize = 4;

/// One of the two replicas, with its current process.
struct Replica {
    slot: &'static str,
    starts: usize,
    operator: Operator,
    to_api_server: Wire,
    to_aws: Wire,
    heals_at: Option<Instant>,
}

impl Replica {
    async fn start(world: &World, slot: &'static str) -> Self {
        let to_api_server = Wire::to(api_server(&world.kubeconfig)).await;
        let aws = world.aws.endpoint();
        let to_aws = Wire::to(aws.trim_start_matches("http://").parse().expect("an address")).await;
        let operator = process(world, slot, 0, &to_api_server, &to_aws);
        Self { slot, starts: 1, operator, to_api_server, to_aws, heals_at: None }
    }

    /// Starts a process with a new name, like a new pod.
    fn restart(&mut self, world: &World) {
        self.operator = process(world, self.slot, self.starts, &self.to_api_server, &self.to_aws);
        self.starts += 1;
    }

    fn heal(&mut self) {
        self.heals_at = None;
        self.to_api_server.weather(Weather::Fair);
        self.to_aws.weather(Weather::Fair);
        if self.operator.exit().is_none() {
            self.operator.signal(Signal::CONT);
        }
    }

    async fn suffer(&mut self, world: &World, rng: &mut fastrand::Rng) {
        let mut longest = 0;
        match rng.u8(0..6) {
            0 => {
                self.operator.signal(Signal::KILL);
                self.operator.wait_exit(wait::SOON).await;
                self.restart(world);
            }
            1 => {
                self.operator.signal(Signal::TERM);
                self.operator.wait_exit(wait::SOON).await;
                self.restart(world);
            }
            2 => {
                self.operator.signal(Signal::STOP);
                longest = 20_000;
            }
            3 => {
                self.to_api_server.weather(Weather::Silent);
                longest = 20_000;
            }
            4 => {
                self.to_aws.weather(Weather::Silent);
                longest = 10_000;
            }
            _ => {
                self.to_aws.weather(Weather::Reset);
                self.to_api_server.weather(Weather::Reset);
                longest = 3_000;
            }
        }
        if longest > 0 {
            self.heals_at = Some(Instant::now() + Duration::from_millis(rng.u64(500..longest)));
        }
    }
}

fn process(world: &World, slot: &str, number: usize, to_api_server: &Wire, to_aws: &Wire) -> Operator {
    let name = format!("{slot}{number:03}x");
    let kubeconfig = kubeconfig_via(&world.kubeconfig, &format!("https://{}", to_api_server.address()), slot);
    replica_of(&world.settings, &name)
        .env("KUBECONFIG", kubeconfig.to_string_lossy())
        .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", format!("http://{}", to_aws.address()))
        .start()
}

fn id(line: usize) -> String {
    format!("dxcon-{line:08}")
}

#[tokio::test]
async fn two_replicas_never_act_at_once_whatever_happens_to_them() {
    let seed = number("SOAK_SEED", 1);
    let lasts = Duration::from_secs(number("SOAK_SECONDS", 60));
    println!("SOAK_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = World::builder().without_operator().build().await;
    world.aws.configure(|settings| settings.latency = Duration::from_millis(60));
    for line in 0..CONNECTIONS {
        world.aws.add(REGION, Connection::new(&id(line), "old"));
    }
    let terms = watch_terms(&world);
    let mut replicas = [Replica::start(&world, "a").await, Replica::start(&world, "b").await];
    let mut names = vec!["old".to_owned(); CONNECTIONS];
    let ends = Instant::now() + lasts;
    let mut suffers_at = Instant::now() + Duration::from_secs(3);
    for change in 0.. {
        if Instant::now() >= ends {
            break;
        }
        let line = rng.usize(0..CONNECTIONS);
        names[line] = format!("name {change}");
        world.apply(connection(&format!("line-{line}")).id(&id(line)).name(&names[line])).await;
        for replica in &mut replicas {
            if replica.heals_at.is_some_and(|at| Instant::now() >= at) {
                replica.heal();
            }
            // A process that ended by itself is started again, as by a kubelet.
            if replica.operator.exit().is_some() {
                replica.restart(&world);
            }
        }
        let well = rng.usize(0..2);
        if Instant::now() >= suffers_at && replicas[well].heals_at.is_none() {
            replicas[well].suffer(&world, &mut rng).await;
            suffers_at = Instant::now() + Duration::from_millis(rng.u64(500..6000));
        }
        // The pace of people who make changes, not a wait for a condition.
        sleep(Duration::from_millis(300)).await;
    }
    for replica in &mut replicas {
        replica.heal();
        if replica.operator.exit().is_some() {
            replica.restart(&world);
        }
    }
    for (line, wanted) in names.iter().enumerate().filter(|(_, wanted)| *wanted != "old") {
        wait::until(Duration::from_secs(90), format!("line {line} to be as wished"), async || {
            let name = world.aws.connection(REGION, &id(line)).and_then(|line| line.connection_name);
            if name.as_ref() == Some(wanted) { Ok(()) } else { Err(format!("{name:?}, not {wanted}")) }
        })
        .await;
    }
    judge(&world.updates(), &terms.lock().expect("nobody panicked"));
}

/// Records who led when, as the API server saw it.
fn watch_terms(world: &World) -> Arc<Mutex<Vec<Term>>> {
    let terms = Arc::<Mutex<Vec<Term>>>::default();
    let (noted, leases) = (Arc::clone(&terms), leases(world));
    tokio::spawn(async move {
        let mut changes = watcher(leases, watcher::Config::default()).applied_objects().boxed();
        while let Some(change) = changes.next().await {
            if let Some(term) = change.ok().and_then(term_of) {
                noted.lock().expect("nobody panicked").push(term);
            }
        }
    });
    terms
}

fn judge(updates: &[Call], terms: &[Term]) {
    assert!(!updates.is_empty() && !terms.is_empty());
    for (place, call) in updates.iter().enumerate() {
        let others = updates.iter().skip(place + 1).filter(|other| other.access_key_id != call.access_key_id);
        for other in others {
            assert!(!call.overlaps(other), "two processes acted at once:\n{call:?}\n{other:?}");
        }
        let came: Timestamp = call.time.wall.parse().expect("a time");
        let term = terms.iter().filter(|term| term.renewed <= came).max_by_key(|term| term.renewed);
        let term = term.unwrap_or_else(|| panic!("nobody led at {came}: {call:?}"));
        assert_eq!(access_key(&term.holder), call.access_key_id, "{call:?} while {term:?}");
        let age = Duration::try_from(came.duration_since(term.renewed)).expect("it came after");
        assert!(age < LEASE, "{call:?} came {age:?} after {term:?}");
    }
    let processes: std::collections::BTreeSet<&str> = updates.iter().map(|call| call.access_key_id.as_str()).collect();
    println!("{} updates by {} processes in {} terms", updates.len(), processes.len(), terms.len());
}
