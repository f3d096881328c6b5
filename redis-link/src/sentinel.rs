//! Asks Redis Sentinels which server is the master now.
//!
//! Owns which of the servers that they name is used, and the question, while a link is open, whether
//! they name another one. They are asked before every new link, so that a link that was lost in a
//! failover leads to the new master. One of them may be wrong: the server that most of them name is
//! tried first, and the next one if that is no master.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use service::address::Address;

use super::access::{Access, LinkCredentials};
use super::error::HandshakeError;
use super::introduction::{Established, Introduction, log_in};
use super::resp_stream::{OwnedReply, RespStream};
use super::target::{Sentinels, ServerTarget};

/// A Sentinel that takes longer is skipped.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// A server that they name and that takes longer is skipped.
const MASTER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often they are asked while a link is open.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// What each Sentinel answered, in their order.
type Answers = Vec<(Address, Result<Option<Address>, HandshakeError>)>;

/// Opens a link to the master. `tried` gets what is wrong with the servers that were tried.
///
/// # Errors
/// When no Sentinel answers, or none names a server that can be used.
pub(super) async fn open_master(
    sentinels: &Sentinels,
    link: &Introduction<'_>,
    tried: &mut Vec<String>,
) -> Result<Established, HandshakeError> {
    let answers = ask_all(sentinels, link.keys).await;
    let candidates = candidates(&answers);
    if candidates.is_empty() {
        return Err(HandshakeError::no_sentinel(&sentinels.master, &answers));
    }
    for server in candidates {
        let named_by = answers.iter().filter(|(_, named)| names(named, server));
        let named_by: Vec<String> = named_by.map(|(node, _)| place(node)).collect();
        let what = match tokio::time::timeout(MASTER_TIMEOUT, link.open(server)).await {
            Ok(Ok(established)) => return Ok(established),
            Ok(Err(error)) => service::exit::chain(&error).to_string(),
            Err(_elapsed) => "no answer".to_owned(),
        };
        let named_by = named_by.join(", ");
        tried.push(format!("{}, named by {named_by}: {what}", place(server)));
    }
    Err(HandshakeError::unusable_master(&sentinels.master, tried))
}

/// Asks all of them at once.
async fn ask_all(sentinels: &Sentinels, keys: &LinkCredentials) -> Answers {
    let asked = sentinels.nodes.iter().map(async |node| {
        let asked = ask(node, &sentinels.master, keys);
        let answer = tokio::time::timeout(NODE_TIMEOUT, asked).await;
        let late = HandshakeError::Timeout {
            after: NODE_TIMEOUT,
            tls: false,
        };
        (node.clone(), answer.unwrap_or(Err(late)))
    });
    join_all(asked).await
}

async fn ask(
    node: &Address,
    master: &str,
    keys: &LinkCredentials,
) -> Result<Option<Address>, HandshakeError> {
    let mut sentinel = RespStream::connect(node, &keys.tls).await?;
    if let Some(login) = &keys.sentinel_login {
        log_in(&mut sentinel, login).await?;
    }
    let words: [&[u8]; 3] = [b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()];
    let texts = match sentinel.ask(&words).await? {
        OwnedReply::List(texts) => texts,
        answer => {
            answer.accepted()?;
            Vec::new()
        }
    };
    read(node, &texts)
}

/// The server that the Sentinel at `node` names. An unknown master is null, which is read as an empty
/// list.
fn read(node: &Address, texts: &[String]) -> Result<Option<Address>, HandshakeError> {
    let [host, rest @ ..] = texts else {
        return Ok(None);
    };
    let port = rest.first().and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| {
        let text = texts.join(" ");
        HandshakeError::Refused(format!("it names a master that cannot be read: {text}"))
    })?;
    Ok(Some(Address {
        host: host.clone(),
        port,
        tls: node.tls,
        other_name: Some(node.host.clone()),
    }))
}

/// The servers that they name, those that more of them name first.
fn candidates(answers: &Answers) -> Vec<&Address> {
    let mut servers: Vec<&Address> = Vec::new();
    for (_, answer) in answers {
        if let Ok(Some(server)) = answer
            && !servers.contains(&server)
        {
            servers.push(server);
        }
    }
    servers.sort_by_key(|server| std::cmp::Reverse(votes(answers, server)));
    servers
}

fn votes(answers: &Answers, server: &Address) -> usize {
    let named = answers.iter().filter(|(_, named)| names(named, server));
    named.count()
}

fn names(answer: &Result<Option<Address>, HandshakeError>, server: &Address) -> bool {
    matches!(answer, Ok(Some(named)) if named == server)
}

