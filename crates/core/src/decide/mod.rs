//! Makes the plan for one resource: what to do now, what to report, and when to decide again.

mod fields;
pub mod guard;
mod messages;
mod staleness;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::fields::FieldPlan;
use crate::clock::Moment;
use crate::conditions::Verdict;
use crate::desired::{Desired, EncryptionMode};
use crate::fault::Fault;
use crate::history::{Change, History, Observation, Source};
use crate::identity::{CircuitId, ResourceId};
use crate::ledger::Ledger;
use crate::observed::Connection;
use crate::reason::{Phase, Reason};
use crate::settings::{FRESH, Settings};
use crate::turn::{HoldReason, Holder};

/// All inputs of a decision about one resource.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What the spec asks for.
    pub desired: &'a Desired,
    /// What was stored in status and so survives restarts.
    pub ledger: &'a Ledger,
    /// What this process has read of the circuit, and sent to it.
    pub history: &'a History,
    /// The configured durations.
    pub settings: &'a Settings,
    /// The current moment.
    pub now: Moment,
    /// Status is about this spec, and says that nothing is on its way.
    pub is_reported: bool,
    /// The error of the last listing of the region, if it failed.
    pub poll_fault: Option<&'a Fault>,
    /// When this process began to read the region.
    pub reading_since: Option<Moment>,
    /// A person asked for a read at this moment; a read that began earlier does not answer that request.
    pub read_requested_at: Option<Moment>,
    /// An older resource that claims the same circuit.
    pub older_claim: Option<&'a ResourceId>,
    /// Another circuit of the account that holds the turn.
    pub holder: Option<&'a Holder>,
    /// Another resource for this circuit whose ledger still says `proven`.
    pub other_proof: Option<&'a ResourceId>,
    /// Why this resource makes its circuit hold the turn, if it does.
    pub holds: Option<HoldReason>,
    /// A read that began before this may still show the state before the last update.
    pub settles_at: Option<Moment>,
    /// Whether the poller lists the region at the soak cadence. If so, no circuit needs reads by id for its soak.
    pub polls_at_soak_cadence: bool,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Do nothing; the verdict says why.
    #[default]
    Rest,
    /// Read this connection by its id.
    Read,
    /// Send these fields.
    Update(Change),
}

/// A field that differs between spec and AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Field of the spec.
    pub field: String,
    /// What the spec says.
    pub desired: String,
    /// What AWS shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
}

/// The decision about one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The next step.
    pub step: Step,
    /// What to report; `None` while nothing is known yet or status stays as it is.
    pub verdict: Option<Verdict>,
    /// The read that the plan is based on.
    pub observation: Option<Observation>,
    /// When to decide again if nothing happens before; `None`: only when something happens.
    pub next_check: Option<Moment>,
    /// The fields that differ now.
    pub drift: Vec<Drift>,
    /// Whether AWS has everything that the spec asks for.
    pub is_met: bool,
    /// Whether it waits for the turn of its account, whatever else is reported.
    pub waits_for_turn: bool,
    /// Whether the circuit has to be read at the soak cadence: it holds the turn of its account, even if the resource is
    /// paused, only observes or is in conflict, or it is on its way.
    pub is_watched: bool,
}

impl Plan {
    fn rest(reason: Reason, message: impl Into<String>) -> Self {
        Self { verdict: Some(Verdict::new(reason, message)), ..Self::default() }
    }

    fn of_fault(fault: &Fault, circuit: &CircuitId) -> Self {
        Self::rest(fault.reason(), fault.describe(circuit))
    }

    fn check_at(mut self, moment: Option<Moment>) -> Self {
        self.next_check = self.next_check.into_iter().chain(moment).min();
        self
    }

    fn read(mut self) -> Self {
        self.step = Step::Read;
        self
    }

    /// Decides again at this moment, on a read that began no earlier.
    fn decide_again(self, case: &Case<'_>, at: Option<Moment>) -> Self {
        let needs_read = at.is_some_and(|at| case.now >= at && case.observation_began() < at);
        let plan = self.check_at(at.filter(|&at| at > case.now));
        if needs_read { plan.read() } else { plan }
    }
}

impl Case<'_> {
    /// Whether this resource may change the connection, now or after its pause.
    fn acts(&self) -> bool {
        self.older_claim.is_none() && !self.desired.observes_only()
    }

    /// If AWS shows the wanted mode, but another one was sent and may have been stored: that one, and when it is known.
    fn mode_in_doubt(&self, shown: Option<EncryptionMode>) -> Option<(&EncryptionMode, Moment)> {
        let in_doubt = self.history.mode().in_doubt(self.settings.settle_window);
        in_doubt.filter(|&(sent, _)| shown == self.desired.mode && shown.is_some_and(|shown| shown != *sent))
    }

    fn observation_began(&self) -> Moment {
        self.history.observation().map_or(Moment::START, |observation| observation.began)
    }
}

