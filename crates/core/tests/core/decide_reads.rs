//! When a decision needs another read, and which read it rests on.

use std::time::Duration;

use directconnect_core::reason::Reason;
use directconnect_core::settings::Settings;

use crate::given::{
    Asks, ConnectionExt, Must, SETTINGS, Should, connection, encrypted_connection, given, given_with, renames, seconds,
    spec,
};

#[test]
fn once_the_settle_window_is_over_the_mode_is_read_again() {
    let clear = connection().mode("no_encrypt");
    let story = given(spec().name("fra-2")).sees(clear.clone());
    let renamed = clear.named("fra-2");
    let story = story.gets_answer(&renames("fra-2"), &renamed).after(30);
    let mut story =
        story.with_spec(spec().name("fra-2").to(Should).generation(2)).sees(renamed).rests(Reason::Settling);
    // A read that began in the last millisecond of the window would not count.
    let over = story.now + seconds(30) + Duration::from_millis(1);
    assert_eq!(story.plan().next_check, Some(over));
    story.now = over;
    assert_eq!(story.clone().reads().plan().next_check, None);
    story.after(3600).reads();
}

#[test]
fn a_read_that_began_as_a_wait_ended_is_not_made_again() {
    let settings = Settings { progress_deadline: seconds(30), ..SETTINGS };
    let down = connection().key("associated");
    let story = given_with(settings, spec().name("fra-2").to(Must)).sees(down.clone());
    let story = story.gets_answer(&renames("fra-2"), &down.clone().named("fra-2")).after(1);
    let story = story.sees(down.named("fra-2")).rests(Reason::WaitingForEncryptionUp).decides_again_in(30).after(30);
    // MACsec has come up by the deadline. The read is late by its name, so it does not end the wait.
    let story = story.sees(encrypted_connection()).rests(Reason::WaitingForEncryptionUp);
    story.decides_again_in(15);
}

#[test]
fn a_connection_that_is_known_to_be_absent_is_not_read_at_every_poll() {
    let story = given(spec().name("fra-2")).misses().rests(Reason::NotFound);
    story.after(60).polls_without_it().rests(Reason::NotFound).after(60).polls_without_it().rests(Reason::NotFound);
}

#[test]
fn a_plan_says_which_read_it_rests_on() {
    let story = given(spec()).sees(connection()).after(60).polls(encrypted_connection());
    assert_eq!(story.plan().observation.as_ref(), story.history().observation());
    assert_eq!(story.plan().observation.map(|read| read.began), Some(story.now));
}
