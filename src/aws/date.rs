//! The current time according to AWS.

use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Keeps the `Date` header of the answer to one call, even if AWS refuses the call: a wrong clock is a reason for that.
#[derive(Clone, Debug, Default)]
pub(super) struct KeepDate(Arc<OnceLock<Timestamp>>);

impl KeepDate {
    /// The date, if an answer with a date has come.
    pub(super) fn get(&self) -> Option<Timestamp> {
        self.0.get().copied()
    }
}

impl Intercept for KeepDate {
    fn name(&self) -> &'static str {
        "KeepDate"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) {
            self.0.get_or_init(|| date.timestamp());
        }
        Ok(())
    }
}