/// Makes the plan for one resource. A pure function: the same case always gives the same plan.
pub fn decide(case: &Case<'_>) -> Plan {
    // That a listing lacks a connection which nothing has shown yet says nothing of it.
    let is_read = |seen: &&Observation| seen.connection.is_some() || seen.source == Source::ById;
    let Some(observation) = case.history.observation().filter(is_read) else {
        return staleness::before_first_read(case);
    };
    let connection = observation.connection.as_deref();
    let plan = match connection {
        None => Plan::rest(Reason::NotFound, messages::not_found(case)),
        Some(connection) if connection.is_gone() => {
            Plan::rest(Reason::ConnectionGone, messages::gone(&case.desired.circuit, connection))
        }
        Some(connection) => compare(case, connection),
    };
    let plan =
        Plan { is_watched: case.holds.is_some() || connection.is_some_and(|shown| is_on_its_way(case, shown)), ..plan };
    let plan = if plan.is_watched { keep_reading(case, plan) } else { plan };
    // A connection that a listing does not contain is read by its id before it is reported as not found.
    let is_asked_for = case.read_requested_at.is_some_and(|at| observation.began < at) || case.history.is_missing();
    let plan = if is_asked_for && plan.step == Step::Rest { plan.read() } else { plan };
    let plan = staleness::apply_read_faults(case, plan);
    Plan { observation: Some(observation.clone()), ..plan }
}

fn compare(case: &Case<'_>, connection: &Connection) -> Plan {
    let desired = case.desired;
    let name = fields::name(case, connection);
    let mode = fields::mode(case, connection);
    let is_met = matches!((&name, &mode), (FieldPlan::Nothing, FieldPlan::Nothing));
    let drift = fields::drift(desired, connection);
    let waits_for_turn =
        case.acts() && !desired.paused && matches!(mode, FieldPlan::Blocked(Reason::WaitingForTurn, ..));
    let plan = if let Some(older) = case.older_claim {
        let message = messages::conflict(older, &desired.circuit) + messages::others_wait(case);
        Plan::rest(Reason::Conflict, message)
    } else if desired.observes_only() || desired.paused {
        let (reason, message) = nothing_sent(desired, &name, &mode, &drift);
        let settles_at = name.settles_at().into_iter().chain(mode.settles_at()).min();
        Plan::rest(reason, message + messages::others_wait(case)).decide_again(case, settles_at)
    } else if is_met {
        Plan::rest(Reason::InSync, messages::in_sync(case, connection))
    } else {
        act(case, name, mode)
    };
    Plan { drift, is_met, waits_for_turn, ..plan }
}

/// The reason and message of a resource for which nothing is sent, because it is paused or its policy is `Observe`.
fn nothing_sent(
    desired: &Desired,
    name: &FieldPlan<String>,
    mode: &FieldPlan<EncryptionMode>,
    drift: &[Drift],
) -> (Reason, String) {
    let is_impossible = mode.is_impossible() && matches!(name, FieldPlan::Nothing);
    if let FieldPlan::Blocked(reason, message, _) = mode
        && is_impossible
        && !desired.observes_only()
    {
        // The pause holds nothing back, since nothing would be sent.
        return (*reason, format!("{message}; paused by annotation"));
    }
    let is_met = if desired.observes_only() {
        // A value that is in doubt was sent by a resource that changes the connection, so not by this one.
        drift.is_empty() && !name.is_due() && !mode.is_due()
    } else {
        matches!((name, mode), (FieldPlan::Nothing, FieldPlan::Nothing))
    };
    // What can never be sent is said by why it cannot.
    let drift = if is_impossible { &[] } else { drift };
    messages::nothing_sent(desired, is_met, drift, mode.why_blocked().or(name.why_blocked()))
}

