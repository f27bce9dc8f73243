//! Random fleets: the updates of the plan are those that the operator sends, call by call.

use std::cell::Cell;

use direct_connect_simulator::Connection;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use test_support::{Manifest, World, connection, number};

use crate::said::{Case, holds, holds_on};

/// Number of fleets; `cargo build && FLEETS=100 cargo test -p kubectl-dxcon --test plan fleets` tries more.
fn fleets() -> u32 {
    number("FLEETS", 4)
}

/// Each fleet has ids of its own, since `--cluster` sees the resources of earlier fleets.
fn id(fleet: usize, at: usize) -> String {
    format!("dxcon-fleet{fleet:03}line{at:02}")
}

/// The state of a connection in AWS. A plan assumes that everything that can be waited for happens.
fn any_connection() -> impl Strategy<Value = Connection> {
    let mode = prop_oneof!["no_encrypt", "should_encrypt", "must_encrypt"];
    let state = prop_oneof![8 => Just("available"), 1 => Just("pending"), 1 => Just("deleted")];
    (mode, state, any::<bool>(), 0..2_u8, 0..10_u8).prop_map(|(mode, state, has_key, account, kind)| {
        let it = Connection::new("", "line").owned_by(&format!("{:012}", account + 1));
        // If MACsec cannot come up, `must_encrypt` takes the link down.
        let state = if mode == "must_encrypt" && !has_key && state == "available" { "down" } else { state };
        let it = it.with_mode(&mode).in_state(state);
        match kind {
            0 => it.hosted(101),
            1 => it.in_lag("dxlag-ffabcdef"),
            _ if has_key => it.with_key("01"),
            _ => it,
        }
    })
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    let name = proptest::option::of(prop_oneof!["line", "new"]);
    let mode = proptest::option::of(prop_oneof!["no_encrypt", "should_encrypt", "must_encrypt"]);
    (name, mode, 0..10_u8).prop_map(|(name, mode, how)| {
        let mut manifest = connection("line");
        if let Some(name) = name {
            manifest = manifest.name(&name);
        }
        if let Some(mode) = mode {
            manifest = manifest.mode(&mode);
        }
        match how {
            0 => manifest.policy("Observe"),
            1 => manifest.annotation("paused", "true"),
            2 => manifest.transition("Immediate"),
            _ => manifest,
        }
    })
}

/// A connection, its first spec, and its later spec.
type Changing = (Connection, Manifest, Manifest);

fn fleet() -> impl Strategy<Value = Vec<Changing>> {
    proptest::collection::vec((any_connection(), any_manifest(), any_manifest()).prop_map(with_a_key_if_immediate), 7)
}

/// An Immediate step without a key is never proven, so whether the others get a turn depends on which is first.
fn with_a_key_if_immediate((shown, first, later): Changing) -> Changing {
    let is_at_once = |manifest: &Manifest| manifest.json()["spec"]["encryptionTransition"] == "Immediate";
    let lacks_key = shown.keys().is_empty() && shown.mac_sec_capable == Some(true) && shown.lag_id.is_none();
    let gets_key = lacks_key && (is_at_once(&first) || is_at_once(&later));
    (if gets_key { shown.in_state("available").with_key("01") } else { shown }, first, later)
}

#[test]
fn what_is_planned_for_a_fleet_is_what_is_sent_and_so_it_is_when_more_is_wanted_later() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let mut runner = TestRunner::new(Config { cases: fleets(), max_shrink_iters: 0, ..Config::default() });
    let number = Cell::new(0);
    let outcome = runner.run(&fleet(), |fleet| {
        number.set(number.get() + 1);
        let is = |at: usize, manifest: Manifest| manifest.called(&format!("line-{at}")).id(&id(number.get(), at));
        let mut cases = Vec::new();
        let mut wanted_later = Vec::new();
        for (at, (mut shown, first, later)) in fleet.into_iter().enumerate() {
            shown.connection_id = id(number.get(), at);
            cases.push(Case { name: "of a fleet", connection: Some(shown), manifests: vec![is(at, first)] });
            wanted_later.push(is(at, later));
        }
        runtime.block_on(async {
            let mut world = World::builder().without_operator().build().await;
            holds(&mut world, &cases).await;
            holds_on(&world, &wanted_later).await;
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
