//! The simulator as a program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use direct_connect_simulator::Simulator;

use crate::{ID, REGION, client};

const PROGRAM: &str = env!("CARGO_BIN_EXE_direct-connect-simulator");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().expect("the program runs")
}

/// Ends with the test, however that ends.
struct Running(Child);

impl Running {
    fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.0.try_wait().expect("the program is a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the program still runs half a minute after it was told to end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_says_where_it_listens_prints_each_call_and_ends_on_sigterm() {
    let seed = env::temp_dir().join(format!("direct-connect-seed-{}.json", process::id()));
    fs::write(&seed, format!(r#"{{"connections": {{"{REGION}": [{{"connectionId": "{ID}"}}]}}}}"#)).unwrap();
    let program = Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0", "--seed"])
        .arg(&seed)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut program = Running(program);
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines().map(|line| line.unwrap());

    let mut line_with = |part: &str| lines.find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part}"));
    let endpoint = line_with("export AWS_ENDPOINT_URL_DIRECT_CONNECT=");
    let endpoint = endpoint.split_once('=').unwrap().1;
    let client = client(endpoint, REGION, "AKIDEXAMPLE");
    client.update_connection().connection_id(ID).connection_name("b").send().await.expect("the seed is there");
    let line = line_with("UpdateConnection");
    assert!(line.contains("eu-central-1 123456789012") && line.contains("-> ok (changed)"), "{line}");

    let id = program.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(program.ended().success());
    fs::remove_file(seed).unwrap();
}

#[tokio::test]
async fn what_it_cannot_do_it_says_in_one_line() {
    let aws = Simulator::start().await;
    let taken = aws.endpoint().replace("http://", "");
    let cases: [(&[&str], i32, &str); 5] = [
        (&["--lisn", "x"], 2, "unexpected argument '--lisn'"),
        (&["--listen", "here"], 2, "invalid value 'here' for '--listen"),
        (&["--listen", &taken], 1, "is in use by another program"),
        (&["--listen", "127.0.0.1:0", "--seed", "/nowhere"], 1, "cannot read /nowhere"),
        (&["--listen", "127.0.0.1:0", "--seed", "/dev/null"], 1, "/dev/null is no seed"),
    ];
    for (arguments, code, part) in cases {
        let output = run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(part) && told.lines().count() == 1, "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_is_no_error() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("--seed"));
}
