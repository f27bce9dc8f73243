//! For each managed field: whether it has to be sent, and whether it may be sent now.

use std::time::Duration;

use super::guard::{self, Evidence, ModeStep};
use super::{Case, Drift, messages};
use crate::clock::Moment;
use crate::desired::{Desired, EncryptionMode, EncryptionTransition};
use crate::observed::{Connection, ConnectionState, ObservedMode};
use crate::reason::Reason;

/// A resource that waits for its turn is woken when a turn becomes free. This is how long it waits before it checks
/// anyway.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// What to do about one managed field.
pub(super) enum FieldPlan<T> {
    /// Nothing: the field is not managed, or AWS has what the spec asks for.
    Nothing,
    /// Send this value now.
    Send(T),
    /// The value differs, but may not be sent yet: why, what to do next, and when to decide again if nothing happens before,
    /// where that is known.
    Blocked(Reason, String, Option<Moment>),
}

impl<T> FieldPlan<T> {
    /// Why the field is blocked, if it is.
    pub(super) fn why_blocked(&self) -> Option<&str> {
        if let Self::Blocked(_, message, _) = self { Some(message) } else { None }
    }

    /// If AWS may still show what was there before an update: when it does no more.
    pub(super) fn settles_at(&self) -> Option<Moment> {
        if let Self::Blocked(Reason::Settling, _, at) = self { *at } else { None }
    }

    /// Whether it is managed, but can never be sent to this connection.
    pub(super) fn is_impossible(&self) -> bool {
        matches!(self, Self::Blocked(Reason::MacSecNotSupported | Reason::LagMember, ..))
    }

    /// Whether it has to be sent, now or once what blocks it is over, as far as reads show.
    pub(super) fn is_due(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Send(_) => true,
            Self::Blocked(reason, ..) => *reason != Reason::Settling,
        }
    }

    /// AWS shows the wanted value, but `sent`, which is another one, was sent and no answer came.
    fn in_doubt(what: &str, case: &Case<'_>, until: Moment) -> Self {
        let id = &case.desired.circuit.id;
        let message = format!(
            "{what} was sent to {id}, and it is not known yet whether AWS stored it; reads show that within the settle window"
        );
        Self::Blocked(Reason::Settling, message, Some(until))
    }
}

pub(super) fn name(case: &Case<'_>, connection: &Connection) -> FieldPlan<String> {
    use ConnectionState::{Available, Down, Pending, Requested};
    let shown = connection.connection_name.as_ref();
    let Some(name) = case.desired.name.as_ref() else { return FieldPlan::Nothing };
    if shown == Some(name) {
        let in_doubt = case.history.name().in_doubt(case.settings.settle_window);
        return match in_doubt.filter(|&(sent, _)| sent != name) {
            Some((sent, until)) => FieldPlan::in_doubt(&format!("connectionName {sent:?}"), case, until),
            None => FieldPlan::Nothing,
        };
    }
    let id = &case.desired.circuit.id;
    let state = connection.connection_state.as_ref();
    let takes_a_name = matches!(state, Some(Requested | Pending | Available | Down));
    if let Some(settled_at) = case.history.name().settles_at(name, case.now, case.settings.settle_window) {
        let message = format!("connectionName {name:?} was sent to {id}; AWS may show the old one for a while");
        FieldPlan::Blocked(Reason::Settling, message, Some(settled_at))
    } else if !takes_a_name {
        let state = state.map_or("absent", ConnectionState::as_str);
        let message = format!(
            "connectionState of {id} is {state}; connectionName changes once it is requested, pending, available or down"
        );
        FieldPlan::Blocked(Reason::WaitingForAvailable, message, None)
    } else if matches!(connection.encryption_mode, Some(ObservedMode::Other(_))) {
        let message = messages::unknown_mode(connection, id);
        FieldPlan::Blocked(Reason::AwsUnavailable, message, None)
    } else if let Some(until) = case.history.name().contended(case.now) {
        let message = messages::contended("connectionName", name, &case.desired.circuit);
        FieldPlan::Blocked(Reason::Contended, message, Some(until))
    } else {
        FieldPlan::Send(name.clone())
    }
}

