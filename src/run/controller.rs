//! The controller: runs a pass over each resource that the watch or a poll wakes, isolated from the others.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::{FutureExt, StreamExt};
use kube::Resource as _;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::Store;
use kube::runtime::watcher;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tracing::{debug, error};

use super::readiness::{Begun, Progress};
use crate::aws::Urgency;
use crate::kubernetes::Watched;
use crate::reconcile::{Context, PassError};
use crate::state::{Budget, PASS_CEILING};
use directconnect_core::identity::{CircuitId, ResourceId};
use directconnect_core::text;

/// Runs `work` for each resource that is woken, until stopped.
pub(super) async fn run_controller<F>(
    context: Arc<Context>,
    store: Store<Watched>,
    stopped: oneshot::Receiver<()>,
    progress: Progress,
    work: impl Fn(Arc<Watched>, Arc<Context>, Arc<Budget>) -> F + Copy + Send + 'static,
) where
    F: Future<Output = Result<Action, PassError>> + Send + 'static,
{
    // The claims decide which changes of resources are worth a reconcile, so the watch triggers the controller through
    // them.
    let no_stream = futures::stream::pending::<Result<Watched, watcher::Error>>();
    let woken = UnboundedReceiverStream::new(context.claims.attach());
    Controller::for_stream(no_stream, store)
        // No limit of kube's: `ReconcileSlots` limits the passes, so that a region that hangs does not take all of them.
        .with_config(Config::default().concurrency(0))
        .reconcile_on(woken)
        .graceful_shutdown_on(stopped.map(|_| ()))
        .run(
            move |object, context| pass(object, context, progress.begin(), work),
            |object, error, context| context.error_policy(&object, error),
            context,
        )
        .for_each(|_| futures::future::ready(()))
        .await;
}

/// Runs one pass once its region has a slot. It is timed, and a panic or a hang fails only this pass.
async fn pass<F>(
    object: Arc<Watched>,
    context: Arc<Context>,
    _begun: Begun,
    work: impl Fn(Arc<Watched>, Arc<Context>, Arc<Budget>) -> F,
) -> Result<Action, PassError>
where
    F: Future<Output = Result<Action, PassError>>,
{
    let resource = object.id();
    let circuit = context.claims.circuit_of(&resource);
    let urgency = urgency(&object, circuit.as_ref(), &context);
    let region = circuit.map(|circuit| circuit.region.to_string()).unwrap_or_default();
    let regions = context.claims.regions().borrow().len();
    let Some(_permit) = context.slots.acquire(&region, regions, urgency).await else {
        return Ok(Action::await_change());
    };
    let started = Instant::now();
    let budget = Arc::new(Budget::new(PASS_CEILING));
    // Boxed, so that thousands of waiting passes need little memory.
    let work = Box::pin(work(object, Arc::clone(&context), Arc::clone(&budget)));
    let outcome = tokio::select! {
        outcome = caught(&resource, work) => outcome,
        () = budget.spent() => Err(PassError::TimedOut(resource.clone(), PASS_CEILING)),
    };
    context.metrics.reconciled(outcome.as_ref().map_or_else(Into::into, |_| "Ok"), started.elapsed());
    match &outcome {
        Ok(_) => debug!(object = %resource, "reconciled"),
        Err(PassError::Outdated(_) | PassError::RegionClosed(..)) => {
            debug!(object = %resource, "what it was about has changed meanwhile; it is looked at again");
        }
        Err(failed) => {
            if matches!(failed, PassError::TimedOut(..)) {
                context.metrics.pass_timed_out();
            }
            error!(object = %resource, "{failed}. It is tried again by itself");
        }
    }
    outcome
}

/// What a person asked for is more urgent than repairs and observation.
fn urgency(object: &Watched, circuit: Option<&CircuitId>, context: &Context) -> Urgency {
    let met = circuit
        .and_then(|circuit| context.state.with_fleet(|fleet| fleet.ledger(circuit, &object.id()).met_generation));
    let is_asked =
        object.requested_at().is_some_and(|asked| object.status.last_handled_reconcile_at.as_deref() != Some(asked));
    if met == object.meta().generation && !is_asked { Urgency::Low } else { Urgency::High }
}

