//! Calls of the API server that only read are made again if it is overloaded or cuts the connection.

use std::error::Error;

use directconnect_operator::aws::says_cut;
use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use tower::BoxError;
use tower::retry::Policy;

/// kube's policy for reads alone: three more attempts within some seconds. A write may have been carried out.
#[derive(Clone, Default)]
pub struct RetryReads(RetryPolicy);

impl<B> Policy<Request<Body>, Response<B>, BoxError> for RetryReads {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<B>, BoxError>,
    ) -> Option<Self::Future> {
        if !only_reads(request) {
            return None;
        }
        match result {
            Ok(_) => self.0.retry(request, result),
            // kube's policy is about answers alone. To it, a connection that is cut is a server that is not available.
            Err(error) if was_cut(&**error) => {
                let mut answer = Response::new(());
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                self.0.retry(request, &mut Ok(answer))
            }
            Err(_) => None,
        }
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Policy::<_, Response<B>, _>::clone_request(&mut self.0, request)
    }
}

/// Whether a request changes nothing. Questions about rights are asked by `POST`.
fn only_reads(request: &Request<Body>) -> bool {
    request.method() == Method::GET || request.uri().path().starts_with("/apis/authorization.k8s.io/")
}

/// Whether a connection was cut before its answer was complete. One that cannot be made, or is silent, takes long enough as it
/// is.
fn was_cut(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
        || error.downcast_ref().is_some_and(says_cut)
        || error.source().is_some_and(was_cut)
}
