//! A fair share of the passes at once for each region, so that one that hangs or throttles slows no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The passes at once, shared equally by the regions that are needed. Where there are more regions than passes, each comes
/// with one at a time, and they take turns.
pub struct Shares {
    most: usize,
    all: Arc<Semaphore>,
    /// `None`: no pass begins any more.
    regions: Mutex<Option<HashMap<String, Arc<Semaphore>>>>,
}

/// A pass may go on for as long as it has this.
pub struct Place {
    _of_the_region: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Shares {
    /// So many passes at once, all regions together.
    pub fn of(most: u16) -> Self {
        let most = usize::from(most);
        Self { most, all: Arc::new(Semaphore::new(most)), regions: Mutex::new(Some(HashMap::new())) }
    }

    /// Waits until a pass of this region may begin, of so many regions; `None`: none begins any more.
    pub async fn enter(&self, region: &str, regions: usize) -> Option<Place> {
        let share = (self.most / regions.max(1)).max(1);
        let places = {
            let mut open = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
            let open = open.as_mut()?;
            // Where nobody is, the next comes to a share of today's size.
            open.retain(|_, places| Arc::strong_count(places) > 1);
            Arc::clone(open.entry(region.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(share))))
        };
        let of_the_region = places.acquire_owned().await.ok()?;
        // First come, first served: a region waits here with no more than its share, so none is passed over.
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _of_the_region: of_the_region, _of_all: of_all })
    }

    /// Lets no pass begin any more, those that wait for it included.
    pub fn close(&self) {
        let open = self.regions.lock().unwrap_or_else(PoisonError::into_inner).take();
        open.into_iter().flatten().for_each(|(_, places)| places.close());
        self.all.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_region_that_takes_all_it_may_leaves_others_their_share() {
        let shares = Shares::of(5);
        let held: Vec<_> = [shares.enter("a", 2).now_or_never(), shares.enter("a", 2).now_or_never()].into();
        assert!(held.iter().all(|permit| matches!(permit, Some(Some(_)))));
        assert!(shares.enter("a", 2).now_or_never().is_none(), "two of five are the share of one of two");
        assert!(matches!(shares.enter("b", 2).now_or_never(), Some(Some(_))));
        drop(held);
        assert!(matches!(shares.enter("a", 2).now_or_never(), Some(Some(_))));
    }

    #[tokio::test]
    async fn more_regions_than_places_take_turns() {
        let shares = Shares::of(2);
        let (hangs, a) = (shares.enter("hangs", 20).await, shares.enter("a", 20).await);
        assert!(hangs.is_some() && a.is_some());
        let (mut b, mut again) = (Box::pin(shares.enter("b", 20)), Box::pin(shares.enter("a", 20)));
        assert!(b.as_mut().now_or_never().is_none(), "there are never more at once");
        assert!(again.as_mut().now_or_never().is_none());
        drop(a);
        let b = b.as_mut().now_or_never();
        assert!(matches!(b, Some(Some(_))), "it came first");
        assert!(again.as_mut().now_or_never().is_none());
        drop(b);
        assert!(matches!(again.as_mut().now_or_never(), Some(Some(_))), "one that hangs stops no other");
    }

    #[tokio::test]
    async fn nobody_enters_what_is_closed() {
        let shares = Shares::of(1);
        let _held = shares.enter("a", 1).await;
        let waiting = shares.enter("a", 1);
        let close = async { shares.close() };
        let (waited, ()) = tokio::join!(waiting, close);
        assert!(waited.is_none() && shares.enter("b", 1).await.is_none());
    }
}
