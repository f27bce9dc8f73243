//! The controller: a pass over each resource that the watch or a poll wakes, each kept from harming another.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use kube::runtime::controller::{Action, Config, Controller, Error};
use kube::runtime::reflector::Store;
use kube::runtime::watcher;
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tracing::{debug, error};

use crate::aws::Urgency;
use crate::kubernetes::index::{requested_at, shown};
use crate::kubernetes::{Reference, Watched};
use crate::reconcile::{Operator, PassError};
use directconnect_core::desired::ManagementPolicy;
use directconnect_core::text;

/// Has the work done on what the watch and the polls wake, until stopped.
pub(super) async fn control<F>(
    operator: Arc<Operator>,
    store: Store<Watched>,
    stopped: oneshot::Receiver<()>,
    work: impl Fn(Arc<Watched>, Arc<Operator>) -> F + Copy + Send + 'static,
) where
    F: Future<Output = Result<Action, PassError>> + Send + 'static,
{
    // The index says which changes of resources are worth a reconcile, so the watch comes in as a trigger as well.
    let no_stream = futures::stream::pending::<Result<Watched, watcher::Error>>();
    let woken = UnboundedReceiverStream::new(operator.index.attach());
    let forgetful = Arc::clone(&operator);
    Controller::for_stream(no_stream, store)
        // Without a bound here, since each region has its own: one that hangs would take all places of a common one.
        .with_config(Config::default().concurrency(0))
        .reconcile_on(woken)
        .graceful_shutdown_on(stopped.map(|_| ()))
        .run(
            move |object, operator| pass(object, operator, work),
            |object, error, operator| operator.retry(&object, error),
            operator,
        )
        .for_each(|outcome| {
            if let Err(Error::ObjectNotFound(gone)) = outcome {
                forgetful.forget(gone.namespace.as_deref().unwrap_or_default(), &gone.name);
            }
            futures::future::ready(())
        })
        .await;
}

/// One pass, when its region has a place for it: timed, and kept from taking others with it if it panics.
async fn pass<F>(
    object: Arc<Watched>,
    operator: Arc<Operator>,
    work: impl Fn(Arc<Watched>, Arc<Operator>) -> F,
) -> Result<Action, PassError>
where
    F: Future<Output = Result<Action, PassError>>,
{
    let reference = Reference::from_obj(&*object);
    let (name, region) = (shown(&reference), operator.index.region_of(&reference).unwrap_or_default());
    let regions = operator.index.regions().borrow().len();
    let Some(_permit) = operator.shares.acquire(&region, regions, urgency(&object)).await else {
        return Ok(Action::await_change());
    };
    let started = std::time::Instant::now();
    // In a box, so that thousands that wait for a place take little room.
    let outcome = caught(&name, Box::pin(work(object, Arc::clone(&operator)))).await;
    let result = match &outcome {
        Ok(_) => "Ok",
        Err(error) => error.as_str(),
    };
    operator.metrics.reconciled(result, started.elapsed());
    match &outcome {
        Ok(_) => debug!(object = %name, "reconciled"),
        Err(PassError::Outdated { .. }) => {
            debug!(object = %name, "the object has changed meanwhile; it is looked at again");
        }
        Err(failed) => error!(object = %name, "{failed}. It is tried again by itself"),
    }
    outcome
}

/// What a person asked for goes before what only repairs drift or looks. A spec that cannot be read is a person's, too.
fn urgency(object: &Watched) -> Urgency {
    let Ok(valid) = &object.0 else { return Urgency::High };
    let status = valid.status.as_ref();
    let is_met = valid.spec.management_policy == ManagementPolicy::Observe
        || status.is_some_and(|status| status.met_generation == valid.metadata.generation);
    let request = requested_at(valid);
    let is_answered = request
        .is_none_or(|request| status.and_then(|status| status.last_handled_reconcile_at.as_deref()) == Some(request));
    if is_met && is_answered { Urgency::Low } else { Urgency::High }
}

