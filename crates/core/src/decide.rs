//! The Plan: what to do about one resource now, what to say about it, and when to look again.

use std::time::Duration;

use crate::clock::Moment;
use crate::conditions::{Reason, Stance, Verdict};
use crate::desired::{Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use crate::fault::{Fault, FaultKind};
use crate::guard::{self, Evidence, Rung};
use crate::history::{Change, Failure, History};
use crate::observed::{Connection, ConnectionState, ObservedMode, PortEncryptionStatus};

/// The times that people set on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often each account and region is read.
    pub poll_interval: Duration,
    /// How long `Encryption Up` must be seen before `must_encrypt`.
    pub encryption_soak: Duration,
    /// How long AWS may still show old values after an update.
    pub settle_window: Duration,
    /// How long to wait for `Encryption Up` before a person is asked.
    pub progress_deadline: Duration,
}

impl Settings {
    /// How often a connection is read by itself while a soak runs: 15 s, or every poll if that is shorter.
    pub fn soak_cadence(&self) -> Duration {
        self.poll_interval.min(Duration::from_secs(15))
    }

    /// After how long without a read nothing is claimed any more: three poll intervals.
    pub fn stale_after(&self) -> Duration {
        self.poll_interval * 3
    }
}

/// What surrounds one resource at the moment of the decision.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The last poll of the region failed so.
    pub poll_fault: Option<&'a Fault>,
    /// An older resource, as `namespace/name`, claims the same connection.
    pub elder: Option<&'a str>,
    /// A resource of another connection of the account that is on its way to `must_encrypt`.
    pub other: Option<&'a str>,
    /// A look that began no earlier than this was asked for.
    pub asked_at: Option<Moment>,
    /// `status.metGeneration`: the newest generation whose wish AWS was seen to match.
    pub met_generation: Option<i64>,
    /// A mode that was sent before, and for which generation: for the wish at hand if there is one, else the last
    /// `must_encrypt` of an unbroken wish for it (`status.mustEncryptGeneration`), else that of `status.lastUpdate`.
    pub mode_sent: Option<(EncryptionMode, i64)>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, for the reason that the verdict gives.
    Rest,
    /// Read this connection by itself.
    Read,
    /// Send these fields.
    Update(Change),
}

/// A field that differs between spec and AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Field of the spec.
    pub field: &'static str,
    /// What the spec says.
    pub desired: String,
    /// What AWS shows; `None` where it shows nothing.
    pub observed: Option<String>,
}

/// The decision about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What to do now.
    pub step: Step,
    /// What to say; `None` while there is nothing to say yet, or nothing new.
    pub verdict: Option<Verdict>,
    /// When to decide again if nothing happens before; `None`: only when something happens.
    pub look_again: Option<Moment>,
    /// What differs now.
    pub drift: Vec<Drift>,
    /// Whether AWS has all that the spec asks for.
    pub met: bool,
}

impl Plan {
    fn rest(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            step: Step::Rest,
            verdict: Some(Verdict::new(reason, message)),
            look_again: None,
            drift: Vec::new(),
            met: false,
        }
    }

    fn at(mut self, look_again: Option<Moment>) -> Self {
        self.look_again = match (self.look_again, look_again) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }

    fn read(mut self) -> Self {
        self.step = Step::Read;
        self
    }
}

/// Decides about one resource. Pure: the same arguments give the same plan.
pub fn decide(desired: &Desired, history: &History, around: &Circumstances<'_>, set: &Settings, now: Moment) -> Plan {
    let Some(look) = history.look() else {
        return unread(desired, history, around, set, now);
    };
    let plan = match &look.connection {
        None => not_found(desired, history),
        Some(connection) if connection.is_gone() => gone(desired, connection),
        Some(connection) => compare(desired, connection, history, around, set, now),
    };
    let asked = around.asked_at.is_some_and(|at| look.began < at);
    let plan = if asked && plan.step == Step::Rest { plan.read() } else { plan };
    let plan = if acts(desired, around) { settle_turn(plan, desired, history, set, now) } else { plan };
    heed_read_faults(plan, desired, history, around, set, now)
}

