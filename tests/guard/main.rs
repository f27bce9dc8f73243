//! It never takes a circuit down: the guarded transition and what goes wrong on the way, driven on the real binary and
//! judged by the call log of the simulated AWS.

mod log;
mod witness;

mod claims;
mod conditions;
mod contention;
mod doubt;
mod errors;
mod immediate;
mod ladder;
mod rename;
mod storm;
mod turns;
mod unsupported;