/// Turns a panic of `work` into an error of this object.
async fn caught<T>(resource: &ResourceId, work: impl Future<Output = Result<T, PassError>>) -> Result<T, PassError> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(PassError::Panicked(resource.clone(), text::panic_message(&*panic))))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use kube::runtime::reflector::store::Writer;
    use parking_lot::Mutex;

    use super::*;
    use crate::reconcile::tests::context;

    /// The log of the current thread.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn of_this_thread() -> (Self, tracing::subscriber::DefaultGuard) {
            let log = Self::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
            (log, tracing::subscriber::set_default(subscriber))
        }

        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock()).into_owned()
        }
    }

    impl Write for Log {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    static GOOD: AtomicUsize = AtomicUsize::new(0);
    static BAD: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

    /// Succeeds for one resource and panics for the other.
    async fn work(object: Arc<Watched>, _: Arc<Context>, _: Arc<Budget>) -> Result<Action, PassError> {
        if &*object.id().name == "bad" {
            BAD.lock().push(Instant::now());
            // Panics after an await, as a bug may.
            tokio::task::yield_now().await;
            panic!("boom");
        }
        GOOD.fetch_add(1, Ordering::Relaxed);
        Ok(Action::requeue(Duration::from_millis(10)))
    }

    #[tokio::test]
    async fn passes_that_panic_are_told_and_counted_and_ever_rarer_and_harm_no_other_resource() {
        const PANICS: usize = 4;
        let (log, _in_this_thread) = Log::of_this_thread();
        let mut store = Writer::default();
        let context = context(&mut store).await;
        let (stop, stopped) = oneshot::channel();
        let controlling =
            tokio::spawn(run_controller(Arc::clone(&context), store.as_reader(), stopped, Progress::default(), work));
        let panics = || BAD.lock().clone();
        let mut served = Vec::new();
        tokio::time::timeout(Duration::from_secs(30), async {
            while panics().len() < PANICS {
                // Each panic is followed by passes over the other resource.
                let (count, good) = (panics().len(), GOOD.load(Ordering::Relaxed));
                while panics().len() == count || GOOD.load(Ordering::Relaxed) == good {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                served.push(GOOD.load(Ordering::Relaxed) - good);
            }
        })
        .await
        .expect("the stream goes on after a panic, for both");
        assert!(served.iter().all(|&passes| passes > 0), "{served:?}");

        let times = panics();
        let waits: Vec<Duration> = times.iter().zip(times.iter().skip(1)).map(|(one, next)| *next - *one).collect();
        for (tries, wait) in waits.iter().enumerate() {
            assert!(*wait >= Duration::from_millis(100 << tries), "it is tried ever more rarely: {waits:?}");
        }
        let _ = stop.send(());
        tokio::time::timeout(Duration::from_secs(30), controlling).await.expect("it ends").expect("without a panic");

        let panics = panics().len();
        let metrics = context.metrics.encode().expect("metrics");
        let counted = format!("directconnect_operator_reconcile_total{{outcome=\"Panicked\"}} {panics}");
        assert!(metrics.contains(&counted), "not {counted}: {metrics}");
        let told = log.text();
        let told: Vec<&str> = told.lines().filter(|line| line.contains("panicked")).collect();
        assert_eq!(told.len(), panics, "{told:#?}");
        for line in told {
            assert!(line.contains(r#""object":"namespace/bad""#) && line.contains("boom"), "{line}");
        }
    }

    /// Never ends for one resource.
    async fn hang(object: Arc<Watched>, _: Arc<Context>, budget: Arc<Budget>) -> Result<Action, PassError> {
        if &*object.id().name == "bad" {
            // Waiting for the rate limit does not count as a hang.
            budget.without_counting(tokio::time::sleep(PASS_CEILING * 2)).await;
            std::future::pending::<()>().await;
        }
        Ok(Action::await_change())
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_stands_still_is_given_up_counted_and_told_and_frees_its_slot() {
        let (log, _in_this_thread) = Log::of_this_thread();
        let mut store = Writer::default();
        let context = context(&mut store).await;
        let progress = Progress::default();
        let of = |name: &str| store.as_reader().find(|object| &*object.id().name == name).expect("it is there");
        let bad = pass(of("bad"), Arc::clone(&context), progress.begin(), hang);
        let good = async {
            tokio::task::yield_now().await;
            pass(of("good"), Arc::clone(&context), progress.begin(), hang).await
        };
        let began = tokio::time::Instant::now();
        let (bad, good) = tokio::join!(bad, good);
        assert!(matches!(bad, Err(PassError::TimedOut(..))) && good.is_ok());
        assert!(began.elapsed() >= PASS_CEILING * 3, "{:?}", began.elapsed());
        let metrics = context.metrics.encode().expect("metrics");
        assert!(metrics.contains("directconnect_operator_passes_timed_out_total 1"), "{metrics}");
        let told = log.text();
        assert!(told.contains("the pass over namespace/bad took longer than 120 s"), "{told}");
    }
}
