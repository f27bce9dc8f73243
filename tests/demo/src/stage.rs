//! Shows what happens as it happens, and holds it against what is expected.

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

/// How long a chapter stands before the next begins.
const PAUSE: Duration = Duration::from_millis(1500);

/// Access key of the person who imports and plans, who is not the operator.
const PERSON: &str = "AKIAPERSONEXAMPLE000";

/// What happened on one of the two sides of the operator.
enum News {
    Call(Box<Call>),
    Standing(Standing),
}

/// How a resource stands by its conditions.
#[derive(Clone, PartialEq, Eq)]
struct Standing {
    resource: String,
    ready: String,
    reason: String,
    message: String,
    /// `Reconciling` or `Stalled`, where one is present.
    carries: Option<&'static str>,
}

/// How a resource is expected to stand.
#[derive(Clone, Copy)]
pub enum Expected {
    /// Ready, for this reason.
    Ready(&'static str),
    /// On its way by itself.
    Reconciling(&'static str),
    /// In need of a person.
    Stalled(&'static str),
}

/// The scene, and all that happens on it. What comes from either side is expected in its own order, and shown in the
/// order of the story.
pub struct Stage {
    scene: Scene,
    print: Printer,
    news: UnboundedReceiver<News>,
    calls: VecDeque<Call>,
    standings: HashMap<String, VecDeque<Standing>>,
    excerpts: Vec<Excerpt>,
    began: Instant,
}

impl Stage {
    pub async fn new(scene: Scene, print: Printer) -> Self {
        let (tell, news) = unbounded_channel();
        let tell_calls = tell.clone();
        scene.aws.watch(move |call| {
            if call.operation != "DescribeConnections" {
                let _ = tell_calls.send(News::Call(Box::new(call.clone())));
            }
        });
        tokio::spawn(follow(scene.control_plane.client().await, tell));
        let (calls, standings) = (VecDeque::new(), HashMap::new());
        Self { scene, print, news, calls, standings, excerpts: Vec::new(), began: Instant::now() }
    }

    /// Gives those who watch time to read.
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

    /// Keeps what was shown since the chapter began, for the documents.
    pub fn keep(&mut self, name: &'static str) {
        let lines = self.print.take_kept();
        self.excerpts.push(Excerpt { name, lines });
    }

    /// Keeps a text for the documents.
    pub fn keep_text(&mut self, name: &'static str, text: &str) {
        self.excerpts.push(Excerpt { name, lines: text.lines().map(str::to_owned).collect() });
    }

    /// What was kept.
    pub fn excerpts(&self) -> &[Excerpt] {
        &self.excerpts
    }

    /// Says something.
    pub fn say(&mut self, remark: &str) {
        self.print.remark(remark);
    }

    /// What AWS or the far end does by itself.
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

    /// Runs kubectl and shows what it says.
    pub async fn show(&mut self, arguments: &[&str]) -> Result<String, Wrong> {
        let answer = self.kubectl(arguments).await?;
        self.print.command(&format!("kubectl {}", arguments.join(" ")), &answer);
        Ok(answer)
    }

    /// Runs `kubectl dxcon` as a person would, shows what it prints, and holds its exit code against what is expected.
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

    /// Waits for the next change of how a resource stands, which is to be this one, with a message that holds `says`.
    pub async fn status(&mut self, resource: &str, expected: Expected, says: &str) -> Result<(), Wrong> {
        let what = format!("{resource} to be {expected}");
        let next = self.next(&what, |stage| stage.standings.get_mut(resource)?.pop_front()).await?;
        self.print_standing(&next);
        if !expected.is(&next) {
            return Err(Wrong(format!("expected {what}, and it is as the last line shows")));
        }
        if !next.message.contains(says) {
            return Err(Wrong(format!("expected a message with {says:?}, and it is as the last line shows")));
        }
        Ok(())
    }

    /// Waits for the next call that is no read, which is to be an update with these parameters and to take effect.
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

    async fn next<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> Result<T, Wrong> {
        let end = Instant::now() + wait::SOON;
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            match timeout_at(end, self.news.recv()).await {
                Ok(Some(news)) => self.take(news),
                Ok(None) => return Err(Wrong("the watch on resources ended".to_owned())),
                Err(_) => return Err(Wrong(format!("waited {:?} for {what}", wait::SOON))),
            }
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Call(call) => self.calls.push_back(*call),
            News::Standing(standing) => {
                self.standings.entry(standing.resource.clone()).or_default().push_back(standing);
            }
        }
    }

    /// Looks on while AWS is read this many times more, and nothing else is to happen on either side.
    pub async fn calm(&mut self, polls: usize) -> Result<(), Wrong> {
        let begun = self.scene.aws.calls().len();
        let aws = &self.scene.aws;
        wait::until(wait::SOON, format!("{polls} polls"), async || aws.calls().len() >= begun + polls).await;
        while let Ok(news) = self.news.try_recv() {
            self.take(news);
        }
        if let Some(call) = self.calls.front() {
            return Err(Wrong(format!("expected no more calls than those above, and there was {call}")));
        }
        if let Some(standing) = self.standings.values().find_map(VecDeque::front) {
            let Standing { resource, reason, message, .. } = standing;
            return Err(Wrong(format!("expected {resource} to stay as it was, and it is {reason}: {message}")));
        }
        Ok(())
    }

    /// Shows the updates in the log of AWS, and holds the whole log against what is expected: this many updates, each
    /// after a read of its connection that began when the update before had ended, and else nothing but reads.
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

    /// Says what to try.
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

    /// Shows what happens from now on, until something ends that should not.
    pub async fn go_on(&mut self) -> Wrong {
        let mut look = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                news = self.news.recv() => match news {
                    Some(News::Call(call)) => self.print_call(&call),
                    Some(News::Standing(standing)) => self.print_standing(&standing),
                    None => return Wrong("the watch on resources ended".to_owned()),
                },
                _ = look.tick() => if let Some(status) = self.scene.operator.exit() {
                    self.print_operators_log();
                    return Wrong(format!("the operator ended: {status}"));
                },
            }
        }
    }

