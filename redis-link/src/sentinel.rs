//! Asks Redis Sentinels which server is the master now.
//!
//! Owns that one request. It is sent before every new link, so that a link that was lost in a
//! failover leads to the new master; must not talk to the master.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::error::HandshakeError;
use super::replies::Replies;
use super::resp_stream::RespStream;
use super::target::Sentinels;
use service::stream::Address;

/// A Sentinel that takes longer is skipped.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// The master, according to the first Sentinel that answers.
///
/// # Errors
/// When no Sentinel answers, or none knows a master of this name.
pub(super) async fn master(
    sentinels: &Sentinels,
    tls: &Arc<ClientConfig>,
) -> Result<Address, HandshakeError> {
    let mut unknown = false;
    for node in &sentinels.nodes {
        let asked = tokio::time::timeout(NODE_TIMEOUT, ask(node, &sentinels.master, tls)).await;
        match asked {
            Ok(Ok(Some(address))) => return Ok(address),
            Ok(Ok(None)) => unknown = true,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    let master = sentinels.master.clone();
    Err(if unknown {
        HandshakeError::NoMaster { master }
    } else {
        HandshakeError::NoSentinel { master }
    })
}

async fn ask(
    node: &Address,
    master: &str,
    tls: &Arc<ClientConfig>,
) -> Result<Option<Address>, HandshakeError> {
    let mut sentinel = RespStream::connect(node, tls).await?;
    let words: [&[u8]; 3] = [b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()];
    let texts = sentinel.ask(&words, Replies::next_texts).await?;
    // An unknown master is null, which is read as an empty list.
    let [host, port, ..] = texts.as_slice() else {
        return Ok(None);
    };
    let (host, tls) = (host.clone(), node.tls);
    let port = port.parse().ok();
    Ok(port.map(|port| Address { host, port, tls }))
}

#[cfg(test)]
mod tests {
    use service::tls::Roots;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn one_that_closes_without_an_answer_does_not_know_the_masters() {
        service::tls::install();
        let tls = Roots::of_machine().client_config(None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let error = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let sentinels = Sentinels {
                master: "mymaster".to_owned(),
                nodes: vec![Address {
                    host: "127.0.0.1".to_owned(),
                    port,
                    tls: false,
                }],
            };
            let closing = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _request = stream.read(&mut [0; 1024]).await.unwrap();
            };
            let (error, ()) = tokio::join!(master(&sentinels, &tls), closing);
            error.unwrap_err()
        });
        assert!(
            matches!(error, HandshakeError::NoSentinel { .. }),
            "{error}"
        );
    }
}
