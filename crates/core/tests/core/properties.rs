//! Rules that hold for every connection, wish, past and circumstance.

use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::conditions::{Kind, Reason, Stance, Truth, conditions};
use directconnect_core::decide::{Circumstances, Plan, Settings, Step, decide};
use directconnect_core::desired::{Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::history::{Change, FRESH, History, Look};
use directconnect_core::observed::{Connection, ConnectionState, MacSecKey, ObservedMode, PortEncryptionStatus};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::given::{Must, No, Should, line, wish};

/// One of these words; an empty one is none at all.
fn word(words: &[&[&'static str]]) -> impl Strategy<Value = Option<String>> + use<> {
    select(words.concat()).prop_map(|word| (!word.is_empty()).then(|| word.to_owned()))
}

/// Mostly a line that an update could go to, sometimes anything.
fn any_connection() -> impl Strategy<Value = Connection> {
    let states = &[
        &["available"; 12][..],
        &["down", "pending", "requested", "ordering", "deleting", "deleted", "rejected", "unknown", "marvellous", ""],
    ];
    let modes = &[&["should_encrypt"; 6][..], &["no_encrypt", "must_encrypt", "unknown", "quantum_encrypt", ""]];
    let statuses = &[&["Encryption Up"; 3][..], &["Encryption Down", "Encryption Sideways", ""]];
    let keys =
        select(&["associated", "associated", "associated", "associating", "disassociating", "disassociated"][..]);
    (
        option::of(select(&["fra-1", "fra-2", "mine"][..])),
        (word(states), word(modes), word(statuses)),
        vec(keys, 0..3),
        prop_oneof![6 => Just(Some(true)), 1 => Just(Some(false)), 1 => Just(None)],
        prop_oneof![8 => Just(None), 1 => Just(Some("dxlag-1".to_owned()))],
        prop_oneof![8 => Just(None), 1 => Just(Some(101))],
    )
        .prop_map(|(name, (state, mode, status), keys, capable, lag, vlan)| Connection {
            connection_name: name.map(str::to_owned),
            connection_state: state.map(Into::into),
            encryption_mode: mode.map(Into::into),
            port_encryption_status: status.map(Into::into),
            mac_sec_keys: keys
                .into_iter()
                .map(|state| MacSecKey { state: Some(state.to_owned()), ..MacSecKey::default() })
                .collect(),
            mac_sec_capable: capable,
            lag_id: lag,
            vlan,
            ..line()
        })
}

fn any_wish() -> impl Strategy<Value = Desired> {
    (
        option::of(select(&["fra-1", "fra-2"][..])),
        prop_oneof![4 => Just(Some(Must)), 1 => Just(Some(Should)), 1 => Just(Some(No)), 1 => Just(None)],
        prop_oneof![3 => Just(EncryptionTransition::Guarded), 1 => Just(EncryptionTransition::Immediate)],
        prop_oneof![7 => Just(ManagementPolicy::Manage), 1 => Just(ManagementPolicy::Observe)],
        prop::bool::weighted(0.1),
        1_i64..4,
    )
        .prop_map(|(name, mode, transition, policy, paused, generation)| Desired {
            name: name.map(str::to_owned),
            mode,
            transition,
            policy,
            paused,
            generation,
            ..wish()
        })
}

fn any_change() -> impl Strategy<Value = Change> {
    (option::of(select(&["fra-1", "fra-2"][..])), option::of(select(&[No, Should, Must][..])))
        .prop_map(|(name, mode)| Change { name: name.map(str::to_owned), mode })
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let classes = [
        FaultKind::NotFound,
        FaultKind::AccessDenied,
        FaultKind::CredentialsInvalid,
        FaultKind::Throttled,
        FaultKind::Unavailable,
        FaultKind::Rejected,
    ];
    (select(classes.to_vec()), any::<bool>()).prop_map(|(kind, unknown)| Fault {
        effect: if unknown && kind == FaultKind::Unavailable { Effect::Unknown } else { Effect::None },
        ..Fault::new(kind, "UpdateConnection", "AWS says no")
    })
}

/// Something that happened to a connection.
#[derive(Clone, Debug)]
enum Event {
    /// So many seconds passed.
    Passed(u64),
    /// A read that began so many seconds ago came in.
    Seen {
        began: u64,
        by_id: bool,
        connection: Option<Connection>,
    },
    /// A read by id showed MACsec working, all else as the last look.
    StillUp,
    Answered(Change, Connection),
    Refused(Change, Fault),
    ReadFailed(Fault),
    Resumed(Change, u64),
    Wished(i64),
    Forgiven,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u64..90).prop_map(Event::Passed),
        4 => (0_u64..40, prop::bool::weighted(0.7), option::weighted(0.95, any_connection()))
            .prop_map(|(began, by_id, connection)| Event::Seen { began, by_id, connection }),
        5 => Just(Event::StillUp),
        2 => (any_change(), any_connection()).prop_map(|(change, answer)| Event::Answered(change, answer)),
        2 => (any_change(), any_fault()).prop_map(|(change, fault)| Event::Refused(change, fault)),
        1 => any_fault().prop_map(Event::ReadFailed),
        1 => (any_change(), 0_u64..200).prop_map(|(change, age)| Event::Resumed(change, age)),
        1 => (1_i64..4).prop_map(Event::Wished),
        1 => Just(Event::Forgiven),
    ]
}

/// A past, and what an independent witness wrote down of it.
#[derive(Clone, Debug)]
struct Past {
    history: History,
    now: Moment,
    /// When the last update ended that AWS may have looked at.
    ended: Option<Moment>,
    /// The looks that were taken in since the last update that may have had an effect: when they began, whether MACsec
    /// worked.
    looks: Vec<(Moment, bool)>,
    /// The newest look as it came.
    last: Option<(Moment, bool, Option<Connection>)>,
    /// When the newest read by id began, if that was after the last update ended.
    read_by_id: Option<Moment>,
}

const SET: Settings = crate::given::SETTINGS;

impl Past {
    fn of(events: Vec<Event>) -> Self {
        let now = crate::given::second(10_000);
        let mut past =
            Self { history: History::default(), now, ended: None, looks: Vec::new(), last: None, read_by_id: None };
        past.history.wished("uid", 1, now);
        for event in events {
            past.happens(event);
        }
        past
    }

    fn happens(&mut self, event: Event) {
        let (poll, now) = (SET.poll_interval, self.now);
        match event {
            Event::Passed(passed) => self.now = now + Duration::from_secs(passed),
            Event::Seen { began, by_id, connection } => self.sees(now - Duration::from_secs(began), by_id, connection),
            Event::StillUp => {
                let key = MacSecKey { state: Some("associated".into()), ..MacSecKey::default() };
                let last = self.last.clone().and_then(|(_, _, connection)| connection).unwrap_or_else(line);
                let up = Some("Encryption Up".to_owned().into());
                self.now = now + Duration::from_secs(15);
                let works = Connection { mac_sec_keys: vec![key], port_encryption_status: up, ..last };
                self.sees(self.now, true, Some(works));
            }
            Event::Answered(change, answer) => {
                self.history.answered(change, &answer, now);
                (self.ended, self.read_by_id, self.looks) = (Some(now), None, Vec::new());
            }
            Event::Refused(change, fault) => {
                if fault.kind != FaultKind::Throttled {
                    (self.ended, self.read_by_id) = (Some(now), None);
                }
                if fault.kind == FaultKind::Unavailable {
                    self.looks.clear();
                }
                self.history.refused(change, fault, now, poll, 0.5);
            }
            Event::ReadFailed(fault) => self.history.read_failed(fault, now, poll, 0.5),
            Event::Resumed(change, age) => self.history.resume(change, Duration::from_secs(age), now),
            Event::Wished(generation) => self.history.wished("uid", generation, now),
            Event::Forgiven => self.history.forgive(),
        }
    }

    fn sees(&mut self, began: Moment, by_id: bool, connection: Option<Connection>) {
        if by_id && self.ended.is_none_or(|ended| began > ended) {
            self.read_by_id = self.read_by_id.max(Some(began));
        }
        let look = Look { began, ended: began, by_id, connection: connection.clone() };
        if self.history.saw(look, SET.settle_window) {
            let works = connection.as_ref().is_some_and(works);
            self.looks.push((began, works));
            self.last = Some((began, by_id, connection));
        }
    }

    /// MACsec worked at every one of the last looks, over a whole soak.
    fn is_soaked(&self) -> bool {
        let Some((newest, _)) = self.looks.last() else { return false };
        let mut run = self.looks.iter().rev().take_while(|(_, works)| *works);
        run.any(|(began, _)| newest.since(*began) >= SET.encryption_soak)
    }
}

/// A key is associated, and the port says up. Written anew, so that it does not share a mistake.
fn works(connection: &Connection) -> bool {
    let status = connection.port_encryption_status.as_ref().map(PortEncryptionStatus::as_str);
    let has_key = connection.mac_sec_keys.iter().any(|key| key.state.as_deref() == Some("associated"));
    status == Some("Encryption Up") && has_key
}

fn any_past() -> impl Strategy<Value = Past> {
    // Most end with a read by itself, or with MACsec seen working for a while: an update is often due then.
    let read =
        any_connection().prop_map(|connection| Event::Seen { began: 0, by_id: true, connection: Some(connection) });
    (vec(any_event(), 0..24), option::weighted(0.8, read), select(&[0, 0, 5, 6][..])).prop_map(
        |(mut events, read, ups)| {
            events.extend(read.into_iter().flat_map(|read| [Event::Passed(1), read]));
            events.extend(std::iter::repeat_n(Event::StillUp, ups));
            Past::of(events)
        },
    )
}

/// Circumstances that own what they are about.
#[derive(Clone, Debug)]
struct Owned {
    poll_fault: Option<Fault>,
    elder: bool,
    other: bool,
    asked: Option<u64>,
    met_generation: Option<i64>,
    mode_sent: Option<(EncryptionMode, i64)>,
}

fn any_circumstances() -> impl Strategy<Value = Owned> {
    (
        option::weighted(0.1, any_fault()),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        option::weighted(0.1, 0_u64..100),
        option::of(1_i64..4),
        option::of((select(&[No, Should, Must][..]), 1_i64..4)),
    )
        .prop_map(|(poll_fault, elder, other, asked, met_generation, mode_sent)| Owned {
            poll_fault,
            elder,
            other,
            asked,
            met_generation,
            mode_sent,
        })
}

fn plan(desired: &Desired, past: &Past, around: &Owned, now: Moment) -> Plan {
    let around = Circumstances {
        poll_fault: around.poll_fault.as_ref(),
        elder: around.elder.then_some("net/old"),
        other: around.other.then_some("net/fra-2"),
        asked_at: around.asked.map(|ago| past.now - Duration::from_secs(ago)),
        met_generation: around.met_generation,
        mode_sent: around.mode_sent,
    };
    decide(desired, &past.history, &around, &SET, now)
}

/// What was to be sent, and the connection that the decision saw.
fn sent<'a>(plan: &'a Plan, past: &'a Past) -> Option<(&'a Change, &'a Connection)> {
    let Step::Update(change) = &plan.step else { return None };
    Some((change, past.history.look()?.connection.as_ref()?))
}

