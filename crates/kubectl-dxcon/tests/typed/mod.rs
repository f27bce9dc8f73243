//! The binary as a user types it.
#![allow(dead_code, reason = "each of the tests that share it needs other parts of it")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command line that is not started yet.
pub struct Typed(Command);

/// What it printed, and how it ended.
#[derive(Debug)]
pub struct Printed {
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// `kubectl dxcon` with these arguments, with no environment but a simulated AWS's, and no cluster.
pub fn dxcon<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Typed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-dxcon"));
    command.args(arguments).env_clear().env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    Typed(command)
}

impl Typed {
    /// Calls of AWS go to this endpoint, with credentials that it takes.
    pub fn aws(mut self, endpoint: &str) -> Self {
        self.0
            .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", endpoint)
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
            .env("AWS_REGION", "eu-central-1");
        self
    }

    /// The cluster is that of this kubeconfig.
    pub fn cluster(mut self, kubeconfig: &Path) -> Self {
        self.0.env("KUBECONFIG", kubeconfig);
        self
    }

    /// With this variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// From this folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Printed {
        self.with_input("")
    }

    /// Runs it to its end, with this on standard input. A thread waits for it, so that what it talks to can be served.
    pub fn with_input(mut self, input: &str) -> Printed {
        let mut process = self
            .0
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl-dxcon starts");
        // One that does not read its input ends before it is written.
        let _ = process.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        let ended = process.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        Printed { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
    }
}
