//! The stories that are explored, and the rules that they test.

use directconnect_core::settings::Settings;

use super::moves::Move;
use super::state::State;
use super::without::Without;
use super::world::{Link, Object, Spec, TICK, TIMES};
use super::{Story, finds, holds};

const PAUSED: Spec = Spec { paused: true, ..Spec::MUST };
const OBSERVED: Spec = Spec { observes: true, ..Spec::MUST };

/// A state with one resource for each spec, for the link given with it. The first one is the oldest.
fn start(links: Vec<Link>, specs: &[(usize, Spec)]) -> State {
    start_with(TIMES, links, specs)
}

fn start_with(times: Settings, links: Vec<Link>, specs: &[(usize, Spec)]) -> State {
    let of = |(age, &(link, spec)): (i64, &(usize, Spec))| Some(Object::new(link, age, spec));
    State::begin(links, (0..).zip(specs).map(of).collect(), times, true)
}

fn pair(link: fn() -> Link, spec: Spec) -> State {
    start(vec![link(), link()], &[(0, spec), (1, spec)])
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
    ) && !what.is_for_walks()
}

fn by_people(what: &Move) -> bool {
    let is_by_people = matches!(what, Move::ChangesSpec(..) | Move::Goes(_) | Move::BeginsToGo(_) | Move::Comes(_));
    is_by_people || matches!(what, Move::Crash { lands: false } | Move::Switches(_) | Move::SessionTurns(_))
}

fn by_aws(what: &Move) -> bool {
    !by_processes(what) && !by_people(what) && !what.is_for_walks()
        || matches!(what, Move::SessionTurns(_) | Move::Crash { .. } | Move::Dawdles)
}

fn story(name: &'static str, starts: Vec<State>, allows: fn(&Move) -> bool, (ticks, moves): (u32, u32)) -> Story {
    let specs = &[Spec::MUST, Spec::SHOULD];
    Story { name, starts, specs, allows, ticks, moves, is_live: false, without: Without::Nothing }
}

fn ladder() -> Story {
    Story { is_live: true, ..story("a pair on the ladder", vec![pair(Link::clear, Spec::MUST)], |_| true, (10, 1)) }
}

/// AWS may show old values for longer than a soak takes.
fn slow() -> Story {
    let times = Settings { settle_window: TICK * 3, ..TIMES };
    let specs = [(0, Spec::MUST), (1, Spec::MUST)];
    let starts = vec![start_with(times, vec![Link::clear(), Link::clear()], &specs)];
    Story { is_live: true, ..story("a pair that settles slowly", starts, |_| true, (12, 1)) }
}

/// Two links of one account in two regions, and one whose account AWS does not show.
fn three() -> Story {
    let links = vec![Link::clear(), Link { region: 1, ..Link::ready() }, Link { account: None, ..Link::ready() }];
    let starts = vec![start(links, &[(0, Spec::MUST), (1, Spec::MUST), (2, Spec::AT_ONCE)])];
    Story { is_live: true, ..story("three links", starts, |_| true, (10, 1)) }
}

fn processes() -> Story {
    story("a pair at once, by processes", vec![pair(Link::clear, Spec::AT_ONCE)], by_processes, (4, 3))
}

fn aws() -> Story {
    story("a pair at once, by AWS", vec![pair(Link::clear, Spec::AT_ONCE)], by_aws, (4, 2))
}

fn alone() -> Story {
    let links = [Link::clear(), Link::ready()];
    let starts = links.map(|link| start(vec![link], &[(0, Spec::MUST)])).to_vec();
    Story { is_live: true, ..story("a link alone, by AWS", starts, by_aws, (6, 2)) }
}

fn at_once_alone() -> Story {
    let starts = vec![start(vec![Link::clear()], &[(0, Spec::AT_ONCE)])];
    let specs = &[Spec::AT_ONCE, Spec { renames: true, ..Spec::AT_ONCE }, PAUSED];
    Story { specs, is_live: true, ..story("a link at once, alone", starts, |what| !what.is_for_walks(), (4, 2)) }
}

fn hand_over() -> Story {
    let specs = [(0, Spec::AT_ONCE), (0, Spec::MUST), (1, Spec::AT_ONCE)];
    let of_two = start(vec![Link::clear(), Link::clear()], &specs);
    // Without a standby, the next leader has not seen the earlier events.
    let of_one = State { standby: None, ..of_two.clone() };
    let story = story("two resources of a link", vec![of_two, of_one], by_people, (4, 2));
    Story { specs: &[Spec::SHOULD, OBSERVED, PAUSED], ..story }
}

/// The resource of a step is deleted, but kept by a finalizer, while the step is in flight.
fn step_of_one_that_goes() -> Story {
    let specs = [(0, Spec::AT_ONCE), (0, Spec::MUST), (1, Spec::AT_ONCE)];
    let start = start(vec![Link::clear(), Link::clear()], &specs);
    let starts = vec![State { standby: None, ..start.clone() }, start];
    let allows = |what: &Move| matches!(what, Move::BeginsToGo(_) | Move::Crash { .. } | Move::Switches(_));
    story("a resource that goes", starts, allows, (4, 3))
}

fn names() -> Story {
    let allows = |what: &Move| {
        matches!(what, Move::ChangesSpec(..) | Move::Crash { .. } | Move::Fails(_)) && !what.is_for_walks()
    };
    let specs = &[Spec { renames: true, ..Spec::MUST }];
    let starts = vec![start(vec![Link::clear(), Link::clear()], &[(0, Spec::MUST), (1, Spec::MUST)])];
    Story { specs, ..story("names", starts, allows, (4, 3)) }
}

/// The first link is in another region, which cannot be read, and no status shows its account yet.
fn unread() -> Story {
    let links = || vec![Link { region: 1, ..Link::tight() }, Link::clear()];
    let starts = vec![start(links(), &[(0, Spec::AT_ONCE), (1, Spec::AT_ONCE)]), pair(Link::clear, Spec::AT_ONCE)];
    let allows = |what: &Move| {
        matches!(what, Move::RegionTurns(_) | Move::Crash { .. } | Move::Switches(_) | Move::FoundTurns(_))
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
        Without::CheckLease,
        Without::WaitForThoseBefore,
        Without::EndWithTheLease,
        Without::ListAtTakeOver,
    ];
    for without in rules {
        finds(without, || Story { without, ..processes() });
    }
}