fn rung(mode: EncryptionMode) -> &'static str {
    match mode {
        No => "no_encrypt",
        Should => "should_encrypt",
        Must => "must_encrypt",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn must_encrypt_goes_only_where_macsec_is_proven(desired in any_wish(), past in any_past(), around in any_circumstances()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((Change { mode: Some(Must), .. }, _)) = sent(&plan, &past) {
            prop_assert!(!around.other, "another connection is on its way");
            let at_once = desired.transition == EncryptionTransition::Immediate
                && around.met_generation.is_none_or(|met| met < desired.generation)
                && around.mode_sent.is_none_or(|(_, sent)| sent != desired.generation);
            let shown = past.last.as_ref().and_then(|(_, _, connection)| connection.as_ref());
            prop_assert!(at_once || (past.is_soaked() && shown.is_some_and(works)), "{:?}", past.looks);
        }
    }

    #[test]
    fn a_mode_goes_only_to_a_port_that_takes_one(desired in any_wish(), past in any_past(), around in any_circumstances()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((Change { mode: Some(mode), .. }, connection)) = sent(&plan, &past) {
            prop_assert_eq!(&connection.lag_id, &None);
            prop_assert_eq!(connection.vlan, None);
            prop_assert_eq!(connection.mac_sec_capable, Some(true));
            let shown = connection.encryption_mode.as_ref().map(ObservedMode::as_str).unwrap_or_default();
            prop_assert!(["no_encrypt", "should_encrypt", "must_encrypt"].contains(&shown), "{shown}");
            let state = connection.connection_state.as_ref().map(ConnectionState::as_str).unwrap_or_default();
            let order = ["no_encrypt", "should_encrypt", "must_encrypt"];
            let at = |word| order.iter().position(|known| *known == word);
            let goes_down = at(rung(*mode)) < at(shown);
            prop_assert!(state == "available" || (state == "down" && goes_down), "{shown} to {mode} while {state}");
        }
    }

    #[test]
    fn only_fields_that_are_set_and_differ_are_sent(desired in any_wish(), past in any_past(), around in any_circumstances()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((change, connection)) = sent(&plan, &past) {
            prop_assert!(!change.is_empty());
            if let Some(name) = &change.name {
                prop_assert_eq!(Some(name), desired.name.as_ref());
                prop_assert_ne!(Some(name), connection.connection_name.as_ref());
            }
            if let Some(mode) = change.mode {
                let wanted = desired.mode.expect("the mode is managed");
                prop_assert!(mode == wanted || (wanted == Must && mode == Should), "{mode} on the way to {wanted}");
                prop_assert_ne!(Some(mode), connection.mode());
            }
        }
    }

    #[test]
    fn nothing_goes_out_while_hands_are_off(desired in any_wish(), past in any_past(), around in any_circumstances()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((_, connection)) = sent(&plan, &past) {
            prop_assert!(!desired.paused && desired.policy == ManagementPolicy::Manage && !around.elder);
            let state = connection.connection_state.as_ref().map(ConnectionState::as_str).unwrap_or_default();
            prop_assert!(["requested", "pending", "available", "down"].contains(&state), "{state:?}");
            let mode = connection.encryption_mode.as_ref().map(ObservedMode::as_str);
            prop_assert_ne!(mode, Some("quantum_encrypt"));
        }
    }

    #[test]
    fn every_update_is_decided_on_a_fresh_read_by_id(desired in any_wish(), past in any_past(), around in any_circumstances()) {
        let plan = plan(&desired, &past, &around, past.now);
        if matches!(plan.step, Step::Update(_)) {
            let began = past.read_by_id.expect("it was read by id since the last update");
            prop_assert!(past.now.since(began) <= FRESH);
            let (began, _, connection) = past.last.clone().expect("it was seen");
            prop_assert!(connection.is_some() && past.ended.is_none_or(|ended| began > ended));
        }
    }

    #[test]
    fn what_is_lost_in_a_restart_harms_nothing(desired in any_wish(), past in any_past(), around in any_circumstances()) {
        // With all but the newest look forgotten, must_encrypt goes out only if it is asked for at once.
        let (began, by_id, connection) = past.last.clone().unwrap_or((past.now, true, None));
        let mut history = History::default();
        history.saw(Look { began, ended: began, by_id, connection }, SET.settle_window);
        let restarted = Past { history, ..past };
        let plan = plan(&desired, &restarted, &around, restarted.now);
        if let Some((Change { mode: Some(Must), .. }, _)) = sent(&plan, &restarted) {
            prop_assert_eq!(desired.transition, EncryptionTransition::Immediate);
        }
    }

    #[test]
    fn the_same_situation_later_reads_the_same(
        desired in any_wish(), past in any_past(), around in any_circumstances(), passed in 1_u64..120,
    ) {
        let before = plan(&desired, &past, &around, past.now).verdict;
        let after = plan(&desired, &past, &around, past.now + Duration::from_secs(passed)).verdict;
        let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
        // No number in it changes by itself, or status would be written for ever.
        let words = |message: &str| message.split(|c: char| c.is_ascii_digit()).map(str::to_owned).collect::<String>();
        if words(&before.message) == words(&after.message) {
            prop_assert_eq!(before.message, after.message);
        }
    }

    #[test]
    fn a_plan_agrees_with_itself(desired in any_wish(), past in any_past(), around in any_circumstances()) {
        let plan = plan(&desired, &past, &around, past.now);
        prop_assert!(plan.look_again.is_none_or(|at| at > past.now), "a look again that is due would turn in place");
        if let Some(verdict) = &plan.verdict {
            prop_assert!(!verdict.message.is_empty());
            let sending = matches!(plan.step, Step::Update(_));
            prop_assert!(!sending || verdict.reason == Reason::Updating);
            let resting = plan.step == Step::Rest;
            prop_assert!(!resting || verdict.reason != Reason::Updating, "it says that it acts, and does not");
            let ready = verdict.reason.stance() == Stance::Done && verdict.reason == Reason::InSync;
            prop_assert!(!ready || plan.met);
        }
        if plan.met {
            prop_assert_eq!(&plan.drift, &[]);
            prop_assert!(!matches!(plan.step, Step::Update(_)));
        }
    }

    #[test]
    fn conditions_never_contradict_each_other(desired in any_wish(), past in any_past(), around in any_circumstances()) {
        let Some(verdict) = plan(&desired, &past, &around, past.now).verdict else { return Ok(()) };
        let all = conditions(&verdict, past.history.look());
        let of = |kind| all.iter().find(|condition| condition.kind == kind);
        prop_assert!(!(of(Kind::Reconciling).is_some() && of(Kind::Stalled).is_some()));
        let ready = of(Kind::Ready).expect("Ready is always there");
        prop_assert!(of(Kind::LinkUp).is_some() && of(Kind::Encrypted).is_some());
        for carrier in [of(Kind::Reconciling), of(Kind::Stalled)].into_iter().flatten() {
            prop_assert_eq!(carrier.truth, Truth::True);
            prop_assert!(ready.truth != Truth::True && ready.message == carrier.message);
            prop_assert!(verdict.stale || ready.reason == carrier.reason);
        }
        prop_assert_eq!(ready.truth == Truth::Unknown, verdict.stale);
    }
}
