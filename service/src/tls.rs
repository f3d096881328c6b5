//! Owns the one TLS configuration of a process: the crypto provider and the trusted roots.
//!
//! Every client (HTTP, WebSocket, store) is handed the same [`rustls::ClientConfig`]; none builds
//! its own, so an image without a CA store works and a second provider cannot slip in.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// The TLS configuration could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The provider offers no cipher suite for the protocol versions that are compiled in.
    #[error("the crypto provider supports none of the enabled tls versions")]
    Versions(#[source] rustls::Error),
}

/// Installs ring as the process-wide provider. First line of every `main` and test binary; calling
/// it again does nothing.
///
/// A library that asks rustls for "the" provider panics when none is installed and not exactly one
/// is compiled in.
pub fn install() {
    // The error only says that a provider is already there.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Builds the client configuration: the machine's roots, or Mozilla's (compiled in) where the
/// machine has none.
///
/// ALPN is left empty, as WebSocket and store connections want it. reqwest takes a clone as it is
/// (`ClientBuilder::tls_backend_preconfigured`) and then speaks HTTP/1.1; a client that wants HTTP/2
/// sets `alpn_protocols` to `h2`, `http/1.1` on its clone first.
///
/// # Errors
/// When the provider cannot serve the default protocol versions.
pub fn client_config() -> Result<Arc<ClientConfig>, TlsError> {
    let native = rustls_native_certs::load_native_certs();
    for error in native.errors {
        tracing::debug!(%error, "part of the machine's certificate store cannot be read");
    }
    config_trusting(roots(native.certs))
}

fn config_trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The parsable ones of `native`; Mozilla's roots when there is none.
fn roots(native: Vec<CertificateDer<'_>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    let (added, ignored) = store.add_parsable_certificates(native);
    if added == 0 {
        tracing::info!(
            ignored,
            "no usable native tls roots: using the built-in ones"
        );
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs one test of this binary again in a process without a certificate store.
    fn rerun_without_store(test: &str) -> std::process::Output {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env("SSL_CERT_FILE", "/nonexistent")
            .env("SSL_CERT_DIR", "/nonexistent")
            .output()
            .unwrap()
    }

    #[test]
    fn a_machine_without_certificates_gets_the_built_in_roots() {
        let output = rerun_without_store("tls::tests::client_builds_without_store");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "the inner test ran: {text}");
    }

    #[test]
    #[ignore = "run by a_machine_without_certificates_gets_the_built_in_roots in a process of its own"]
    fn client_builds_without_store() {
        install();
        assert!(rustls_native_certs::load_native_certs().certs.is_empty());
        let config = client_config().unwrap();
        reqwest::Client::builder()
            .tls_backend_preconfigured((*config).clone())
            .build()
            .unwrap();
    }

    #[test]
    fn native_roots_are_used_alone_when_there_are_any() {
        let garbage = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(
            roots(vec![garbage]).len(),
            webpki_roots::TLS_SERVER_ROOTS.len(),
            "an unreadable store counts as none"
        );
        let native = rustls_native_certs::load_native_certs().certs;
        if let Some(certificate) = native.into_iter().next() {
            assert_eq!(roots(vec![certificate]).len(), 1);
        }
    }

    #[test]
    fn installing_twice_is_harmless_and_alpn_is_left_alone() {
        install();
        install();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
        assert!(client_config().unwrap().alpn_protocols.is_empty());
    }
}
