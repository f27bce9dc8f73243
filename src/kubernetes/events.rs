//! Events: one a transition, never one a poll.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::Lookup;
use tracing::debug;

use super::Watched;
use super::status::{condition, condition_status};
use crate::api::DirectConnectConnectionStatus;
use directconnect_core::conditions::ConditionType;
use directconnect_core::desired::EncryptionMode;
use directconnect_core::fault::Fault;
use directconnect_core::history::Change;
use directconnect_core::identity::ConnectionId;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::text;

/// Longest note that the API server takes, in bytes (`events.k8s.io/v1`).
const NOTE_LIMIT: usize = 1024;
/// An update that failed.
const UPDATE_FAILED: &str = "UpdateFailed";
/// How long after it was told last the same news counts one event up, and makes none of its own. The recorder forgets an
/// event after as long.
const SERIES: Duration = Duration::from_mins(6);
/// How long the API server may take for an event. Nobody waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Something that people may want to know of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventSpec {
    warning: bool,
    reason: &'static str,
    note: String,
}

impl EventSpec {
    fn normal(reason: &'static str, note: impl Into<String>) -> Self {
        Self { warning: false, reason, note: note.into() }
    }

    fn warning(reason: &'static str, note: impl Into<String>) -> Self {
        Self { warning: true, reason, note: note.into() }
    }
}

/// Events of an update that AWS took: what was sent and is there now, and what was there before. What AWS stored
/// otherwise is not told as done.
pub fn updated(
    id: &ConnectionId,
    sent: &Change,
    before: &Change,
    answer: &Connection,
    request_id: Option<&str>,
) -> Vec<EventSpec> {
    let request = request_id.map(|id| format!(" (request {id})")).unwrap_or_default();
    let mut news = Vec::new();
    if let Some(name) = sent.name.as_ref().filter(|&name| answer.connection_name.as_ref() == Some(name)) {
        let old = before.name.as_deref().unwrap_or_default();
        news.push(EventSpec::normal("Renamed", format!("{id}: connectionName {old:?} is now {name:?}{request}")));
    }
    if let Some(mode) = sent.mode.filter(|&mode| answer.mode() == Some(mode)) {
        let old = before.mode.map_or_else(|| "unknown".to_owned(), |mode| mode.to_string());
        let caution = if mode == EncryptionMode::NoEncrypt {
            "; if the far end insists on MACsec the line stops until it does not, which AWS cannot show"
        } else {
            ""
        };
        news.push(EventSpec::normal(
            "EncryptionModeChanged",
            format!("{id}: encryptionMode {old} is now {mode}{request}{caution}"),
        ));
    }
    news
}

/// A name or mode that was as the spec asked is not any more.
pub fn drifted(what: &str) -> EventSpec {
    EventSpec::normal("DriftDetected", what)
}

/// `must_encrypt` is about to be sent without the ladder, as the user insisted.
pub fn sent_at_once(id: &ConnectionId) -> EventSpec {
    EventSpec::warning(
        "ImmediateTransition",
        format!(
            "{id}: encryptionTransition is Immediate, so must_encrypt is sent now, whether MACsec is up or not; it is sent once, and then not again until another mode has been wanted"
        ),
    )
}

/// The resource waits for a circuit that somebody else has raised to `must_encrypt`.
pub fn waits_for_other(message: &str) -> EventSpec {
    EventSpec::warning("Blocked", message)
}

/// What changed from one status to the next, where an update that was made between them `failed`: AWS's id of that request
/// is told too. Status does not have it, since it changes with every try.
pub fn transitions(
    before: &DirectConnectConnectionStatus,
    after: &DirectConnectConnectionStatus,
    failed: Option<&Fault>,
) -> Vec<EventSpec> {
    let mut news = Vec::new();
    for (kind, up, down) in
        [(ConditionType::LinkUp, "LinkUp", "LinkDown"), (ConditionType::Encrypted, "EncryptionUp", "EncryptionDown")]
    {
        let message = condition(after, kind).map(|condition| condition.message.as_str()).unwrap_or_default();
        match (condition_status(before, kind), condition_status(after, kind)) {
            (Some("False"), Some("True")) => news.push(EventSpec::normal(up, message)),
            (Some("True"), Some("False")) => news.push(EventSpec::warning(down, message)),
            _ => {}
        }
    }
    let reason = |status: &DirectConnectConnectionStatus| {
        condition(status, ConditionType::Ready).map(|condition| (condition.reason.clone(), condition.message.clone()))
    };
    if let Some((now, message)) = reason(after)
        && reason(before).is_none_or(|(earlier, _)| earlier != now)
        && let Some(event) = event_of(&now, after)
    {
        let request_id = failed.filter(|_| event == UPDATE_FAILED).and_then(|fault| fault.request_id.as_deref());
        news.push(EventSpec::warning(event, with_request(&message, request_id)));
    }
    news
}

/// A note that has the request id whole, however long the words are.
fn with_request(words: &str, request_id: Option<&str>) -> String {
    let Some(request) = request_id.map(|id| format!(" (request {id})")) else {
        return words.to_owned();
    };
    let room = NOTE_LIMIT.saturating_sub(request.len());
    format!("{}{request}", text::cut_bytes(words, room))
}

