//! The operator's real binary.

use crate::leash::{Leash, OwnGroup};
use crate::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many of the last lines of the log a failed test prints.
const TAIL: usize = 60;

/// The operator's binary: what `OPERATOR_BINARY` names, else what cargo built for the tests of its package, else what is
/// beside the running program.
pub fn operator_binary() -> PathBuf {
    let named = ["OPERATOR_BINARY", "CARGO_BIN_EXE_directconnect-operator"];
    if let Some(path) = named.into_iter().find_map(std::env::var_os) {
        return path.into();
    }
    let this = std::env::current_exe().expect("this program has a path");
    let beside = |folder: &Path| folder.join("directconnect-operator");
    let found = this.ancestors().skip(1).take(2).map(beside).find(|path| path.is_file());
    found.expect("the operator is built: cargo build --bin directconnect-operator")
}

/// A process of the operator; it ends with this value and with this process, however it ends.
///
/// A test that fails while one lives prints the end of its log.
pub struct Operator {
    process: Mutex<Child>,
    id: Pid,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    _leash: Leash,
}

impl Operator {
    /// The operator's `run` with no environment and no flags but those given to the builder.
    pub fn builder() -> OperatorBuilder {
        Self::builder_of(&operator_binary())
    }

    /// As [`Operator::builder`], of another program.
    pub fn builder_of(program: &Path) -> OperatorBuilder {
        OperatorBuilder {
            program: program.to_owned(),
            subcommand: "run".to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            flags: BTreeMap::new(),
        }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// What it has written until now, standard output and standard error alike.
    pub fn logs(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    /// The first log record with this message: its fields.
    pub fn logged(&self, message: &str) -> Option<Value> {
        lock(&self.lines)
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|mut record| if record["fields"].is_object() { record["fields"].take() } else { record })
            .find(|fields| fields["message"] == message)
    }

    /// Waits until it has written a line that holds this text.
    pub async fn says(&self, text: &str) -> String {
        wait::until(wait::SOON, format!("the operator to say {text:?}"), async || {
            self.logs().into_iter().find(|line| line.contains(text))
        })
        .await
    }

    /// Gets a path of its HTTP server, from when it serves.
    pub async fn http_get(&self, path: &str) -> Response {
        let address = wait::until(wait::SOON, "the operator to log the address it serves", async || {
            self.logged("serving").and_then(|fields| fields["address"].as_str().map(str::to_owned))
        })
        .await;
        wait::until(wait::SOON, format!("an answer to GET {path}"), async || http_get(&address, path).await).await
    }

    /// The value of a series of its `/metrics`, by its name and labels as they stand there.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let metrics = self.http_get("/metrics").await.body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        value.split(' ').next()?.parse().ok()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.id, signal).expect("the operator still runs");
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<ExitStatus> {
        lock(&self.process).try_wait().expect("the operator is a child of this process")
    }

    /// Waits until it has ended.
    pub async fn wait_exit(&self, deadline: Duration) -> ExitStatus {
        wait::until(deadline, "the operator to end", async || self.exit()).await
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        {
            let mut process = lock(&self.process);
            let _ = process.kill();
            let _ = process.wait();
        }
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        if thread::panicking() {
            let lines = lock(&self.lines);
            let tail = lines.len().saturating_sub(TAIL);
            eprintln!("--- the operator's last lines\n{}\n---", lines[tail..].join("\n"));
        }
    }
}

/// What an operator is started with.
#[derive(Clone, Debug)]
pub struct OperatorBuilder {
    program: PathBuf,
    subcommand: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
}

impl OperatorBuilder {
    /// Starts another program in place of the operator, one that takes the same flags and environment.
    #[must_use]
    pub fn program(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    /// Sets another subcommand than `run`.
    #[must_use]
    pub fn subcommand(mut self, subcommand: &str) -> Self {
        subcommand.clone_into(&mut self.subcommand);
        self
    }

    /// Adds an argument after the subcommand and before the flags, such as a flag that may be there twice.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets an environment variable; it has no others.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.environment.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Takes an environment variable away again.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Sets a flag, by its name with the dashes.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.flags.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Takes a flag away again.
    #[must_use]
    pub fn without_flag(mut self, name: &str) -> Self {
        self.flags.remove(name);
        self
    }

    /// Starts it.
    pub fn start(&self) -> Operator {
        let mut process = Command::new(&self.program)
            .arg(&self.subcommand)
            .args(&self.arguments)
            .args(self.flags.iter().map(|(name, value)| format!("{name}={value}")))
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .own_group()
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()));
        let leash = Leash::on(&process);
        let lines = Arc::default();
        let readers = vec![
            collect(process.stdout.take().expect("stdout is piped"), &lines),
            collect(process.stderr.take().expect("stderr is piped"), &lines),
        ];
        let id = Pid::from_child(&process);
        Operator { process: Mutex::new(process), id, lines, readers, _leash: leash }
    }
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// HTTP 1.0, where the end of the connection is the end of the body.
async fn http_get(address: &str, path: &str) -> Result<Response, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = exchange.await.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{answer:?}"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| format!("{head:?}"))?;
    Ok(Response { status, body: body.to_owned() })
}

fn collect(output: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { break };
            lock(&lines).push(line);
        }
    })
}

/// A test that panicked with the lock held leaves nothing half done in it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
