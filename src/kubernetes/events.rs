//! Kubernetes events: one for each transition, none for polls alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::Lookup;
use parking_lot::Mutex;
use strum::VariantArray as _;
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
use directconnect_core::reason::{Phase, Reason};
use directconnect_core::text;

/// Longest note of an event, in bytes (`events.k8s.io/v1`).
const NOTE_LIMIT: usize = 1024;
/// Reason of the event for a failed update.
const UPDATE_FAILED: &str = "UpdateFailed";
/// If the same event happens again within this time, the count of the first one is increased. The recorder forgets
/// events after the same time.
const SERIES: Duration = Duration::from_mins(6);
/// Time limit for writing an event. Nothing waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The content of an event.
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

/// The events for an update that AWS accepted, with the old and the new value. A field for which AWS stored another
/// value than was sent gets no event.
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

/// The event for a name or mode that matched the spec and no longer does.
pub fn drifted(what: &str) -> EventSpec {
    EventSpec::normal("DriftDetected", what)
}

/// The event for `must_encrypt` that is sent without the ladder, because the transition is `Immediate`.
pub fn sent_at_once(id: &ConnectionId) -> EventSpec {
    EventSpec::warning(
        "ImmediateTransition",
        format!(
            "{id}: encryptionTransition is Immediate, so must_encrypt is sent now, whether MACsec is up or not; it is sent once, and then not again until another mode has been wanted"
        ),
    )
}

/// The event for a resource that waits for a circuit that another writer raised to `must_encrypt`.
pub fn waits_for_other(message: &str) -> EventSpec {
    EventSpec::warning("Blocked", message)
}

/// The events for the changes from one status to the next. `failed` is the failed update that the new status reports, if
/// it reports one; its event contains the AWS request id. Status does not contain it, since it changes with every
/// attempt.
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
            // It went down while AWS could not be read, perhaps because the way to AWS leads over it.
            (Some("Unknown"), Some("False")) if was_stale(before, kind) => news.push(EventSpec::warning(down, message)),
            _ => {}
        }
    }
    let reason = |status: &DirectConnectConnectionStatus| {
        condition(status, ConditionType::Ready).map(|condition| (condition.reason.clone(), condition.message.clone()))
    };
    if let Some((now, message)) = reason(after)
        && reason(before).is_none_or(|(earlier, _)| earlier != now)
        && let Some(event) = event_of(&now, failed.is_some())
    {
        let request_id = failed.filter(|_| event == UPDATE_FAILED).and_then(|fault| fault.request_id.as_deref());
        news.push(EventSpec::warning(event, with_request(&message, request_id)));
    }
    news
}

/// Whether nothing was known of this condition because AWS could not be read.
fn was_stale(status: &DirectConnectConnectionStatus, kind: ConditionType) -> bool {
    condition(status, kind).is_some_and(|condition| condition.reason == Reason::ObservationStale.as_str())
}

/// A note that ends with the request id. If it is too long, the message before it is cut.
fn with_request(words: &str, request_id: Option<&str>) -> String {
    let Some(request) = request_id.map(|id| format!(" (request {id})")) else {
        return words.to_owned();
    };
    let room = NOTE_LIMIT.saturating_sub(request.len());
    format!("{}{request}", text::cut_bytes(words, room))
}

/// The event for a new reason of `Ready`, if it has one. The reasons of a failed update are those of a failed read too.
fn event_of(reason: &str, with_update: bool) -> Option<&'static str> {
    let reason = *Reason::VARIANTS.iter().find(|known| known.as_str() == reason)?;
    match reason {
        Reason::Conflict | Reason::Contended => Some(reason.as_str()),
        Reason::RequestRejected | Reason::AccessDenied | Reason::CredentialsInvalid | Reason::AwsUnavailable => {
            with_update.then_some(UPDATE_FAILED)
        }
        other => (other.phase() == Phase::Stalled).then_some("Blocked"),
    }
}

/// Publishes events. A failure to write one is only logged.
#[derive(Clone)]
pub struct EventPublisher {
    recorder: Recorder,
    published: Arc<Mutex<Published>>,
}

