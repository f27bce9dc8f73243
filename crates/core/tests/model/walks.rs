//! Long random walks over the same moves, far beyond the bounds of the stories.
//!
//! An exploration takes every order of a few moves; a walk takes one order of some hundred, so it reaches what needs many
//! of them in a row. Which kinds of moves happen, and how often, is drawn for each walk: if all were equally likely, each
//! would undo what another one had begun. A walk that fails is shrunk before it is reported.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::mem::{Discriminant, discriminant};

use directconnect_core::desired::EncryptionMode;
use directconnect_core::settings::Settings;

use super::moves::{Move, moves};
use super::number;
use super::state::State;
use super::without::Without;
use super::world::{Link, MOMENT, Must, No, Object, Should, Spec, TICK, TIMES};

/// The moves of all walks together. They take some twenty seconds.
const MOVES: usize = 5_000_000;

/// What a walk takes by chance. All of it follows from the seed.
struct Random(fastrand::Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Where a walk begins, and what people may choose on it.
struct Start {
    state: State,
    specs: Vec<Spec>,
}

impl Start {
    fn draw(random: &mut Random) -> Self {
        let times = Settings {
            settle_window: TICK * random.of(&[1, 1, 2, 3, 5]),
            encryption_soak: TICK * random.of(&[2, 2, 2, 4]),
            progress_deadline: TICK * random.of(&[3, 3, 8]),
            ..TIMES
        };
        let shows_owners = !random.one_in(4);
        let (count, resources) = (random.of(&[1, 2, 2, 2, 3]), random.of(&[1, 2, 2, 3, 3]));
        let links: Vec<Link> = (0..count).map(|_| draw_link(random, shows_owners)).collect();
        let mut object = |at: usize| {
            let link = if at < count { at } else { random.below(count) };
            let spec = if random.one_in(2) { random.of(&[Spec::MUST, Spec::AT_ONCE]) } else { draw_spec(random) };
            Some(Object::new(link, random.of(&[0, 1, 2, 3]), spec))
        };
        let objects = (0..resources).map(&mut object).collect();
        let mut specs = vec![Spec::MUST, Spec::AT_ONCE, draw_spec(random), draw_spec(random)];
        specs.extend([Spec { paused: true, ..Spec::MUST }, Spec::SHOULD].into_iter().filter(|_| random.one_in(2)));
        let mut state = State::begin(links, objects, times, random.one_in(2));
        state.world.step = MOMENT;
        Self { state, specs }
    }
}

fn draw_link(random: &mut Random, shows_owner: bool) -> Link {
    let mut link = [Link::clear, Link::clear, Link::ready, Link::tight][random.of(&[0, 1, 2, 3])]();
    link.region = random.of(&[0, 0, 0, 0, 0, 1]);
    if !shows_owner {
        link.account = random.of(&[Some("111122223333"), Some("222222222222"), None]);
    }
    (link.is_up, link.has_light, link.in_lag) = (!random.one_in(4), !random.one_in(12), random.one_in(16));
    if link.in_lag || random.one_in(8) {
        link.key = None;
    }
    link.keep_up();
    link
}

fn draw_spec(random: &mut Random) -> Spec {
    const MODES: [Option<EncryptionMode>; 10] = {
        let (must, should) = (Some(Must), Some(Should));
        [None, Some(No), should, should, must, must, must, must, must, must]
    };
    Spec {
        mode: random.of(&MODES),
        is_immediate: random.one_in(3),
        observes: random.one_in(8),
        paused: random.one_in(8),
        renames: random.one_in(6),
    }
}

/// How likely each kind of move is on a walk.
struct Weights {
    random: Random,
    /// How often anything goes wrong.
    trouble: usize,
    /// Whether statuses are emptied. What a process mends then is lost if it ends before it has written, so no process ends
    /// on such a walk.
    wipes: bool,
    known: HashMap<Discriminant<Move>, usize>,
}

impl Weights {
    fn draw(random: &mut Random) -> Self {
        let (trouble, wipes) = (random.of(&[1, 2, 5, 15]), random.one_in(5));
        Self { random: Random(random.0.fork()), trouble, wipes, known: HashMap::new() }
    }

    fn of(&mut self, what: &Move) -> usize {
        *self.known.entry(discriminant(what)).or_insert_with(|| match what {
            Move::Go | Move::Tick => 60,
            Move::DeposedGoes | Move::WatchGoesOn | Move::PollersFollow => 20,
            Move::Crash { .. } | Move::Deposed { .. } if self.wipes => 0,
            Move::WipesStatus(_) if !self.wipes => 0,
            // They end much of what has begun.
            Move::LinkGoes(_) | Move::IsRestored(_) | Move::HourPasses => self.random.of(&[0, 0, 0, 1]),
            _ => self.random.of(&[0, 0, 1, 1, 3, 6]) * self.trouble,
        })
    }

    fn choose(&mut self, all: &[Move]) -> Move {
        let total = all.iter().map(|what| self.of(what)).sum();
        let mut rest = self.random.below(total);
        for what in all {
            let weight = self.of(what);
            if rest < weight {
                return *what;
            }
            rest -= weight;
        }
        unreachable!("the weights add up to the total")
    }
}

/// What is wrong with a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// This rule was broken.
    Breaks(&'static str),
    /// The world is calm, with repairs or without, and a spec is not met.
    Unmet { repairs: bool },
}

/// What is wrong at the end of a walk once the world is calm, and the state in which that shows.
fn wrong_once_calm(state: &State, repairs: bool, without: Without) -> Option<(Wrong, State)> {
    let last = state.unmet_once_calm(repairs, without)?;
    Some((last.world.violation.map_or(Wrong::Unmet { repairs }, Wrong::Breaks), last))
}

/// A walk that failed.
struct Failure {
    seed: u64,
    start: Start,
    path: Vec<Move>,
    wrong: Wrong,
    last: State,
}

/// Walks once. Returns the number of moves, and what went wrong, if anything did.
fn walk(seed: u64, without: Without) -> (usize, Option<Failure>) {
    let mut random = Random::new(seed);
    let start = Start::draw(&mut random);
    let mut weights = Weights::draw(&mut random);
    let mut state = start.state.clone();
    let (mut path, mut all) = (Vec::new(), Vec::new());
    for _ in 0..30 + random.below(270) {
        all.clear();
        moves(&state, &start.specs, &mut all);
        let what = weights.choose(&all);
        path.push(what);
        state.happens(what, without);
        if state.world.violation.is_some() {
            break;
        }
    }
    let count = path.len();
    let found = match state.world.violation {
        Some(rule) => Some((Wrong::Breaks(rule), None)),
        None => [false, true]
            .into_iter()
            .find_map(|repairs| wrong_once_calm(&state, repairs, without).map(|(wrong, _)| (wrong, Some(repairs)))),
    };
    let failure = found.map(|(wrong, calm)| {
        let path = shrink(&start, path, wrong, calm, without);
        let last = replay(&start, &path, calm, without).1;
        Failure { seed, start, path, wrong, last }
    });
    (count, failure)
}

/// Walks along a path. Moves that are not possible where they come are left out. With `calm`, the world is then calm, with
/// these repairs.
fn replay(start: &Start, path: &[Move], calm: Option<bool>, without: Without) -> (Option<Wrong>, State) {
    let (mut state, mut all) = (start.state.clone(), Vec::new());
    for &what in path {
        all.clear();
        moves(&state, &start.specs, &mut all);
        if all.contains(&what) {
            state.happens(what, without);
        }
        if let Some(rule) = state.world.violation {
            return (Some(Wrong::Breaks(rule)), state);
        }
    }
    match calm.and_then(|repairs| wrong_once_calm(&state, repairs, without)) {
        Some((wrong, last)) => (Some(wrong), last),
        None => (None, state),
    }
}

/// Leaves out of a path what is not needed for the same to go wrong: halves first, and single moves last.
fn shrink(start: &Start, mut path: Vec<Move>, wrong: Wrong, calm: Option<bool>, without: Without) -> Vec<Move> {
    let mut size = path.len();
    while size > 0 {
        let (mut at, before) = (0, path.len());
        while at < path.len() {
            let mut shorter = path.clone();
            shorter.drain(at..usize::min(at + size, path.len()));
            if replay(start, &shorter, calm, without).0 == Some(wrong) {
                path = shorter;
            } else {
                at += size;
            }
        }
        if path.len() == before || size > 1 {
            size /= 2;
        }
    }
    path
}

impl Failure {
    fn report(&self) -> String {
        let Self { seed, start, path, wrong, last } = self;
        let mut report = match wrong {
            Wrong::Breaks(rule) => format!("{rule}, on walk {seed}, by\n"),
            Wrong::Unmet { repairs } => {
                format!("a calm world does not meet every spec (repairs: {repairs}), after walk {seed}, by\n")
            }
        };
        for what in path {
            let _ = writeln!(report, "    {what:?},");
        }
        let _ = writeln!(report, "from\n    {:?}", start.state.world.settings);
        for link in &start.state.world.links {
            let _ = writeln!(report, "    {link:?}");
        }
        for object in start.state.world.objects.iter().flatten() {
            let Object { link, created, spec, .. } = object;
            let _ = writeln!(report, "    for link {link}, created at {created}: {spec:?}");
        }
        let _ = writeln!(report, "    with a standby: {}", start.state.standby.is_some());
        report + &last.summary()
    }
}

/// Walks from `MODEL_SEED` on until so many moves are made. Returns the number of moves and the first failure.
fn walks(count: usize, without: Without) -> (usize, Option<Failure>) {
    let mut made = 0;
    for seed in number("MODEL_SEED", 1_u64).. {
        let (moves, failure) = walk(seed, without);
        made += moves;
        if failure.is_some() || made >= count {
            return (made, failure);
        }
    }
    (made, None)
}

#[test]
fn nothing_goes_wrong_in_long_walks_either() {
    let began = std::time::Instant::now();
    let (made, failure) = walks(number("MODEL_MOVES", MOVES), Without::Nothing);
    println!("walks: {made} moves, {:?}", began.elapsed());
    if let Some(failure) = failure {
        panic!("{}", failure.report());
    }
}

#[test]
fn a_walk_finds_what_comes_of_a_rule_that_is_taken_out_and_is_shrunk() {
    let (made, failure) = walks(1_000_000, Without::IntentionFirst);
    let failure = failure.expect("something comes of it");
    println!("after {made} moves: {}", failure.report());
    assert!(failure.path.len() <= 40, "{} moves are left", failure.path.len());
}
