//! Fleets by chance: what is planned is what is sent, call by call.

use direct_connect_simulator::Connection;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use test_support::{Manifest, World, connection};

use crate::said::{Case, holds};

/// How many fleets; `FLEETS=100 cargo test -p kubectl-dxcon --test plan fleets` tries more.
fn fleets() -> u32 {
    std::env::var("FLEETS").ok().and_then(|count| count.parse().ok()).unwrap_or(4)
}

/// What AWS has of a line, as far as a plan takes everything to come that can be waited for.
fn line(at: usize) -> impl Strategy<Value = Connection> {
    let mode = prop_oneof!["no_encrypt", "should_encrypt", "must_encrypt"];
    let state = prop_oneof![8 => Just("available"), 1 => Just("pending"), 1 => Just("deleted")];
    (mode, state, any::<bool>(), 0..2_u8, 0..10_u8).prop_map(move |(mode, state, has_key, account, kind)| {
        let line = Connection::new(&format!("dxcon-fleet{at:03}"), "line").owned_by(&format!("{:012}", account + 1));
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

fn wish(at: usize) -> impl Strategy<Value = Manifest> {
    let name = proptest::option::of(prop_oneof!["line", "new"]);
    let mode = proptest::option::of(prop_oneof!["no_encrypt", "should_encrypt", "must_encrypt"]);
    (name, mode, 0..10_u8).prop_map(move |(name, mode, how)| {
        let mut wish = connection(&format!("fleet-{at:03}")).id(&format!("dxcon-fleet{at:03}"));
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

fn fleet() -> impl Strategy<Value = Vec<(Connection, Manifest)>> {
    (0..7_usize).map(|at| (line(at), wish(at)).prop_map(with_a_key_where_it_goes_at_once)).collect::<Vec<_>>()
}

/// One that goes at once without a key cannot prove itself: whether the others go depends on who is first.
fn with_a_key_where_it_goes_at_once((line, wish): (Connection, Manifest)) -> (Connection, Manifest) {
    let is_at_once = wish.json()["spec"]["encryptionTransition"] == "Immediate";
    let lacks_key = line.keys().is_empty() && line.mac_sec_capable == Some(true) && line.lag_id.is_none();
    if is_at_once && lacks_key { (line.in_state("available").with_key("01"), wish) } else { (line, wish) }
}

#[test]
fn what_is_planned_for_a_fleet_is_what_is_sent() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let mut runner = TestRunner::new(Config { cases: fleets(), max_shrink_iters: 0, ..Config::default() });
    let outcome = runner.run(&fleet(), |fleet| {
        let case = |(line, wish): &(Connection, Manifest)| Case {
            name: "of a fleet",
            connection: Some(line.clone()),
            manifests: vec![wish.clone()],
        };
        let cases: Vec<Case> = fleet.iter().map(case).collect();
        runtime.block_on(async { holds(World::builder().without_operator().build().await, &cases).await });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
