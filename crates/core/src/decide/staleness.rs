//! What may be reported while AWS cannot be read.

use super::{Case, Plan, Step};
use crate::conditions::Verdict;
use crate::fault::{Fault, FaultKind};
use crate::history::Failure;
use crate::reason::Reason;

/// The plan before the first read: the first listing has not ended yet, or has failed.
///
/// If status says that AWS matched this generation, or that nothing is on its way for it, the status is kept until the
/// observation is stale. A restart alone thus changes no status.
pub(super) fn before_first_read(case: &Case<'_>) -> Plan {
    let failure = case.history.read_failure();
    let fault = failure.map(|failure| &failure.fault).or(case.poll_fault);
    let stale_at = case.reading_since.map(|since| since + case.settings.stale_after());
    let has_nothing_to_do = case.is_reported || case.ledger.met_generation == Some(case.desired.generation);
    let is_stale = has_nothing_to_do && stale_at.is_some_and(|stale_at| case.now >= stale_at);
    let is_silent = has_nothing_to_do && !is_stale;
    let next = [failure.map(Failure::due_at), stale_at.filter(|_| fault.is_some() && is_silent)];
    // A listing has ended and lacks the connection, so it is read by its id.
    let is_due = case.history.is_missing() && failure.is_none_or(|failure| case.now >= failure.due_at());
    Plan {
        step: if is_due { Step::Read } else { Step::Rest },
        is_watched: case.holds.is_some(),
        verdict: fault.filter(|_| !is_silent).map(|fault| Verdict { stale: is_stale, ..verdict(case, fault) }),
        next_check: next.into_iter().flatten().filter(|&at| at > case.now).min(),
        ..Plan::default()
    }
}

fn verdict(case: &Case<'_>, fault: &Fault) -> Verdict {
    Verdict::new(fault.reason(), fault.describe(&case.desired.circuit))
}

/// If reads fail, a resource in sync keeps its status until the observation is stale. A resource that needs a read or
/// an update shows the fault at once. After three poll intervals without a read, `Unknown` is reported for all.
pub(super) fn apply_read_faults(case: &Case<'_>, plan: Plan) -> Plan {
    let read_failure = case.history.read_failure();
    let Some(fault) = read_failure.map(|failure| &failure.fault).or(case.poll_fault) else {
        return plan;
    };
    if fault.kind == FaultKind::NotFound {
        return plan;
    }
    let retry_at = read_failure.map(Failure::due_at).filter(|&at| at > case.now);
    let stale_at = case.observation_began() + case.settings.stale_after();
    if case.now >= stale_at {
        return Plan {
            step: retry(case, &plan),
            verdict: Some(Verdict { stale: true, ..verdict(case, fault) }),
            next_check: plan.next_check.into_iter().chain(retry_at).min(),
            ..plan
        };
    }
    if plan.step == Step::Rest {
        return plan.check_at(Some(stale_at));
    }
    let step = retry(case, &plan);
    // Whoever waits, is paused or only observes has nothing to do, although it is read at the soak cadence.
    let is_due = plan.verdict.as_ref().is_some_and(|verdict| verdict.reason == Reason::Updating);
    let shows = step == Step::Rest && is_due;
    let verdict = if shows { Some(verdict(case, fault)) } else { plan.verdict };
    Plan { step, verdict, next_check: Some(stale_at).into_iter().chain(retry_at).min(), ..plan }
}

/// The step of a plan while reads fail.
///
/// A failed read by id is repeated once its retry time has come, before anything is sent on an earlier read. While only
/// listings fail, the poller notices for all resources when AWS works again, so nothing else asks, with two exceptions:
/// a circuit that is read at the soak cadence, and a step down the ladder, which may be what brings a line back.
fn retry(case: &Case<'_>, plan: &Plan) -> Step {
    let shown = case.history.last_mode();
    let lowers =
        case.acts() && !case.desired.paused && case.desired.mode.zip(shown).is_some_and(|(to, from)| to < from);
    match (case.history.read_failure(), &plan.step) {
        (Some(failure), Step::Read | Step::Update(_)) if case.now >= failure.due_at() => Step::Read,
        (None, step) if lowers => step.clone(),
        (None, Step::Read) if plan.is_watched => Step::Read,
        _ => Step::Rest,
    }
}
