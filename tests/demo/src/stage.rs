//! Shows events as they happen, and compares them with the expected ones.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use direct_connect_simulator::Call;
use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use test_support::{REGION, Resource, operator_binary, repository, wait};
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, interval, sleep, timeout_at};

use crate::Wrong;
use crate::print::{Printer, Tint};
use crate::scene::Scene;
use crate::transcript::Excerpt;

/// The pause before the next chapter.
const PAUSE: Duration = Duration::from_millis(1500);

/// Access key of the person who imports and plans; the operator has another one.
const PERSON: &str = "AKIAPERSONEXAMPLE000";

/// An event, either in AWS or in the cluster.
enum StageEvent {
    Call(Box<Call>),
    State(ResourceState),
}

/// The conditions of a resource.
#[derive(Clone, PartialEq, Eq)]
struct ResourceState {
    resource: String,
    ready: String,
    reason: String,
    message: String,
    /// `Reconciling` or `Stalled`, if one is present.
    carries: Option<&'static str>,
}

/// The expected conditions of a resource.
#[derive(Clone, Copy)]
pub enum Expected {
    /// Ready for this reason.
    Ready(&'static str),
    /// Reconciling for this reason.
    Reconciling(&'static str),
    /// Stalled for this reason.
    Stalled(&'static str),
}

/// The scene, and all events in it. The events of each side are expected in their own order, and shown in the order of
/// the story.
pub struct Stage {
    scene: Scene,
    print: Printer,
    events: UnboundedReceiver<StageEvent>,
    calls: VecDeque<Call>,
    states: HashMap<String, VecDeque<ResourceState>>,
    excerpts: Vec<Excerpt>,
    began: Instant,
}

impl Stage {
    pub async fn new(scene: Scene, print: Printer) -> Self {
        let (sender, events) = unbounded_channel();
        let call_sender = sender.clone();
        scene.aws.watch(move |call| {
            if call.operation != "DescribeConnections" {
                let _ = call_sender.send(StageEvent::Call(Box::new(call.clone())));
            }
        });
        tokio::spawn(follow(scene.control_plane.client().await, sender));
        let (calls, states) = (VecDeque::new(), HashMap::new());
        Self { scene, print, events, calls, states, excerpts: Vec::new(), began: Instant::now() }
    }

    /// Gives viewers time to read.
    pub async fn pause(&self) {
        if !crate::is_once() {
            sleep(PAUSE).await;
        }
    }

    /// Begins a chapter.
    pub fn chapter(&mut self, title: &str) {
        self.print.line(Tint::None, "");
        self.print.line(Tint::Heading, title);
        self.print.take_kept();
    }

    /// Keeps the output since the beginning of the chapter as an excerpt for the documents.
    pub fn keep(&mut self, name: &'static str) {
        let lines = self.print.take_kept();
        self.excerpts.push(Excerpt { name, lines });
    }

    /// Keeps a text as an excerpt for the documents.
    pub fn keep_text(&mut self, name: &'static str, text: &str) {
        self.excerpts.push(Excerpt { name, lines: text.lines().map(str::to_owned).collect() });
    }

    /// The excerpts.
    pub fn excerpts(&self) -> &[Excerpt] {
        &self.excerpts
    }

    /// Prints a remark.
    pub fn say(&mut self, remark: &str) {
        self.print.remark(remark);
    }

    /// The simulator, for what AWS or the far end does by itself.
    pub fn aws(&self) -> &direct_connect_simulator::Simulator {
        &self.scene.aws
    }

    /// Shows a file of `tests/demo/resources` and applies it.
    pub async fn apply(&mut self, name: &str) -> Result<(), Wrong> {
        let shown = format!("tests/demo/resources/{name}.yaml");
        let path = repository(&shown);
        let manifest = std::fs::read_to_string(&path).map_err(|error| Wrong(format!("{shown}: {error}")))?;
        self.print.command(&format!("cat {shown}"), &manifest);
        let path = path.to_string_lossy();
        let answer = self.kubectl(&["apply", "--server-side", "--filename", &path]).await?;
        self.print.command(&format!("kubectl apply --server-side --filename {shown}"), &answer);
        Ok(())
    }

    /// Merges a patch into the spec of a resource.
    pub async fn patch(&mut self, name: &str, spec: &Value) -> Result<(), Wrong> {
        let patch = format!(r#"{{"spec":{spec}}}"#);
        let answer = self.kubectl(&["patch", "dxcon", name, "--type", "merge", "--patch", &patch]).await?;
        self.print.command(&format!("kubectl patch dxcon {name} --type merge --patch '{patch}'"), &answer);
        Ok(())
    }

    /// Runs kubectl and shows its output.
    pub async fn show(&mut self, arguments: &[&str]) -> Result<String, Wrong> {
        let answer = self.kubectl(arguments).await?;
        self.print.command(&format!("kubectl {}", arguments.join(" ")), &answer);
        Ok(answer)
    }

    /// Runs `kubectl dxcon` as a person would, shows its output, and checks its exit code.
    pub async fn dxcon(&mut self, arguments: &[&str], code: i32) -> Result<(), Wrong> {
        let output = Command::new(operator_binary().with_file_name("kubectl-dxcon"))
            .args(arguments)
            .current_dir(repository(""))
            .env_clear()
            .env("COLUMNS", "110")
            .env("AWS_ENDPOINT_URL_DIRECT_CONNECT", self.scene.aws.endpoint())
            .env("AWS_ACCESS_KEY_ID", PERSON)
            .env("AWS_SECRET_ACCESS_KEY", "any")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", REGION)
            .output()
            .await
            .map_err(|error| Wrong(format!("kubectl-dxcon does not start: {error}")))?;
        self.print.command(&format!("kubectl dxcon {}", arguments.join(" ")), &String::from_utf8_lossy(&output.stdout));
        if output.status.code() == Some(code) {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(Wrong(format!("expected kubectl dxcon to end with {code}, and it was {}: {words}", output.status)))
    }

    async fn kubectl(&self, arguments: &[&str]) -> Result<String, Wrong> {
        let output = self.scene.control_plane.kubectl(arguments, "").await;
        if output.status.success() { Ok(output.stdout) } else { Err(Wrong(format!("kubectl: {}", output.stderr))) }
    }

    /// Waits for the next change of a resource's conditions, and checks that it is this one, with a message that
    /// contains `says`.
    pub async fn status(&mut self, resource: &str, expected: Expected, says: &str) -> Result<(), Wrong> {
        let what = format!("{resource} to be {expected}");
        let next = self.next(&what, |stage| stage.states.get_mut(resource)?.pop_front()).await?;
        self.print_state(&next);
        if !expected.is(&next) {
            return Err(Wrong(format!("expected {what}, and it is as the last line shows")));
        }
        if !next.message.contains(says) {
            return Err(Wrong(format!("expected a message with {says:?}, and it is as the last line shows")));
        }
        Ok(())
    }

    /// Waits for the next call other than a read, and checks that it is an update with these parameters that takes
    /// effect.
    pub async fn update(&mut self, parameters: &Value) -> Result<(), Wrong> {
        let what = format!("UpdateConnection {parameters}");
        let call = self.next(&what, |stage| stage.calls.pop_front()).await?;
        self.print_call(&call);
        let as_expected = call.operation == "UpdateConnection"
            && call.region == REGION
            && call.parameters == *parameters
            && call.is_ok()
            && call.effect;
        if as_expected { Ok(()) } else { Err(Wrong(format!("expected {what} with an effect, and it was {call}"))) }
    }

    async fn next<T>(&mut self, what: &str, mut check: impl FnMut(&mut Self) -> Option<T>) -> Result<T, Wrong> {
        let end = Instant::now() + wait::SOON;
        loop {
            if let Some(found) = check(self) {
                return Ok(found);
            }
            match timeout_at(end, self.events.recv()).await {
                Ok(Some(events)) => self.take(events),
                Ok(None) => return Err(Wrong("the watch on resources ended".to_owned())),
                Err(_) => return Err(Wrong(format!("waited {:?} for {what}", wait::SOON))),
            }
        }
    }

    fn take(&mut self, events: StageEvent) {
        match events {
            StageEvent::Call(call) => self.calls.push_back(*call),
            StageEvent::State(state) => {
                self.states.entry(state.resource.clone()).or_default().push_back(state);
            }
        }
    }

    /// Waits for this many polls, and checks that nothing else happens on either side.
    pub async fn calm(&mut self, polls: usize) -> Result<(), Wrong> {
        let begun = self.scene.aws.calls().len();
        let aws = &self.scene.aws;
        wait::until(wait::SOON, format!("{polls} polls"), async || aws.calls().len() >= begun + polls).await;
        while let Ok(events) = self.events.try_recv() {
            self.take(events);
        }
        if let Some(call) = self.calls.front() {
            return Err(Wrong(format!("expected no more calls than those above, and there was {call}")));
        }
        if let Some(state) = self.states.values().find_map(VecDeque::front) {
            let ResourceState { resource, reason, message, .. } = state;
            return Err(Wrong(format!("expected {resource} to stay as it was, and it is {reason}: {message}")));
        }
        Ok(())
    }

    /// Shows the updates in the call log of AWS, and checks the whole log: this many updates, each after a read of its
    /// connection that began when the update before had ended, and otherwise only reads.
    pub fn show_log(&mut self, updates: usize) -> Result<(), Wrong> {
        let calls = self.scene.aws.calls();
        let (mut whole, mut single, mut sent) = (0, 0, 0);
        let mut fresh: HashSet<&str> = HashSet::new();
        for call in calls.iter().filter(|call| call.finished.is_some() && call.access_key_id != PERSON) {
            let id = call.parameter("connectionId");
            match (call.operation.as_str(), id) {
                _ if !call.is_ok() => return Err(Wrong(format!("expected no call to fail, and there was {call}"))),
                ("DescribeConnections", None) if call.parameters == json!({ "maxResults": 100 }) => whole += 1,
                ("DescribeConnections", Some(id)) => {
                    single += 1;
                    fresh.insert(id);
                }
                ("UpdateConnection", Some(id)) if fresh.remove(id) => {
                    sent += 1;
                    self.print.line(Tint::Aws, &call.to_string());
                }
                _ => return Err(Wrong(format!("expected no such call at this point: {call}"))),
            }
        }
        self.say(&format!(
            "Besides, {whole} reads of the whole account, one a poll, and {single} of a single connection, before updates and during soaks."
        ));
        if sent == updates { Ok(()) } else { Err(Wrong(format!("expected {updates} updates, and there are {sent}"))) }
    }

    /// Prints what viewers can try.
    pub fn invite(&mut self) {
        let folder = self.scene.control_plane.kubeconfig().with_file_name("");
        let folder = folder.display().to_string();
        let folder = folder.trim_end_matches('/');
        let lower =
            r#"kubectl patch dxcon frankfurt-a --type merge --patch '{"spec":{"encryptionMode":"should_encrypt"}}'"#;
        self.print.line(Tint::None, "");
        self.print.line(Tint::Heading, "It all keeps running. Try, in another terminal:");
        self.print.line(Tint::None, "");
        self.print.line(Tint::Command, &format!("  export KUBECONFIG={folder}/kubeconfig PATH=\"$PATH:{folder}\""));
        self.print.line(Tint::Command, "  kubectl get dxcon --output wide");
        self.print.line(Tint::Command, &format!("  {lower}"));
        self.print.line(Tint::Command, &format!("  curl {}/_sim/calls", self.scene.aws.endpoint()));
        self.print.line(Tint::None, "");
        self.print.line(Tint::None, "What comes of it shows here. Ctrl-C ends it all and leaves nothing behind.");
        self.print.line(Tint::None, "");
    }

    /// Shows events until something ends that should not.
    pub async fn go_on(&mut self) -> Wrong {
        let mut check = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                events = self.events.recv() => match events {
                    Some(StageEvent::Call(call)) => self.print_call(&call),
                    Some(StageEvent::State(state)) => self.print_state(&state),
                    None => return Wrong("the watch on resources ended".to_owned()),
                },
                _ = check.tick() => if let Some(status) = self.scene.operator.exit() {
                    self.print_operators_log();
                    return Wrong(format!("the operator ended: {status}"));
                },
            }
        }
    }

    /// Prints the end of the operator's log.
    pub fn print_operators_log(&self) {
        let log = self.scene.operator.logs();
        let tail = log.len().saturating_sub(20);
        eprintln!("\nthe operator's last lines:\n{}", log[tail..].join("\n"));
    }

    fn print_state(&mut self, state: &ResourceState) {
        let ResourceState { resource, ready, reason, message, carries } = state;
        let tint = match (ready.as_str(), carries) {
            ("True", _) => Tint::Good,
            (_, Some("Stalled")) => Tint::Bad,
            _ => Tint::Waiting,
        };
        let carries = carries.map(|kind| format!(", {kind}")).unwrap_or_default();
        let what = format!("{resource}: Ready {ready} {reason}{carries}");
        self.print.moment(self.began.elapsed().as_secs(), "status", tint, &what, message);
    }

    fn print_call(&mut self, call: &Call) {
        let what = format!("{} {} -> {}", call.operation, call.parameters, call.outcome);
        self.print.moment(self.began.elapsed().as_secs(), "AWS", Tint::Aws, &what, "");
    }
}

impl Expected {
    fn is(self, state: &ResourceState) -> bool {
        let (ready, carries, reason) = match self {
            Self::Ready(reason) => ("True", None, reason),
            Self::Reconciling(reason) => ("False", Some("Reconciling"), reason),
            Self::Stalled(reason) => ("False", Some("Stalled"), reason),
        };
        state.ready == ready && state.carries == carries && state.reason == reason
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready(reason) => write!(to, "ready, {reason}"),
            Self::Reconciling(reason) => write!(to, "reconciling, {reason}"),
            Self::Stalled(reason) => write!(to, "stalled, {reason}"),
        }
    }
}

/// Sends every change of a resource's conditions.
async fn follow(client: Client, sender: UnboundedSender<StageEvent>) {
    let kind = GroupVersionKind::gvk("directconnect-operator.dev", "v1alpha1", "DirectConnectConnection");
    let api: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk(&kind));
    let mut objects = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
    let mut last: HashMap<String, ResourceState> = HashMap::new();
    while let Some(object) = objects.next().await {
        let Some(state) = object.ok().and_then(state) else { continue };
        if last.insert(state.resource.clone(), state.clone()).as_ref() != Some(&state)
            && sender.send(StageEvent::State(state)).is_err()
        {
            return;
        }
    }
}

fn state(object: DynamicObject) -> Option<ResourceState> {
    let resource = object.name_any();
    let object = Resource(serde_json::to_value(object).ok()?);
    let ready = object.condition("Ready")?;
    let carries = ["Reconciling", "Stalled"].into_iter().find(|kind| object.condition(kind).is_some());
    Some(ResourceState { resource, ready: ready.status, reason: ready.reason, message: ready.message, carries })
}
