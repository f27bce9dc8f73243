//! `kubectl dxcon plan` as a user types it: what it says is what the operator then does.

#[path = "../typed/mod.rs"]
mod typed;

mod cases;
mod fleets;
mod page;
mod said;
mod with_the_cluster;
mod wrong;
