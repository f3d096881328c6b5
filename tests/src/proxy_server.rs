//! An HTTP proxy: it opens tunnels by CONNECT, all of them to one server, and notes what was asked.
//!
//! The tests of the ingestor include this file.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A running proxy.
#[derive(Debug)]
pub struct ProxyServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    refusal: Arc<Mutex<Option<u16>>>,
}

/// What its tunnels lead to.
#[derive(Clone, Debug)]
struct Far {
    server: SocketAddr,
    /// With it, the proxy opens TLS.
    opens: Option<Arc<ServerConfig>>,
}

impl ProxyServer {
    /// One whose tunnels lead to `server`, whatever name was asked for. With `opens`, it opens TLS as
    /// those of companies do.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(server: SocketAddr, opens: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, refusal) = (Arc::default(), Arc::default());
        let (notes, refuses) = (Arc::clone(&asked), Arc::clone(&refusal));
        let far = Far { server, opens };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (notes, refuses) = (Arc::clone(&notes), Arc::clone(&refuses));
                tokio::spawn(serve(stream, far.clone(), notes, refuses));
            }
        });
        Self {
            address,
            asked,
            refusal,
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The request lines so far.
    ///
    /// # Panics
    /// When a task of it has panicked.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// From now on requests are answered with this status; `None`: with a tunnel.
    ///
    /// # Panics
    /// When a task of it has panicked.
    pub fn refuse(&self, status: Option<u16>) {
        *self.refusal.lock().unwrap() = status;
    }
}

async fn serve(
    mut stream: TcpStream,
    far: Far,
    asked: Arc<Mutex<Vec<String>>>,
    refusal: Arc<Mutex<Option<u16>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap_or_default();
    asked.lock().unwrap().push(line.to_owned());
    let refused = *refusal.lock().unwrap();
    if let Some(status) = refused {
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
        drop(stream.write_all(answer.as_bytes()).await);
        return;
    }
    let far_stream = TcpStream::connect(far.server).await.unwrap();
    let opened = b"HTTP/1.1 200 Connection established\r\n\r\n";
    drop(stream.write_all(opened).await);
    match far.opens {
        None => pipe(stream, far_stream).await,
        Some(config) => {
            // A client that does not trust it ends the handshake.
            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                pipe(stream, far_stream).await;
            }
        }
    }
}

async fn pipe(mut near: impl AsyncRead + AsyncWrite + Unpin, mut far: TcpStream) {
    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
}

/// An authority in PEM form, and what a server needs that shows a certificate of it for `host`.
///
/// # Panics
/// When they cannot be made.
#[must_use]
pub fn opens_tls(host: &str) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    // Named as its issuer, it would count as signed by itself.
    params.distinguished_name.push(DnType::CommonName, host);
    let certificate = params.signed_by(&key, &authority).unwrap().pem();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (authority.pem(), Arc::new(config))
}