    /// Shows the end of the operator's log.
    pub fn print_operators_log(&self) {
        let log = self.scene.operator.logs();
        let tail = log.len().saturating_sub(20);
        eprintln!("\nthe operator's last lines:\n{}", log[tail..].join("\n"));
    }

    fn print_standing(&mut self, standing: &Standing) {
        let Standing { resource, ready, reason, message, carries } = standing;
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
    fn is(self, standing: &Standing) -> bool {
        let (ready, carries, reason) = match self {
            Self::Ready(reason) => ("True", None, reason),
            Self::Reconciling(reason) => ("False", Some("Reconciling"), reason),
            Self::Stalled(reason) => ("False", Some("Stalled"), reason),
        };
        standing.ready == ready && standing.carries == carries && standing.reason == reason
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

/// Tells every change of how a resource stands.
async fn follow(client: Client, tell: UnboundedSender<News>) {
    let kind = GroupVersionKind::gvk("directconnect-operator.dev", "v1alpha1", "DirectConnectConnection");
    let api: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk(&kind));
    let mut objects = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
    let mut last: HashMap<String, Standing> = HashMap::new();
    while let Some(object) = objects.next().await {
        let Some(standing) = object.ok().and_then(standing) else { continue };
        if last.insert(standing.resource.clone(), standing.clone()).as_ref() != Some(&standing)
            && tell.send(News::Standing(standing)).is_err()
        {
            return;
        }
    }
}

fn standing(object: DynamicObject) -> Option<Standing> {
    let resource = object.name_any();
    let object = Resource(serde_json::to_value(object).ok()?);
    let ready = object.condition("Ready")?;
    let carries = ["Reconciling", "Stalled"].into_iter().find(|kind| object.condition(kind).is_some());
    Some(Standing { resource, ready: ready.status, reason: ready.reason, message: ready.message, carries })
}
