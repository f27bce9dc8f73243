//! The rate limiter: no limit at first, and an adapted rate after AWS has throttled.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use directconnect_core::clock::Moment;
use directconnect_core::limiter::{Limiter, MAX_IN_FLIGHT};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::given::{second, seconds};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Milliseconds between two calls when many wait.
fn gap(limiter: &Limiter, now: Moment) -> u128 {
    let mut limiter = limiter.clone();
    let mut now = now;
    for _ in 0..3 {
        now = now.max(limiter.ready_at());
        limiter.consumed(now);
    }
    limiter.ready_at().since(now).as_millis()
}

/// A limiter that was throttled for the first time at `second(100)`, without a pause.
fn throttled_once() -> Limiter {
    let mut limiter = Limiter::default();
    limiter.throttled(second(99), second(100), 0.0);
    limiter
}

#[test]
fn nothing_waits_before_the_first_throttle() {
    let mut limiter = Limiter::default();
    for _ in 0..1000 {
        assert!(limiter.ready_at() <= second(5));
        limiter.consumed(second(5));
        limiter.answered(second(5));
    }
}

#[test]
fn the_first_throttle_halves_what_aws_served_in_a_second() {
    // Answers in each second, and milliseconds between calls after a throttle at the end of the last second.
    let cases: [(&[u32], u128); 6] = [
        (&[], 200),
        (&[3], 200),
        (&[40], 50),
        (&[100, 50], 20),
        (&[100, 0], 20),
        // Answers from two seconds ago do not count.
        (&[100, 0, 0], 200),
    ];
    for (answers, expected) in cases {
        let mut limiter = Limiter::default();
        for (at, count) in (0..).zip(answers) {
            (0..*count).for_each(|_| limiter.answered(second(100 + at)));
        }
        let now = second(100 + answers.len() as u64) - millis(10);
        limiter.throttled(now, now, 0.0);
        assert_eq!(gap(&limiter, now), expected, "{answers:?}");
    }
    let mut limiter = Limiter::default();
    (0..100).for_each(|_| limiter.answered(second(100)));
    limiter.throttled(second(102), second(102), 0.0);
    assert_eq!(gap(&limiter, second(102)), 200, "two seconds to the millisecond");
}

#[test]
fn each_throttle_halves_the_rate_down_to_a_floor() {
    let mut limiter = throttled_once();
    assert_eq!(gap(&limiter, second(100)), 200);
    for (at, expected) in (101..).zip([400, 800, 1600, 3200, 5000, 5000]) {
        limiter.throttled(second(at), second(at), 0.0);
        assert_eq!(gap(&limiter, second(at)), expected);
    }
}

#[test]
fn no_call_goes_before_a_token_is_there_again() {
    let limiter = throttled_once();
    assert_eq!(limiter.ready_at().since(second(100)), millis(200), "the bucket is empty after a throttle");
}

#[test]
fn each_answer_adds_a_little() {
    // Number of answers, and milliseconds between calls after them, beginning at 5 calls a second.
    for (answers, expected) in [(1, 197), (10, 166), (100, 37), (200, 8)] {
        let mut limiter = throttled_once();
        for _ in 0..answers {
            limiter.answered(second(100));
        }
        assert_eq!(gap(&limiter, second(100)), expected, "{answers}");
    }
}

#[test]
fn full_speed_returns_when_the_rate_has_grown_or_what_was_learned_is_old() {
    let mut limiter = throttled_once();
    for _ in 0..250 {
        limiter.answered(second(101));
    }
    assert_eq!(gap(&limiter, second(101)), 0);

    let limiter = throttled_once();
    assert_eq!(gap(&limiter, second(399)), 200);
    assert_eq!(gap(&limiter, second(400)), 0, "five minutes without a throttle");
}

#[test]
fn a_quiet_time_saves_up_for_a_read_and_its_update_and_no_more() {
    let mut limiter = throttled_once();
    let now = second(200);
    for _ in 0..2 {
        assert!(limiter.ready_at() <= now);
        limiter.consumed(now);
    }
    assert_eq!(limiter.ready_at().since(now), millis(200));
}

