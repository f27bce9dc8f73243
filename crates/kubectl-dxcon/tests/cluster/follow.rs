//! `status --watch`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use test_support::{World, wait};

use crate::in_sync;

/// A process that prints changes, and what it has printed so far.
struct Following {
    process: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

fn follow(world: &World, arguments: &[&str]) -> Following {
    let mut process = Command::new(env!("CARGO_BIN_EXE_kubectl-dxcon"))
        .args(["status", "--watch", "--namespace", &world.namespace])
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", world.control_plane.kubeconfig())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("kubectl-dxcon starts");
    let out = BufReader::new(process.stdout.take().expect("stdout is piped"));
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let read = Arc::clone(&lines);
    thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            read.lock().expect("nobody panics").push(line);
        }
    });
    Following { process, lines }
}

impl Following {
    async fn prints(&self, what: &str) -> String {
        wait::until(wait::SOON, format!("a line with {what:?}"), async || {
            let lines = self.lines.lock().expect("nobody panics");
            lines.iter().find(|line| line.contains(what)).cloned().ok_or_else(|| format!("{lines:?}"))
        })
        .await
    }

    async fn ends(&mut self) -> Option<i32> {
        let ended =
            wait::until(wait::SOON, "its end", async || self.process.try_wait().expect("it can be asked")).await;
        ended.code()
    }

    fn interrupt(&self) {
        // Of the shell, since not every machine has a program of that name.
        let kill = format!("kill -INT {}", self.process.id());
        let sent = Command::new("/bin/sh").args(["-c", &kill]).status();
        assert!(sent.expect("the shell runs").success());
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn what_changes_is_printed_a_line_each_until_it_is_interrupted() {
    let world = in_sync().await;
    let mut following = follow(&world, &[]);
    following.prints("NAME").await;
    following.prints("ready (InSync)").await;
    world.annotate("line", "paused", Some("true")).await;
    following.prints("ready (InSync), paused").await;
    world.delete("line").await;
    following.prints("line was deleted").await;
    following.interrupt();
    assert_eq!(following.ends().await, Some(0));
}

#[tokio::test]
async fn one_that_needs_a_person_at_the_end_fails() {
    let world = in_sync().await;
    let mut following = follow(&world, &["line"]);
    following.prints("ready (InSync)").await;
    world.patch("line", serde_json::json!({ "spec": { "encryptionMode": "must_encrypt" } })).await;
    following.prints("needs a person (NoMacSecKey)").await;
    following.interrupt();
    assert_eq!(following.ends().await, Some(1));
}

#[tokio::test]
async fn programs_get_a_document_a_line() {
    let world = in_sync().await;
    let following = follow(&world, &["-o", "json"]);
    let shown: Value = serde_json::from_str(&following.prints("Shown").await).expect("a line is a document");
    assert_eq!((&shown["kind"], &shown["connection"]["name"]), (&"StatusChange".into(), &"line".into()));
    world.delete("line").await;
    let deleted: Value = serde_json::from_str(&following.prints("Deleted").await).expect("a line is a document");
    assert_eq!(deleted["type"], "Deleted");
}

#[tokio::test]
async fn a_watch_outlives_the_time_for_which_the_api_server_may_be_silent() {
    let world = in_sync().await;
    let following = follow(&world, &[]);
    following.prints("ready (InSync)").await;
    // Each watch lasts ten seconds, so after this time the third one has begun.
    let begun = std::time::Instant::now();
    let enough = std::time::Duration::from_secs(21);
    wait::until(wait::SOON, "some watches to end", async || begun.elapsed() > enough).await;
    assert_eq!(following.lines.lock().expect("nobody panics").len(), 2, "nothing changed, so nothing is printed");
    world.annotate("line", "paused", Some("true")).await;
    following.prints("ready (InSync), paused").await;
}