pub(super) fn mode(case: &Case<'_>, connection: &Connection) -> FieldPlan<EncryptionMode> {
    let Some(wanted) = case.desired.mode else { return FieldPlan::Nothing };
    let Case { history, settings, now, .. } = *case;
    let id = &case.desired.circuit.id;
    // A read that shows no mode, of a connection that has one, says nothing of it. The next poll may, but a step down the
    // ladder may be what brings a line back, so it does not wait for that.
    let is_silent = connection.has_macsec_port() && !connection.takes_a_mode() && connection.lag_id.is_none();
    if let Some(last) = history.last_mode().filter(|_| is_silent) {
        let next_read = (wanted < last).then(|| case.observation_began() + settings.soak_cadence());
        return FieldPlan::Blocked(Reason::AwsUnavailable, messages::unknown_mode(connection, id), next_read);
    }
    let deadline = history.waiting_since().map(|since| since + settings.progress_deadline);
    let immediate = case.desired.transition == EncryptionTransition::Immediate;
    let may_skip = case.ledger.may_skip_ladder(history);
    let shown = connection.mode();
    let evidence = Evidence {
        is_soaked: shown.is_some_and(|mode| history.is_soaked(mode, settings.encryption_soak)),
        is_overdue: deadline.is_some_and(|deadline| now >= deadline),
        skips_ladder: immediate && may_skip,
        has_skipped_ladder: immediate && !may_skip,
        is_unsettled: case.settles_at.is_some_and(|settled_at| case.observation_began() <= settled_at),
        holder: case.holder,
        other_proof: case.other_proof,
    };
    let contended = |mode: EncryptionMode, until| {
        let message = messages::contended("encryptionMode", &mode.to_string(), &case.desired.circuit);
        FieldPlan::Blocked(Reason::Contended, message + evidence.how_to_skip_again(), Some(until))
    };
    let mode = match guard::next_mode_step(wanted, connection, evidence, &case.desired.circuit) {
        ModeStep::Satisfied => {
            return match case.mode_in_doubt(shown) {
                Some((sent, until)) => FieldPlan::in_doubt(&format!("encryptionMode {sent}"), case, until),
                None => FieldPlan::Nothing,
            };
        }
        ModeStep::Blocked(reason, message) => {
            if let Some(until) = history.mode().contended(now) {
                return contended(wanted, until);
            }
            let next_check = match reason {
                // A late read does not say since when it waits.
                Reason::WaitingForEncryptionUp => {
                    deadline.or((!connection.encryption_works()).then_some(now + settings.progress_deadline))
                }
                Reason::WaitingForTurn => Some(now + ASK_AGAIN),
                // Only a read that began after `settles_at` counts, and moments have millisecond resolution.
                Reason::Settling => case.settles_at.map(|at| at + Duration::from_millis(1)),
                _ => None,
            };
            return FieldPlan::Blocked(reason, message, next_check);
        }
        ModeStep::Send(mode) => mode,
    };
    // If AWS answered that it stored another mode, this one is not sent again at once. A step up waits for a settled read
    // anyway. A step down whose answer was lost goes again as soon as a read still shows the higher mode: a line that is
    // cut must not wait, and it does no harm twice.
    let is_in_doubt = history.mode().is_unanswered();
    let settling = history.mode().settles_at(&mode, now, settings.settle_window).filter(|_| !is_in_doubt);
    if let Some(settled_at) = settling {
        let message = format!("encryptionMode {mode} was sent to {id}; AWS may show the old one for a while");
        FieldPlan::Blocked(Reason::Settling, message, Some(settled_at))
    } else if let Some(until) = history.mode().contended(now) {
        contended(mode, until)
    } else {
        FieldPlan::Send(mode)
    }
}

/// The fields in which spec and AWS differ, whether or not they may be sent now.
pub(super) fn drift(desired: &Desired, connection: &Connection) -> Vec<Drift> {
    let name =
        desired.name.as_ref().filter(|&name| connection.connection_name.as_ref() != Some(name)).map(|name| Drift {
            field: "connectionName".to_owned(),
            desired: name.clone(),
            observed: connection.connection_name.clone(),
        });
    let mode = desired.mode.zip(connection.mode()).filter(|(wanted, mode)| connection.takes_a_mode() && wanted != mode);
    let mode = mode.map(|(wanted, mode)| Drift {
        field: "encryptionMode".to_owned(),
        desired: wanted.to_string(),
        observed: Some(mode.to_string()),
    });
    name.into_iter().chain(mode).collect()
}