#[test]
fn pauses_double_with_full_jitter_and_end_at_a_longest() {
    let mut limiter = Limiter::default();
    // The rate is so high that a token is available before the shortest pause is over.
    (0..398).for_each(|_| limiter.answered(second(100)));
    let pause = |limiter: &Limiter, now: Moment, jitter: f64| {
        let mut limiter = limiter.clone();
        limiter.throttled(now, now, jitter);
        limiter.ready_at().since(now)
    };
    let mut answered = limiter.clone();
    for (round, longest) in (0..).zip([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
        let now = second(100) + millis(round);
        assert_eq!(pause(&limiter, now, 1.0), millis(longest));
        assert_eq!(pause(&limiter, now, 0.5), millis(longest / 2));
        assert_eq!(pause(&limiter, now, 9.0), millis(longest), "jitter is 1 at most");
        limiter.throttled(now, now, 1.0);
    }
    for now in [101, 102].map(second) {
        answered.throttled(now, now, 1.0);
    }
    answered.answered(second(104));
    assert_eq!(pause(&answered, second(104), 1.0), millis(500), "one answer, and pauses begin small again");
}

#[test]
fn calls_that_were_under_way_together_count_as_one_throttle() {
    let mut limiter = Limiter::default();
    limiter.throttled(second(9), second(10), 1.0);
    let (once, ready) = (gap(&limiter, second(10)), limiter.ready_at());
    for _ in 0..MAX_IN_FLIGHT {
        // The throttle is recorded later, but the call was sent before the first throttle was known.
        limiter.throttled(second(10), second(12), 1.0);
    }
    assert_eq!((gap(&limiter, second(10)), limiter.ready_at()), (once, ready));
    // A call that was sent after it counts.
    limiter.throttled(second(11), second(12), 0.0);
    assert_eq!((once, gap(&limiter, second(12))), (200, 400));
}

/// A simulated AWS: a token bucket with this rate and capacity.
#[derive(Clone, Copy, Debug)]
struct Aws {
    rate: f64,
    capacity: f64,
    latency: u64,
}

/// The result of changing many resources.
#[derive(Debug, Default)]
struct Run {
    calls: usize,
    throttled: usize,
    took: Duration,
}

/// A call in flight: when its answer comes, which resource it is for, whether it is an update, when it was sent,
/// whether AWS served it.
type UnderWay = (Moment, usize, bool, Moment, bool);

/// Reads and then updates each resource, `slots` of them at once, as the gate does: an update after its read goes
/// first, and a throttled call is repeated at once.
fn change(resources: usize, slots: usize, aws: Aws, jitter: &[f64]) -> Run {
    let mut jitter = jitter.iter().copied().cycle();
    let mut die = || jitter.next().unwrap_or_default();
    let (mut limiter, mut run) = (Limiter::default(), Run::default());
    let (mut tokens, mut filled, mut now) = (aws.capacity, Moment::START, Moment::START);
    let (mut updates, mut reads) = (VecDeque::new(), VecDeque::new());
    let mut under_way: BinaryHeap<Reverse<UnderWay>> = BinaryHeap::new();
    let (mut begun, mut done) = (0, 0);
    while done < resources {
        while begun < resources && begun < done + slots {
            reads.push_back(begun);
            begun += 1;
        }
        while under_way.len() < MAX_IN_FLIGHT && limiter.ready_at() <= now {
            let update = updates.pop_front();
            let Some(next) = update.or_else(|| reads.pop_front()) else { break };
            limiter.consumed(now);
            run.calls += 1;
            tokens = (tokens + now.since(filled).as_secs_f64() * aws.rate).min(aws.capacity);
            filled = now;
            let served = tokens >= 1.0;
            tokens -= if served { 1.0 } else { 0.0 };
            run.throttled += usize::from(!served);
            let latency = millis(aws.latency).mul_f64(0.5 + die());
            under_way.push(Reverse((now + latency, next, update.is_some(), now, served)));
        }
        let answer = under_way.peek().map(|Reverse((at, ..))| *at);
        let waits = under_way.len() < MAX_IN_FLIGHT && !(updates.is_empty() && reads.is_empty());
        let goes_at = waits.then(|| limiter.ready_at());
        now = [answer, goes_at].into_iter().flatten().min().expect("something is to happen").max(now);
        while under_way.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, which, update, sent, served))) = under_way.pop() else { break };
            match (served, update) {
                (true, true) => done += 1,
                (true, false) => updates.push_back(which),
                (false, true) => updates.push_front(which),
                (false, false) => reads.push_front(which),
            }
            if served { limiter.answered(now) } else { limiter.throttled(sent, now, die()) }
        }
    }
    run.took = now.since(Moment::START);
    run
}

