//! The HTTP client of all calls to AWS: time limits, proxies, trusted CAs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{self, TlsContext};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use hyper::Uri;
use parking_lot::Mutex;

/// How long a TCP and TLS handshake with AWS may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long AWS may take to answer one call, without the handshake and the wait for credentials.
const READ_TIMEOUT: Duration = Duration::from_secs(8);

/// A client with the CAs of `tls` and the proxies of the environment.
///
/// The SDK asks for a connector at every request. Connectors are kept by their time limits, since each has its own pool of
/// connections.
pub(super) fn client(tls: TlsContext) -> SharedHttpClient {
    let connectors: Mutex<HashMap<(Duration, Duration), SharedHttpConnector>> = Mutex::default();
    http_client_fn(move |settings, _| {
        // The SDK sets shorter limits for the instance metadata service, which nothing answers outside of EC2.
        let shorter = |asked: Option<Duration>, ours: Duration| asked.map_or(ours, |asked| asked.min(ours));
        let connect = shorter(settings.connect_timeout(), CONNECT_TIMEOUT);
        let read = shorter(settings.read_timeout(), READ_TIMEOUT);
        let mut connectors = connectors.lock();
        let routes = || SharedHttpConnector::new(Routes::new(connect, read, &tls));
        connectors.entry((connect, read)).or_insert_with(routes).clone()
    })
}

/// One connector that uses the proxies of the environment, and one that does not.
#[derive(Debug)]
struct Routes {
    by_proxy: Connector,
    direct: Connector,
}

impl Routes {
    fn new(connect: Duration, read: Duration, tls: &TlsContext) -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(connect).read_timeout(read).build();
        let connector = || -> ConnectorBuilder<_> {
            Connector::builder()
                .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
                .tls_context(tls.clone())
                .connector_settings(settings.clone())
                .sleep_impl(TokioSleep::new())
        };
        // The SDK reads proxy settings from the environment only when asked to.
        Self { by_proxy: connector().proxy_config(ProxyConfig::from_env()).build(), direct: connector().build() }
    }
}

impl HttpConnector for Routes {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if bypasses_proxies(request.uri()) { self.direct.call(request) } else { self.by_proxy.call(request) }
    }
}

/// Whether an address is reachable only from this machine, and so not through a proxy: loopback, and the link-local
/// addresses at which EC2, ECS and EKS serve credentials (169.254.169.254, 169.254.170.2, 169.254.170.23,
/// `fd00:ec2::/32`). A proxy would also see those credentials. So no proxy is used for them, whatever `NO_PROXY` says.
fn bypasses_proxies(uri: &str) -> bool {
    let uri: Option<Uri> = uri.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    match host.parse() {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6.segments().starts_with(&[0xfd00, 0x0ec2]),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_go_by_no_proxy_and_all_others_may() {
        let own = [
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2/credentials?id=1",
            "http://169.254.170.23:80/v1/credentials",
            "http://[fd00:ec2::254]/latest/api/token",
            "http://[fd00:ec2::23]:80/v1/credentials",
            "http://localhost:8080/role",
            "http://LOCALHOST",
            "http://127.0.0.1:1/",
            "http://name:word@127.0.0.1:1/",
            "http://[::1]:1/",
        ];
        for uri in own {
            assert!(bypasses_proxies(uri), "{uri}");
        }
        let others = [
            "https://directconnect.eu-central-1.amazonaws.com/",
            "https://sts.eu-central-1.amazonaws.com/?x=http://127.0.0.1/",
            "https://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://10.0.0.1/",
            "http://[fd00:ec3::254]/",
            "",
        ];
        for uri in others {
            assert!(!bypasses_proxies(uri), "{uri}");
        }
    }
}
