//! Connections that are cut without a sign, as by a firewall that forgets them.
//!
//! Owns a proxy before a server: it passes bytes on until it is told to carry no more on the
//! connections of now, which stay open at both ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The proxy.
#[derive(Debug)]
pub struct HalfOpenProxy {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    cuts: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Drop for HalfOpenProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HalfOpenProxy {
    /// Listens on a loopback port and passes connections on to `server`.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepted = Arc::new(AtomicUsize::new(0));
        let (cuts, _) = watch::channel(());
        let (count, cut) = (Arc::clone(&accepted), cuts.clone());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(pass_on(client, server, cut.subscribe()));
            }
        });
        Ok(Self {
            address,
            accepted,
            cuts,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Carries nothing more on the connections that are open now.
    pub fn cut(&self) {
        self.cuts.send_replace(());
    }
}

/// Passes bytes on in both directions; a connection that is cut stays open.
async fn pass_on(mut client: TcpStream, server: SocketAddr, mut cut: watch::Receiver<()>) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _cut = cut.changed() => std::future::pending().await,
    }
}