fn place(address: &Address) -> String {
    format!("{}:{}", address.host, address.port)
}

/// The server that more Sentinels name than `linked`.
fn replacement<'a>(answers: &'a Answers, linked: &Address) -> Option<&'a Address> {
    let first = candidates(answers).first().copied();
    first.filter(|first| votes(answers, first) > votes(answers, linked))
}

/// Asks, while a link is open, whether another server is the master now.
#[derive(Default)]
pub(super) struct SentinelWatch {
    question: Option<BoxFuture<'static, bool>>,
    asked: Option<Instant>,
}

impl SentinelWatch {
    /// The link has ended.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// When [`SentinelWatch::poll`] has to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waits = self.question.is_none();
        self.asked.filter(|_| waits).map(|asked| asked + ASK_EVERY)
    }

    /// Asks from time to time; returns whether the server `linked` was replaced.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        sentinels: &Sentinels,
        (target, name, access): (&ServerTarget, &str, &Access),
        linked: &Address,
    ) -> bool {
        // They were asked when the link was opened.
        let asked = *self.asked.get_or_insert(now);
        if self.question.is_none() && now.saturating_duration_since(asked) >= ASK_EVERY {
            self.asked = Some(now);
            let (sentinels, linked) = (sentinels.clone(), linked.clone());
            let (target, name, access) = (target.clone(), name.to_owned(), access.clone());
            self.question = Some(Box::pin(async move {
                let Ok(keys) = access.read(target.tls()).await else {
                    return false;
                };
                let answers = ask_all(&sentinels, &keys).await;
                let Some(other) = replacement(&answers, &linked) else {
                    return false;
                };
                // One that cannot be used would lead back here.
                let link = Introduction::new(&target, &keys, &name, None);
                let opened = tokio::time::timeout(MASTER_TIMEOUT, link.open(other)).await;
                matches!(opened, Ok(Ok(_)))
            }));
        }
        let question = self.question.as_mut();
        let Some(Poll::Ready(replaced)) = question.map(|question| question.as_mut().poll(cx))
        else {
            return false;
        };
        self.question = None;
        replaced
    }
}

#[cfg(test)]
mod tests {
    use service::tls::Roots;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    fn address(port: u16) -> Address {
        Address::parse("127.0.0.1", port, false).unwrap()
    }

    fn answers(named: &[Option<u16>]) -> Answers {
        let answer = |port: &Option<u16>| (address(1), Ok(port.map(address)));
        named.iter().map(answer).collect()
    }

    #[test]
    fn who_most_of_them_name_is_tried_first() {
        let answers = answers(&[Some(7), None, Some(8), Some(8), Some(9)]);
        let ports: Vec<u16> = candidates(&answers).iter().map(|it| it.port).collect();
        assert_eq!(ports, [8, 7, 9]);
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_that_of_one_that_knows_no_master() {
        let read = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            super::read(&address(1), &texts)
        };
        assert!(matches!(read(&[]), Ok(None)));
        assert_eq!(read(&["h", "7"]).unwrap().unwrap().port, 7);
        for texts in [&["h", "70000"][..], &["h"]] {
            let answers = vec![(address(1), read(texts))];
            let error = HandshakeError::no_sentinel("mymaster", &answers).to_string();
            assert!(
                error.contains(&format!("cannot be read: {}", texts.join(" "))),
                "{error}"
            );
        }
    }

    #[test]
    fn one_of_several_sentinels_replaces_no_master() {
        let replaced = |named: &[Option<u16>]| {
            let answers = answers(named);
            replacement(&answers, &address(7)).map(|server| server.port)
        };
        assert_eq!(replaced(&[Some(8), Some(7)]), None);
        assert_eq!(replaced(&[None, None]), None);
        assert_eq!(replaced(&[Some(8), Some(7), Some(8)]), Some(8));
        assert_eq!(replaced(&[Some(8), None]), Some(8));
    }

    #[test]
    fn one_that_closes_without_an_answer_does_not_know_the_masters() {
        service::tls::install();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let error = runtime.block_on(async {
            let access = Access::new(None, Roots::of_machine()).unwrap();
            let keys = access.read(false).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let sentinels = Sentinels {
                master: "mymaster".to_owned(),
                nodes: vec![address(listener.local_addr().unwrap().port())],
            };
            let closing = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _request = stream.read(&mut [0; 1024]).await.unwrap();
            };
            let (answers, ()) = tokio::join!(ask_all(&sentinels, &keys), closing);
            HandshakeError::no_sentinel(&sentinels.master, &answers)
        });
        assert!(
            matches!(error, HandshakeError::NoSentinel { .. }),
            "{error}"
        );
    }
}