/// By uid of the object and event: its reference when it was published first, and when it was published last.
type Published = HashMap<(Option<String>, EventSpec), (ObjectReference, Instant)>;

impl EventPublisher {
    /// A publisher that writes as `controller`, from the process `instance`.
    pub fn new(client: Client, controller: &str, instance: &str) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter), published: Arc::default() }
    }

    /// Publishes the events of an object in order, in the background.
    pub fn publish(&self, object: &Watched, news: Vec<EventSpec>) {
        if news.is_empty() {
            return;
        }
        let (publisher, now) = (self.clone(), ObjectReference::from(object.to_object_ref(())));
        tokio::spawn(async move {
            for one in news {
                let about = publisher.first_reference(&now, &one);
                let EventSpec { warning, reason, note } = one;
                let event = Event {
                    type_: if warning { EventType::Warning } else { EventType::Normal },
                    reason: reason.to_owned(),
                    note: Some(text::cut_bytes(&note, NOTE_LIMIT).to_owned()),
                    action: "Reconcile".to_owned(),
                    secondary: None,
                };
                match tokio::time::timeout(WRITE_TIMEOUT, publisher.recorder.publish(&event, &about)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => debug!(%error, reason, "an event was not written"),
                    Err(_) => debug!(reason, "an event was not written in time"),
                }
            }
        });
    }

    /// The object reference to use for an event: that of its first occurrence if it was published before, else the
    /// current one.
    ///
    /// The recorder counts an event as a repetition if reference and reason are the same. The reference contains the
    /// resource version, which the status write after the first occurrence has changed. If the version were left out,
    /// all events of one reason would share the note of the first, and a second rename would show the note of the first
    /// rename.
    fn first_reference(&self, now: &ObjectReference, news: &EventSpec) -> ObjectReference {
        let mut published = self.published.lock();
        published.retain(|_, (_, last)| last.elapsed() < SERIES);
        let key = (now.uid.clone(), news.clone());
        let (first, last) = published.entry(key).or_insert_with(|| (now.clone(), Instant::now()));
        *last = Instant::now();
        first.clone()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use directconnect_core::fault::{FaultKind, UPDATE};

    /// A status with one condition.
    fn with(kind: ConditionType, status: &str, reason: Reason, message: &str) -> DirectConnectConnectionStatus {
        let condition = Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.as_str().to_owned(),
            message: message.to_owned(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: Some(1),
        };
        DirectConnectConnectionStatus { conditions: vec![condition], ..DirectConnectConnectionStatus::default() }
    }

    /// A status that is not ready for this reason.
    fn status(reason: Reason, message: &str) -> DirectConnectConnectionStatus {
        with(ConditionType::Ready, "False", reason, message)
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
    }

    #[test]
    fn a_read_that_fails_is_no_failed_update_whatever_differs() {
        for reason in [Reason::AwsUnavailable, Reason::AccessDenied, Reason::RequestRejected] {
            let told = transitions(&status(Reason::WaitingForEncryptionUp, ""), &status(reason, "no answer"), None);
            assert_eq!(told, [], "{reason:?}");
        }
    }

    #[test]
    fn a_line_that_is_found_down_after_an_outage_of_reads_is_told() {
        for (kind, down) in [(ConditionType::LinkUp, "LinkDown"), (ConditionType::Encrypted, "EncryptionDown")] {
            let now = with(kind, "False", Reason::NotAvailable, "it is down");
            let told = |before: &DirectConnectConnectionStatus| transitions(before, &now, None);
            let stale = with(kind, "Unknown", Reason::ObservationStale, "not read");
            assert_eq!(told(&stale), [EventSpec::warning(down, "it is down")]);
            assert_eq!(told(&with(kind, "Unknown", Reason::NotReported, "no MACsec")), [], "AWS had reported none");
            assert_eq!(told(&now), [], "it was down before");
            let up = with(kind, "True", Reason::Available, "it is up");
            assert_eq!(told(&up), [EventSpec::warning(down, "it is down")]);
            assert_eq!(transitions(&stale, &up, None), [], "that it can be read again is no news of the line");
        }
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
