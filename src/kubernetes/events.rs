//! Kubernetes events: one for each transition, none for polls alone.

mod publisher;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use strum::VariantArray as _;

pub use self::publisher::EventPublisher;

use super::status::{condition, condition_status};
use crate::api::DirectConnectConnectionStatus;
use directconnect_core::conditions::ConditionType;
use directconnect_core::desired::EncryptionMode;
use directconnect_core::fault::Fault;
use directconnect_core::history::Change;
use directconnect_core::identity::ConnectionId;
use directconnect_core::observed::{Connection, ConnectionState, PortEncryptionStatus};
use directconnect_core::reason::{Phase, Reason};
use directconnect_core::text;

/// Longest note of an event, in bytes (`events.k8s.io/v1`).
const NOTE_LIMIT: usize = 1024;
/// Reason of the event for a failed update.
const UPDATE_FAILED: &str = "UpdateFailed";

/// The content of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventSpec {
    warning: bool,
    /// The reason.
    pub reason: &'static str,
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
    told(id.as_str(), sent, before, answer, &request)
}

/// The events for the fields of an update that AWS shows as they were sent. Their notes end with `how`.
fn told(id: &str, sent: &Change, before: &Change, shown: &Connection, how: &str) -> Vec<EventSpec> {
    let mut news = Vec::new();
    if let Some(name) = sent.name.as_ref().filter(|&name| shown.connection_name.as_ref() == Some(name)) {
        let old = before.name.as_deref().unwrap_or_default();
        news.push(EventSpec::normal("Renamed", format!("{id}: connectionName {old:?} is now {name:?}{how}")));
    }
    if let Some(mode) = sent.mode.filter(|&mode| shown.mode() == Some(mode)) {
        let old = before.mode.map_or_else(|| "unknown".to_owned(), |mode| mode.to_string());
        let caution = if mode == EncryptionMode::NoEncrypt {
            "; if the far end insists on MACsec the line stops until it does not, which AWS cannot show"
        } else {
            ""
        };
        news.push(EventSpec::normal(
            "EncryptionModeChanged",
            format!("{id}: encryptionMode {old} is now {mode}{how}{caution}"),
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

/// The events for what a new status shows of link and encryption.
pub fn of_line(before: &DirectConnectConnectionStatus, after: &DirectConnectConnectionStatus) -> Vec<EventSpec> {
    let mut news = Vec::new();
    for (kind, up, down) in
        [(ConditionType::LinkUp, "LinkUp", "LinkDown"), (ConditionType::Encrypted, "EncryptionUp", "EncryptionDown")]
    {
        let message = condition(after, kind).map(|condition| condition.message.as_str()).unwrap_or_default();
        match (last_known(before, kind), condition_status(after, kind)) {
            (Some(false), Some("True")) => news.push(EventSpec::normal(up, message)),
            (Some(true), Some("False")) => news.push(EventSpec::warning(down, message)),
            _ => {}
        }
    }
    news
}

/// Whether a condition held when AWS was last read. While it cannot be read the condition is `Unknown`, and the fields stay
/// as they were read last.
fn last_known(status: &DirectConnectConnectionStatus, kind: ConditionType) -> Option<bool> {
    let condition = condition(status, kind)?;
    match (condition.status.as_str(), kind) {
        ("True", _) => Some(true),
        ("False", _) => Some(false),
        _ if condition.reason != Reason::ObservationStale.as_str() => None,
        (_, ConditionType::LinkUp) => Some(*status.connection.connection_state.as_ref()? == ConnectionState::Available),
        _ => Some(*status.connection.port_encryption_status.as_ref()? == PortEncryptionStatus::Up),
    }
}

/// The events for the last update, if its answer was lost and a read shows what it sent.
pub fn shown_later(before: &DirectConnectConnectionStatus, after: &DirectConnectConnectionStatus) -> Vec<EventSpec> {
    let Some(last) = after.ledger.last_update.as_ref().filter(|last| last.request_id.is_none()) else {
        return Vec::new();
    };
    let was = Change { name: before.connection.connection_name.clone(), mode: before.connection.mode() };
    let sent = Change {
        name: last.connection_name.clone().filter(|name| was.name.as_ref().is_some_and(|was| was != name)),
        mode: last.encryption_mode.filter(|mode| was.mode.is_some_and(|was| was != *mode)),
    };
    let id = after.connection_id.as_deref().unwrap_or_default();
    told(id, &sent, &was, &after.connection, " (the answer of AWS was lost)")
}

/// The event for a new reason of `Ready`. `failed` is the failed update that the new status reports, if it reports one that
/// was not told yet; its event contains the AWS request id. Status does not contain it, since it changes with every
/// attempt.
pub fn of_ready(
    before: &DirectConnectConnectionStatus,
    after: &DirectConnectConnectionStatus,
    failed: Option<&Fault>,
) -> Option<EventSpec> {
    let (before, after) = (condition(before, ConditionType::Ready), condition(after, ConditionType::Ready)?);
    let is_new = before.is_none_or(|before| {
        let wish = |ready: &Condition| (ready.message.clone(), ready.observed_generation);
        before.reason != after.reason || (failed.is_some() && wish(before) != wish(after))
    });
    let event = event_of(&after.reason, failed.is_some()).filter(|_| is_new)?;
    let request_id = failed.filter(|_| event == UPDATE_FAILED).and_then(|fault| fault.request_id.as_deref());
    Some(EventSpec::warning(event, with_request(&after.message, request_id)))
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
        let told = |words: &str| Some(EventSpec::warning("UpdateFailed", words));
        assert_eq!(of_ready(&before, &after, Some(&fault("5b8c"))), told("AWS says: Bad name (request 5b8c)"));
        assert_eq!(of_ready(&after, &after, Some(&fault("another try"))), None, "one a transition");
        assert_eq!(of_ready(&before, &after, None), None, "it was told before");
        let lost = of_ready(&before, &after, Some(&Fault { request_id: None, ..fault("") }));
        assert_eq!(lost, told("AWS says: Bad name"));
        // Another wish that is refused as well, in other words or in the same.
        let other = status(Reason::RequestRejected, "AWS says: Too long");
        assert_eq!(of_ready(&after, &other, Some(&fault("6d9e"))), told("AWS says: Too long (request 6d9e)"));
        let mut next = after.clone();
        next.conditions[0].observed_generation = Some(2);
        assert_eq!(of_ready(&after, &next, Some(&fault("6d9e"))), told("AWS says: Bad name (request 6d9e)"));
    }

    #[test]
    fn a_read_that_fails_is_no_failed_update_whatever_differs() {
        for reason in [Reason::AwsUnavailable, Reason::AccessDenied, Reason::RequestRejected] {
            let told = of_ready(&status(Reason::WaitingForEncryptionUp, ""), &status(reason, "no answer"), None);
            assert_eq!(told, None, "{reason:?}");
        }
    }

    #[test]
    fn what_an_outage_of_reads_hid_is_told_and_nothing_else() {
        let link = |state| Connection { connection_state: Some(state), ..Connection::default() };
        let port = |status| Connection { port_encryption_status: Some(status), ..Connection::default() };
        let cases = [
            (
                ConditionType::LinkUp,
                ["LinkUp", "LinkDown"],
                link(ConnectionState::Available),
                link(ConnectionState::Down),
            ),
            (
                ConditionType::Encrypted,
                ["EncryptionUp", "EncryptionDown"],
                port(PortEncryptionStatus::Up),
                port(PortEncryptionStatus::Down),
            ),
        ];
        for (kind, [up, down], was_up, was_down) in cases {
            let is_down = with(kind, "False", Reason::NotAvailable, "it is down");
            let is_up = with(kind, "True", Reason::Available, "it is up");
            let stale = |shown: &Connection| DirectConnectConnectionStatus {
                connection: std::sync::Arc::new(shown.clone()),
                ..with(kind, "Unknown", Reason::ObservationStale, "not read")
            };
            let told = of_line;
            assert_eq!(told(&stale(&was_up), &is_down), [EventSpec::warning(down, "it is down")]);
            assert_eq!(told(&stale(&was_down), &is_up), [EventSpec::normal(up, "it is up")]);
            assert_eq!(told(&stale(&was_up), &is_up), [], "that it can be read again is no news of the line");
            assert_eq!(told(&stale(&was_down), &is_down), []);
            assert_eq!(told(&stale(&Connection::default()), &is_down), [], "nothing was known of it");
            let unreported = DirectConnectConnectionStatus {
                connection: std::sync::Arc::new(was_up.clone()),
                ..with(kind, "Unknown", Reason::NotReported, "no MACsec")
            };
            assert_eq!(told(&unreported, &is_down), []);
            assert_eq!(told(&is_up, &is_down), [EventSpec::warning(down, "it is down")]);
            assert_eq!(told(&is_down, &is_up), [EventSpec::normal(up, "it is up")]);
        }
    }

    #[test]
    fn a_field_for_which_aws_stored_another_value_than_was_sent_is_told_by_no_event() {
        let change = |name: &str, mode| Change { name: Some(name.to_owned()), mode: Some(mode) };
        let (before, sent) = (change("old", EncryptionMode::NoEncrypt), change("new", EncryptionMode::ShouldEncrypt));
        let id = ConnectionId::parse("dxcon-fg1234ab").expect("an id");
        let told = |name: &str, mode: &str| {
            let answer = Connection {
                connection_name: Some(name.to_owned()),
                encryption_mode: Some(mode.to_owned().into()),
                ..Connection::default()
            };
            let events = updated(&id, &sent, &before, &answer, Some("5b8c"));
            assert!(events.iter().all(|event| !event.note.contains("far end")), "{events:?}");
            events.iter().map(|event| event.reason).collect::<Vec<_>>()
        };
        assert_eq!(told("new", "should_encrypt"), ["Renamed", "EncryptionModeChanged"]);
        assert_eq!(told("other", "should_encrypt"), ["EncryptionModeChanged"]);
        assert_eq!(told("new", "no_encrypt"), ["Renamed"]);
        let lowered = Change { mode: Some(EncryptionMode::NoEncrypt), ..Change::default() };
        let answer = Connection { encryption_mode: Some("no_encrypt".to_owned().into()), ..Connection::default() };
        let events = updated(&id, &lowered, &sent, &answer, None);
        assert!(events[0].note.contains("if the far end insists on MACsec the line stops"), "{events:?}");
    }

    type Status = DirectConnectConnectionStatus;

    #[test]
    fn an_update_whose_answer_was_lost_is_told_once_a_read_shows_it() {
        let shows = |name: &str, mode: &str, request_id: Option<&str>| {
            let mut status = DirectConnectConnectionStatus::default();
            let connection = Connection {
                connection_name: Some(name.to_owned()),
                encryption_mode: Some(mode.to_owned().into()),
                ..Connection::default()
            };
            (status.connection_id, status.connection) = (Some("dxcon-1".to_owned()), std::sync::Arc::new(connection));
            status.ledger.last_update = Some(directconnect_core::ledger::LastUpdate {
                request_id: request_id.map(str::to_owned),
                connection_name: Some("new".to_owned()),
                encryption_mode: Some(EncryptionMode::ShouldEncrypt),
                ..Default::default()
            });
            status
        };
        let reasons = |before: &Status, after: &Status| {
            shown_later(before, after).iter().map(|event| event.reason).collect::<Vec<_>>()
        };
        let (before, after) = (shows("old", "no_encrypt", None), shows("new", "should_encrypt", None));
        assert_eq!(reasons(&before, &after), ["Renamed", "EncryptionModeChanged"]);
        assert!(shown_later(&before, &after)[0].note.contains("lost"));
        assert_eq!(reasons(&before, &shows("new", "no_encrypt", None)), ["Renamed"], "as far as AWS has it");
        assert_eq!(reasons(&before, &before), [""; 0]);
        assert_eq!(reasons(&after, &after), [""; 0], "once");
        assert_eq!(reasons(&before, &shows("new", "should_encrypt", Some("5b8c"))), [""; 0], "told by its answer");
    }

    #[test]
    fn the_request_id_is_whole_however_long_the_words_are() {
        let after = status(Reason::RequestRejected, &"ü".repeat(2000));
        let told = of_ready(&status(Reason::Updating, ""), &after, Some(&fault("5b8cf2b7"))).expect("an event");
        let note = &told.note;
        assert!(note.ends_with("ü (request 5b8cf2b7)") && (1000..=NOTE_LIMIT).contains(&note.len()), "{note}");
    }

    #[test]
    fn what_is_no_failed_update_has_no_request_id() {
        let after = status(Reason::NoMacSecKey, "No key");
        let told = of_ready(&status(Reason::Updating, ""), &after, Some(&fault("5b8cf2b7")));
        assert_eq!(told, Some(EventSpec::warning("Blocked", "No key")));
    }
}
