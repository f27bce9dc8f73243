//! What is measured: a file each.

mod adoption;
mod burst;
mod change;
mod memory;
mod steady;

use crate::figures::Row;

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The first status of each of 1,000 resources.
    Adoption,
    /// Calls, writes and CPU with nothing to do.
    Steady,
    /// One change, until AWS has it and until status says so.
    Change,
    /// 200 changes at once.
    Burst,
    /// Memory with 0, 1,000 and 10,000 resources, and the start with 10,000.
    Memory,
}

impl Scenario {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Adoption, Self::Steady, Self::Change, Self::Burst, Self::Memory];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adoption => "adoption",
            Self::Steady => "steady",
            Self::Change => "change",
            Self::Burst => "burst",
            Self::Memory => "memory",
        }
    }

    /// Measures it, in so many rounds.
    pub async fn run(self, rounds: usize) -> Vec<Row> {
        match self {
            Self::Adoption => adoption::run(rounds).await,
            Self::Steady => steady::run(rounds).await,
            Self::Change => change::run(rounds).await,
            Self::Burst => burst::run(rounds).await,
            Self::Memory => memory::run(rounds).await,
        }
    }
}

/// Tells whoever waits how far it is.
fn progress(scenario: Scenario, round: usize, rounds: usize) {
    eprintln!("{}: round {} of {rounds}", scenario.name(), round + 1);
}
