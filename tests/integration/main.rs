//! The real binary on a real API server, judged by the call log of the simulated AWS.

mod absent;
mod both;
mod delete;
mod drift;
mod events;
mod fields;
mod idle;
mod late_reads;
mod log;
mod missing;
mod mode;
mod observe;
mod outage;
mod paging;
mod pause;
mod reconcile_request;
mod refused_specs;
mod regions;
mod rename;
mod unmanaged;
