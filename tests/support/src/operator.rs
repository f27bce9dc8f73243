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

/// The operator's binary: the one that `OPERATOR_BINARY` names, otherwise the one that cargo built for the tests of its
/// package, otherwise the one next to the running program.
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

/// A process of the operator. It ends with this value and with this process, however it ends.
///
/// If a test fails while one is running, the end of its log is printed.
pub struct Operator {
    process: Mutex<Child>,
    id: Pid,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    _leash: Leash,
}

impl Operator {
    /// The operator's `run`, with only the environment and the flags that are given to the builder.
    pub fn builder() -> OperatorBuilder {
        Self::builder_of(&operator_binary())
    }

    /// The same as [`Operator::builder`] for another program.
    pub fn builder_of(program: &Path) -> OperatorBuilder {
        OperatorBuilder {
            program: program.to_owned(),
            subcommand: "run".to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            flags: BTreeMap::new(),
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// All lines written so far to standard output and standard error.
    pub fn logs(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    /// The fields of the first log record with this message.
    pub fn logged(&self, message: &str) -> Option<Value> {
        lock(&self.lines)
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|mut record| if record["fields"].is_object() { record["fields"].take() } else { record })
            .find(|fields| fields["message"] == message)
    }

    /// Waits until it has written a line that contains this text.
    pub async fn says(&self, text: &str) -> String {
        wait::until(wait::SOON, format!("the operator to say {text:?}"), async || {
            self.logs().into_iter().find(|line| line.contains(text))
        })
        .await
    }

    /// Gets a path from its HTTP server, once it is serving.
    pub async fn http_get(&self, path: &str) -> Response {
        let address = wait::until(wait::SOON, "the operator to log the address it serves", async || {
            self.logged("serving").and_then(|fields| fields["address"].as_str().map(str::to_owned))
        })
        .await;
        wait::until(wait::SOON, format!("an answer to GET {path}"), async || http_get(&address, path).await).await
    }

    /// The value of a series of `/metrics`, given by its name and labels as printed there.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let metrics = self.http_get("/metrics").await.body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        value.split(' ').next()?.parse().ok()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.id, signal).expect("the operator still runs");
    }

    /// The exit status, if it has ended.
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

/// How to start an operator.
#[derive(Clone, Debug)]
pub struct OperatorBuilder {
    program: PathBuf,
    subcommand: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
}

impl OperatorBuilder {
    /// Starts another program with the same flags and environment.
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

    /// Adds an argument between the subcommand and the flags, such as a flag that is given twice.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets an environment variable. It inherits none.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.environment.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Sets a flag, given by its name with the dashes.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.flags.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Removes a flag.
    #[must_use]
    pub fn without_flag(mut self, name: &str) -> Self {
        self.flags.remove(name);
        self
    }

    /// Starts the process.
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

/// An HTTP response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// HTTP 1.0, where the end of the connection ends the body.
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

/// A test that panicked with the lock held leaves the value valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
