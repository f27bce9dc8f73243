//! A model checker: explores, up to a bound, all orders in which AWS, people, the API server, other resources, crashes,
//! standbys and takeovers can act between any two steps of a pass. Two links of an account are never at risk at once,
//! no forbidden update is sent, and once nothing goes wrong any more, every spec that can be met is met.
//!
//! Fleet, passes and ledgers are the operator's own code. The shell around them does one I/O at a time, and anything
//! else may happen before each. Time advances in ticks. A story is bounded by its ticks and by its number of moves that
//! count ([`moves::Move::counts`]).
//!
//! The shell is written again here, so a fault of the real one is not found: what the watch makes of an object, and which
//! status it does not trust, is in `process.rs` (the operator's `claims.rs`), what is written to status in `statuses.rs`
//! (`reconcile/status.rs`), and which regions are read in `pollers.rs` (`aws/pollers.rs`). Those are shown on a real API
//! server, by `tests/guard` and `tests/failures`.
//!
//! Walks ([`walks`]) make some hundred of the same moves in a row, by chance, and further ones that would make an exploration
//! too large. The seeds are fixed; `MODEL_MOVES` and `MODEL_SEED` ask for more walks, and for others. What takes an exact
//! order of few moves is found by the stories, and what takes many by the walks: neither replaces the other.

mod calm;
mod happens;
mod moves;
mod passes;
mod pollers;
mod process;
mod reads;
mod state;
mod statuses;
mod stories;
mod walks;
mod without;
mod witness;
mod world;

use std::str::FromStr;

use stateright::{Checker, Model, Path, Property};

use moves::Move;
use state::State;
use without::Without;
use world::Spec;

/// The initial states and the bounds of an exploration.
struct Story {
    name: &'static str,
    starts: Vec<State>,
    /// The specs that people may choose.
    specs: &'static [Spec],
    /// Which of the moves that count may happen.
    allows: fn(&Move) -> bool,
    ticks: u32,
    moves: u32,
    is_live: bool,
    without: Without,
}

impl Model for Story {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        self.starts.clone()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Move>) {
        if state.world.violation.is_some() {
            return;
        }
        moves::moves(state, self.specs, actions);
        actions.retain(|what| match what {
            Move::Tick | Move::Dawdles if state.ticks >= self.ticks => false,
            Move::Blackout if state.ticks + 3 > self.ticks => false,
            what => !what.counts() || (state.moves < self.moves && (self.allows)(what)),
        });
    }

    fn next_state(&self, state: &State, action: Move) -> Option<State> {
        let mut next = state.clone();
        next.happens(action, self.without);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![Property::<Self>::always("nothing is sent that must not be", |_, state| {
            state.world.violation.is_none()
        })];
        if self.is_live {
            properties.push(Property::<Self>::always("a calm world meets every spec", |story, state| {
                story.unmet(state).is_none()
            }));
        }
        properties
    }
}

impl Story {
    fn unmet(&self, state: &State) -> Option<State> {
        if state.world.violation.is_some() || state.ticks < self.ticks || state.leader.next_up().is_some() {
            return None;
        }
        [false, true].into_iter().find_map(|repairs| state.unmet_once_calm(repairs, self.without))
    }

    /// Explores the story. Returns what went wrong and the path to it, if anything did.
    fn run(self) -> Option<(String, Path<State, Move>)> {
        let (name, began) = (self.name, std::time::Instant::now());
        let checker = self.checker().threads(number("MODEL_THREADS", 1)).spawn_bfs().join();
        println!(
            "{name}: {} states, depth {}, {:?}",
            checker.unique_state_count(),
            checker.max_depth(),
            began.elapsed()
        );
        let (property, path) = checker.discoveries().into_iter().next()?;
        let last = path.last_state();
        let what = last.world.violation.unwrap_or(property).to_owned();
        if last.world.violation.is_none()
            && let Some(later) = checker.model().unmet(last)
        {
            println!("{name}: ends as {}", later.summary());
        }
        Some((what, path))
    }
}

/// A number from the environment.
fn number<T: FromStr>(variable: &str, default: T) -> T {
    let set = std::env::var(variable).ok();
    set.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

fn holds(story: Story) {
    if let Some((what, path)) = story.run() {
        let last = path.last_state().clone();
        let all: Vec<String> = path.into_actions().iter().map(|what| format!("{what:?}")).collect();
        panic!("{what} by {}\n{}", all.join(", "), last.summary());
    }
}

fn finds(without: Without, story: impl Fn() -> Story) {
    let found = story().run();
    let (what, path) = found.unwrap_or_else(|| panic!("nothing comes of it that {without:?} is taken out"));
    println!("without {without:?}: {what} by {:?}", path.into_actions());
}
