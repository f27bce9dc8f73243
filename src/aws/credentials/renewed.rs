//! Credentials from sources that are set up anew when the SDK would not look at their files again.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use futures::future::BoxFuture;
use parking_lot::Mutex;

/// How long credentials are used that do not say when they end, such as those of a profile.
const LIFETIME: Duration = Duration::from_mins(1);

type SetUp = dyn Fn() -> BoxFuture<'static, Option<SharedCredentialsProvider>> + Send + Sync;

/// Sets the sources up anew after they gave no credentials, or some that do not say when they end. The SDK reads the files of
/// a profile when its sources are first asked, and never again: what is mounted later, or renewed, would need a restart.
pub(in super::super) struct RenewedProvider {
    set_up: Box<SetUp>,
    /// The sources, as long as they need not be set up anew.
    sources: Mutex<Option<SharedCredentialsProvider>>,
}

impl RenewedProvider {
    pub(in super::super) fn new(
        set_up: impl Fn() -> BoxFuture<'static, Option<SharedCredentialsProvider>> + Send + Sync + 'static,
    ) -> Self {
        Self { set_up: Box::new(set_up), sources: Mutex::default() }
    }

    async fn provide(&self) -> provider::Result {
        let known = self.sources.lock().clone();
        let sources = if known.is_some() { known } else { (self.set_up)().await };
        let sources = sources.ok_or_else(CredentialsError::not_loaded_no_source)?;
        let mut given = sources.provide_credentials().await;
        let lasts = given.as_ref().is_ok_and(|credentials| credentials.expiry().is_some());
        *self.sources.lock() = Some(sources).filter(|_| lasts);
        if let Ok(credentials) = &mut given {
            credentials.expiry_mut().get_or_insert_with(|| SystemTime::now() + LIFETIME);
        }
        given
    }
}

impl fmt::Debug for RenewedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewedProvider").finish_non_exhaustive()
    }
}

impl ProvideCredentials for RenewedProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.sources.lock().as_ref()?.fallback_on_interrupt()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt as _;

    use super::*;

    /// Gives no credentials, or some with this end, if they say one.
    #[derive(Clone, Copy, Debug)]
    enum Source {
        Silent,
        Gives(Option<SystemTime>),
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(match self {
                Self::Silent => Err(CredentialsError::not_loaded("no file")),
                Self::Gives(end) => Ok(Credentials::new("AKIA", "secret", None, *end, "test")),
            })
        }
    }

    #[tokio::test]
    async fn sources_are_kept_only_while_what_they_give_says_when_it_ends() {
        let in_an_hour = SystemTime::now() + Duration::from_hours(1);
        let table = [(Source::Silent, 2), (Source::Gives(None), 2), (Source::Gives(Some(in_an_hour)), 1)];
        for (source, set_ups) in table {
            let count = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&count);
            let provider = RenewedProvider::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                std::future::ready(Some(SharedCredentialsProvider::new(source))).boxed()
            });
            for _ in 0..2 {
                let end = provider.provide_credentials().await.ok().map(|given| given.expiry());
                match source {
                    Source::Silent => assert_eq!(end, None),
                    Source::Gives(None) => assert!(end.flatten().is_some_and(|end| end < in_an_hour), "{end:?}"),
                    Source::Gives(said) => assert_eq!(end, Some(said), "it stays as it is"),
                }
            }
            assert_eq!(count.load(Ordering::Relaxed), set_ups, "{source:?}");
        }
    }
}