/// The event that a reason of `Ready` makes when it is new.
fn event_of(reason: &str, status: &DirectConnectConnectionStatus) -> Option<&'static str> {
    let is = |any: &[Reason]| any.iter().any(|one| one.as_str() == reason);
    // With nothing that differs there was no update to fail; the fault is one of reading.
    let with_update = !status.drift.is_empty();
    if is(&[Reason::Conflict]) {
        Some("Conflict")
    } else if is(&[Reason::Contended]) {
        Some("Contended")
    } else if is(&[
        Reason::NoMacSecKey,
        Reason::MacSecNotSupported,
        Reason::LagMember,
        Reason::EncryptionNotUp,
        Reason::NotFound,
        Reason::ConnectionGone,
        Reason::InvalidSpec,
    ]) {
        Some("Blocked")
    } else if with_update
        && is(&[Reason::RequestRejected, Reason::AccessDenied, Reason::CredentialsInvalid, Reason::AwsUnavailable])
    {
        Some(UPDATE_FAILED)
    } else {
        None
    }
}

/// Writes events. Failing to write one never fails anything else.
#[derive(Clone)]
pub struct EventPublisher {
    recorder: Recorder,
    published: Arc<Mutex<HashMap<Published, (ObjectReference, Instant)>>>,
}

/// An event of an object, by its uid.
#[derive(PartialEq, Eq, Hash)]
struct Published {
    uid: Option<String>,
    news: EventSpec,
}

impl EventPublisher {
    /// Writes as `controller`, from the process `instance`.
    pub fn new(client: Client, controller: &str, instance: &str) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter), published: Arc::default() }
    }

    /// Tells the news about an object, in order, without anyone waiting for it.
    pub fn publish(&self, object: &Watched, news: Vec<EventSpec>) {
        if news.is_empty() {
            return;
        }
        let (teller, now) = (self.clone(), ObjectReference::from(object.to_object_ref(())));
        tokio::spawn(async move {
            for one in news {
                let about = teller.first_reference(&now, &one);
                let EventSpec { warning, reason, note } = one;
                let event = Event {
                    type_: if warning { EventType::Warning } else { EventType::Normal },
                    reason: reason.to_owned(),
                    note: Some(text::cut_bytes(&note, NOTE_LIMIT).to_owned()),
                    action: "Reconcile".to_owned(),
                    secondary: None,
                };
                match tokio::time::timeout(WRITE_TIMEOUT, teller.recorder.publish(&event, &about)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => debug!(%error, reason, "an event was not written"),
                    Err(_) => debug!(reason, "an event was not written in time"),
                }
            }
        });
    }

    /// The reference to an object under which these news of it were told first, or else the one to it now.
    ///
    /// The recorder takes an event for another one's repetition by reference and reason. The reference has the resource
    /// version, which the status of the first news has moved on; without it, news of one reason would share the note of
    /// the first, and a second rename would be told as the first again.
    fn first_reference(&self, now: &ObjectReference, news: &EventSpec) -> ObjectReference {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.retain(|_, (_, last)| last.elapsed() < SERIES);
        let news = Published { uid: now.uid.clone(), news: news.clone() };
        let (first, last) = published.entry(news).or_insert_with(|| (now.clone(), Instant::now()));
        *last = Instant::now();
        first.clone()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::DriftStatus;
    use directconnect_core::fault::{FaultKind, UPDATE};

    /// A status with something to change, and this reason and message.
    fn status(reason: Reason, message: &str) -> DirectConnectConnectionStatus {
        let ready = Condition {
            type_: "Ready".to_owned(),
            status: "False".to_owned(),
            reason: reason.as_str().to_owned(),
            message: message.to_owned(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: Some(1),
        };
        DirectConnectConnectionStatus {
            conditions: vec![ready],
            drift: vec![DriftStatus::default()],
            ..DirectConnectConnectionStatus::default()
        }
    }

    fn fault(request_id: &str) -> Fault {
        Fault { request_id: Some(request_id.to_owned()), ..Fault::new(FaultKind::Rejected, UPDATE, "Bad name.") }
    }

    #[test]
    fn a_refused_update_is_told_once_with_the_words_and_the_request_id_of_aws() {
        let (before, after) = (status(Reason::Updating, ""), status(Reason::RequestRejected, "AWS says: Bad name"));
        let told = transitions(&before, &after, Some(&fault("5b8cf2b7")));
        assert_eq!(told, [EventSpec::warning("UpdateFailed", "AWS says: Bad name (request 5b8cf2b7)")]);
        assert_eq!(transitions(&after, &after, Some(&fault("another try"))), [], "one a transition");
        let lost = transitions(&before, &after, Some(&Fault { request_id: None, ..fault("") }));
        assert_eq!(lost, [EventSpec::warning("UpdateFailed", "AWS says: Bad name")]);
        assert_eq!(transitions(&before, &after, None), lost);
    }

    #[test]
    fn the_request_id_is_whole_however_long_the_words_are() {
        let after = status(Reason::RequestRejected, &"ü".repeat(2000));
        let told = transitions(&status(Reason::Updating, ""), &after, Some(&fault("5b8cf2b7")));
        let note = &told[0].note;
        assert!(note.ends_with("ü (request 5b8cf2b7)") && (1000..=NOTE_LIMIT).contains(&note.len()), "{note}");
    }

    #[test]
    fn what_is_no_failed_update_has_no_request_id() {
        let after = status(Reason::NoMacSecKey, "No key");
        let told = transitions(&status(Reason::Updating, ""), &after, Some(&fault("5b8cf2b7")));
        assert_eq!(told, [EventSpec::warning("Blocked", "No key")]);
    }
}
