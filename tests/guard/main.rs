//! It never takes a circuit down: the guarded transition and what goes wrong on the way, driven on the real binary and
//! judged by the call log of the simulated AWS.

mod log;
mod pair;
mod witness;

mod absent;
mod boundaries;
mod claims;
mod conditions;
mod contention;
mod doubt;
mod errors;
mod handover;
mod immediate;
mod immediate_once;
mod ladder;
mod late;
mod rename;
mod soak;
mod storm;
mod turn_memory;
mod turns;
mod unsupported;
