//! The guarded transition never takes a circuit down, whatever goes wrong on the way. Tested with the real binary, and
//! verified by the call log of the simulated AWS.

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