/// Whether this is the resource that may change the connection, now or when the pause is over.
fn acts(desired: &Desired, around: &Circumstances<'_>) -> bool {
    around.elder.is_none() && desired.policy == ManagementPolicy::Manage
}

/// Others of the account wait until it is known what became of a `must_encrypt`. So it is looked at again when that can
/// be known, even if nothing changes that would wake anyone.
fn settle_turn(plan: Plan, desired: &Desired, history: &History, set: &Settings, now: Moment) -> Plan {
    let settled_at =
        history.must_settles_at(set.settle_window).filter(|_| desired.mode == Some(EncryptionMode::MustEncrypt));
    match settled_at {
        Some(settled_at) if now < settled_at => plan.at(Some(settled_at)),
        Some(_) if history.is_unread_since_must() && plan.step == Step::Rest => plan.read(),
        _ => plan,
    }
}

/// Nothing is known yet: the first poll is on its way, or has failed.
///
/// A resource that an earlier process brought where its spec wants it keeps its status for a while, as it would have
/// without a restart.
fn unread(desired: &Desired, history: &History, around: &Circumstances<'_>, set: &Settings, now: Moment) -> Plan {
    let failure = history.read_failure();
    let fault = failure.map(|failure| &failure.fault).or(around.poll_fault);
    let stale_at = Moment::START + set.stale_after();
    let was_met = around.met_generation == Some(desired.generation);
    let stale = was_met && now >= stale_at;
    let silent = was_met && !stale;
    let again = [failure.map(|failure| failure.retry_at), (fault.is_some() && silent).then_some(stale_at)];
    Plan {
        step: Step::Rest,
        verdict: fault.filter(|_| !silent).map(|fault| Verdict { stale, ..told(fault, desired) }),
        look_again: again.into_iter().flatten().filter(|&at| at > now).min(),
        drift: Vec::new(),
        met: false,
    }
}

fn told(fault: &Fault, desired: &Desired) -> Verdict {
    Verdict::new(fault.reason(), fault.describe(&desired.key.region, &desired.key.id))
}

/// A failed read is no news to a resource with nothing to do. With something to do it is shown at once, and without a
/// read for three intervals nothing is claimed any more.
fn heed_read_faults(
    plan: Plan,
    desired: &Desired,
    history: &History,
    around: &Circumstances<'_>,
    set: &Settings,
    now: Moment,
) -> Plan {
    let read_failure = history.read_failure();
    let Some(fault) = read_failure.map(|failure| &failure.fault).or(around.poll_fault) else {
        return plan;
    };
    if fault.kind == FaultKind::NotFound {
        return plan;
    }
    let retry_at = read_failure.map(|failure| failure.retry_at);
    let began = history.look().map_or(Moment::START, |look| look.began);
    let stale_at = began + set.stale_after();
    if now >= stale_at {
        return Plan {
            step: retry(plan.step, read_failure, now),
            verdict: Some(Verdict { stale: true, ..told(fault, desired) }),
            look_again: retry_at.filter(|&at| at > now),
            ..plan
        };
    }
    if plan.step == Step::Rest {
        return plan.at(Some(stale_at));
    }
    let step = retry(plan.step, read_failure, now);
    let shows = step == Step::Rest && !plan.met;
    let verdict = if shows { Some(told(fault, desired)) } else { plan.verdict };
    Plan { step, verdict, look_again: Some(stale_at).into_iter().chain(retry_at.filter(|&at| at > now)).min(), ..plan }
}

/// A read that failed by itself is tried again when its time has come. While polls fail nothing is tried: the poller
/// finds out for all when AWS is back.
fn retry(step: Step, read_failure: Option<&Failure>, now: Moment) -> Step {
    match read_failure {
        Some(failure) if now >= failure.retry_at => step,
        _ => Step::Rest,
    }
}

fn not_found(desired: &Desired, history: &History) -> Plan {
    let key = &desired.key;
    let plan = Plan::rest(
        Reason::NotFound,
        format!(
            "{} was not found in {}: check spec.connectionId, spec.region and the AWS account of the operator; it is looked for at every poll and never created",
            key.id, key.region
        ),
    );
    // The connection may be younger than the last poll.
    if history.is_news_to_last_look() { plan.read() } else { plan }
}

