//! The real binary on a real API server, judged by the call log of the simulated AWS.

mod rename;
