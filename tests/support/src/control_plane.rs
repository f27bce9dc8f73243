//! A real etcd and kube-apiserver.

use crate::leash::OwnGroup;
use crate::operator::operator_binary;
use crate::{access, repository, wait};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

/// As many run at once as a small machine has memory for. A test that holds more than one may wait for ever.
static PLACES: Semaphore = Semaphore::const_new(3);

/// A real etcd and kube-apiserver. They end with this value and with this process, however it ends.
///
/// It does not depend on a runtime, since every test has its own; clients are created for each test.
pub struct ControlPlane {
    running: Running,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    crd: OnceCell<()>,
    _place: SemaphorePermit<'static>,
}

impl ControlPlane {
    /// The control plane that all tests of this process share.
    pub async fn shared() -> Arc<Self> {
        static SHARED: OnceCell<Arc<ControlPlane>> = OnceCell::const_new();
        Arc::clone(SHARED.get_or_init(async || Arc::new(Self::start().await)).await)
    }

    /// A separate control plane, for a test that breaks it or needs it empty.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A separate control plane that writes requests to an audit log, one line of JSON each (`user.username`, `verb`,
    /// `objectRef`, `responseStatus`).
    pub async fn start_audited(log: &Path) -> Self {
        Self::start_with(&[("CONTROL_PLANE_AUDIT", log.to_path_buf())]).await
    }