fn gone(desired: &Desired, connection: &Connection) -> Plan {
    let state = connection.connection_state.as_ref().map_or("gone", ConnectionState::as_str);
    Plan::rest(
        Reason::ConnectionGone,
        format!(
            "connectionState of {} is {state}; nothing is sent to it: delete this resource, or create one for the connection that replaces it",
            desired.key.id
        ),
    )
}

/// What one managed field needs.
enum Need<T> {
    /// Nothing: unmanaged, or as the spec asks.
    Nothing,
    /// To be sent now.
    Send(T),
    /// To be sent, but not yet; perhaps at the moment that is given, even if nothing happens before.
    Not(Reason, String, Option<Moment>),
}

fn compare(
    desired: &Desired,
    connection: &Connection,
    history: &History,
    around: &Circumstances<'_>,
    set: &Settings,
    now: Moment,
) -> Plan {
    let name = name_need(desired, connection, history, set, now);
    let mode = mode_need(desired, connection, history, around, set, now);
    let met = matches!((&name, &mode), (Need::Nothing, Need::Nothing));
    let drift = drift(desired, connection);
    let plan = if let Some(elder) = around.elder {
        Plan { verdict: Some(conflict(elder, desired)), ..Plan::rest(Reason::Conflict, "") }
    } else if desired.policy == ManagementPolicy::Observe || desired.paused {
        hands_off(desired, met, &drift, &mode)
    } else if met {
        Plan::rest(Reason::InSync, in_sync(desired, connection))
    } else {
        act(desired, history, now, name, mode)
    };
    let soaking = acts(desired, around) && is_soaking(desired, connection, history, set);
    let plan = if soaking { keep_looking(plan, history, set, now) } else { plan };
    Plan { drift, met, ..plan }
}

fn name_need(
    desired: &Desired,
    connection: &Connection,
    history: &History,
    set: &Settings,
    now: Moment,
) -> Need<String> {
    let Some(name) = desired.name.as_ref().filter(|&name| connection.connection_name.as_ref() != Some(name)) else {
        return Need::Nothing;
    };
    let id = &desired.key.id;
    let state = connection.connection_state.as_ref();
    let takes_a_name = matches!(
        state,
        Some(
            ConnectionState::Requested | ConnectionState::Pending | ConnectionState::Available | ConnectionState::Down
        )
    );
    if let Some(settled_at) = history.name_settles_at(name, now, set.settle_window) {
        Need::Not(
            Reason::Settling,
            format!("connectionName {name:?} was sent to {id}; AWS may show the old one for a while"),
            Some(settled_at),
        )
    } else if !takes_a_name {
        let state = state.map_or("absent", ConnectionState::as_str);
        Need::Not(
            Reason::WaitingForAvailable,
            format!(
                "connectionState of {id} is {state}; connectionName changes once it is requested, pending, available or down"
            ),
            None,
        )
    } else if let Some(ObservedMode::Other(word)) = &connection.encryption_mode {
        Need::Not(
            Reason::AwsUnavailable,
            format!(
                "AWS shows encryptionMode {word:?} for {id}, which this operator does not know; nothing is sent until it shows one that it knows"
            ),
            None,
        )
    } else if let Some(until) = history.name_contended(now) {
        Need::Not(Reason::Contended, contended("connectionName", name, id), Some(until))
    } else {
        Need::Send(name.clone())
    }
}

fn mode_need(
    desired: &Desired,
    connection: &Connection,
    history: &History,
    around: &Circumstances<'_>,
    set: &Settings,
    now: Moment,
) -> Need<EncryptionMode> {
    let Some(wanted) = desired.mode else { return Need::Nothing };
    let id = &desired.key.id;
    let deadline = history.waits_since().map(|since| since + set.progress_deadline);
    let evidence = Evidence {
        soaked: history.is_soaked(set.encryption_soak),
        overdue: deadline.is_some_and(|deadline| now >= deadline),
        immediate: may_skip_the_ladder(desired, history, around),
        other: around.other,
    };
    let mode = match guard::climb(wanted, connection, evidence, id) {
        Rung::Met => return Need::Nothing,
        Rung::Not(reason, message) => {
            let again = match reason {
                Reason::WaitingForEncryptionUp => deadline,
                Reason::WaitingForTurn => Some(now + set.soak_cadence()),
                _ => None,
            };
            return Need::Not(reason, message, again);
        }
        Rung::Go(mode) => mode,
    };
    // While AWS may yet show the wanted mode, no other one goes either: the read that asks for it may be late.
    let settling = [mode, wanted]
        .into_iter()
        .find_map(|sent| history.mode_settles_at(sent, now, set.settle_window).map(|settled_at| (sent, settled_at)));
    if let Some((sent, settled_at)) = settling {
        let message = format!("encryptionMode {sent} was sent to {id}; AWS may show the old one for a while");
        Need::Not(Reason::Settling, message, Some(settled_at))
    } else if let Some(until) = history.mode_contended(now) {
        Need::Not(Reason::Contended, contended("encryptionMode", &mode.to_string(), id), Some(until))
    } else {
        Need::Send(mode)
    }
}

