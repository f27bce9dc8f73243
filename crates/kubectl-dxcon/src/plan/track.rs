//! Records what one resource does in simulated time, as the steps of its forecast.

use directconnect_core::clock::Moment;
use directconnect_core::conditions::Verdict;
use directconnect_core::identity::{CircuitId, ResourceId};
use directconnect_core::observed::Connection;
use directconnect_core::reason::{Phase, Reason};

use super::forecast::{End, Forecast, Outcome, Step, Who};

/// The steps so far, and the current end.
#[derive(Debug)]
pub struct Track {
    steps: Vec<Step>,
    wait: Option<Wait>,
    end: End,
    /// The resource that holds it up, if its removal would let it go on.
    held_up_by: Option<ResourceId>,
}

#[derive(Debug)]
struct Wait {
    since: Moment,
    on: Who,
    reason: Reason,
    message: String,
}

impl Track {
    /// Nothing is known yet.
    pub fn new() -> Self {
        let end = End {
            outcome: Outcome::Waiting,
            reason: Some(Reason::ObservationStale),
            message: "AWS was not read".to_owned(),
        };
        Self { steps: Vec::new(), wait: None, end, held_up_by: None }
    }

    /// Records that an update is sent.
    pub fn sends(&mut self, step: Step, now: Moment) {
        self.end_wait(now);
        self.steps.push(step);
    }

    /// Records what `Ready` says now; `shown` is the connection in AWS. Returns whether it changed.
    pub fn says(&mut self, verdict: &Verdict, shown: Option<&Connection>, now: Moment) -> bool {
        let said = End {
            outcome: Outcome::of(verdict.reason),
            reason: Some(verdict.reason),
            message: verdict.message.clone(),
        };
        if self.end == said {
            return false;
        }
        let on = Who::ends(verdict.reason, shown);
        let goes_on = self.wait.as_ref().is_some_and(|wait| wait.reason == verdict.reason && wait.on == on);
        if !goes_on {
            self.end_wait(now);
            let waits = verdict.reason.phase() == Phase::Reconciling && verdict.reason != Reason::Updating;
            let wait = Wait { since: now, on, reason: verdict.reason, message: verdict.message.clone() };
            self.wait = Some(wait).filter(|_| waits);
        }
        self.end = said;
        true
    }

    /// Records which resource holds it up now.
    pub fn is_held_up_by(&mut self, resource: Option<ResourceId>) {
        self.held_up_by = resource;
    }

    /// Whether it waits for its turn.
    pub fn waits_for_turn(&self) -> bool {
        self.end.reason == Some(Reason::WaitingForTurn)
    }

    fn end_wait(&mut self, now: Moment) {
        let Some(Wait { since, on, reason, message }) = self.wait.take() else { return };
        let seconds = (on == Who::Time).then(|| now.since(since).as_secs());
        self.steps.push(Step::Wait { on, reason: reason.as_str(), message, seconds });
    }

    /// The forecast. A wait that has not ended is the end of the forecast.
    pub fn forecast(self, resource: ResourceId, circuit: Option<CircuitId>, shown: Option<&Connection>) -> Forecast {
        let on = self.end.reason.map(|reason| Who::ends(reason, shown));
        let needs = on.filter(|_| matches!(self.end.outcome, Outcome::Blocked | Outcome::Waiting | Outcome::Held));
        Forecast {
            resource,
            circuit,
            steps: self.steps,
            end: self.end,
            needs,
            held_up_by: self.held_up_by,
            notes: Vec::new(),
        }
    }
}
