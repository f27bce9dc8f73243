//! What fails around the operator, and how it keeps its promises: on the real API server, with the real binary, judged by
//! the call log of the simulated AWS. `docs/reliability.md` has the table.

mod api_server;
mod crashes;
mod fence;
mod half;
mod hostile;
mod leadership;
mod load;
mod objects;
mod regions;
mod replicas;
mod restore;
mod soak;
mod takeover;
mod told;
mod upgrade;
