//! Connections that a listing or a read by id does not find: what that says of a step, and how it is found out.

use std::sync::Arc;

use directconnect_core::decide::Step;
use directconnect_core::fault::FaultKind;
use directconnect_core::history::{Observation, Source};
use directconnect_core::identity::ConnectionId;
use directconnect_core::observed::Connection;
use directconnect_core::reason::Reason;
use directconnect_core::turn::HoldReason;

use crate::fleet::tight;
use crate::given::{
    Asks, ConnectionExt, Must, REGION, RESOURCE, SETTINGS, Should, Story, connection, encrypted_connection, fault,
    given, region, resource, second, seconds, sets, spec,
};

/// `must_encrypt` was sent; the last read by id within the settle window misses the connection.
fn missed_within_the_window() -> Story {
    let story = given(spec().to(Must)).soaks(&encrypted_connection()).after(1).gets_answer(&sets(Must), &tight());
    let story = story.after(60).misses();
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
    story
}

#[test]
fn a_read_by_id_that_finds_it_does_not_confirm_that_it_is_absent() {
    let mut story = missed_within_the_window();
    let missed = story.now;
    let at = |passed: u64| missed + seconds(passed);
    let (begins, listing, ends) = (at(15), (at(16), at(17)), at(18));
    let circuit = story.circuit().clone();
    // The listing begins after the read by id, ends before it, and leaves the connection out.
    story.fleet.record_listing(&region(REGION), listing, Vec::<(ConnectionId, Arc<Connection>)>::new());
    let down = Arc::new(tight().encryption("Encryption Down").state("down"));
    let found = Observation { began: begins, ended: ends, source: Source::ById, connection: Some(down) };
    story.fleet.record_read(&circuit, found);
    assert_eq!(story.fleet.step(&circuit), Some(Must));
    assert_eq!(story.holds(), Some(HoldReason::UnprovenStep));
}

#[test]
fn a_read_by_id_that_finds_it_counts_although_a_listing_without_it_began_later() {
    let mut story = given(spec().to(Must).immediately()).polls_without_it();
    let (circuit, started) = (story.circuit().clone(), story.now);
    let at = |passed: u64| started + seconds(passed);
    story.fleet.record_listing(&region(REGION), (at(40), at(41)), Vec::<(ConnectionId, Arc<Connection>)>::new());
    let found = Observation { began: at(1), ended: at(42), source: Source::ById, connection: Some(Arc::new(tight())) };
    assert!(story.fleet.record_read(&circuit, found));
    // AWS has lowered it since, as the last key was removed, and that must_encrypt was seen uses Immediate up.
    story.now = at(43);
    let story = story.sees(connection().mode("should_encrypt"));
    assert_eq!(story.plan().step, Step::Rest);
    story.rests(Reason::NoMacSecKey);
}

#[test]
fn must_encrypt_in_a_listing_that_a_read_by_id_overtook_uses_immediate_up() {
    for found in [None, Some(Arc::new(connection().mode("no_encrypt")))] {
        let story = given(spec().to(Must).immediately());
        let (mut story, circuit) = (story.clone(), story.circuit().clone());
        let at = |passed: u64| story.now + seconds(passed);
        let (by_id, listing) = ((at(1), at(2)), (at(0), at(3)));
        let read = Observation { began: by_id.0, ended: by_id.1, source: Source::ById, connection: found };
        story.fleet.record_read(&circuit, read);
        story.fleet.record_listing(&region(REGION), listing, vec![(circuit.id.clone(), tight())]);
        let cleared = connection().mode("no_encrypt").encryption("Encryption Down");
        let story = story.after(10).sees(cleared);
        assert_eq!(story.plan().step, Step::Update(sets(Should)), "the ladder");
    }
}

#[test]
fn who_holds_is_read_by_its_id_while_it_is_not_found_even_if_listings_come_at_the_soak_cadence() {
    let mut story = missed_within_the_window();
    let circuit = story.circuit().clone();
    story.fleet.set_watched(&circuit, &resource(RESOURCE), true);
    assert_eq!(story.fleet.plan_listing(&region(REGION), 0), SETTINGS.soak_cadence());
    let mut reads = 0;
    for _ in 0..4 {
        story = story.after(15).polls_without_it();
        if story.plan().step == Step::Read {
            (story, reads) = (story.misses(), reads + 1);
        }
        story = story.writes();
    }
    assert_eq!((story.holds(), reads), (Some(HoldReason::UnprovenStep), 4));
}

#[test]
fn a_first_listing_that_lacks_it_says_nothing_of_it() {
    for was_met in [true, false] {
        let mut story = given(spec().name("fra-1"));
        story.now = second(30);
        let story = if was_met { story.was_met(1) } else { story };
        let story = story.polls_without_it().reads();
        assert_eq!(story.plan().verdict, None);
        // Nor does it if the read by its id fails, which is tried again.
        let story = story.read_fails(fault(FaultKind::Unavailable));
        let plan = story.plan();
        assert_eq!(plan.observation, None, "status keeps what it shows");
        assert_eq!(plan.verdict.map(|verdict| verdict.reason), (!was_met).then_some(Reason::AwsUnavailable));
        story.decides_again_in(1).after(1).reads().misses().rests(Reason::NotFound);
    }
}
