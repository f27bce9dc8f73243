//! Installs the operator with the tools that people use, and starts processes of it as its Deployment describes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use direct_connect_simulator::Simulator;
use serde_json::Value;
use test_support::{ControlPlane, Operator, OperatorBuilder, REGION, wait};

use crate::rights::{self, Account, Right};

/// The namespace of the operator.
const HOME: &str = "directconnect-operator";
const NAME: &str = "directconnect-operator";
const CHART: &str = "charts/directconnect-operator";

/// An API server with the operator installed, and a simulated Direct Connect.
pub struct Installation {
    pub control_plane: ControlPlane,
    pub aws: Simulator,
    pub account: Account,
    audit: Audit,
    deployment: Value,
}

impl Installation {
    /// Installs with `kubectl apply` of `deploy/install.yaml`.
    pub async fn by_kubectl() -> Self {
        let (control_plane, audit) = start().await;
        let manifests = test_support::repository("deploy/install.yaml");
        let manifests = manifests.to_str().expect("its path is text");
        control_plane.kubectl(&["apply", "--server-side", "--filename", manifests], "").await.text();
        let region = format!("AWS_REGION={REGION}");
        control_plane.kubectl(&["set", "env", "--namespace", HOME, "deployment", NAME, &region], "").await.text();
        Self::found(control_plane, audit).await
    }

    /// Creates the namespaces, and installs with `helm install` of the chart and these values.
    pub async fn by_helm(values: &[&str], namespaces: &[&str]) -> Self {
        let (control_plane, audit) = start().await;
        for namespace in namespaces {
            control_plane.kubectl(&["create", "namespace", namespace], "").await.text();
        }
        let region = format!("aws.region={REGION}");
        let mut install = vec!["install", NAME, CHART, "--namespace", HOME, "--create-namespace", "--set", &region];
        install.extend(values.iter().flat_map(|value| ["--set", value]));
        control_plane.helm(&install).await.text();
        Self::found(control_plane, audit).await
    }

    async fn found(control_plane: ControlPlane, audit: Audit) -> Self {
        let deployment = ["get", "deployment", NAME, "--namespace", HOME, "--output", "json"];
        let deployment = control_plane.kubectl(&deployment, "").await.text();
        let deployment: Value = serde_json::from_str(&deployment).expect("kubectl prints JSON");
        let account = deployment.pointer("/spec/template/spec/serviceAccountName").and_then(Value::as_str);
        let account = Account { namespace: HOME.to_owned(), name: account.expect("it has an account").to_owned() };
        // `kubectl wait` fails for a CRD that is so new that it has no conditions, so it is repeated.
        let established = ["wait", "--for=condition=Established", "--timeout=10s", "--all", "crd"];
        wait::until(wait::SOON, "the CRD to be served", async || {
            let said = control_plane.kubectl(&established, "").await;
            if said.status.success() { Ok(()) } else { Err(said.stderr) }
        })
        .await;
        Self { control_plane, aws: Simulator::start().await, account, audit, deployment }
    }

    /// The permissions that roles grant to the operator.
    pub async fn granted(&self) -> BTreeSet<Right> {
        rights::granted(&self.control_plane, &self.account).await
    }

    /// Waits until the operator has used all its permissions, and asserts that no request was refused.
    pub async fn rights_and_work_agree(&self) {
        wait::until(wait::SOON, "the operator to use exactly its rights", async || {
            let differences = self.differences().await;
            if differences.is_empty() { Ok(()) } else { Err(format!("{differences:#?}")) }
        })
        .await;
    }

    /// Waits until a condition of the resource `line` has this status for its newest spec.
    pub async fn wait(&self, condition: &str, status: &str, namespace: &str) {
        let condition = format!("--for=condition={condition}={status}");
        let wait = ["wait", &condition, "--timeout=60s", "--namespace", namespace, "dxcon/line"];
        let said = self.control_plane.kubectl(&wait, "").await;
        assert!(said.status.success(), "{} {condition}\n{:#?}", said.stderr, self.differences().await);
    }

    /// The differences between granted and used permissions.
    pub async fn differences(&self) -> Vec<String> {
        rights::differences(&self.granted().await, &self.audit.0, &self.account)
    }

    /// Patches the operator's own role with a JSON patch.
    pub async fn patch(&self, kind: &str, patch: &str) {
        let patch = ["patch", kind, NAME, "--namespace", HOME, "--type", "json", "--patch", patch];
        self.control_plane.kubectl(&patch, "").await.text();
    }

    /// A kubeconfig with a token of the operator's service account, once all its permissions are effective.
    pub async fn kubeconfig(&self) -> PathBuf {
        for right in self.granted().await {
            self.wait_until_allowed(&right, true).await;
        }
        let token = ["create", "token", &self.account.name, "--namespace", &self.account.namespace];
        let token = self.control_plane.kubectl(&token, "").await.text();
        self.control_plane.write_kubeconfig(&self.account.namespace, token.trim())
    }

    /// Starts a process as a Pod of the Deployment would: with its arguments, environment and service account.
    ///
    /// In addition it gets the simulated Direct Connect, its own port, and short durations.
    pub fn start_operator(&self, kubeconfig: &Path) -> Operator {
        let container = self.deployment.pointer("/spec/template/spec/containers/0").expect("it has a container");
        let mut arguments = list(&container["args"]).filter_map(Value::as_str);
        let subcommand = arguments.next().expect("it has a subcommand");
        let operator = arguments.fold(Operator::builder().subcommand(subcommand), OperatorBuilder::argument);
        let operator = list(&container["env"]).fold(operator, |operator, variable| {
            let text = |field: &str| variable[field].as_str().expect("it is a plain variable");
            operator.env(text("name"), text("value"))
        });
        operator
            .env("KUBECONFIG", kubeconfig.to_string_lossy())
            .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", self.aws.endpoint())
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .flag("--http-address", "127.0.0.1:0")
            .flag("--log-format", "json")
            .flag("--poll-interval", "200ms")
            .flag("--settle-window", "1s")
            .flag("--encryption-soak", "400ms")
            .start()
    }

    /// Waits until the API server allows a permission, or does not any more. The authorizer receives roles by a watch.
    pub async fn wait_until_allowed(&self, right: &Right, allowed: bool) {
        let user = self.account.user();
        let (resource, subresource) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
        let named = right.name.as_ref().map(|name| format!("{resource}/{name}"));
        let namespace = right.namespace.as_deref().unwrap_or(HOME);
        let mut ask = vec!["auth", "can-i", &right.verb, named.as_deref().unwrap_or(resource), "--as", &user];
        ask.extend(["--namespace", namespace, "--subresource", subresource]);
        wait::until(wait::SOON, format!("{right} to be allowed: {allowed}"), async || {
            let answer = self.control_plane.kubectl(&ask, "").await;
            if answer.status.success() == allowed { Ok(()) } else { Err(format!("{}{}", answer.stdout, answer.stderr)) }
        })
        .await;
    }
}

async fn start() -> (ControlPlane, Audit) {
    let audit = Audit::new();
    let control_plane = ControlPlane::start_audited(&audit.0).await;
    (control_plane, audit)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The file of the audit log, which is removed with this value.
struct Audit(PathBuf);

impl Audit {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("audit-{}-{}.jsonl", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
