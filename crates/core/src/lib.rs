//! The decisions and the state behind them: everything that determines whether a circuit may be changed, as plain
//! values and pure functions.
//!
//! Must not know: Kubernetes, the AWS SDK, the runtime, clocks, random numbers, I/O. Time and random numbers are
//! arguments, so that tables, property tests and a model checker can run the code that runs in production.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable)]

pub mod clock;
pub mod conditions;
pub mod contention;
pub mod decide;
pub mod desired;
pub mod fault;
pub mod fleet;
pub mod history;
pub mod identity;
pub mod ledger;
pub mod limiter;
pub mod observed;
pub mod pass;
pub mod reason;
pub mod settings;
pub mod text;
pub mod turn;
