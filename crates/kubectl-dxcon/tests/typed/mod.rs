//! Runs the binary as a user does.
#![allow(dead_code, reason = "each of the tests that share it needs other parts of it")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A command that has not been started yet.
pub struct Typed(Command);

/// The output and the exit code of a command.
#[derive(Debug)]
pub struct Printed {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// `kubectl dxcon` with these arguments, with an empty environment apart from a simulated AWS, and no cluster.
pub fn dxcon<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Typed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-dxcon"));
    command.args(arguments).env_clear().env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    Typed(command)
}

impl Typed {
    /// Sends AWS calls to this endpoint, with valid credentials.
    pub fn aws(mut self, endpoint: &str) -> Self {
        self.0
            .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", endpoint)
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
            .env("AWS_REGION", "eu-central-1");
        self
    }

    /// Uses the cluster of this kubeconfig.
    pub fn cluster(mut self, kubeconfig: &Path) -> Self {
        self.0.env("KUBECONFIG", kubeconfig);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs in this folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Runs the command to its end.
    pub fn run(self) -> Printed {
        self.with_input("")
    }

    /// Runs the command to its end with this standard input. A thread waits for it, so that the runtime can serve what
    /// it talks to.
    pub fn with_input(mut self, input: &str) -> Printed {
        let mut process = self
            .0
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl-dxcon starts");
        // A command that does not read its input may end before all of it is written.
        let _ = process.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        let ended = process.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        Printed { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
    }

    /// Runs the command with this standard input, and returns what it prints to a terminal whose size was never set, as
    /// `script` and `docker run --tty` make it.
    pub fn on_a_terminal_without_size(mut self, input: &str) -> String {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("it can be opened");
        let name = ptsname(&terminal, Vec::new()).expect("it has a name");
        let screen = File::options().write(true).open(OsStr::from_bytes(name.as_bytes())).expect("it is opened");
        let mut process = self.0.stdin(Stdio::piped()).stdout(screen).spawn().expect("kubectl-dxcon starts");
        // It holds the other end of the terminal, which has to be closed for the reading to end.
        drop(self);
        let _ = process.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
        let mut printed = Vec::new();
        // The end of a terminal is an error.
        let _ = File::from(terminal).read_to_end(&mut printed);
        process.wait().expect("it ends");
        String::from_utf8(printed).expect("it prints UTF-8")
    }
}
