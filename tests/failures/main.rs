//! Failures around the operator: how it keeps its guarantees, with the real API server and the real binary, verified by
//! the call log of the simulated AWS. The table is in `docs/reliability.md`.

mod api_server;
mod crashes;
mod events;
mod fence;
mod half;
mod hostile;
mod leadership;
mod load;
mod objects;
mod older_crd;
mod regions;
mod replicas;
mod restore;
mod soak;
mod takeover;
mod told;
mod two_writers;
mod upgrade;
