//! Whom TLS trusts: the CAs that `AWS_CA_BUNDLE` names, as everywhere with AWS, else those of the system.

use std::path::Path;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_smithy_types::base64;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tracing::{error, warn};

const VARIABLE: &str = "AWS_CA_BUNDLE";

/// What of a bundle can be trusted.
#[derive(Debug)]
pub(super) struct Bundle {
    /// One PEM each.
    certificates: Vec<String>,
    /// How many others there were.
    refused: usize,
}

/// The CAs of `AWS_CA_BUNDLE`; `None`: the variable is empty or unset.
pub(super) fn bundle() -> Result<Option<Bundle>, String> {
    match std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => read(Path::new(&path)).map(Some),
        None => Ok(None),
    }
}

/// Whom the environment says to trust. Whoever names CAs does not want others trusted, so if they cannot be read nobody is.
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
    // It has no way to fail as of today.
    TlsContext::builder().with_trust_store(store).build().unwrap_or_default()
}

/// The certificates of a file that can be trusted: the SDK ends with a panic on the first that cannot.
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