fn any_jitter() -> impl Strategy<Value = Vec<f64>> {
    vec(0.0..1.0, 97)
}

#[test]
fn two_hundred_changes_take_as_long_as_aws_takes_to_answer() {
    let aws = Aws { rate: 1.0, capacity: 400.0, latency: 50 };
    let run = change(200, 16, aws, &[0.5]);
    assert_eq!((run.calls, run.took), (400, millis(50) * 2 * 200_u32.div_ceil(16)));
}

proptest! {
    /// With many resources, and any rate and burst of AWS, at most a fifth more calls are made than needed.
    #[test]
    fn few_calls_more_than_needed_are_made_whatever_aws_bears(
        rate in prop_oneof![0.5..2.0, 2.0..10.0, 10.0..50.0],
        capacity in 1.0..100.0,
        latency in 1_u64..500,
        slots in 1_usize..256,
        jitter in any_jitter(),
    ) {
        let aws = Aws { rate, capacity, latency };
        let run = change(200, slots, aws, &jitter);
        prop_assert!(run.calls <= 400 * 12 / 10, "{} calls: {run:?}", run.calls);
        prop_assert_eq!(run.calls - run.throttled, 400);
    }

    /// If AWS allows a burst, at least half of its rate is used.
    #[test]
    fn what_aws_bears_is_used(
        rate in prop_oneof![0.5..2.0_f64, 2.0..10.0_f64, 10.0..50.0_f64],
        burst in 1.0..4.0,
        latency in 1_u64..100,
        jitter in any_jitter(),
    ) {
        let aws = Aws { rate, capacity: f64::max(rate * burst, 4.0), latency };
        let run = change(200, 16, aws, &jitter);
        let least = seconds(5) + Duration::from_secs_f64(400.0 / rate);
        prop_assert!(run.took <= 2 * least, "{run:?} where {least:?} would have done");
    }

    /// After any history, a throttle halves the rate, and it is not exceeded until AWS answers.
    #[test]
    fn after_a_throttle_calls_go_at_the_rate_that_was_learned_and_no_faster(
        past in vec((0_u64..3000, any::<bool>()), 0..60),
        wait in 0_u64..10_000,
        jitter in 0.0..1.0,
    ) {
        let mut limiter = Limiter::default();
        let mut now = second(1);
        limiter.throttled(now, now, jitter);
        for (later, served) in past {
            now = (now + millis(later)).max(limiter.ready_at());
            limiter.consumed(now);
            if served { limiter.answered(now) } else { limiter.throttled(now, now, jitter) }
        }
        now = now + millis(wait);
        let before = gap(&limiter, now);
        limiter.throttled(now, now, jitter);
        let mut calls = 0_u32;
        let mut at = now;
        while at < now + seconds(60) {
            at = at.max(limiter.ready_at());
            limiter.consumed(at);
            calls += 1;
            let elapsed = at.since(now).as_secs_f64();
            let learned = (500.0 / f64::from(u32::try_from(before.max(1)).unwrap_or(u32::MAX))).max(0.2);
            prop_assert!(f64::from(calls) <= learned * elapsed * 1.01 + 0.01, "{calls} calls in {elapsed} s at {learned}");
        }
    }

    /// After any history and five minutes without a throttle, no call waits.
    #[test]
    fn it_always_comes_back_to_full_speed(past in vec((0_u64..3000, 0..3_u8), 1..60), jitter in 0.0..1.0) {
        let mut limiter = Limiter::default();
        let mut now = second(1);
        for (later, what) in past {
            now = now + millis(later);
            match what {
                0 => limiter.consumed(now),
                1 => limiter.answered(now),
                _ => limiter.throttled(now, now, jitter),
            }
        }
        now = now + seconds(300);
        for _ in 0..100 {
            prop_assert!(limiter.ready_at() <= now);
            limiter.consumed(now);
        }
    }
}