/// `Immediate` is for a wish that has not been met yet and was not sent before. What AWS or anyone took back goes by
/// the ladder, and in doubt so does everything.
fn may_skip_the_ladder(desired: &Desired, history: &History, around: &Circumstances<'_>) -> bool {
    let unmet = |generation| around.met_generation.is_none_or(|met| met < generation);
    let was_sent = history.has_sent_a_mode()
        || around.mode_sent.is_some_and(|(mode, sent)| {
            // A mode of this very wish was must_encrypt, or a rung on the ladder to it. One of an earlier wish was met,
            // and then taken back by AWS or by someone.
            sent >= desired.generation || (mode == EncryptionMode::MustEncrypt && !unmet(sent))
        });
    desired.transition == EncryptionTransition::Immediate && unmet(desired.generation) && !was_sent
}

fn contended(field: &str, value: &str, id: &str) -> String {
    format!(
        "someone else has put {field} of {id} back three times within an hour after this operator set it to {value:?}: find the other writer (CloudTrail names it), or unset spec.{field}; it is tried again ever more rarely"
    )
}

fn hands_off(desired: &Desired, met: bool, drift: &[Drift], mode: &Need<EncryptionMode>) -> Plan {
    let observing = desired.policy == ManagementPolicy::Observe;
    let what = match (drift, mode) {
        ([], Need::Not(_, message, _)) => message.clone(),
        (drift, _) => differences(drift),
    };
    match (observing, met) {
        (true, true) => Plan::rest(Reason::Observed, "AWS has what the spec says; managementPolicy is Observe"),
        (true, false) => Plan::rest(
            Reason::Drifted,
            format!(
                "managementPolicy is Observe, so nothing is sent: {what}; set managementPolicy to Manage to change AWS, or the spec to what AWS has"
            ),
        ),
        (false, true) => Plan::rest(Reason::InSync, "AWS has what the spec asks for; paused by annotation"),
        (false, false) => Plan::rest(
            Reason::Paused,
            format!("paused by annotation, so nothing is sent: {what}; remove the annotation to go on"),
        ),
    }
}

fn differences(drift: &[Drift]) -> String {
    let each: Vec<String> = drift
        .iter()
        .map(|Drift { field, desired, observed }| match observed {
            Some(observed) => format!("{field} is {observed:?} in AWS and {desired:?} in the spec"),
            None => format!("{field} is absent in AWS and {desired:?} in the spec"),
        })
        .collect();
    each.join(", ")
}

fn in_sync(desired: &Desired, connection: &Connection) -> String {
    let down = desired.mode == Some(EncryptionMode::MustEncrypt)
        && connection.port_encryption_status == Some(PortEncryptionStatus::Down);
    if down {
        "AWS has what the spec asks for; portEncryptionStatus is Encryption Down, so must_encrypt lets no traffic pass: bring MACsec up, or lower spec.encryptionMode".into()
    } else if desired.name.is_none() && desired.mode.is_none() {
        "the spec manages neither connectionName nor encryptionMode; AWS is shown as it is".into()
    } else {
        "AWS has what the spec asks for".into()
    }
}