/// Sends the fields that may be sent, if the last read is fresh enough; for the others, reports why they are blocked.
fn act(case: &Case<'_>, name: FieldPlan<String>, mode: FieldPlan<EncryptionMode>) -> Plan {
    let mut change = Change::default();
    let mut blocked: Vec<(Reason, String, Option<Moment>)> = Vec::new();
    match name {
        FieldPlan::Nothing => {}
        FieldPlan::Send(name) => change.name = Some(name),
        FieldPlan::Blocked(reason, message, next_check) => blocked.push((reason, message, next_check)),
    }
    match mode {
        FieldPlan::Nothing => {}
        FieldPlan::Send(mode) => change.mode = Some(mode),
        FieldPlan::Blocked(reason, message, next_check) => blocked.push((reason, message, next_check)),
    }
    let failure = case.history.update_failure();
    // Decide again at the earliest time of any blocked field, not only of the one that is reported.
    let next_check = blocked.iter().filter_map(|(_, _, next_check)| *next_check).min();
    if change.is_empty() {
        // Report stalled blockers before waiting ones. A name is stalled by contention alone. On a tie the name is
        // reported, since it comes first.
        let reported = blocked.into_iter().min_by_key(|(reason, _, _)| reason.phase() != Phase::Stalled);
        let in_doubt_until = case.history.update_in_doubt_until(case.now, case.settings.settle_window);
        let plan = match (reported, failure) {
            // The failed update may have had an effect, and only a read after the settle window can tell. Until then,
            // report the failure, whatever else is missing: nothing but this tells people of it. The same while another
            // circuit has the turn for as long as its own attempt takes, which AWS may refuse as well.
            (Some((reason, _, _)), Some(failure))
                if in_doubt_until.is_some()
                    || reason == Reason::Settling
                    || (reason == Reason::WaitingForTurn && failure.fault.reason().phase() == Phase::Stalled) =>
            {
                Plan::of_fault(&failure.fault, &case.desired.circuit).check_at(in_doubt_until)
            }
            (Some((reason, message, _)), _) => Plan::rest(reason, message),
            (None, _) => Plan::rest(Reason::InSync, ""),
        };
        return plan.decide_again(case, next_check);
    }
    if let Some(failure) = failure.filter(|failure| case.now < failure.retry_at) {
        let Some(part) = case.history.part_not_refused(&change) else {
            let next_check = next_check.filter(|&at| at > case.now);
            let plan = Plan::of_fault(&failure.fault, &case.desired.circuit).check_at(Some(failure.retry_at));
            return plan.check_at(next_check);
        };
        change = part;
    }
    let message = messages::updating(&change, &case.desired.circuit);
    let limit = if change.mode == Some(EncryptionMode::MustEncrypt) { case.settings.fresh_for_must() } else { FRESH };
    let step = if case.history.is_fresh(case.now, limit) { Step::Update(change) } else { Step::Read };
    Plan { step, ..Plan::rest(Reason::Updating, message) }
}

/// Whether the acting resource is about to learn something of this circuit, so that it has to be read at the soak cadence
/// even without the turn: it is in doubt which mode AWS has, or it goes up to `must_encrypt`, and MACsec is up or no read
/// has followed an update yet.
fn is_on_its_way(case: &Case<'_>, connection: &Connection) -> bool {
    let goes_up = case.acts()
        && case.desired.mode == Some(EncryptionMode::MustEncrypt)
        && connection.lag_id.is_none()
        && !connection.is_gone()
        && match connection.mode() {
            Some(EncryptionMode::ShouldEncrypt) => {
                !case.desired.paused && (connection.encryption_works() || case.history.is_unread_since_update())
            }
            Some(EncryptionMode::MustEncrypt) => case.history.is_unread_since_update(),
            Some(EncryptionMode::NoEncrypt) | None => false,
        };
    let is_in_doubt = case.acts() && case.mode_in_doubt(connection.mode()).is_some();
    goes_up || is_in_doubt
}

fn keep_reading(case: &Case<'_>, plan: Plan) -> Plan {
    if plan.step != Step::Rest {
        return plan;
    }
    let soak = case.settings.encryption_soak;
    let is_soaked = case.history.last_mode().is_some_and(|mode| case.history.is_soaked(mode, soak));
    // The last read of a soak is made when the soak is over, not up to a whole interval later. A read that began after
    // that and did not end the soak showed no mode, or was late; then the usual interval is right.
    let over = case.history.macsec_up_since().filter(|_| !is_soaked).map(|since| since + soak);
    let over = over.filter(|&over| case.observation_began() < over);
    let read_at = case.history.shown_at().unwrap_or(Moment::START);
    let due = over.into_iter().chain([read_at + case.settings.soak_cadence()]).min();
    match due {
        Some(due) if case.now < due => plan.check_at(Some(due)),
        // Listings come at the soak cadence, so no read by id is needed. Decide again after the next listing. But only a
        // read by id shows that a connection is not there.
        _ if case.polls_at_soak_cadence && case.history.connection().is_some() => {
            plan.check_at(Some(case.now + case.settings.soak_cadence()))
        }
        _ => plan.read(),
    }
}
