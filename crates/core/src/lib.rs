//! Decisions and bookkeeping: everything that says whether a circuit may be touched, as plain values and pure functions.
//!
//! Must not know: Kubernetes, the AWS SDK, the runtime, the clock, dice, I/O. Time and chance come in as arguments, so
//! that a table, a property test and a model checker can run the very code that runs in production.

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
