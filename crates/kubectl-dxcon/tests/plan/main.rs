//! `kubectl dxcon plan` as a user runs it: the operator then does what the plan says.

#[path = "../typed/mod.rs"]
mod typed;

mod api_server;
mod cases;
mod field_managers;
mod fleets;
mod met_by_the_operator;
mod page;
mod said;
mod with_the_cluster;
mod wrong;
