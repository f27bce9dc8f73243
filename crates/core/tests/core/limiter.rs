//! How fast AWS is called: found by trying.

use std::time::Duration;

use directconnect_core::limiter::Limiter;

use crate::given::second;

/// How long the next call waits after one at `second(100)`.
fn gap(limiter: &Limiter) -> Duration {
    let mut limiter = limiter.clone();
    limiter.took(second(100));
    limiter.ready_at().since(second(100))
}

#[test]
fn the_first_call_goes_at_once_and_the_rest_at_a_steady_pace() {
    let mut limiter = Limiter::default();
    assert!(limiter.ready_at() <= second(0));
    assert_eq!(gap(&limiter), Duration::from_millis(100));
    limiter.took(second(5));
    assert_eq!(limiter.ready_at().since(second(5)), Duration::from_millis(100));
}

#[test]
fn a_throttle_takes_three_tenths_of_the_pace_down_to_a_floor() {
    let mut limiter = Limiter::default();
    for expected in [142, 204, 291, 416] {
        limiter.throttled(second(1000), 0.0);
        assert_eq!(gap(&limiter), Duration::from_millis(expected));
    }
    for _ in 0..20 {
        limiter.throttled(second(1000), 0.0);
    }
    assert_eq!(gap(&limiter), Duration::from_secs(5));
    limiter.answered();
    assert_eq!(gap(&limiter), Duration::from_millis(4504), "0.2 + 0.02 + 0.2 * 0.01 calls a second");
}

#[test]
fn good_answers_bring_the_pace_back_up_to_a_ceiling() {
    let mut limiter = Limiter::default();
    limiter.throttled(second(1), 0.0);
    limiter.answered();
    assert_eq!(gap(&limiter), Duration::from_millis(141), "7 + 0.02 + 7 * 0.01 calls a second");
    for _ in 0..10_000 {
        limiter.answered();
    }
    assert_eq!(gap(&limiter), Duration::from_millis(50));
}

#[test]
fn pauses_double_with_full_jitter_and_end_at_a_longest() {
    let mut limiter = Limiter::default();
    for (round, longest) in (0..).zip([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
        let now = second(1000 * (round + 1));
        let mut half = limiter.clone();
        half.throttled(now, 0.5);
        assert_eq!(half.ready_at().since(now), Duration::from_millis(longest / 2));
        limiter.throttled(now, 1.0);
        assert_eq!(limiter.ready_at().since(now), Duration::from_millis(longest));
    }
    // One good answer, and pauses begin small again.
    limiter.answered();
    limiter.throttled(second(50_000), 9.0);
    assert_eq!(limiter.ready_at().since(second(50_000)), Duration::from_millis(500), "a die shows 1 at most");
}

#[test]
fn calls_that_were_under_way_together_count_as_one_throttle() {
    let mut limiter = Limiter::default();
    limiter.throttled(second(10), 1.0);
    let (pace, ready) = (gap(&limiter), limiter.ready_at());
    for _ in 0..16 {
        limiter.throttled(second(10), 1.0);
    }
    assert_eq!((gap(&limiter), limiter.ready_at()), (pace, ready));
    // At the end of the pause it counts again.
    limiter.throttled(ready, 1.0);
    assert_eq!((pace.as_millis(), gap(&limiter).as_millis()), (142, 204));
}

#[test]
fn the_first_throttle_counts_whatever_was_under_way() {
    let mut limiter = Limiter::default();
    limiter.took(second(10));
    limiter.throttled(second(10), 1.0);
    assert_eq!((gap(&limiter).as_millis(), limiter.ready_at().since(second(10)).as_millis()), (142, 500));
}

#[test]
fn a_throttle_never_brings_a_call_forward() {
    let mut limiter = Limiter::default();
    limiter.took(second(10));
    let ready = limiter.ready_at();
    limiter.throttled(second(10), 0.0);
    assert_eq!(limiter.ready_at(), ready);
}
