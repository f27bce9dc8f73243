//! Moments: what lies before the start of the process, and how they read in a failed assertion.

use std::time::Duration;

use directconnect_core::clock::Moment;

use crate::given::{second, seconds};

#[test]
fn what_happened_decades_before_the_start_keeps_its_distance() {
    // A status may show an update that is as old as its connection.
    let long_ago = Duration::from_hours(50 * 365 * 24);
    let then = Moment::START - long_ago;
    assert_eq!((Moment::START.since(then), second(5).since(then)), (long_ago, long_ago + seconds(5)));
    assert_eq!(then + long_ago, Moment::START);
    assert_eq!(then.since(Moment::START), Duration::ZERO, "it is not later");
}

#[test]
fn a_moment_reads_as_its_distance_from_the_start() {
    let table = [(second(90), "start+90s"), (Moment::START, "start+0ns"), (Moment::START - seconds(90), "start-90s")];
    for (moment, expected) in table {
        assert_eq!(format!("{moment:?}"), expected);
    }
}
