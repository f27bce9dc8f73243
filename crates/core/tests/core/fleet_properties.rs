//! Properties of every fleet, for any sequence of events from the watch, from reads and from passes.

use std::time::Duration;

use directconnect_core::desired::EncryptionMode;
use directconnect_core::fault::{Effect, Fault, FaultKind};
use directconnect_core::fleet::Fleet;
use directconnect_core::history::{Change, Observation, Source};
use directconnect_core::identity::CircuitId;
use directconnect_core::ledger::{AtRest, LastUpdate, Ledger};
use directconnect_core::observed::Connection;
use directconnect_core::turn::{Claim, share_turn};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::any::{any_change, any_connection, cases};
use crate::given::{
    Asks, ID, Must, No, REGION, SETTINGS, Says, Should, UID, circuit, claim, read_at, region, resource, second, sets,
    spec,
};

fn ids() -> [CircuitId; 2] {
    [circuit(REGION, ID), circuit("us-east-1", ID)]
}

const RESOURCES: [&str; 3] = ["net/a", "net/b", "net/c"];

/// An event for one of the circuits of a fleet.
#[derive(Clone, Debug)]
enum Event {
    Applied(Claim),
    Removed(&'static str),
    Written(&'static str, Ledger, u64),
    Unwritten(&'static str, Ledger),
    Begun(EncryptionMode),
    Withdrawn(Option<EncryptionMode>),
    Sent,
    Answered(Change, Connection),
    Lost(Change),
    Read(Source, Option<Connection>),
    Listed(Option<Connection>),
    ListingFailed,
    ReadingBegun,
    ReadingEnded,
    Led,
    Met,
}

fn any_mode() -> impl Strategy<Value = EncryptionMode> {
    select(vec![No, Should, Must, Must])
}

fn any_ledger() -> impl Strategy<Value = Ledger> {
    let sent = (any::<u32>(), 1_i64..4, option::of("[a-z0-9]{8}"), any_change()).prop_map(
        |(time, generation, request_id, change)| LastUpdate {
            time: time.to_string(),
            generation,
            request_id,
            connection_name: change.name,
            encryption_mode: change.mode,
        },
    );
    let names_circuit = any::<bool>();
    (
        option::of(1_i64..4),
        option::of(1_i64..4),
        option::of(select(vec![Should, Must])),
        any::<bool>(),
        names_circuit,
        option::of(sent),
    )
        .prop_map(
            |(met_generation, must_encrypt_generation, unproven_step, proven, names_circuit, last_update)| Ledger {
                met_generation,
                must_encrypt_generation,
                unproven_step,
                proven,
                circuit: names_circuit.then(|| (&ids()[0]).into()),
                last_update,
            },
        )
}

fn any_claim() -> impl Strategy<Value = Claim> {
    (
        (select(&RESOURCES[..]), 0_i64..3, 1_u64..30),
        (prop::bool::weighted(0.8), prop::bool::weighted(0.15), option::of(any_mode())),
        any_ledger(),
        (option::of(any_mode()), option::of(select(&["111122223333", "444455556666"][..]))),
        option::of(0_u64..100),
    )
        .prop_map(|((path, created, version), (manages, deleted, wants), ledger, (mode, account), updated)| {
            let mut said = Claim {
                manages,
                is_being_deleted: deleted,
                wants,
                ledger,
                updated_at: updated.map(second),
                ..claim(path).created(created).version(version)
            };
            said.shown.mode = mode;
            account.map_or(said.clone(), |account| said.showing_account(account))
        })
}

fn any_event() -> impl Strategy<Value = Event> {
    let path = || select(&RESOURCES[..]);
    let source = select(vec![Source::Poll, Source::ById]);
    prop_oneof![
        6 => any_claim().prop_map(Event::Applied),
        1 => path().prop_map(Event::Removed),
        2 => (path(), any_ledger(), 1_u64..30).prop_map(|(path, ledger, version)| Event::Written(path, ledger, version)),
        1 => (path(), any_ledger()).prop_map(|(path, ledger)| Event::Unwritten(path, ledger)),
        2 => any_mode().prop_map(Event::Begun),
        1 => option::of(any_mode()).prop_map(Event::Withdrawn),
        1 => Just(Event::Sent),
        1 => (any_change(), any_connection()).prop_map(|(change, answer)| Event::Answered(change, answer)),
        1 => any_change().prop_map(Event::Lost),
        6 => (source, option::weighted(0.9, any_connection())).prop_map(|(source, shown)| Event::Read(source, shown)),
        1 => option::of(any_connection()).prop_map(Event::Listed),
        1 => Just(Event::ListingFailed),
        1 => Just(Event::ReadingBegun),
        1 => Just(Event::ReadingEnded),
        1 => Just(Event::Led),
        1 => Just(Event::Met),
    ]
}

fn happens(fleet: &mut Fleet, id: &CircuitId, event: Event, at: u64) {
    let now = second(at);
    let lost =
        || Fault { effect: Effect::Unknown, ..Fault::new(FaultKind::Unavailable, "UpdateConnection", "no answer") };
    match event {
        Event::Applied(claim) => fleet.apply(id, claim),
        Event::Removed(path) => fleet.remove(id, &resource(path)),
        Event::Written(path, ledger, version) => {
            fleet.note_written(id, &resource(path), UID, ledger, version);
        }
        Event::Unwritten(path, ledger) => fleet.note_unwritten(id, &resource(path), UID, ledger),
        Event::Begun(mode) => {
            let free = fleet.holder(id).is_none();
            assert_eq!(fleet.begin_step(id, mode), free);
        }
        Event::Withdrawn(before) => fleet.withdraw_step(id, before),
        Event::Sent => fleet.record_send(id, now),
        Event::Answered(change, answer) => {
            fleet.with_history(id, |history| history.record_answer(&change, &answer, now));
        }
        Event::Lost(change) => fleet.with_history(id, |history| {
            history.record_update_failure(&change, lost(), now, Duration::from_mins(1), 0.5);
        }),
        Event::Read(source, shown) => {
            fleet.record_read(id, Observation { source, ..read_at(now, shown) });
        }
        Event::Listed(shown) => {
            let all = shown.map(|connection| (id.id.clone(), connection)).into_iter().collect();
            fleet.record_listing(&id.region, (now, now), all);
        }
        Event::ListingFailed => {
            fleet.record_failed_listing(&id.region, lost(), now);
        }
        Event::ReadingBegun => fleet.begin_reading(&id.region, now),
        Event::ReadingEnded => fleet.end_reading(&id.region),
        Event::Led => fleet.lead(now),
        Event::Met => fleet.record_if_unlisted(id),
    }
}

fn any_fleet() -> impl Strategy<Value = Fleet> {
    vec((any_event(), any::<bool>(), 0_u64..90), 0..40).prop_map(|events| {
        let mut fleet = Fleet::new(SETTINGS);
        let mut now = 10_000;
        for (event, second_circuit, passed) in events {
            now += passed;
            happens(&mut fleet, &ids()[usize::from(second_circuit)], event, now);
        }
        fleet
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_holder_is_derived_from_the_known_state_alone(fleet in any_fleet()) {
        let mut derived = fleet.clone();
        for id in ids() {
            if derived.circuit(&id).is_some() {
                derived.with_history(&id, |_| ());
            }
            prop_assert_eq!(fleet.hold(&id), derived.hold(&id));
            prop_assert!(fleet.circuit(&id).is_some() || fleet.hold(&id).is_none());
        }
    }

    #[test]
    fn an_unproven_step_that_is_still_wanted_holds(fleet in any_fleet()) {
        for id in ids() {
            let Some(known) = fleet.circuit(&id) else { continue };
            let wanted = known.claims().iter().any(|claim| {
                !claim.is_being_deleted
                    && claim.ledger.unproven_step.is_some_and(|step| claim.wants.is_some_and(|wants| wants >= step))
            });
            let connection = known.history.connection();
            let in_lag = connection.is_some_and(|shown| shown.lag_id.is_some());
            let is_gone = connection.is_some_and(Connection::is_gone);
            prop_assert!(!wanted || in_lag || is_gone || fleet.hold(&id).is_some());
        }
    }

    #[test]
    fn of_two_circuits_of_an_account_no_second_begins_a_step_while_one_holds_the_turn(fleet in any_fleet(), mode in any_mode()) {
        for [one, other] in [ids(), { let [a, b] = ids(); [b, a] }] {
            let mut fleet = fleet.clone();
            let shares = share_turn(&fleet.account(&one), &fleet.account(&other));
            let is_held = fleet.hold(&other).is_some() && shares;
            prop_assert_eq!(fleet.begin_step(&one, mode), !is_held);
        }
    }

    #[test]
    fn the_newest_version_of_a_ledger_wins_in_whatever_order_it_comes(
        ledgers in vec(any_ledger(), 1..6), by_watch in vec(any::<bool>(), 6), order in Just([0, 1, 2, 3, 4, 5]).prop_shuffle(),
    ) {
        let id = &ids()[0];
        let mut fleet = Fleet::new(SETTINGS);
        fleet.begin_reading(&region(REGION), second(0));
        fleet.apply(id, claim("net/a").wanting(Must).version(1));
        for at in order.into_iter().filter(|&at| at < ledgers.len()) {
            let (ledger, version) = (ledgers[at].clone(), 10 + at as u64);
            if by_watch[at] {
                fleet.apply(id, Claim { ledger, ..claim("net/a").wanting(Must).version(version) });
            } else {
                fleet.note_written(id, &resource("net/a"), UID, ledger, version);
            }
        }
        let newest = ledgers.last().expect("there is one");
        prop_assert_eq!(&fleet.ledger(id, &resource("net/a")), newest);
        prop_assert_eq!(fleet.circuit(id).expect("it is known").claims().len(), 1);
    }

    #[test]
    fn a_removed_resource_is_not_brought_back_by_what_is_written_for_it(fleet in any_fleet(), ledger in any_ledger()) {
        let (mut fleet, id) = (fleet, &ids()[0]);
        let resource = resource("net/a");
        fleet.remove(id, &resource);
        let before = fleet.clone();
        fleet.note_written(id, &resource, UID, ledger.clone(), 99);
        fleet.note_unwritten(id, &resource, UID, ledger);
        prop_assert_eq!(fleet.hold(id), before.hold(id));
        prop_assert_eq!(fleet.ledger(id, &resource), Ledger::default());
    }

    #[test]
    fn no_ledger_loses_an_unproven_step_without_one_of_the_reasons(
        fleet in any_fleet(), ledger in any_ledger(), wants in option::of(any_mode()), end in any::<[bool; 2]>(),
    ) {
        let id = &ids()[0];
        let Some(known) = fleet.circuit(id) else { return Ok(()) };
        let desired = directconnect_core::desired::Desired { mode: wants, ..spec() };
        let end = AtRest { is_met: end[0], acts: end[1], is_settled: fleet.is_settled(id), is_proof_over: fleet.circuit(id).is_some_and(directconnect_core::fleet::Circuit::is_proof_over) };
        let history = &known.history;
        let next = ledger.at_rest(&desired, history, end, &SETTINGS);
        let Some(step) = ledger.unproven_step.filter(|_| next.unproven_step != ledger.unproven_step) else {
            return Ok(());
        };
        prop_assert_eq!(next.unproven_step, None, "it becomes no other step");
        let is_unwanted = wants.is_none_or(|wants| wants < step);
        let shown = history.connection();
        let is_gone = shown.is_some_and(Connection::is_gone);
        let in_lag = shown.is_some_and(|shown| shown.lag_id.is_some());
        let is_lower = end.is_settled && shown.and_then(Connection::mode).is_some_and(|mode| mode < step);
        let soak = SETTINGS.encryption_soak;
        let is_proven = [No, Should, Must].iter().any(|&mode| mode >= step && history.is_soaked(mode, soak));
        let has_no_key = end.is_settled && shown.is_some_and(|shown| !shown.has_key_at_all());
        let is_given_back = step == Should && (has_no_key || history.was_down_for(Should, SETTINGS.progress_deadline));
        prop_assert!(is_unwanted || is_gone || in_lag || is_lower || is_proven || is_given_back);
        prop_assert!(!next.proven || wants == Some(Must));
    }

    #[test]
    fn a_ledger_reads_as_it_was_written(ledger in any_ledger()) {
        let json = serde_json::to_string(&ledger).expect("it is JSON");
        prop_assert_eq!(serde_json::from_str::<Ledger>(&json).expect("it is a ledger"), ledger);
    }

    #[test]
    fn what_is_taken_back_is_as_it_was(ledger in any_ledger(), change in any_change(), interrupts in any::<bool>()) {
        let intention = ledger.before_send(&spec().to(Must), &change, interrupts, false, "2026-03-02T09:00:00Z".into());
        prop_assert_eq!(intention.clone().after_failure(&ledger, Effect::None), ledger.clone());
        prop_assert_eq!(intention.clone().after_failure(&ledger, Effect::Unknown), intention.clone());
        prop_assert!(!interrupts || (intention.unproven_step == change.mode && !intention.proven));
        prop_assert!(interrupts || intention.unproven_step == ledger.unproven_step);
    }
}

#[test]
fn a_ledger_that_says_nothing_is_written_as_nothing() {
    assert_eq!(serde_json::to_string(&Ledger::default()).expect("it is JSON"), "{}");
    assert_eq!(serde_json::from_str::<Ledger>("{}").expect("it is a ledger"), Ledger::default());
    let written = Ledger::default().before_send(&spec().to(Must), &sets(Must), true, false, "now".into());
    let json = serde_json::to_value(written).expect("it is JSON");
    assert_eq!(json["unprovenStep"], "must_encrypt");
    assert_eq!((&json["circuit"]["region"], &json["circuit"]["connectionId"]), (&REGION.into(), &ID.into()));
    assert!(json.get("proven").is_none(), "absent is unproven");
}
