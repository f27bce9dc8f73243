//! Every order in which AWS, people, another writer, lost answers and crashes can act on one connection, or on two of an
//! account, up to a bound: the real `decide`, `History` and `Turns` never cut a line, and, once the world is calm, every
//! wish that can be met is met.
//!
//! Time goes in ticks of 30 s. The bound is on how many ticks go by and how many things happen besides (`Bound`).
//!
//! That the model can tell a safe operator from an unsafe one is shown by five mutations of the guard (`Mutant`), for
//! each of which the checker has to find the way to a cut line: one that skips the soak, one that does without a key, one
//! that takes no notice of a LAG, one that takes no notice of whose turn it is, and one that takes a lost answer for an
//! update that was not sent.

mod operator;
mod world;

use stateright::{Checker, Model, Property};

use operator::Mutant;
use world::{Line, Move, State, Wish, moves};

/// How far the model goes.
#[derive(Clone, Copy, Debug)]
struct Bound {
    ticks: u8,
    moves: u8,
}

struct Account {
    lines: Vec<Vec<Line>>,
    bound: Bound,
    mutant: Mutant,
    is_live: bool,
}

impl Model for Account {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        self.lines.iter().map(|lines| State::begin(lines.clone(), self.mutant)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Move>) {
        if state.violation.is_some() {
            return;
        }
        if state.ticks < self.bound.ticks {
            actions.push(Move::Tick);
        }
        if state.moves < self.bound.moves {
            moves(state, actions);
        }
    }

    fn next_state(&self, state: &State, action: Move) -> Option<State> {
        let mut next = state.clone();
        next.happens(action, self.mutant);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties =
            vec![Property::<Self>::always("no line is ever put at risk", |_, state| state.violation.is_none())];
        if self.is_live {
            properties.push(Property::<Self>::always("a calm world meets every wish", |_, state| {
                state.violation.is_some() || state.unmet_once_calm().is_none()
            }));
        }
        properties
    }
}

/// One line in each state that it can be found in, for each wish.
fn one_line() -> Vec<Vec<Line>> {
    let found = [Line::clear(), Line::keyless(), Line::ready(), Line::tight()];
    let wishes = [Wish::CLEAR, Wish::SHOULD, Wish::MUST, Wish::AT_ONCE];
    found.iter().flat_map(|line| wishes.map(|wish| vec![line.clone().wanted(wish)])).collect()
}

/// Two lines of one account, both about to go to `must_encrypt`.
fn two_lines() -> Vec<Vec<Line>> {
    vec![
        vec![Line::ready().wanted(Wish::MUST), Line::ready().wanted(Wish::MUST)],
        vec![Line::ready().wanted(Wish::MUST), Line::clear().wanted(Wish::AT_ONCE)],
    ]
}

fn holds(lines: Vec<Vec<Line>>, bound: Bound) {
    let model = Account { lines, bound, mutant: Mutant::None, is_live: true };
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{bound:?}: {} states", checker.unique_state_count());
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let last = path.last_state();
        let later = if last.violation.is_some() { None } else { last.unmet_once_calm() };
        let (last, actions) = (last.clone(), path.into_actions());
        panic!("{property}: {:?} by {actions:?}\nfrom {last:#?}\nto {later:#?}", last.violation);
    }
}

#[test]
fn one_line_is_never_put_at_risk_and_its_wish_is_met() {
    holds(one_line(), Bound { ticks: 6, moves: 2 });
    let tightened = one_line().into_iter().filter(|lines| lines[0].wish.wants_must()).collect();
    holds(tightened, Bound { ticks: 4, moves: 3 });
}

#[test]
fn two_lines_of_an_account_never_go_at_once() {
    holds(two_lines(), Bound { ticks: 7, moves: 2 });
}

#[test]
fn a_mutated_guard_is_found_out() {
    let lines = || one_line().into_iter().chain(two_lines()).collect();
    let mutants = [
        (Mutant::SkipsTheSoak, "must_encrypt without a soaked Encryption Up"),
        (Mutant::NeedsNoKey, "must_encrypt without a working key"),
        (Mutant::IgnoresTheLag, "a mode to a member of a LAG"),
        (Mutant::IgnoresTheTurn, "two connections on their way to must_encrypt"),
        (Mutant::TakesLostForUnsent, "an update without a read since the last"),
    ];
    for (mutant, expected) in mutants {
        let model = Account { lines: lines(), bound: Bound { ticks: 5, moves: 2 }, mutant, is_live: false };
        let checker = model.checker().threads(2).spawn_bfs().join();
        let path = checker.discovery("no line is ever put at risk");
        let found = path.unwrap_or_else(|| panic!("{mutant:?} was not found out"));
        let violation = found.last_state().violation;
        assert_eq!(violation, Some(expected), "{mutant:?}");
        println!("{mutant:?}: {violation:?} by {:?}", found.into_actions());
    }
}
