//! Trusted CAs for TLS with AWS: those in the file that `AWS_CA_BUNDLE` names, as in other AWS tools, otherwise the
//! system's.

use std::path::Path;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_smithy_types::base64;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tracing::{error, warn};

const VARIABLE: &str = "AWS_CA_BUNDLE";

/// The usable certificates of a bundle.
#[derive(Debug)]
pub(super) struct Bundle {
    /// One PEM text for each certificate.
    certificates: Vec<String>,
    /// Number of certificates that are left out.
    refused: usize,
}

/// Reads the bundle that `AWS_CA_BUNDLE` names; `None` if the variable is empty or unset.
pub(super) fn bundle() -> Result<Option<Bundle>, String> {
    match std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => read(Path::new(&path)).map(Some),
        None => Ok(None),
    }
}

/// The trusted CAs. If `AWS_CA_BUNDLE` is set but cannot be read, none is trusted: falling back to the system's CAs
/// would trust more than was asked for.
pub(super) fn context() -> TlsContext {
    let store = match bundle() {
        Ok(None) => TrustStore::default(),
        Ok(Some(Bundle { certificates, refused })) => {
            if refused > 0 {
                warn!("{VARIABLE}: {refused} of its certificates are of no use and are left out");
            }
            certificates.into_iter().fold(TrustStore::empty(), TrustStore::with_pem_certificate)
        }
        Err(problem) => {
            error!("{problem}; no certificate is trusted");
            TrustStore::empty()
        }
    };
    // `build` cannot fail in the current version.
    TlsContext::builder().with_trust_store(store).build().unwrap_or_default()
}

/// Reads the usable certificates of a file. The SDK would panic on an unusable one.
fn read(path: &Path) -> Result<Bundle, String> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| format!("{VARIABLE}: {shown} cannot be read: {error}"))?;
    let mut roots = RootCertStore::empty();
    let mut bundle = Bundle { certificates: Vec::new(), refused: 0 };
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("{VARIABLE}: {shown} is no PEM file: {error}"))?;
        if roots.add(certificate.clone()).is_ok() {
            let body = base64::encode(&certificate);
            bundle.certificates.push(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"));
        } else {
            bundle.refused += 1;
        }
    }
    if bundle.certificates.is_empty() {
        return Err(format!("{VARIABLE}: {shown} has no certificate of a CA; it wants PEM (BEGIN CERTIFICATE)"));
    }
    Ok(bundle)
}
