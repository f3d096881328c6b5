//! Owns the one TLS configuration of a process: the crypto provider and the trusted roots.
//!
//! Every client (HTTP, WebSocket, store) uses the same [`rustls::ClientConfig`]; none builds its
//! own, so an image without a CA store works and there is no second provider. For a server with its
//! own CA, or one that requires a client certificate, a configuration is made here of the same
//! parts.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// The TLS configuration could not be built. Texts of parsers are left out: they may repeat a line
/// of the private key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The provider offers no cipher suite for the protocol versions that are compiled in.
    #[error("the crypto provider supports none of the enabled tls versions")]
    Versions(#[source] rustls::Error),
    /// A text holds no certificate, or one that cannot be read.
    #[error("no certificate in PEM form")]
    Certificate,
    /// A text holds no private key, one of an unknown kind, or one with a pass phrase.
    #[error("no private key in PEM form without a pass phrase")]
    PrivateKey,
    /// They do not match.
    #[error("the private key does not match the certificate")]
    Mismatch,
}

/// The trusted authorities; clones share them.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

/// A certificate and its private key, both in PEM form. Never printed.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The certificate, and intermediate ones.
    pub certificate: &'a [u8],
    /// The private key.
    pub private_key: &'a [u8],
}

impl std::fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// Installs ring as the process-wide provider. First line of every `main` and test binary; calling
/// it again does nothing.
///
/// A library that asks rustls for "the" provider panics when none is installed and not exactly one
/// is compiled in.
pub fn install() {
    // The error only means that a provider is already installed.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Builds the client configuration that trusts [`Roots::of_machine`].
///
/// ALPN is left empty, as WebSocket and store connections require. reqwest takes a clone as it is
/// (`ClientBuilder::tls_backend_preconfigured`) and then speaks HTTP/1.1; a client for HTTP/2 sets
/// `alpn_protocols` to `h2`, `http/1.1` on its clone first.
///
/// # Errors
/// When the provider cannot serve the default protocol versions.
pub fn client_config() -> Result<Arc<ClientConfig>, TlsError> {
    Roots::of_machine().client_config(None)
}

impl Roots {
    /// The machine's, or Mozilla's (compiled in) where the machine has none.
    #[must_use]
    pub fn of_machine() -> Self {
        let native = rustls_native_certs::load_native_certs();
        for error in native.errors {
            tracing::debug!(%error, "part of the machine's certificate store cannot be read");
        }
        Self(Arc::new(roots(native.certs)))
    }

    /// Those of a PEM text, and no others.
    ///
    /// # Errors
    /// When it holds no usable certificate.
    pub fn from_pem(text: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        let (added, _ignored) = store.add_parsable_certificates(certificates(text)?);
        if added == 0 {
            return Err(TlsError::Certificate);
        }
        Ok(Self(Arc::new(store)))
    }

    /// These, and those of a PEM text.
    ///
    /// # Errors
    /// When the text holds no usable certificate.
    pub fn and_pem(&self, text: &[u8]) -> Result<Self, TlsError> {
        let more = Self::from_pem(text)?;
        let mut store = (*self.0).clone();
        store.extend(more.0.roots.iter().cloned());
        Ok(Self(Arc::new(store)))
    }

    /// The configuration that trusts these, and sends `identity` to a server that requires a client
    /// certificate.
    ///
    /// # Errors
    /// When the parts of `identity` cannot be read, or do not match.
    pub fn client_config(
        &self,
        identity: Option<Identity<'_>>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Versions)?
            .with_root_certificates(Arc::clone(&self.0));
        let Some(identity) = identity else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let chain = certificates(identity.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(identity.private_key)
            .map_err(|_may_repeat_it| TlsError::PrivateKey)?;
        let config = builder.with_client_auth_cert(chain, key);
        Ok(Arc::new(config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
            rustls::Error::InvalidCertificate(_) => TlsError::Certificate,
            _ => TlsError::PrivateKey,
        })?))
    }
}

/// The certificates of a PEM text, at least one.
fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|_may_repeat_it| TlsError::Certificate)?;
    if all.is_empty() {
        return Err(TlsError::Certificate);
    }
    Ok(all)
}

/// The certificates of `native` that can be parsed; Mozilla's roots if there is none.
fn roots(native: Vec<CertificateDer<'_>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    let (added, ignored) = store.add_parsable_certificates(native);
    if added == 0 {
        tracing::info!(
            ignored,
            "no usable TLS roots on this machine: using the built-in ones"
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

    #[test]
    fn an_identity_is_checked_and_never_shown() {
        let (first, second) = (Made::new(), Made::new());
        let roots = Roots::from_pem(first.certificate.as_bytes()).unwrap();
        let with = |certificate: &str, private_key: &str| {
            let identity = Identity {
                certificate: certificate.as_bytes(),
                private_key: private_key.as_bytes(),
            };
            assert_eq!(format!("{identity:?}"), "Identity { .. }");
            roots.client_config(Some(identity))
        };
        let config = with(&first.certificate, &first.private_key).unwrap();
        assert!(config.client_auth_cert_resolver.has_certs());
        let refused = |certificate: &str, key: &str| with(certificate, key).unwrap_err();
        assert!(matches!(
            refused(&first.certificate, &second.private_key),
            TlsError::Mismatch
        ));
        assert!(matches!(
            refused("no PEM", &first.private_key),
            TlsError::Certificate
        ));
        for broken in ["", "no PEM", &first.private_key[..60]] {
            let error = refused(&first.certificate, broken);
            assert!(matches!(error, TlsError::PrivateKey), "{error:?}");
        }
        // A parser would repeat this line.
        let garbled = first.private_key.replacen("-----\n", "\n", 1);
        let error = refused(&first.certificate, &garbled);
        assert!(matches!(error, TlsError::PrivateKey), "{error:?}");
    }

    #[test]
    fn authorities_of_a_text_are_trusted_alone() {
        let (first, second) = (Made::new(), Made::new());
        let both = first.certificate.clone() + &second.certificate;
        assert_eq!(Roots::from_pem(both.as_bytes()).unwrap().0.len(), 2);
        for bad in ["", "no PEM", &second.private_key] {
            let error = Roots::from_pem(bad.as_bytes()).unwrap_err();
            assert!(matches!(error, TlsError::Certificate), "{error:?}");
        }
        let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Roots::from_pem(no_der.as_bytes()).is_err());
    }

    /// A certificate that was signed with its own key.
    struct Made {
        certificate: String,
        private_key: String,
    }

    impl Made {
        fn new() -> Self {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            Self {
                certificate: made.cert.pem(),
                private_key: made.signing_key.serialize_pem(),
            }
        }
    }
}
