//! The plan: what to do about one resource now, what to say about it, and when to decide again.

mod fields;
pub mod guard;
mod messages;
mod staleness;

use self::fields::FieldPlan;
use crate::clock::Moment;
use crate::conditions::Verdict;
use crate::desired::{Desired, EncryptionMode};
use crate::fault::Fault;
use crate::history::{Change, History, Observation};
use crate::identity::ResourceId;
use crate::ledger::Ledger;
use crate::observed::Connection;
use crate::reason::{Phase, Reason};
use crate::settings::Settings;
use crate::turn::{HoldReason, Holder};

/// All that a decision about one resource rests on.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What the spec asks for.
    pub desired: &'a Desired,
    /// What has outlived every restart.
    pub ledger: &'a Ledger,
    /// What this process has seen of the circuit.
    pub history: &'a History,
    /// The times that people set.
    pub settings: &'a Settings,
    /// Now.
    pub now: Moment,
    /// The last listing of the region failed so.
    pub poll_fault: Option<&'a Fault>,
    /// When this process began to read the region.
    pub reading_since: Option<Moment>,
    /// A read that began no earlier than this was asked for.
    pub read_requested_at: Option<Moment>,
    /// An older resource that claims the same circuit.
    pub older_claim: Option<&'a ResourceId>,
    /// Another circuit of the account that holds the turn.
    pub holder: Option<&'a Holder>,
    /// Another resource about this circuit that still carries a proof.
    pub other_proof: Option<&'a ResourceId>,
    /// Why this resource makes its circuit hold the turn, if it does.
    pub holds: Option<HoldReason>,
    /// Until when a read may show what was there before an update.
    pub settles_at: Option<Moment>,
    /// Listings are read at the cadence of a soak, so that no connection need be read by its id for it.
    pub is_swept: bool,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, for the reason that the verdict gives.
    Rest,
    /// Read this connection by its id.
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
    /// The read that all this rests on.
    pub observation: Option<Observation>,
    /// When to decide again if nothing happens before; `None`: only when something happens.
    pub next_check: Option<Moment>,
    /// What differs now.
    pub drift: Vec<Drift>,
    /// Whether AWS has all that the spec asks for.
    pub is_met: bool,
    /// Whether it is to be read at the cadence of a soak.
    pub is_watched: bool,
}

impl Plan {
    fn rest(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            step: Step::Rest,
            verdict: Some(Verdict::new(reason, message)),
            observation: None,
            next_check: None,
            drift: Vec::new(),
            is_met: false,
            is_watched: false,
        }
    }

    fn check_at(mut self, moment: Option<Moment>) -> Self {
        self.next_check = self.next_check.into_iter().chain(moment).min();
        self
    }

    fn read(mut self) -> Self {
        self.step = Step::Read;
        self
    }
}

impl Case<'_> {
    /// Whether this is the resource that may change the connection, now or when the pause is over.
    fn acts(&self) -> bool {
        self.older_claim.is_none() && !self.desired.observes_only()
    }

    fn observation_began(&self) -> Moment {
        self.history.observation().map_or(Moment::START, |observation| observation.began)
    }
}

/// Decides about one resource. Pure: the same case gives the same plan.
pub fn decide(case: &Case<'_>) -> Plan {
    let Some(observation) = case.history.observation() else {
        return staleness::before_first_read(case);
    };
    let plan = match observation.connection.as_deref() {
        None => Plan::rest(Reason::NotFound, messages::not_found(&case.desired.circuit)),
        Some(connection) if connection.is_gone() => {
            Plan::rest(Reason::ConnectionGone, messages::gone(&case.desired.circuit, connection))
        }
        Some(connection) => compare(case, connection),
    };
    // One that a listing left out is read by its id before it is called gone.
    let is_asked_for = case.read_requested_at.is_some_and(|at| observation.began < at) || case.history.is_missing();
    let plan = if is_asked_for && plan.step == Step::Rest { plan.read() } else { plan };
    let plan = staleness::heed_read_faults(case, plan);
    Plan { observation: Some(observation.clone()), ..plan }
}

fn compare(case: &Case<'_>, connection: &Connection) -> Plan {
    let desired = case.desired;
    let name = fields::name(case, connection);
    let mode = fields::mode(case, connection);
    let is_met = matches!((&name, &mode), (FieldPlan::Nothing, FieldPlan::Nothing));
    let drift = fields::drift(desired, connection);
    let plan = if let Some(older) = case.older_claim {
        Plan::rest(Reason::Conflict, messages::conflict(older, &desired.circuit))
    } else if desired.observes_only() || desired.paused {
        let blocked = if let FieldPlan::Blocked { message, .. } = &mode { Some(message.as_str()) } else { None };
        let (reason, message) = messages::nothing_sent(desired, is_met, &drift, blocked);
        Plan::rest(reason, message + messages::others_wait(case, connection))
    } else if is_met {
        Plan::rest(Reason::InSync, messages::in_sync(case, connection))
    } else {
        act(case, name, mode)
    };
    let plan = Plan { drift, is_met, is_watched: is_watched(case, connection), ..plan };
    if plan.is_watched { keep_reading(case, plan) } else { plan }
}

