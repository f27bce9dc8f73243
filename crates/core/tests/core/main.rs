//! Tests of the decisions: tables of examples, and properties for all inputs.
//!
//! The model that explores all interleavings of AWS, people, other writers and crashes is in `tests/model`.

mod any;
mod clock;
mod conditions;
mod contention;
mod decide;
mod decide_reads;
mod desired;
mod doubt;
mod fault;
mod fleet;
mod fleet_claims;
mod fleet_properties;
mod fleet_raised;
mod fleet_reads;
mod fleet_takeover;
mod given;
mod guard;
mod history;
mod ledger;
mod limiter;
mod not_found;
mod observed;
mod odd_reads;
mod pass;
mod pass_outcome;
mod proof;
mod properties;
mod soak;
mod text;
mod told;
mod turn;
mod wish;
