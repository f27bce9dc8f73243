//! Rules that hold for every connection, wish, past and circumstance.

use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::conditions::{ConditionStatus, ConditionType, conditions};
use directconnect_core::decide::{Case, Plan, Step, decide};
use directconnect_core::desired::{Desired, EncryptionMode, EncryptionTransition, ManagementPolicy};
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::history::{Change, History, Observation, Source};
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::{Connection, ConnectionState, MacSecKey, ObservedMode, PortEncryptionStatus};
use directconnect_core::reason::{Phase, Reason};
use directconnect_core::settings::{FRESH, Settings};
use directconnect_core::turn::{Hold, HoldReason, Holder};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::given::{Must, No, Should, UID, line, read_at, resource, twin, wish};

/// One of these words; an empty one is none at all.
fn word(words: &[&[&'static str]]) -> impl Strategy<Value = Option<String>> + use<> {
    select(words.concat()).prop_map(|word| (!word.is_empty()).then(|| word.to_owned()))
}

/// Mostly a line that an update could go to, sometimes anything.
pub fn any_connection() -> impl Strategy<Value = Connection> {
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

pub fn any_change() -> impl Strategy<Value = Change> {
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
    BackoffReset,
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
        1 => Just(Event::BackoffReset),
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
    reads: Vec<(Moment, bool)>,
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
            Self { history: History::default(), now, ended: None, reads: Vec::new(), last: None, read_by_id: None };
        past.history.start_generation(UID, 1, Some(Must), now);
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
                self.history.record_answer(&change, &answer, now);
                (self.ended, self.read_by_id, self.reads) = (Some(now), None, Vec::new());
            }
            Event::Refused(change, fault) => {
                if fault.kind != FaultKind::Throttled || fault.effect == Effect::Unknown {
                    (self.ended, self.read_by_id) = (Some(now), None);
                }
                if fault.effect == Effect::Unknown {
                    self.reads.clear();
                }
                self.history.record_update_failure(&change, fault, now, poll, 0.5);
            }
            Event::ReadFailed(fault) => self.history.record_read_failure(fault, now, poll, 0.5),
            Event::Resumed(change, age) => {
                self.history.resume(change, Some(Duration::from_secs(age)), now, SET.settle_window);
            }
            Event::Wished(generation) => self.history.start_generation(UID, generation, Some(Must), now),
            Event::BackoffReset => self.history.reset_backoff(),
        }
    }

    fn sees(&mut self, began: Moment, by_id: bool, connection: Option<Connection>) {
        if by_id && self.ended.is_none_or(|ended| began > ended) {
            self.read_by_id = self.read_by_id.max(Some(began));
        }
        let source = if by_id { Source::ById } else { Source::Poll };
        if self.history.record_read(Observation { source, ..read_at(began, connection.clone()) }, &SET) {
            // A listing without it leaves open what is known until a read by its id.
            if by_id || connection.is_some() {
                let works = connection.as_ref().is_some_and(works);
                self.reads.push((began, works));
                self.last = Some((began, by_id, connection));
            }
        }
    }

    /// MACsec worked at every one of the last looks, over a whole soak.
    fn is_soaked(&self) -> bool {
        let Some((newest, _)) = self.reads.last() else { return false };
        let mut next = *newest;
        let run = self.reads.iter().rev().take_while(|(began, works)| {
            let is_close = next.since(*began) <= SET.soak_cadence() * 2;
            next = *began;
            *works && is_close
        });
        run.last().is_some_and(|(first, _)| newest.since(*first) >= SET.encryption_soak)
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

/// What a decision rests on beside wish and past, so that it owns what it is about.
#[allow(clippy::struct_excessive_bools, reason = "each turns by itself")]
#[derive(Clone, Debug)]
struct Around {
    poll_fault: Option<Fault>,
    has_elder: bool,
    is_waiting: bool,
    has_other_proof: bool,
    holds: Option<HoldReason>,
    read_requested: Option<u64>,
    ledger: Ledger,
    is_unsettled: bool,
    is_swept: bool,
}

fn any_ledger() -> impl Strategy<Value = Ledger> {
    (option::of(1_i64..4), option::of(1_i64..4), option::of(select(&[Should, Must][..])), any::<bool>()).prop_map(
        |(met_generation, must_encrypt_generation, unproven_step, proven)| Ledger {
            met_generation,
            must_encrypt_generation,
            unproven_step,
            proven,
            ..Ledger::default()
        },
    )
}

fn any_around() -> impl Strategy<Value = Around> {
    let reasons = [HoldReason::UnprovenStep, HoldReason::UnderWay, HoldReason::UnprovenMust, HoldReason::RaisedByOther];
    (
        option::weighted(0.1, any_fault()),
        (prop::bool::weighted(0.1), prop::bool::weighted(0.2), prop::bool::weighted(0.1)),
        option::weighted(0.3, select(reasons.to_vec())),
        option::weighted(0.1, 0_u64..100),
        any_ledger(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(
                poll_fault,
                (has_elder, is_waiting, has_other_proof),
                holds,
                read_requested,
                ledger,
                unsettled,
                swept,
            )| {
                Around {
                    poll_fault,
                    has_elder,
                    is_waiting,
                    has_other_proof,
                    holds,
                    read_requested,
                    ledger,
                    is_unsettled: unsettled,
                    is_swept: swept,
                }
            },
        )
}

fn plan(desired: &Desired, past: &Past, around: &Around, now: Moment) -> Plan {
    let (elder, other) = (resource("net/old"), resource("net/fra-2"));
    let hold = Hold { resource: Some(other.clone()), reason: HoldReason::UnprovenStep };
    let holder = Holder { circuit: twin(), hold };
    decide(&Case {
        desired,
        ledger: &around.ledger,
        history: &past.history,
        settings: &SET,
        now,
        poll_fault: around.poll_fault.as_ref(),
        reading_since: Some(Moment::START),
        read_requested_at: around.read_requested.map(|ago| past.now - Duration::from_secs(ago)),
        older_claim: around.has_elder.then_some(&elder),
        holder: around.is_waiting.then_some(&holder),
        other_proof: around.has_other_proof.then_some(&other),
        holds: around.holds,
        settles_at: around.is_unsettled.then_some(past.now + Duration::from_mins(1)),
        is_swept: around.is_swept,
    })
}

/// What was to be sent, and the connection that the decision saw.
fn sent<'a>(plan: &'a Plan, past: &'a Past) -> Option<(&'a Change, &'a Connection)> {
    let Step::Update(change) = &plan.step else { return None };
    Some((change, past.history.connection()?))
}

fn word_of(mode: EncryptionMode) -> &'static str {
    match mode {
        No => "no_encrypt",
        Should => "should_encrypt",
        Must => "must_encrypt",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn must_encrypt_goes_only_where_macsec_is_proven(desired in any_wish(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((Change { mode: Some(Must), .. }, _)) = sent(&plan, &past) {
            let at_once = desired.transition == EncryptionTransition::Immediate
                && around.ledger.must_encrypt_generation.is_none()
                && !past.history.had_must();
            let shown = past.last.as_ref().and_then(|(_, _, connection)| connection.as_ref());
            prop_assert!(at_once || (past.is_soaked() && shown.is_some_and(works)), "{:?}", past.reads);
        }
    }

    #[test]
    fn a_mode_goes_only_to_a_port_that_takes_one(desired in any_wish(), past in any_past(), around in any_around()) {
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
            let goes_down = at(word_of(*mode)) < at(shown);
            prop_assert!(state == "available" || (state == "down" && goes_down), "{shown} to {mode} while {state}");
        }
    }

    #[test]
    fn only_fields_that_are_set_and_differ_are_sent(desired in any_wish(), past in any_past(), around in any_around()) {
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
    fn up_the_ladder_only_a_settled_read_counts_and_what_interrupts_waits_for_its_turn(
        desired in any_wish(), past in any_past(), around in any_around(),
    ) {
        let plan = plan(&desired, &past, &around, past.now);
        let Some((Change { mode: Some(mode), .. }, connection)) = sent(&plan, &past) else { return Ok(()) };
        let is_up = connection.mode().is_some_and(|shown| *mode > shown);
        prop_assert!(!is_up || !(around.is_unsettled || around.has_other_proof));
        let interrupts = *mode == Must
            || (*mode == Should && connection.mode() == Some(No) && connection.has_key_at_all());
        prop_assert_eq!(interrupts, directconnect_core::decide::guard::interrupts(*mode, connection));
        prop_assert!(!interrupts || !around.is_waiting, "another connection is on its way");
    }

    #[test]
    fn nothing_goes_out_while_hands_are_off(desired in any_wish(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        if let Some((_, connection)) = sent(&plan, &past) {
            prop_assert!(!desired.paused && desired.policy == ManagementPolicy::Manage && !around.has_elder);
            let state = connection.connection_state.as_ref().map(ConnectionState::as_str).unwrap_or_default();
            prop_assert!(["requested", "pending", "available", "down"].contains(&state), "{state:?}");
            let mode = connection.encryption_mode.as_ref().map(ObservedMode::as_str);
            prop_assert_ne!(mode, Some("quantum_encrypt"));
        }
    }

    #[test]
    fn every_update_is_decided_on_a_fresh_read_by_id(desired in any_wish(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        if matches!(plan.step, Step::Update(_)) {
            let began = past.read_by_id.expect("it was read by id since the last update");
            prop_assert!(past.now.since(began) <= FRESH);
            let (began, _, connection) = past.last.clone().expect("it was seen");
            prop_assert!(connection.is_some() && past.ended.is_none_or(|ended| began > ended));
        }
    }

    #[test]
    fn what_is_lost_in_a_restart_harms_nothing(desired in any_wish(), past in any_past(), around in any_around()) {
        // With all but the newest look forgotten, must_encrypt goes out only if it is asked for at once.
        let (began, by_id, connection) = past.last.clone().unwrap_or((past.now, true, None));
        let mut history = History::default();
        let source = if by_id { Source::ById } else { Source::Poll };
        history.record_read(Observation { source, ..read_at(began, connection) }, &SET);
        let restarted = Past { history, ..past };
        let plan = plan(&desired, &restarted, &around, restarted.now);
        if let Some((Change { mode: Some(Must), .. }, _)) = sent(&plan, &restarted) {
            prop_assert_eq!(desired.transition, EncryptionTransition::Immediate);
        }
    }

    #[test]
    fn the_same_situation_later_reads_the_same(
        desired in any_wish(), past in any_past(), around in any_around(), passed in 1_u64..120,
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
    fn a_plan_agrees_with_itself(desired in any_wish(), past in any_past(), around in any_around()) {
        let plan = plan(&desired, &past, &around, past.now);
        prop_assert!(plan.next_check.is_none_or(|at| at > past.now), "a next decision that is due would turn in place");
        if let Some(verdict) = &plan.verdict {
            prop_assert!(!verdict.message.is_empty());
            let sending = matches!(plan.step, Step::Update(_));
            prop_assert!(!sending || verdict.reason == Reason::Updating);
            let resting = plan.step == Step::Rest;
            prop_assert!(!resting || verdict.reason != Reason::Updating, "it says that it acts, and does not");
            let ready = verdict.reason.phase() == Phase::Done && verdict.reason == Reason::InSync;
            prop_assert!(!ready || plan.is_met);
        }
        if plan.is_met {
            prop_assert_eq!(&plan.drift, &[]);
            prop_assert!(!matches!(plan.step, Step::Update(_)));
        }
    }

    #[test]
    fn conditions_never_contradict_each_other(desired in any_wish(), past in any_past(), around in any_around()) {
        let Some(verdict) = plan(&desired, &past, &around, past.now).verdict else { return Ok(()) };
        let all = conditions(&verdict, past.history.observation());
        let of = |wanted| all.iter().find(|condition| condition.condition_type == wanted);
        prop_assert!(!(of(ConditionType::Reconciling).is_some() && of(ConditionType::Stalled).is_some()));
        let ready = of(ConditionType::Ready).expect("Ready is always there");
        prop_assert!(of(ConditionType::LinkUp).is_some() && of(ConditionType::Encrypted).is_some());
        for carrier in [of(ConditionType::Reconciling), of(ConditionType::Stalled)].into_iter().flatten() {
            prop_assert_eq!(carrier.status, ConditionStatus::True);
            prop_assert!(ready.status != ConditionStatus::True && ready.message == carrier.message);
            prop_assert!(verdict.stale || ready.reason == carrier.reason);
        }
        prop_assert_eq!(ready.status == ConditionStatus::Unknown, verdict.stale);
    }
}
