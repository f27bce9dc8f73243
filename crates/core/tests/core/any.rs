//! Proptest strategies for any connection, spec, history and other input of a decision.

use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::desired::{Desired, EncryptionTransition, ManagementPolicy};
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::history::{Change, History, Observation, Source};
use directconnect_core::ledger::Ledger;
use directconnect_core::observed::{Connection, MacSecKey, PortEncryptionStatus};
use directconnect_core::settings::Settings;
use directconnect_core::turn::HoldReason;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use strum::VariantArray as _;

use crate::given::{Must, No, Should, UID, connection, read_at, spec};

/// The number of cases of a property: `PROPTEST_CASES` if it is set. A plain number in the code would override the variable.
pub fn cases(unless_set: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(unless_set, |cases| cases.parse().expect("PROPTEST_CASES is a number"))
}

/// One of these values; an empty one stands for an absent value.
pub fn word(words: &[&[&'static str]]) -> impl Strategy<Value = Option<String>> + use<> {
    select(words.concat()).prop_map(|word| (!word.is_empty()).then(|| word.to_owned()))
}

/// Mostly a connection that could be updated, sometimes any other.
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
            ..connection()
        })
}

pub fn any_spec() -> impl Strategy<Value = Desired> {
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
            ..spec()
        })
}

pub fn any_change() -> impl Strategy<Value = Change> {
    (option::of(select(&["fra-1", "fra-2"][..])), option::of(select(&[No, Should, Must][..])))
        .prop_map(|(name, mode)| Change { name: name.map(str::to_owned), mode })
}

pub fn any_fault() -> impl Strategy<Value = Fault> {
    (select(FaultKind::VARIANTS), any::<bool>()).prop_map(|(kind, unknown)| Fault {
        effect: if unknown && kind == FaultKind::Unavailable { Effect::Unknown } else { Effect::None },
        ..Fault::new(kind, "UpdateConnection", "AWS says no")
    })
}

/// An event in the history of a connection.
#[derive(Clone, Debug)]
pub enum Event {
    /// This many seconds passed.
    Passed(u64),
    /// A read that began this many seconds ago came in.
    Seen {
        began: u64,
        by_id: bool,
        connection: Option<Connection>,
    },
    /// A read by id showed MACsec up, and everything else as in the last read.
    StillUp,
    Answered(Change, Connection),
    Refused(Change, Fault),
    ReadFailed(Fault),
    Resumed(Change, u64),
    Wished(i64),
    BackoffReset,
}

pub fn any_event() -> impl Strategy<Value = Event> {
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

/// A history, and what an independent observer recorded of the same events.
#[derive(Clone, Debug)]
pub struct Past {
    pub history: History,
    pub now: Moment,
    /// End of the last update that AWS may have processed.
    pub ended: Option<Moment>,
    /// The reads since the last update that may have had an effect: when they began, and whether MACsec was up.
    pub reads: Vec<(Moment, bool)>,
    /// The newest read, before the history changed it.
    pub last: Option<(Moment, bool, Option<Connection>)>,
    /// When the newest read by id began, if that was after the last update ended.
    pub read_by_id: Option<Moment>,
}

pub const SET: Settings = crate::given::SETTINGS;

impl Past {
    pub fn of(events: Vec<Event>) -> Self {
        let now = crate::given::second(10_000);
        let mut past =
            Self { history: History::default(), now, ended: None, reads: Vec::new(), last: None, read_by_id: None };
        past.history.start_generation(UID, 1, Some(Must), now);
        for event in events {
            past.happens(event);
        }
        past
    }

    pub fn happens(&mut self, event: Event) {
        let (poll, now) = (SET.poll_interval, self.now);
        match event {
            Event::Passed(passed) => self.now = now + Duration::from_secs(passed),
            Event::Seen { began, by_id, connection } => self.sees(now - Duration::from_secs(began), by_id, connection),
            Event::StillUp => {
                let key = MacSecKey { state: Some("associated".into()), ..MacSecKey::default() };
                let last = self.last.clone().and_then(|(_, _, connection)| connection).unwrap_or_else(connection);
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

    pub fn sees(&mut self, began: Moment, by_id: bool, connection: Option<Connection>) {
        if by_id && self.ended.is_none_or(|ended| began > ended) {
            self.read_by_id = self.read_by_id.max(Some(began));
        }
        let source = if by_id { Source::ById } else { Source::Poll };
        if self.history.record_read(Observation { source, ..read_at(began, connection.clone()) }, &SET) {
            // A listing without the connection keeps the last state until a read by id.
            if by_id || connection.is_some() {
                let works = connection.as_ref().is_some_and(works);
                self.reads.push((began, works));
                self.last = Some((began, by_id, connection));
            }
        }
    }

    /// Whether MACsec was up in all of the last reads, for a whole soak.
    pub fn is_soaked(&self) -> bool {
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

/// A key is associated and the port says `Encryption Up`. This is written independently, so that it does not share a
/// mistake of the core.
pub fn works(connection: &Connection) -> bool {
    let status = connection.port_encryption_status.as_ref().map(PortEncryptionStatus::as_str);
    let has_key = connection.mac_sec_keys.iter().any(|key| key.state.as_deref() == Some("associated"));
    status == Some("Encryption Up") && has_key
}

pub fn any_past() -> impl Strategy<Value = Past> {
    // Most histories end with a read by id, or with MACsec up for a while, since an update is often due then.
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

/// The inputs of a decision beside spec and history. It owns them.
#[allow(clippy::struct_excessive_bools, reason = "each turns by itself")]
#[derive(Clone, Debug)]
pub struct Around {
    pub is_reported: bool,
    pub poll_fault: Option<Fault>,
    pub has_older_claim: bool,
    pub is_waiting: bool,
    pub has_other_proof: bool,
    pub holds: Option<HoldReason>,
    pub read_requested: Option<u64>,
    pub ledger: Ledger,
    pub is_unsettled: bool,
    pub polls_at_soak_cadence: bool,
}

pub fn any_ledger() -> impl Strategy<Value = Ledger> {
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

pub fn any_around() -> impl Strategy<Value = Around> {
    let reasons = [HoldReason::UnprovenStep, HoldReason::UnderWay, HoldReason::UnprovenMust, HoldReason::RaisedByOther];
    (
        (any::<bool>(), option::weighted(0.1, any_fault())),
        (prop::bool::weighted(0.1), prop::bool::weighted(0.2), prop::bool::weighted(0.1)),
        option::weighted(0.3, select(reasons.to_vec())),
        option::weighted(0.1, 0_u64..100),
        any_ledger(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(
                (is_reported, poll_fault),
                (has_older_claim, is_waiting, has_other_proof),
                holds,
                read_requested,
                ledger,
                unsettled,
                swept,
            )| {
                Around {
                    is_reported,
                    poll_fault,
                    has_older_claim,
                    is_waiting,
                    has_other_proof,
                    holds,
                    read_requested,
                    ledger,
                    is_unsettled: unsettled,
                    polls_at_soak_cadence: swept,
                }
            },
        )
}
