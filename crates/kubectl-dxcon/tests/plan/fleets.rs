//! Fleets by chance: what is planned is what is sent, call by call.

use std::cell::Cell;

use direct_connect_simulator::Connection;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use test_support::{Manifest, World, connection, number};

use crate::said::{Case, holds, holds_on};

/// How many fleets; `cargo build && FLEETS=100 cargo test -p kubectl-dxcon --test plan fleets` tries more.
fn fleets() -> u32 {
    number("FLEETS", 4)
}

/// Ids of this fleet: `--cluster` sees the resources of those before it.
fn id(fleet: usize, at: usize) -> String {
    format!("dxcon-fleet{fleet:03}line{at:02}")
}

/// What AWS has of a line, as far as a plan takes everything to come that can be waited for.
fn line() -> impl Strategy<Value = Connection> {
    let mode = prop_oneof!["no_encrypt", "should_encrypt", "must_encrypt"];
    let state = prop_oneof![8 => Just("available"), 1 => Just("pending"), 1 => Just("deleted")];
    (mode, state, any::<bool>(), 0..2_u8, 0..10_u8).prop_map(|(mode, state, has_key, account, kind)| {
        let line = Connection::new("", "line").owned_by(&format!("{:012}", account + 1));
        // Where nothing can bring MACsec up, must_encrypt has taken the line down.
        let state = if mode == "must_encrypt" && !has_key && state == "available" { "down" } else { state };
        let line = line.with_mode(&mode).in_state(state);
        match kind {
            0 => line.hosted(101),
            1 => line.in_lag("dxlag-ffabcdef"),
            _ if has_key => line.with_key("01"),
            _ => line,
        }
    })
}

fn wish() -> impl Strategy<Value = Manifest> {
    let name = proptest::option::of(prop_oneof!["line", "new"]);
    let mode = proptest::option::of(prop_oneof!["no_encrypt", "should_encrypt", "must_encrypt"]);
    (name, mode, 0..10_u8).prop_map(|(name, mode, how)| {
        let mut wish = connection("line");
        if let Some(name) = name {
            wish = wish.name(&name);
        }
        if let Some(mode) = mode {
            wish = wish.mode(&mode);
        }
        match how {
            0 => wish.policy("Observe"),
            1 => wish.annotation("paused", "true"),
            2 => wish.transition("Immediate"),
            _ => wish,
        }
    })
}

/// A line, what is wanted of it first, and what later.
type Line = (Connection, Manifest, Manifest);

fn fleet() -> impl Strategy<Value = Vec<Line>> {
    proptest::collection::vec((line(), wish(), wish()).prop_map(with_a_key_where_it_goes_at_once), 7)
}

/// One that goes at once without a key cannot prove itself: whether the others go depends on who is first.
fn with_a_key_where_it_goes_at_once((line, first, later): Line) -> Line {
    let is_at_once = |wish: &Manifest| wish.json()["spec"]["encryptionTransition"] == "Immediate";
    let lacks_key = line.keys().is_empty() && line.mac_sec_capable == Some(true) && line.lag_id.is_none();
    let gets_key = lacks_key && (is_at_once(&first) || is_at_once(&later));
    (if gets_key { line.in_state("available").with_key("01") } else { line }, first, later)
}

#[test]
fn what_is_planned_for_a_fleet_is_what_is_sent_and_so_it_is_when_more_is_wanted_later() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let mut runner = TestRunner::new(Config { cases: fleets(), max_shrink_iters: 0, ..Config::default() });
    let number = Cell::new(0);
    let outcome = runner.run(&fleet(), |fleet| {
        number.set(number.get() + 1);
        let is = |at: usize, wish: Manifest| wish.called(&format!("line-{at}")).id(&id(number.get(), at));
        let mut cases = Vec::new();
        let mut wanted_later = Vec::new();
        for (at, (mut line, first, later)) in fleet.into_iter().enumerate() {
            line.connection_id = id(number.get(), at);
            cases.push(Case { name: "of a fleet", connection: Some(line), manifests: vec![is(at, first)] });
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
