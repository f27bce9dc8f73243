//! A fair share of the passes at once for each region, so that one that hangs or throttles slows no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The passes at once, shared equally by the regions that are needed; each may have one at least.
pub struct Shares {
    most: usize,
    /// `None`: no pass begins any more.
    regions: Mutex<Option<HashMap<String, Arc<Semaphore>>>>,
}

impl Shares {
    /// So many passes at once, all regions together.
    pub fn of(most: u16) -> Self {
        Self { most: usize::from(most), regions: Mutex::new(Some(HashMap::new())) }
    }

    /// Waits until a pass of this region may begin, of so many regions. It lasts as long as the permit; `None`: none
    /// begins any more.
    pub async fn enter(&self, region: &str, regions: usize) -> Option<OwnedSemaphorePermit> {
        let share = (self.most / regions.max(1)).max(1);
        let places = {
            let mut open = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
            let open = open.as_mut()?;
            // Where nobody is, the next comes to a share of today's size.
            open.retain(|_, places| Arc::strong_count(places) > 1);
            Arc::clone(open.entry(region.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(share))))
        };
        places.acquire_owned().await.ok()
    }

    /// Lets no pass begin any more, those that wait for it included.
    pub fn close(&self) {
        let open = self.regions.lock().unwrap_or_else(PoisonError::into_inner).take();
        open.into_iter().flatten().for_each(|(_, places)| places.close());
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
    async fn each_of_many_regions_may_have_one() {
        let shares = Shares::of(1);
        let a = shares.enter("a", 20).await;
        assert!(a.is_some() && shares.enter("b", 20).await.is_some());
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