/// Sends what may be sent, decided on a fresh read; says why for the rest.
fn act(desired: &Desired, history: &History, now: Moment, name: Need<String>, mode: Need<EncryptionMode>) -> Plan {
    let mut change = Change::default();
    let mut held: Vec<(Reason, String, Option<Moment>)> = Vec::new();
    match name {
        Need::Nothing => {}
        Need::Send(name) => change.name = Some(name),
        Need::Not(reason, message, again) => held.push((reason, message, again)),
    }
    match mode {
        Need::Nothing => {}
        Need::Send(mode) => change.mode = Some(mode),
        Need::Not(reason, message, again) => held.push((reason, message, again)),
    }
    if change.is_empty() {
        // Each has its time to be looked at again, whichever of them is told.
        let again = held.iter().filter_map(|(_, _, again)| *again).min();
        // What needs a person goes before what needs time, and contention before the rest: a name needs a person for no
        // other reason, and stands first.
        let told = held.into_iter().min_by_key(|(reason, _, _)| reason.stance() != Stance::Stalled);
        let (reason, message) = told.map_or((Reason::InSync, String::new()), |(reason, message, _)| (reason, message));
        return Plan::rest(reason, message).at(again);
    }
    if let Some(failure) = history.update_failure().filter(|failure| now < failure.retry_at) {
        let plan = Plan::rest(failure.fault.reason(), "").at(Some(failure.retry_at));
        return Plan { verdict: Some(told(&failure.fault, desired)), ..plan };
    }
    let step = if history.is_fresh(now) { Step::Update(change.clone()) } else { Step::Read };
    Plan { step, ..Plan::rest(Reason::Updating, updating(&change, &desired.key.id)) }
}

fn updating(change: &Change, id: &str) -> String {
    let name = change.name.as_ref().map(|name| format!("connectionName to {name:?}"));
    let mode = change.mode.map(|mode| format!("encryptionMode to {mode}"));
    let what: Vec<String> = name.into_iter().chain(mode).collect();
    format!("setting {} of {id}", what.join(" and "))
}

/// Whether looks must now be close together: MACsec works, and either `must_encrypt` waits for that to have held, or it
/// was sent and has not proven itself.
///
/// After an update it takes a look to know whether MACsec works. A poll that shows what the update's own answer showed
/// is no news and wakes nobody, so that look is asked for too.
fn is_soaking(desired: &Desired, connection: &Connection, history: &History, set: &Settings) -> bool {
    desired.mode == Some(EncryptionMode::MustEncrypt)
        && (connection.encryption_works() || history.is_behind_update())
        && !history.is_soaked(set.encryption_soak)
        && match connection.mode() {
            Some(EncryptionMode::MustEncrypt) => history.is_unproven(set.encryption_soak),
            Some(EncryptionMode::ShouldEncrypt) => !desired.paused && connection.lag_id.is_none(),
            Some(EncryptionMode::NoEncrypt) | None => false,
        }
}

fn keep_looking(plan: Plan, history: &History, set: &Settings, now: Moment) -> Plan {
    if plan.step != Step::Rest {
        return plan;
    }
    let began = history.look().map_or(Moment::START, |look| look.began);
    // The last look of a soak comes when the soak is over, not a whole interval later.
    let over = history.working_since().map(|since| since + set.encryption_soak);
    let due = over.into_iter().chain([began + set.soak_cadence()]).min().unwrap_or(now);
    if now >= due { plan.read() } else { plan.at(Some(due)) }
}

fn drift(desired: &Desired, connection: &Connection) -> Vec<Drift> {
    let name = desired.name.as_ref().filter(|&name| connection.connection_name.as_ref() != Some(name)).map(|name| {
        Drift { field: "connectionName", desired: name.clone(), observed: connection.connection_name.clone() }
    });
    let mode = desired.mode.zip(connection.mode()).filter(|(wanted, mode)| connection.takes_a_mode() && wanted != mode);
    let mode = mode.map(|(wanted, mode)| Drift {
        field: "encryptionMode",
        desired: wanted.to_string(),
        observed: Some(mode.to_string()),
    });
    name.into_iter().chain(mode).collect()
}

fn conflict(elder: &str, desired: &Desired) -> Verdict {
    Verdict::new(
        Reason::Conflict,
        format!(
            "{} in {} is managed by the older resource {elder}: delete one of the two, or set spec.managementPolicy of this one to Observe",
            desired.key.id, desired.key.region
        ),
    )
}