    /// If this future is dropped before its end, everything that was started is removed.
    async fn start_with(environment: &[(&str, PathBuf)]) -> Self {
        let place = PLACES.acquire().await.expect("nobody closes it");
        let running = Running::launch(environment);
        let kubeconfig = PathBuf::from(running.says().await);
        assert!(kubeconfig.is_file(), "the control plane did not start; it says why above");
        let kubectl = kubeconfig.with_file_name("kubectl");
        Self { running, kubeconfig, kubectl, crd: OnceCell::new(), _place: place }
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// An administrator's client.
    pub async fn client(&self) -> Client {
        client(&self.kubeconfig).await
    }

    /// Creates a new namespace and returns its name.
    pub async fn namespace(&self) -> String {
        let metadata = ObjectMeta { generate_name: Some("test-".to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let made = Api::all(self.client().await).create(&PostParams::default(), &namespace).await;
        made.expect("a namespace can be made").metadata.name.expect("it has a name")
    }

    /// Installs the CRD that the operator's `crd` prints, and returns when the API server serves it.
    pub async fn install_crd(&self) {
        self.crd.get_or_init(|| self.apply_crd()).await;
    }

    async fn apply_crd(&self) {
        let printed = spawn_blocking(|| Command::new(operator_binary()).arg("crd").output()).await;
        let printed = printed.expect("no panic").expect("the operator's binary runs");
        assert!(printed.status.success(), "`crd` failed: {}", String::from_utf8_lossy(&printed.stderr));
        let crd = String::from_utf8(printed.stdout).expect("the CRD is text");
        self.kubectl(&["apply", "--server-side", "--filename", "-"], &crd).await.text();
        self.serves_the_crd().await;
    }

    async fn serves_the_crd(&self) {
        let connections = crate::resource::api(self.client().await, None);
        wait::until(wait::SOON, "the API server to serve the CRD", async || {
            connections.list(&ListParams::default()).await
        })
        .await;
        // kubectl goes by the discovery, which may have it a moment later.
        wait::until(wait::SOON, "kubectl to know the CRD", async || {
            let said = self.kubectl(&["get", "dxcon"], "").await;
            if said.status.success() { Ok(()) } else { Err(said.stderr) }
        })
        .await;
    }

    /// A kubeconfig of the service account to which these manifests bind their roles, in this namespace.
    ///
    /// The roles are copies for the namespace, so namespaces share no permissions; see [`crate::shipped_rbac`].
    pub async fn service_account_kubeconfig(&self, namespace: &str, manifests: &str) -> PathBuf {
        let token = access::grant(&self.client().await, namespace, manifests).await;
        let path = self.write_kubeconfig(namespace, &token);
        access::wait_until_granted(client(&path).await, namespace, manifests).await;
        path
    }

    /// The administrator's kubeconfig with another token, and with the namespace as its default.
    pub fn write_kubeconfig(&self, namespace: &str, token: &str) -> PathBuf {
        let mut kubeconfig = Kubeconfig::read_from(&self.kubeconfig).expect("the kubeconfig can be read");
        for user in &mut kubeconfig.auth_infos {
            user.auth_info.get_or_insert_default().token = Some(token.to_owned().into());
        }
        for context in &mut kubeconfig.contexts {
            context.context.get_or_insert_default().namespace = Some(namespace.to_owned());
        }
        let path = self.kubeconfig.with_file_name(format!("kubeconfig-{namespace}"));
        // JSON is YAML.
        fs::write(&path, serde_json::to_vec(&kubeconfig).expect("it is plain data")).expect("the folder is writable");
        path
    }

    /// Sends a signal to the API server. After `STOP` it accepts connections but answers nothing, until `CONT`.
    ///
    /// Only for a separate control plane.
    pub fn signal_api_server(&self, signal: Signal) {
        let listed = fs::read_to_string(self.kubeconfig.with_file_name("pids")).expect("the control plane runs");
        let api_server = listed.lines().last().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
        kill_process(api_server.expect("the API server is listed last"), signal).expect("the API server runs");
    }

    /// Makes a backup of the current state for [`ControlPlane::restore`].
    ///
    /// Only for a separate control plane.
    pub async fn back_up(&self) {
        self.running.does("keep").await;
    }

    /// Restarts API server and etcd at the same address with the last backup. Objects and the resource version are as
    /// they were at that time.
    ///
    /// Only for a separate control plane.
    pub async fn restore(&self) {
        self.running.does("restore").await;
        if self.crd.initialized() {
            self.serves_the_crd().await;
        }
    }

    /// Runs kubectl as administrator.
    pub async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = Command::new(&self.kubectl);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(self.kubeconfig.with_file_name("kubectl-cache"))
            .args(arguments);
        run(command, stdin).await
    }

    /// Runs Helm as administrator: the binary that `HELM` names, otherwise the one that was built with the API server,
    /// otherwise the one in the PATH. It writes nothing to the user's folders.
    pub async fn helm(&self, arguments: &[&str]) -> Output {
        let kubectl = fs::canonicalize(&self.kubectl).expect("kubectl is there");
        let built = Some(kubectl.with_file_name("helm")).filter(|helm| helm.is_file());
        let helm = std::env::var_os("HELM").map(PathBuf::from).or(built).unwrap_or_else(|| "helm".into());
        let mut command = Command::new(helm);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).current_dir(repository("."));
        for (variable, folder) in
            [("HELM_CACHE_HOME", "helm-cache"), ("HELM_CONFIG_HOME", "helm-config"), ("HELM_DATA_HOME", "helm-data")]
        {
            command.env(variable, self.kubeconfig.with_file_name(folder));
        }
        run(command, "").await
    }
}

/// Runs a program to its end.
async fn run(mut command: Command, stdin: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let run = move || {
        let mut process = command.spawn()?;
        // The program may end without reading its input.
        let _ = process.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes());
        process.wait_with_output()
    };
    let output = spawn_blocking(run).await.expect("no panic").expect("the program runs");
    Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running `tests/control-plane/run`, which ends when its standard input is closed.
struct Running {
    process: Child,
    /// `None` after its end.
    talk: Arc<Mutex<Option<Talk>>>,
}

/// Its standard input and output.
type Talk = (ChildStdin, BufReader<ChildStdout>);

impl Running {
    fn launch(environment: &[(&str, PathBuf)]) -> Self {
        let mut process = Command::new(repository("tests/control-plane/run"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .own_group()
            .spawn()
            .expect("tests/control-plane/run starts");
        let stdin = process.stdin.take().expect("stdin is piped");
        let stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Self { process, talk: Arc::new(Mutex::new(Some((stdin, stdout)))) }
    }

    /// The next line of its output.
    async fn says(&self) -> String {
        self.talk(|_, stdout| {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("its output is text");
            line.trim_end().to_owned()
        })
        .await
    }

    /// Sends a command and returns when it is done.
    async fn does(&self, command: &'static str) {
        self.talk(move |stdin, _| writeln!(stdin, "{command}").expect("it reads")).await;
        assert_eq!(self.says().await, command, "the control plane did not do it; it says why above");
    }

    async fn talk<T: Send + 'static>(
        &self,
        exchange: impl FnOnce(&mut ChildStdin, &mut BufReader<ChildStdout>) -> T + Send + 'static,
    ) -> T {
        let talk = Arc::clone(&self.talk);
        let exchange = move || {
            let mut talk = talk.lock().unwrap_or_else(PoisonError::into_inner);
            let (stdin, stdout) = talk.as_mut().expect("it runs");
            exchange(stdin, stdout)
        };
        spawn_blocking(exchange).await.expect("no panic")
    }
}

/// Ends it, and returns when its folder is removed.
impl Drop for Running {
    fn drop(&mut self) {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.process.wait();
    }
}

/// The output of a program.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Its standard output.
    ///
    /// # Panics
    ///
    /// If it failed.
    #[track_caller]
    pub fn text(self) -> String {
        assert!(self.status.success(), "{}: {}{}", self.status, self.stdout, self.stderr);
        self.stdout
    }
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("the kubeconfig is whole");
    // A proxy of the machine does not lead to loopback.
    config.proxy_url = None;
    Client::try_from(config).expect("a client can be made")
}
