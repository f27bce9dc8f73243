//! The simulator as a program.

use std::process::{Command, Output, Stdio};
use std::time::Duration;
use std::{env, fs, process};

use direct_connect_simulator::Simulator;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::timeout;

use crate::{ID, REGION, client};

const PROGRAM: &str = env!("CARGO_BIN_EXE_direct-connect-simulator");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().expect("the program runs")
}

#[tokio::test]
async fn it_says_where_it_listens_prints_each_call_and_ends_on_sigterm() {
    // What the program does not print would be waited for without an end.
    timeout(Duration::from_secs(30), a_program_from_start_to_end())
        .await
        .expect("the program does all of it in half a minute");
}

async fn a_program_from_start_to_end() {
    let seed = env::temp_dir().join(format!("direct-connect-seed-{}.json", process::id()));
    fs::write(&seed, format!(r#"{{"connections": {{"{REGION}": [{{"connectionId": "{ID}"}}]}}}}"#)).unwrap();
    let mut program = tokio::process::Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0", "--seed"])
        .arg(&seed)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();

    let endpoint = line_with("export AWS_ENDPOINT_URL_DIRECT_CONNECT=", &mut lines).await;
    let endpoint = endpoint.split_once('=').unwrap().1;
    let client = client(endpoint, REGION, "AKIDEXAMPLE");
    client.update_connection().connection_id(ID).connection_name("b").send().await.expect("the seed is there");
    let line = line_with("UpdateConnection", &mut lines).await;
    assert!(line.contains("eu-central-1 123456789012") && line.contains("-> ok (changed)"), "{line}");

    // Of the shell, since not every machine has a program of that name.
    let kill = format!("kill -TERM {}", program.id().unwrap());
    assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
    assert!(program.wait().await.unwrap().success());
    fs::remove_file(seed).unwrap();
}

async fn line_with(part: &str, lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    loop {
        let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("no {part}"));
        if line.contains(part) {
            return line;
        }
    }
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
