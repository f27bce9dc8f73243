//! What is told, and which rules show by it.

use directconnect_core::settings::Settings;

use super::moves::Move;
use super::state::State;
use super::without::Without;
use super::world::{Line, Object, TICK, TIMES, Wish};
use super::{Story, finds, holds};

const PAUSED: Wish = Wish { paused: true, ..Wish::MUST };
const OBSERVED: Wish = Wish { observes: true, ..Wish::MUST };

/// A resource for each wish, about the line that stands beside it; the first one is the oldest.
fn start(lines: Vec<Line>, wishes: &[(usize, Wish)]) -> State {
    start_with(TIMES, lines, wishes)
}

fn start_with(times: Settings, lines: Vec<Line>, wishes: &[(usize, Wish)]) -> State {
    let of = |(age, &(line, wish)): (i64, &(usize, Wish))| Some(Object::new(line, age, wish));
    State::begin(lines, (0..).zip(wishes).map(of).collect(), times, true)
}

fn pair(line: fn() -> Line, wish: Wish) -> State {
    start(vec![line(), line()], &[(0, wish), (1, wish)])
}

fn by_processes(what: &Move) -> bool {
    matches!(
        what,
        Move::Crash { .. }
            | Move::Deposed { .. }
            | Move::Switches(_)
            | Move::Fails(_)
            | Move::WatchStalls
            | Move::StandbyStalls
            | Move::WatchBringsOne
            | Move::Dawdles
    )
}

fn by_people(what: &Move) -> bool {
    let is_by_people = matches!(what, Move::Wishes(..) | Move::Goes(_) | Move::BeginsToGo(_) | Move::Comes(_));
    is_by_people || matches!(what, Move::Crash { lands: false } | Move::Switches(_) | Move::SessionTurns(_))
}

fn by_aws(what: &Move) -> bool {
    !by_processes(what) && !by_people(what)
        || matches!(what, Move::SessionTurns(_) | Move::Crash { .. } | Move::Dawdles)
}

fn story(name: &'static str, starts: Vec<State>, allows: fn(&Move) -> bool, (ticks, moves): (u8, u8)) -> Story {
    let wishes = &[Wish::MUST, Wish::SHOULD];
    Story { name, starts, wishes, allows, ticks, moves, is_live: false, without: Without::Nothing }
}

fn ladder() -> Story {
    Story { is_live: true, ..story("a pair on the ladder", vec![pair(Line::clear, Wish::MUST)], |_| true, (10, 1)) }
}

/// AWS may show old values for longer than a soak takes.
fn slow() -> Story {
    let times = Settings { settle_window: TICK * 3, ..TIMES };
    let wishes = [(0, Wish::MUST), (1, Wish::MUST)];
    let starts = vec![start_with(times, vec![Line::clear(), Line::clear()], &wishes)];
    Story { is_live: true, ..story("a pair that settles slowly", starts, |_| true, (12, 1)) }
}

/// Two lines of one account in two regions, and one whose account AWS does not show.
fn three() -> Story {
    let lines = vec![Line::clear(), Line { region: 1, ..Line::ready() }, Line { account: None, ..Line::ready() }];
    let starts = vec![start(lines, &[(0, Wish::MUST), (1, Wish::MUST), (2, Wish::AT_ONCE)])];
    Story { is_live: true, ..story("three lines", starts, |_| true, (10, 1)) }
}

fn processes() -> Story {
    story("a pair at once, by processes", vec![pair(Line::clear, Wish::AT_ONCE)], by_processes, (4, 3))
}

fn aws() -> Story {
    story("a pair at once, by AWS", vec![pair(Line::clear, Wish::AT_ONCE)], by_aws, (4, 2))
}

fn alone() -> Story {
    let lines = [Line::clear(), Line::ready()];
    let starts = lines.map(|line| start(vec![line], &[(0, Wish::MUST)])).to_vec();
    Story { is_live: true, ..story("a line alone, by AWS", starts, by_aws, (6, 2)) }
}

fn at_once_alone() -> Story {
    let starts = vec![start(vec![Line::clear()], &[(0, Wish::AT_ONCE)])];
    let wishes = &[Wish::AT_ONCE, Wish { renames: true, ..Wish::AT_ONCE }, PAUSED];
    Story { wishes, is_live: true, ..story("a line at once, alone", starts, |_| true, (4, 2)) }
}

fn hand_over() -> Story {
    let wishes = [(0, Wish::AT_ONCE), (0, Wish::MUST), (1, Wish::AT_ONCE)];
    let of_two = start(vec![Line::clear(), Line::clear()], &wishes);
    // Whoever leads next has not seen what goes before.
    let of_one = State { standby: None, ..of_two.clone() };
    let story = story("two resources of a line", vec![of_two, of_one], by_people, (4, 2));
    Story { wishes: &[Wish::SHOULD, OBSERVED, PAUSED], ..story }
}

/// The resource that a step was made for goes, kept by a finalizer, while the step is on its way.
fn step_of_one_that_goes() -> Story {
    let wishes = [(0, Wish::AT_ONCE), (0, Wish::MUST), (1, Wish::AT_ONCE)];
    let start = start(vec![Line::clear(), Line::clear()], &wishes);
    let starts = vec![State { standby: None, ..start.clone() }, start];
    let allows = |what: &Move| matches!(what, Move::BeginsToGo(_) | Move::Crash { .. } | Move::Switches(_));
    story("a resource that goes", starts, allows, (4, 3))
}

fn names() -> Story {
    let allows = |what: &Move| matches!(what, Move::Wishes(..) | Move::Crash { .. } | Move::Fails(_));
    let wishes = &[Wish { renames: true, ..Wish::MUST }];
    let starts = vec![start(vec![Line::clear(), Line::clear()], &[(0, Wish::MUST), (1, Wish::MUST)])];
    Story { wishes, ..story("names", starts, allows, (4, 3)) }
}

/// The first line is of another region, which cannot be read, and nobody has written down its account yet.
fn unread() -> Story {
    let lines = || vec![Line { region: 1, ..Line::tight() }, Line::clear()];
    let starts = vec![start(lines(), &[(0, Wish::AT_ONCE), (1, Wish::AT_ONCE)]), pair(Line::clear, Wish::AT_ONCE)];
    let allows = |what: &Move| {
        matches!(what, Move::RegionTurns(_) | Move::Crash { .. } | Move::Switches(_) | Move::LeftOutTurns(_))
    };
    story("a region that cannot be read", starts, allows, (2, 3))
}

fn all() -> Vec<fn() -> Story> {
    vec![ladder, slow, three, processes, aws, alone, at_once_alone, hand_over, step_of_one_that_goes, names, unread]
}

#[test]
fn nothing_goes_wrong_whatever_happens() {
    let only = std::env::var("MODEL_STORY").ok();
    for story in all() {
        let story = story();
        if only.as_ref().is_none_or(|only| story.name.contains(only.as_str())) {
            holds(story);
        }
    }
}

#[test]
fn a_rule_that_is_taken_out_is_found_by_what_comes_of_it() {
    let rules = [
        Without::IntentionFirst,
        Without::LookAtLease,
        Without::WaitForThoseBefore,
        Without::EndWithTheLease,
        Without::ListAtTakeOver,
    ];
    for without in rules {
        finds(without, || Story { without, ..processes() });
    }
}
