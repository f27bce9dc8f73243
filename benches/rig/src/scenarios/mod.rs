//! The scenarios, one file each.

mod adoption;
mod burst;
mod change;
mod memory;
mod steady;

use crate::figures::Row;

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The first status of each of 1,000 resources.
    Adoption,
    /// Calls, writes and CPU time when idle.
    Steady,
    /// One change, until AWS has it and until status says so.
    Change,
    /// 200 changes at once.
    Burst,
    /// Memory with 0, 1,000 and 10,000 resources, and the start with 10,000.
    Memory,
}

impl Scenario {
    /// All scenarios, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Adoption, Self::Steady, Self::Change, Self::Burst, Self::Memory];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adoption => "adoption",
            Self::Steady => "steady",
            Self::Change => "change",
            Self::Burst => "burst",
            Self::Memory => "memory",
        }
    }

    /// Measures it in this many rounds.
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

/// Prints the progress.
fn progress(scenario: Scenario, round: usize, rounds: usize) {
    eprintln!("{}: round {} of {rounds}", scenario.name(), round + 1);
}
