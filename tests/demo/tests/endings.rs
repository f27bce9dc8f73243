//! However the demo ends, no process and no file of it is left.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use test_support::{Signal, wait};

/// A demo whose temporary files are all in one folder.
struct Demo {
    process: Child,
    stdout: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Demo {
    fn start(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        // One of an earlier process with the same number.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("the folder is new");
        let mut process = Command::new(env!("CARGO_BIN_EXE_demo"))
            .env("TMPDIR", &folder)
            .env("DEMO_ONCE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Self { process, stdout, folder }
    }

    /// Reads the output up to a line that begins with this text.
    fn reads(&mut self, beginning: &str) {
        let found = self.stdout.by_ref().lines().any(|line| line.expect("it is text").starts_with(beginning));
        assert!(found, "the demo ended before it said {beginning:?}");
    }

    fn ends_by(&mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.process), signal).expect("the demo runs");
        self.process.wait().expect("the demo is a child of this process")
    }

    /// The processes and files that are left. Every process of the demo has the folder in its arguments or environment.
    fn leftovers(&self) -> Vec<String> {
        let folder = self.folder.to_string_lossy();
        let files = fs::read_dir(&self.folder).expect("the folder is there").flatten();
        let processes = fs::read_dir("/proc").expect("the tests run on Linux").flatten().filter(|process| {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&*folder)
        });
        files.chain(processes).map(|left| left.path().display().to_string()).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn told_to_end_as_it_starts() {
    let mut demo = Demo::start("starting");
    demo.reads("directconnect-operator");
    assert_eq!(demo.ends_by(Signal::INT).code(), Some(130));
    assert_eq!(demo.leftovers(), Vec::<String>::new());
}

#[test]
fn told_to_end_in_the_middle() {
    let mut demo = Demo::start("told");
    demo.reads("1. ");
    // Demo, control plane, etcd, API server and operator, and at least one file.
    assert!(demo.leftovers().len() > 5, "what would be left is seen: {:?}", demo.leftovers());
    assert_eq!(demo.ends_by(Signal::TERM).code(), Some(143));
    assert_eq!(demo.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn killed_in_the_middle() {
    let mut demo = Demo::start("killed");
    demo.reads("1. ");
    assert_eq!(demo.ends_by(Signal::KILL).signal(), Some(9));
    wait::until(Duration::from_secs(10), "what it started to end", async || {
        let left = demo.leftovers();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