/// Sends what may be sent, decided on a fresh read; says why for the rest.
fn act(case: &Case<'_>, name: FieldPlan<String>, mode: FieldPlan<EncryptionMode>) -> Plan {
    let mut change = Change::default();
    let mut blocked: Vec<(Reason, String, Option<Moment>)> = Vec::new();
    match name {
        FieldPlan::Nothing => {}
        FieldPlan::Send(name) => change.name = Some(name),
        FieldPlan::Blocked { reason, message, next_check } => blocked.push((reason, message, next_check)),
    }
    match mode {
        FieldPlan::Nothing => {}
        FieldPlan::Send(mode) => change.mode = Some(mode),
        FieldPlan::Blocked { reason, message, next_check } => blocked.push((reason, message, next_check)),
    }
    let failure = case.history.update_failure();
    if change.is_empty() {
        // Each has its time to be decided on again, whichever of them is told.
        let next_check = blocked.iter().filter_map(|(_, _, next_check)| *next_check).min();
        let needs_read = next_check.is_some_and(|at| case.now >= at && case.observation_began() < at);
        // Report stalled blockers before waiting ones. A name is stalled by contention alone, and stands first.
        let told = blocked.into_iter().min_by_key(|(reason, _, _)| reason.phase() != Phase::Stalled);
        let plan = match (told, failure) {
            // What an update that failed may have done is not known yet.
            (Some((Reason::Settling, _, _)), Some(failure)) => {
                let circuit = &case.desired.circuit;
                let verdict = Verdict::new(failure.fault.reason(), messages::fault(&failure.fault, circuit));
                Plan { verdict: Some(verdict), ..Plan::rest(Reason::Settling, "") }
            }
            (Some((reason, message, _)), _) => Plan::rest(reason, message),
            (None, _) => Plan::rest(Reason::InSync, ""),
        };
        let plan = plan.check_at(next_check.filter(|&at| at > case.now));
        return if needs_read { plan.read() } else { plan };
    }
    if let Some(failure) = failure.filter(|failure| case.now < failure.retry_at) {
        let verdict = Verdict::new(failure.fault.reason(), messages::fault(&failure.fault, &case.desired.circuit));
        let plan = Plan::rest(failure.fault.reason(), "").check_at(Some(failure.retry_at));
        return Plan { verdict: Some(verdict), ..plan };
    }
    let message = messages::updating(&change, &case.desired.circuit);
    let step = if case.history.is_fresh(case.now) { Step::Update(change) } else { Step::Read };
    Plan { step, ..Plan::rest(Reason::Updating, message) }
}

/// Whether reads must now be close together: while the connection holds the turn of its account, whatever pause, policy or
/// conflict says; while it goes up to `must_encrypt` with MACsec up; and until a read has followed an update.
fn is_watched(case: &Case<'_>, connection: &Connection) -> bool {
    let goes_up = case.acts()
        && case.desired.mode == Some(EncryptionMode::MustEncrypt)
        && connection.lag_id.is_none()
        && match connection.mode() {
            Some(EncryptionMode::ShouldEncrypt) => {
                !case.desired.paused && (connection.encryption_works() || case.history.is_unread_since_update())
            }
            Some(EncryptionMode::MustEncrypt) => case.history.is_unread_since_update(),
            Some(EncryptionMode::NoEncrypt) | None => false,
        };
    goes_up || case.holds.is_some()
}

fn keep_reading(case: &Case<'_>, plan: Plan) -> Plan {
    if plan.step != Step::Rest {
        return plan;
    }
    let soak = case.settings.encryption_soak;
    let is_soaked = case.history.last_mode().is_some_and(|mode| case.history.is_soaked(mode, soak));
    // The last read of a soak comes when the soak is over, not a whole interval later.
    let over = case.history.macsec_up_since().filter(|_| !is_soaked).map(|since| since + soak);
    let due = over.into_iter().chain([case.observation_began() + case.settings.soak_cadence()]).min();
    match due {
        Some(due) if case.now < due => plan.check_at(Some(due)),
        // Listings come often enough; this one is looked at when the next has come.
        _ if case.is_swept => plan.check_at(Some(case.now + case.settings.soak_cadence())),
        _ => plan.read(),
    }
}
