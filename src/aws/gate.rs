//! The gate in front of all calls to AWS with one set of credentials in one region. It keeps the calls within the rate
//! limit and admits them by urgency.
//!
//! The gate has no task of its own. The first waiter sleeps until the next call is due and then admits itself. Each
//! waiter that leaves, admitted or cancelled, wakes the one that is first then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use directconnect_core::clock::Moment;
use directconnect_core::fault::{Fault, FaultKind};
use directconnect_core::limiter::{Limiter, MAX_IN_FLIGHT};

/// Order of admission. Among equals, the one that arrived first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// An update whose fresh read has been made. Waiting would make that read too old, and another one would be needed.
    Finish,
    /// Work that a person asked for.
    High,
    /// Polls, and repair of drift. Polls that took all that a throttled region bears must not keep repairs waiting for
    /// ever: those that wait have the slots that people need.
    Low,
}

/// The gate is closed because no resource needs the region any more; no more calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no resource needs the region any more, so nothing is asked of it")]
pub struct Closed;

/// Admits calls at the rate of its limiter.
pub(super) struct Gate {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    limiter: Limiter,
    in_flight: usize,
    closed: bool,
    /// Number of arrivals so far. It orders waiters of equal urgency.
    arrivals: u64,
    /// Waiters, in the order of admission.
    waiting: BTreeMap<Key, Arc<Notify>>,
}

type Key = (Urgency, u64);

/// What a waiter has to do next.
enum Step {
    Go(Moment),
    Closed,
    /// Check again after this long, or when woken.
    Wait(Duration),
    /// Check again when woken.
    Behind,
}

impl Gate {
    pub(super) fn new(clock: Clock) -> Self {
        Self { state: Mutex::default(), clock }
    }

    /// Waits until a call may be made, however long that takes, or until the gate is closed. The call counts as in
    /// flight until the returned value is dropped.
    pub(super) async fn acquire(&self, urgency: Urgency) -> Result<Call<'_>, Closed> {
        let waiter = Waiter::join(self, urgency);
        loop {
            match self.step(&waiter) {
                Step::Go(sent) => return Ok(Call { gate: self, sent }),
                Step::Closed => return Err(Closed),
                // Woken or timed out: check again in both cases.
                Step::Wait(wait) => drop(tokio::time::timeout(wait, waiter.woken.notified()).await),
                Step::Behind => waiter.woken.notified().await,
            }
        }
    }

    /// Closes the gate: all waiters leave with an error, and no one is admitted any more.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.waiting.values().for_each(|waiting| waiting.notify_one());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    fn step(&self, waiter: &Waiter<'_>) -> Step {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if state.closed {
            return Step::Closed;
        }
        let is_first = state.waiting.keys().next() == Some(&waiter.key);
        if !is_first || state.in_flight >= MAX_IN_FLIGHT {
            return Step::Behind;
        }
        let ready_at = state.limiter.ready_at();
        if now < ready_at {
            return Step::Wait(ready_at.since(now));
        }
        state.limiter.consumed(now);
        state.in_flight += 1;
        Step::Go(now)
    }
}

impl State {
    fn wake_first(&self) {
        if let Some(first) = self.waiting.values().next() {
            first.notify_one();
        }
    }
}

/// A caller that waits. When it is dropped, it wakes the next one.
struct Waiter<'a> {
    gate: &'a Gate,
    key: Key,
    woken: Arc<Notify>,
}

impl<'a> Waiter<'a> {
    fn join(gate: &'a Gate, urgency: Urgency) -> Self {
        let woken = Arc::new(Notify::new());
        let mut state = gate.state.lock();
        state.arrivals += 1;
        let key = (urgency, state.arrivals);
        state.waiting.insert(key, Arc::clone(&woken));
        Self { gate, key, woken }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        state.waiting.remove(&self.key);
        state.wake_first();
    }
}

/// A call that may be made or is in flight.
#[must_use = "the call is over when this is dropped"]
pub struct Call<'a> {
    gate: &'a Gate,
    sent: Moment,
}

