//! What the operator decides, held to tables in the field's own terms and to properties over all inputs.
//!
//! The model that takes every step AWS, people, another writer and crashes can take is in `tests/model`.

mod any;
mod conditions;
mod contention;
mod decide;
mod desired;
mod fault;
mod fleet;
mod fleet_claims;
mod fleet_properties;
mod fleet_reads;
mod given;
mod guard;
mod history;
mod ledger;
mod limiter;
mod observed;
mod pass;
mod pass_outcome;
mod properties;
mod soak;
mod text;
mod turn;
