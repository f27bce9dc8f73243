//! The control plane and the operator end with the process that started them, however it ends.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use test_support::{ControlPlane, Operator, wait};

/// This variable is set in the process that the test below starts and ends.
const HOLDER: &str = "TEST_SUPPORT_HOLDER";

#[tokio::test]
async fn what_a_test_started_ends_with_it_however_it_ends() {
    if std::env::var_os(HOLDER).is_some() {
        return hold().await;
    }
    // Not INT, which is ignored by all that a script starts in the background.
    for signal in [Signal::KILL, Signal::TERM] {
        let (mut holder, kubeconfig, operator) = start_holder();
        let folder = kubeconfig.parent().expect("a kubeconfig is in a folder").to_owned();
        let mut pids = pids_of(&folder);
        pids.push(operator);
        assert!(pids.iter().all(|pid| runs(*pid)), "all run at first");

        kill_process(Pid::from_child(&holder), signal).expect("it still runs");
        let ended = wait::until(wait::SOON, "its end", async || holder.try_wait().expect("it can be asked")).await;
        assert_eq!(ended.signal(), Some(signal.as_raw()), "it ends of the signal, with no word of farewell");

        wait::until(Duration::from_secs(10), "all that it started to end", async || {
            let left: Vec<&Pid> = pids.iter().filter(|pid| runs(**pid)).collect();
            if left.is_empty() && !folder.exists() {
                Ok(())
            } else {
                Err(format!("{signal:?}: processes {left:?}; folder there: {}", folder.exists()))
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_control_plane_ends_with_its_value_even_when_stopped() {
    let control_plane = ControlPlane::start().await;
    let folder = control_plane.kubeconfig().parent().expect("a kubeconfig is in a folder").to_owned();
    let pids = pids_of(&folder);

    control_plane.signal_api_server(Signal::STOP);
    let asked = control_plane.kubectl(&["get", "namespaces", "--request-timeout", "500ms"], "").await;
    assert!(!asked.status.success(), "a stopped API server answers nothing: {asked:?}");

    drop(control_plane);
    assert!(!folder.exists());
    assert!(!pids.into_iter().any(runs));
}

/// What that process does: it starts everything and waits.
async fn hold() {
    let control_plane = ControlPlane::start().await;
    let operator = Operator::builder_of(Path::new("/bin/sleep")).subcommand("600").start();
    println!("\n{} {}", operator.id(), control_plane.kubeconfig().display());
    std::future::pending::<()>().await;
}

fn start_holder() -> (Child, PathBuf, Pid) {
    let mut holder = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", "--nocapture", "what_a_test_started_ends_with_it_however_it_ends"])
        .env(HOLDER, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts again");
    let stdout = BufReader::new(holder.stdout.take().expect("stdout is piped"));
    let line = stdout.lines().map_while(Result::ok).find(|line| line.ends_with("/kubeconfig"));
    let line = line.expect("it tells what it started");
    let (operator, kubeconfig) = line.split_once(' ').expect("two words");
    (holder, kubeconfig.into(), pid(operator))
}

fn pids_of(folder: &Path) -> Vec<Pid> {
    let listed = std::fs::read_to_string(folder.join("pids")).expect("the control plane lists its processes");
    listed.lines().map(pid).collect()
}

fn pid(text: &str) -> Pid {
    text.parse().ok().and_then(Pid::from_raw).expect("a process number")
}

/// A process that has ended and that nobody waits for, as in a container whose first process does not, does not run.
fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The state comes after the name, which is in parentheses and may contain anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
