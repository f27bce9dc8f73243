//! Limits the number of concurrent reconciles and decides which goes next. Regions get fair shares, so that a region
//! that hangs or is throttled does not slow others down, and what people asked for goes before repairs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::aws::Urgency;

/// How many times in a row more urgent work may overtake a repair that waits in a region; then one repair goes. So
/// people come first, but no resource waits for ever.
const MAX_OVERTAKEN: u32 = 16;

/// The slots for concurrent reconciles, shared equally by the regions in use. If there are more regions than slots,
/// each has one at a time. Among regions with equally urgent work, the one goes first that has waited longest since its
/// last.
pub struct ReconcileSlots {
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// Number of regions in use, as given by the latest arrival.
    needed: usize,
    held: usize,
    /// Counts arrivals and ends. It orders waiters of equal urgency.
    events: u64,
    /// The regions in which a reconcile waits or holds a slot.
    regions: HashMap<String, Region>,
}

#[derive(Default)]
struct Region {
    held: usize,
    /// The value of `events` when a slot of this region was last freed.
    freed: u64,
    overtaken: u32,
    /// Waiters, in the order of admission.
    waiting: BTreeMap<Key, Arc<Notify>>,
}

type Key = (Urgency, u64);

/// The right to run one reconcile, until it is dropped.
#[must_use = "the slot is free again when this is dropped"]
pub struct Permit<'a> {
    slots: &'a ReconcileSlots,
    region: String,
}

impl ReconcileSlots {
    /// `max` is the number of concurrent reconciles of all regions together.
    pub fn new(max: u16) -> Self {
        Self { max: usize::from(max), state: Mutex::default() }
    }

    /// Waits for a slot for a reconcile of `region`. `regions` is the number of regions in use. `None`: the slots are
    /// closed.
    pub async fn acquire(&self, region: &str, regions: usize, urgency: Urgency) -> Option<Permit<'_>> {
        let waiter = Waiter::join(self, region, regions, urgency);
        loop {
            if self.state.lock().closed {
                return None;
            }
            if self.take(&waiter) {
                return Some(Permit { slots: self, region: region.to_owned() });
            }
            // If regions have gone, there may be room for somebody who has waited for longer.
            self.change(|_| {});
            waiter.woken.notified().await;
        }
    }

    /// Closes the slots: no reconcile begins any more, including those that wait.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.regions.values().flat_map(|region| region.waiting.values()).for_each(|waiting| waiting.notify_one());
    }

    fn take(&self, waiter: &Waiter<'_>) -> bool {
        let mut state = self.state.lock();
        let next = state.next(self.max);
        if next.is_none_or(|(_, key)| key != waiter.key) {
            return false;
        }
        state.grant(self.max, waiter);
        true
    }

    /// Changes the state, and then wakes the waiter that may go next, if any.
    fn change(&self, work: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        work(&mut state);
        if let Some((region, key)) = state.next(self.max)
            && let Some(waiting) = state.regions.get(region).and_then(|region| region.waiting.get(&key))
        {
            waiting.notify_one();
        }
    }
}

impl State {
    fn share(&self, max: usize) -> usize {
        (max / self.needed.max(1)).max(1)
    }

    /// The waiter that goes next, if any: the most urgent, and among equals the one whose region has waited longest.
    fn next(&self, max: usize) -> Option<(&str, Key)> {
        if self.held >= max {
            return None;
        }
        let share = self.share(max);
        let in_regions = self.regions.iter().filter(|(_, region)| region.held < share).filter_map(|(name, region)| {
            let ((urgency, arrived), key) = region.next()?;
            Some(((urgency, arrived.max(region.freed)), name.as_str(), key))
        });
        in_regions.min().map(|(_, name, key)| (name, key))
    }

    fn grant(&mut self, max: usize, waiter: &Waiter<'_>) {
        let share = self.share(max);
        let (urgency, _) = waiter.key;
        for region in self.regions.values_mut().filter(|region| region.held < share) {
            if urgency < Urgency::Low && region.repair().is_some() {
                region.overtaken += 1;
            }
        }
        self.held += 1;
        let region = self.regions.entry(waiter.region.to_owned()).or_default();
        region.held += 1;
        region.waiting.remove(&waiter.key);
        if urgency == Urgency::Low {
            region.overtaken = 0;
        }
    }

    fn forget_if_idle(&mut self, region: &str) {
        if self.regions.get(region).is_some_and(|region| region.held == 0 && region.waiting.is_empty()) {
            self.regions.remove(region);
        }
    }
}

impl Region {
    /// The waiter that goes next in this region: its rank, and its key.
    fn next(&self) -> Option<(Key, Key)> {
        let first = self.waiting.keys().next().map(|key| (*key, *key));
        let repair = self.repair().filter(|_| self.overtaken >= MAX_OVERTAKEN);
        let overtaken = repair.map(|key| ((Urgency::High, key.1), key));
        first.into_iter().chain(overtaken).min()
    }