impl Call<'_> {
    /// Ends the call and adapts the rate to its outcome. `jitter` is a number from 0 to 1.
    pub(super) fn record<T>(self, outcome: &Result<T, Fault>, jitter: f64) {
        let now = self.gate.clock.now();
        let limiter = &mut self.gate.state.lock().limiter;
        match outcome.as_ref().map_err(|fault| fault.kind) {
            Err(FaultKind::Throttled) => limiter.throttled(self.sent, now, jitter),
            Ok(_) | Err(FaultKind::NotFound | FaultKind::AccessDenied | FaultKind::Rejected) => limiter.answered(now),
            // Without an answer, or with one from a failing server, nothing is known about the rate that AWS can serve.
            Err(FaultKind::Unavailable | FaultKind::CredentialsInvalid) => {}
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        state.in_flight -= 1;
        // The rate may have changed as well.
        state.wake_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::future::join_all;
    use std::pin::pin;
    use tokio::time::Instant;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttled() -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Throttled, "DescribeConnections", "slow down"))
    }

    /// A gate that AWS has throttled to five calls a second. The first of them is due in 200 ms.
    async fn limited() -> Gate {
        let gate = Gate::new(Clock::start());
        gate.acquire(Urgency::High).await.unwrap().record(&throttled(), 0.0);
        tokio::time::advance(Duration::from_millis(1)).await;
        gate
    }

    /// Waits for admission and logs the result.
    async fn pass<'a>(gate: &Gate, urgency: Urgency, name: &'a str, log: &Mutex<Vec<&'a str>>) {
        let call = gate.acquire(urgency).await;
        log.lock().push(if call.is_ok() { name } else { "closed" });
    }

    #[tokio::test(start_paused = true)]
    async fn two_hundred_calls_wait_for_nothing_but_each_other_until_aws_throttles() {
        let gate = Gate::new(Clock::start());
        let (start, most) = (Instant::now(), Mutex::new((0, 0)));
        join_all((0..200).map(|_| async {
            let call = gate.acquire(Urgency::High).await.unwrap();
            {
                let mut most = most.lock();
                most.0 += 1;
                most.1 = most.0.max(most.1);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            most.lock().0 -= 1;
            call.record(&Ok::<_, Fault>(()), 0.0);
        }))
        .await;
        assert_eq!(most.lock().1, MAX_IN_FLIGHT);
        let rounds = u32::try_from(200_usize.div_ceil(MAX_IN_FLIGHT)).unwrap();
        assert!(start.elapsed() < Duration::from_millis(52) * rounds, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn updates_after_their_read_go_first_then_people_and_polls_then_repairs() {
        let gate = limited().await;
        let log = Mutex::default();
        tokio::join!(
            pass(&gate, Urgency::Low, "repair 1", &log),
            pass(&gate, Urgency::High, "person 1", &log),
            pass(&gate, Urgency::Low, "repair 2", &log),
            pass(&gate, Urgency::High, "person 2", &log),
            pass(&gate, Urgency::Finish, "update 1", &log),
            pass(&gate, Urgency::Finish, "update 2", &log),
        );
        let expected = ["update 1", "update 2", "person 1", "person 2", "repair 1", "repair 2"];
        assert_eq!(log.into_inner(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_throttle_calls_are_spaced() {
        let gate = limited().await;
        let start = Instant::now();
        let log = Mutex::default();
        join_all((0..10).map(|_| pass(&gate, Urgency::High, "", &log))).await;
        let took = start.elapsed().as_millis();
        assert!((1990..2010).contains(&took), "ten calls at five a second: {took} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_were_under_way_together_and_are_throttled_one_after_another_count_once() {
        let gate = Gate::new(Clock::start());
        for call in join_all((0..MAX_IN_FLIGHT).map(|_| gate.acquire(Urgency::High))).await {
            tokio::time::advance(Duration::from_millis(10)).await;
            call.unwrap().record(&throttled(), 0.0);
        }
        let start = Instant::now();
        drop(gate.acquire(Urgency::High).await);
        assert!(start.elapsed() <= Duration::from_millis(200), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_aws_served_raises_the_pace() {
        let served = [FaultKind::NotFound, FaultKind::AccessDenied, FaultKind::Rejected];
        let not_served = [FaultKind::Unavailable, FaultKind::CredentialsInvalid];
        let kinds = served.map(|kind| (kind, true)).into_iter().chain(not_served.map(|kind| (kind, false)));
        for (kind, raises) in kinds {
            let gate = limited().await;
            // The next call is due in 199 ms, or sooner if the rate has grown.
            for _ in 0..50 {
                let outcome = Err::<(), _>(Fault::new(kind, "DescribeConnections", ""));
                gate.state.lock().in_flight += 1;
                Call { gate: &gate, sent: gate.clock.now() }.record(&outcome, 0.0);
            }
            let start = Instant::now();
            drop(gate.acquire(Urgency::High).await);
            assert_eq!(start.elapsed() < Duration::from_millis(150), raises, "{kind:?}: {:?}", start.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_lets_everyone_out_who_waits_for_the_pace_for_an_answer_or_comes_later() {
        let gate = limited().await;
        {
            let mut first = pin!(gate.acquire(Urgency::High));
            let mut behind = pin!(gate.acquire(Urgency::Low));
            assert!(first.as_mut().now_or_never().is_none() && behind.as_mut().now_or_never().is_none());
            gate.close();
            // This one was not the first, and still leaves at once.
            assert_eq!(behind.as_mut().now_or_never().map(Result::err), Some(Some(Closed)));
            assert_eq!(first.as_mut().now_or_never().map(Result::err), Some(Some(Closed)));
            assert_eq!(gate.acquire(Urgency::Finish).now_or_never().map(Result::err), Some(Some(Closed)));
        }
        let gate = Gate::new(Clock::start());
        let under_way = join_all((0..MAX_IN_FLIGHT).map(|_| gate.acquire(Urgency::High))).await;
        let log = Mutex::default();
        let start = Instant::now();
        tokio::join!(pass(&gate, Urgency::High, "", &log), async { gate.close() });
        assert_eq!((log.into_inner(), start.elapsed()), (vec!["closed"], Duration::ZERO));
        drop(under_way);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_gives_up_is_not_waited_for() {
        // The waiter that gives up is the first, which keeps the time; or it has been woken but is dropped before it
        // goes.
        for woken in [false, true] {
            let gate = limited().await;
            let mut gives_up = Box::pin(gate.acquire(Urgency::High));
            assert!(gives_up.as_mut().now_or_never().is_none());
            let log = Mutex::default();
            let gives_up = async {
                if woken {
                    gate.state.lock().wake_first();
                }
                drop(gives_up);
            };
            let start = Instant::now();
            tokio::join!(pass(&gate, Urgency::Low, "next", &log), gives_up);
            assert!(start.elapsed() <= SECOND, "{:?}", start.elapsed());
            assert_eq!(log.into_inner(), ["next"]);
            assert!(gate.state.lock().waiting.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_makes_room_for_the_next() {
        let gate = Gate::new(Clock::start());
        let mut under_way = join_all((0..MAX_IN_FLIGHT).map(|_| gate.acquire(Urgency::High))).await;
        let mut next = pin!(gate.acquire(Urgency::High));
        assert!(next.as_mut().now_or_never().is_none());
        let given_up = under_way.pop();
        let (went, ()) = tokio::join!(tokio::time::timeout(SECOND, next), async { drop(given_up) });
        assert!(matches!(went, Ok(Ok(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_comes_later_but_is_more_urgent_leaves_no_one_behind() {
        let gate = limited().await;
        let log = Mutex::default();
        let late = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            pass(&gate, Urgency::Finish, "update", &log).await;
        };
        let both = async { tokio::join!(pass(&gate, Urgency::Low, "repair", &log), late) };
        tokio::time::timeout(SECOND, both).await.expect("both go");
        assert_eq!(*log.lock(), ["update", "repair"]);
    }
}