/// Work on one object, whose panic is an error of this object alone.
async fn caught<T>(name: &str, work: impl Future<Output = Result<T, PassError>>) -> Result<T, PassError> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<&str>().map(ToString::to_string);
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(PassError::Panicked { object: name.to_owned(), message: text::clean(&message) })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, Instant};

    use kube::runtime::reflector::store::Writer;
    use kube::runtime::watcher::Event;
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::aws::{Aws, Regions};
    use crate::clock::Clock;
    use crate::kubernetes::events::Teller;
    use crate::kubernetes::index::Index;
    use crate::kubernetes::lease::Leadership;
    use crate::metrics::Metrics;
    use crate::reconcile::{MOST_SENDING, ReconcileSlots};
    use directconnect_core::decide::Settings;

    #[tokio::test]
    async fn a_panic_in_one_pass_is_an_error_of_its_object() {
        let outcome = caught::<()>("namespace/line", async { panic!("boom\n{}", "x".repeat(5000)) });
        let error = outcome.await.expect_err("it is an error");
        assert_eq!(error.as_str(), "Panicked");
        let said = error.to_string();
        assert!(said.starts_with("the pass over namespace/line panicked: boom x"), "{said}");
        assert!(said.len() < 1200 && !said.contains('\n'));
        assert!(caught("namespace/line", async { Ok(7) }).await.is_ok_and(|next| next == 7), "and the next goes on");
    }

    /// An operator that is about two resources, `bad` and `good`, and calls nobody.
    async fn operator(store: &mut Writer<Watched>) -> Arc<Operator> {
        let (clock, metrics, second) = (Clock::start(), Metrics::new(), Duration::from_secs(1));
        let settings = Settings {
            poll_interval: second,
            encryption_soak: second,
            settle_window: second,
            progress_deadline: second,
        };
        let nowhere = kube::Config::new("http://127.0.0.1:9".parse().expect("a URL"));
        let client = kube::Client::try_from(nowhere).expect("a client can be made");
        let from =
            aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12()).region("eu-central-1").no_credentials();
        let index = Arc::new(Index::new(Some("eu-central-1".to_owned()), metrics.clone()));
        let mut note = |event| {
            index.note(&event);
            store.apply_watcher_event(&event);
        };
        note(Event::Init);
        for name in ["bad", "good"] {
            let object = json!({
                "apiVersion": "directconnect-operator.dev/v1alpha1", "kind": "DirectConnectConnection",
                "metadata": { "name": name, "namespace": "namespace", "uid": name, "generation": 1 },
                "spec": { "connectionId": format!("dxcon-{name:0>8}") },
            });
            note(Event::InitApply(serde_json::from_value(object).expect("a resource")));
        }
        note(Event::InitDone);
        Arc::new(Operator {
            regions: Regions::new(
                Aws::load(from, metrics.clone()).await,
                clock,
                settings,
                mpsc::unbounded_channel().0,
                metrics.clone(),
            ),
            teller: Teller::new(client.clone(), "test", "test"),
            shares: ReconcileSlots::new(1),
            memory: Mutex::default(),
            sending: tokio::sync::Semaphore::new(MOST_SENDING as usize),
            leadership: Leadership::without_lease(clock),
            settings,
            index,
            client,
            metrics,
            clock,
        })
    }

    /// What is logged in the thread of the test.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
        }
    }

    impl Write for Log {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    static GOOD: AtomicUsize = AtomicUsize::new(0);
    static BAD: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

    /// Always well with one resource, and a bug with the other.
    async fn work(object: Arc<Watched>, _: Arc<Operator>) -> Result<Action, PassError> {
        if shown(&Reference::from_obj(&*object)).ends_with("/bad") {
            BAD.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            // As a bug would: after the first wait, too.
            tokio::task::yield_now().await;
            panic!("boom");
        }
        GOOD.fetch_add(1, Ordering::Relaxed);
        Ok(Action::requeue(Duration::from_millis(10)))
    }

    #[tokio::test]
    async fn passes_that_panic_are_told_and_counted_and_ever_rarer_and_harm_no_other_resource() {
        const PANICS: usize = 4;
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let _in_this_thread = tracing::subscriber::set_default(subscriber);
        let mut store = Writer::default();
        let operator = operator(&mut store).await;
        let (stop, stopped) = oneshot::channel();
        let controlling = tokio::spawn(control(Arc::clone(&operator), store.as_reader(), stopped, work));
        let panics = || BAD.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
        let metrics = operator.metrics.encode().expect("metrics");
        let counted = format!("directconnect_operator_reconcile_total{{outcome=\"Panicked\"}} {panics}");
        assert!(metrics.contains(&counted), "not {counted}: {metrics}");
        let told = log.text();
        let told: Vec<&str> = told.lines().filter(|line| line.contains("panicked")).collect();
        assert_eq!(told.len(), panics, "{told:#?}");
        for line in told {
            assert!(line.contains(r#""object":"namespace/bad""#) && line.contains("boom"), "{line}");
        }
    }
}