    /// The repair that has waited longest.
    fn repair(&self) -> Option<Key> {
        self.waiting.range((Urgency::Low, 0)..).next().map(|(key, _)| *key)
    }
}

/// A reconcile that waits. When it is dropped, the next one is woken.
struct Waiter<'a> {
    slots: &'a ReconcileSlots,
    region: &'a str,
    key: Key,
    woken: Arc<Notify>,
}

impl<'a> Waiter<'a> {
    fn join(slots: &'a ReconcileSlots, region: &'a str, regions: usize, urgency: Urgency) -> Self {
        let woken = Arc::new(Notify::new());
        let mut state = slots.state.lock();
        state.needed = regions;
        state.events += 1;
        let key = (urgency, state.events);
        state.regions.entry(region.to_owned()).or_default().waiting.insert(key, Arc::clone(&woken));
        Self { slots, region, key, woken }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.slots.change(|state| {
            if let Some(region) = state.regions.get_mut(self.region) {
                region.waiting.remove(&self.key);
            }
            state.forget_if_idle(self.region);
        });
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.slots.change(|state| {
            state.held -= 1;
            state.events += 1;
            if let Some(region) = state.regions.get_mut(&self.region) {
                region.held -= 1;
                region.freed = state.events;
            }
            state.forget_if_idle(&self.region);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Urgency::{High, Low};
    use futures::FutureExt;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    type Waiting<'a> = Pin<Box<dyn Future<Output = Option<Permit<'a>>> + 'a>>;

    /// Adds a waiter, which does not get a slot yet.
    fn come<'a>(slots: &'a ReconcileSlots, region: &'a str, regions: usize, urgency: Urgency) -> Waiting<'a> {
        let mut waiting: Waiting<'a> = Box::pin(slots.acquire(region, regions, urgency));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "no slot is free");
        waiting
    }

    fn now<T>(future: impl Future<Output = Option<T>>) -> Option<T> {
        future.now_or_never().flatten()
    }

    /// The order in which the waiters get the one slot, by their index in the list.
    fn order(first: Permit<'_>, mut waiting: Vec<Waiting<'_>>) -> Vec<usize> {
        let (mut order, mut permit) = (Vec::new(), Some(first));
        while order.len() < waiting.len() {
            drop(permit.take());
            let went = waiting.iter_mut().enumerate().filter(|(at, _)| !order.contains(at)).find_map(|(at, one)| {
                let Poll::Ready(permit) = one.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                    return None;
                };
                permit.map(|permit| (at, permit))
            });
            let (at, next) = went.expect("somebody goes");
            order.push(at);
            permit = Some(next);
        }
        order
    }

    #[tokio::test]
    async fn slots_that_another_region_leaves_are_given_to_whoever_has_waited() {
        let slots = ReconcileSlots::new(4);
        let _held = [now(slots.acquire("a", 2, High)), now(slots.acquire("a", 2, High))];
        let mut waiting = come(&slots, "a", 2, High);
        // The next one that comes says that there is one region now.
        let _next = come(&slots, "a", 1, High);
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[tokio::test]
    async fn a_region_that_takes_all_it_may_leaves_others_their_share() {
        let slots = ReconcileSlots::new(5);
        let held: Vec<_> = [now(slots.acquire("a", 2, High)), now(slots.acquire("a", 2, High))].into();
        assert!(held.iter().all(Option::is_some));
        assert!(now(slots.acquire("a", 2, High)).is_none(), "two of five are the share of one of two");
        assert!(now(slots.acquire("b", 2, Low)).is_some());
        drop(held);
        assert!(now(slots.acquire("a", 2, Low)).is_some());
    }

    #[tokio::test]
    async fn a_share_shrinks_when_another_region_is_needed() {
        let slots = ReconcileSlots::new(4);
        let mut held: Vec<_> = (0..4).map(|_| now(slots.acquire("a", 1, Low))).collect();
        let mut b = come(&slots, "b", 2, Low);
        let mut a = come(&slots, "a", 2, High);
        held.pop();
        assert!(now(a.as_mut()).is_none(), "it has three, and two are its share");
        assert!(now(b.as_mut()).is_some());
    }

    #[tokio::test]
    async fn more_regions_than_places_take_turns() {
        let slots = ReconcileSlots::new(2);
        let hangs = now(slots.acquire("hangs", 20, High));
        assert!(now(slots.acquire("hangs", 20, High)).is_none(), "one at a time");
        let a = now(slots.acquire("a", 20, High));
        assert!(hangs.is_some() && a.is_some());
        // This waiter arrives while both slots are taken.
        let (mut b, mut again) = (come(&slots, "b", 20, High), come(&slots, "a", 20, High));
        drop(a);
        assert!(now(again.as_mut()).is_none());
        let b = now(b.as_mut());
        assert!(b.is_some(), "it came first");
        assert!(now(again.as_mut()).is_none());
        drop(b);
        assert!(now(again.as_mut()).is_some(), "one that hangs stops no other");
    }

    #[tokio::test]
    async fn a_region_with_many_who_wait_takes_turns_with_one_who_came_later() {
        let slots = ReconcileSlots::new(1);
        let first = now(slots.acquire("a", 2, Low)).unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| come(&slots, "a", 2, Low)).collect();
        waiting.push(come(&slots, "b", 2, Low));
        waiting.push(come(&slots, "b", 2, Low));
        assert_eq!(order(first, waiting), [3, 0, 4, 1, 2]);
    }

    #[tokio::test]
    async fn what_people_asked_for_goes_before_repairs_in_a_region_and_overall() {
        for regions in [["a", "a", "a", "a", "a"], ["a", "b", "c", "d", "e"]] {
            let slots = ReconcileSlots::new(1);
            let first = now(slots.acquire("z", 6, Low)).unwrap();
            let waiting = regions.iter().zip([Low, High, Low, High, Low]);
            let waiting = waiting.map(|(region, urgency)| come(&slots, region, 6, urgency)).collect();
            assert_eq!(order(first, waiting), [1, 3, 0, 2, 4], "of equals, who came first: {regions:?}");
        }
    }

    #[tokio::test]
    async fn repairs_are_overtaken_often_but_not_for_ever() {
        for other in ["a", "b"] {
            let slots = ReconcileSlots::new(1);
            let first = now(slots.acquire("a", 2, High)).unwrap();
            let mut waiting = vec![come(&slots, other, 2, Low), come(&slots, other, 2, Low)];
            waiting.extend((0..40).map(|_| come(&slots, "a", 2, High)));
            let order = order(first, waiting);
            let places: Vec<_> = [0, 1].iter().filter_map(|one| order.iter().position(|at| at == one)).collect();
            assert_eq!(places, [16, 33], "{other}: {order:?}");
        }
    }

    #[tokio::test]
    async fn where_there_is_no_room_a_repair_is_overtaken_by_nobody() {
        let slots = ReconcileSlots::new(2);
        let hangs = now(slots.acquire("a", 2, Low));
        let (mut repair, mut person) = (come(&slots, "a", 2, Low), come(&slots, "a", 2, High));
        for _ in 0..40 {
            assert!(now(slots.acquire("b", 2, High)).is_some());
        }
        drop(hangs);
        assert!(now(repair.as_mut()).is_none());
        assert!(now(person.as_mut()).is_some());
    }

    #[tokio::test]
    async fn one_who_gives_up_leaves_no_hole() {
        // The waiter gives up before its turn, or after it was woken for it.
        for woken in [false, true] {
            let slots = ReconcileSlots::new(1);
            let first = now(slots.acquire("a", 1, High));
            let gives_up = come(&slots, "a", 1, High);
            drop(come(&slots, "elsewhere", 1, High));
            let next = slots.acquire("a", 1, Low);
            let leave = async {
                if woken {
                    drop(first);
                    drop(gives_up);
                } else {
                    drop(gives_up);
                    drop(first);
                }
            };
            let both = async { tokio::join!(next, leave).0 };
            let next = tokio::time::timeout(std::time::Duration::from_secs(5), both).await;
            assert!(next.expect("it is woken").is_some());
            assert!(slots.state.lock().regions.is_empty(), "what nobody uses is forgotten");
        }
    }

    #[tokio::test]
    async fn everyone_for_whom_there_is_room_is_woken() {
        let slots = ReconcileSlots::new(3);
        let held: Vec<_> = (0..3).map(|_| now(slots.acquire("a", 1, High))).collect();
        let waiting = async { tokio::join!(slots.acquire("a", 1, Low), slots.acquire("a", 1, High)) };
        let both = async { tokio::join!(waiting, async { drop(held) }).0 };
        let both = tokio::time::timeout(std::time::Duration::from_secs(5), both).await;
        assert!(matches!(both, Ok((Some(_), Some(_)))));
    }

    #[tokio::test]
    async fn nobody_enters_what_is_closed() {
        let slots = ReconcileSlots::new(1);
        let _held = slots.acquire("a", 1, High).await;
        let waiting = slots.acquire("a", 1, High);
        let close = async { slots.close() };
        let (waited, ()) = tokio::join!(waiting, close);
        assert!(waited.is_none() && slots.acquire("b", 1, High).await.is_none());
    }
}
