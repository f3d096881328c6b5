//! Asks Redis Sentinels which server is the master now.
//!
//! Owns that one request. It is sent before every new link, so that a link that was lost in a
//! failover leads to the new master; must not stream to the master.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::error::HandshakeError;
use super::resp::{Replies, Reply, write_command};
use super::target::Sentinels;
use service::stream::{Address, connect};

/// A Sentinel that takes longer is skipped.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

const READ_BUFFER: usize = 1024;

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
    let mut stream = connect(node, tls).await?;
    let mut command = Vec::new();
    let words: [&[u8]; 3] = [b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()];
    write_command(&mut command, &words);
    stream.write_all(&command).await?;
    stream.flush().await?;
    let (mut replies, mut buffer) = (Replies::default(), [0; READ_BUFFER]);
    let mut parts: Option<usize> = None;
    let mut texts = Vec::new();
    loop {
        if parts.is_none() {
            parts = match replies.next_count()? {
                // Null: a master that it does not know.
                Some(..0) => return Ok(None),
                count => count.and_then(|count| usize::try_from(count).ok()),
            };
        }
        while let Some(count) = parts
            && texts.len() < count
            && let Some(reply) = replies.next_reply()?
        {
            match reply {
                Reply::Bulk(Some(text)) => texts.push(String::from_utf8_lossy(text).into_owned()),
                _ => return Ok(None),
            }
        }
        if let [host, port] = texts.as_slice() {
            let tls = node.tls;
            let port = port.parse().ok();
            let host = host.clone();
            return Ok(port.map(|port| Address { host, port, tls }));
        }
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        replies.extend(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use service::tls::Roots;
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
                let _request = stream.read(&mut [0; READ_BUFFER]).await.unwrap();
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
