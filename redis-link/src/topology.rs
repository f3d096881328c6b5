//! Asks a Redis Cluster which master has which slots.
//!
//! Owns that one request. Must not decide when it is sent.

use std::time::Duration;

use futures::future::BoxFuture;
use redis::Value;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::command_connection::{CommandConnection, OpenError};
use super::slots::Slots;
use super::target::ServerTarget;
use service::address::Address;

/// A node that takes longer is skipped.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// The running request for a slot map.
pub(crate) type TopologyFetch = BoxFuture<'static, Result<Slots, TopologyError>>;

/// Why the map cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// No node answers in time.
    #[error(
        "no node of the redis cluster answers in time: check nodes and tls of spec.redis.cluster"
    )]
    Silent,
    /// No node can be reached; with the error of the last try.
    #[error("no node of the redis cluster can be reached: check spec.redis.cluster.nodes")]
    Unreachable(#[source] OpenError),
    /// No node returns a map; with the error of the last one.
    #[error("no node of the redis cluster reports which node owns which slots")]
    Refused(#[source] OpenError),
    /// The server answers, but has no slots.
    #[error(
        "redis at {0} reports no slots: it is not part of a cluster, or no slots are assigned yet; a single \
         server goes into spec.redis.url"
    )]
    NoSlots(String),
}

/// The map of the first of `nodes` that has one.
///
/// # Errors
/// When none has one.
pub async fn fetch_topology(
    nodes: Vec<Address>,
    access: Access,
    name: String,
) -> Result<Slots, TopologyError> {
    let mut reason = TopologyError::Silent;
    for node in nodes {
        match tokio::time::timeout(NODE_TIMEOUT, ask(&node, &access, &name)).await {
            Ok(Ok(slots)) if !slots.masters().is_empty() => return Ok(slots),
            Ok(Ok(_none)) => {
                reason = TopologyError::NoSlots(format!("{}:{}", node.host, node.port));
            }
            Ok(Err(error)) if error.is_unreachable() => reason = TopologyError::Unreachable(error),
            Ok(Err(error)) => reason = TopologyError::Refused(error),
            Err(_elapsed) => {}
        }
    }
    Err(reason)
}

async fn ask(node: &Address, access: &Access, name: &str) -> Result<Slots, OpenError> {
    let server = ServerTarget::node(node.clone());
    let mut commands =
        CommandConnection::open(&server, access, name, CancellationToken::new()).await?;
    let asked = redis::cmd("CLUSTER")
        .arg("SLOTS")
        .query_async::<Value>(&mut commands.connection)
        .await;
    match asked {
        Ok(answer) => Ok(read(&answer, node)),
        // A server outside a cluster rejects the command.
        Err(error) if error.kind() == redis::ServerErrorKind::ResponseError.into() => {
            Ok(Slots::default())
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads the answer of `asked`: first slot, last slot, the master, replicas.
fn read(answer: &Value, asked: &Address) -> Slots {
    let mut slots = Slots::default();
    for range in answer.as_sequence().unwrap_or_default() {
        if let Some((first, last, master)) = read_range(range, asked) {
            slots.add(first, last, master);
        }
    }
    slots
}

fn read_range(range: &Value, asked: &Address) -> Option<(u16, u16, Address)> {
    let [Value::Int(first), Value::Int(last), master, ..] = range.as_sequence()? else {
        return None;
    };
    Some((
        u16::try_from(*first).ok()?,
        u16::try_from(*last).ok()?,
        read_master(master.as_sequence()?, asked)?,
    ))
}

/// The address in a host, a port, an id and further names. Without a host, or where it is "?"
/// because a host name is preferred and none is set, `asked` is the master, unless another member
/// holds its address. Its certificate may be for its host name; without one, for the name of the
/// node through which the cluster was found.
fn read_master(master: &[Value], asked: &Address) -> Option<Address> {
    let [host, Value::Int(port), rest @ ..] = master else {
        return None;
    };
    let names = rest.get(1).and_then(Value::as_sequence).unwrap_or_default();
    let named = |what: &str| {
        let mut pairs = names.chunks_exact(2);
        pairs.find(|pair| text(&pair[0]).as_deref() == Some(what))
    };
    let member = |what: &str| named(what).and_then(|pair| text(&pair[1]));
    let host = text(host).or_else(|| member("ip"));
    let seed = asked.other_name.as_ref().unwrap_or(&asked.host);
    Some(Address {
        host: host.unwrap_or_else(|| asked.host.clone()),
        port: u16::try_from(*port).ok()?,
        tls: asked.tls,
        other_name: Some(member("hostname").unwrap_or_else(|| seed.clone())),
    })
}

/// The text of a member that has one.
fn text(value: &Value) -> Option<String> {
    let Value::BulkString(text) = value else {
        return None;
    };
    let text = String::from_utf8(text.clone()).ok()?;
    (!text.is_empty() && text != "?").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn seed() -> Address {
        Address::parse("seed", 1, true).unwrap()
    }

    #[test]
    fn answers_are_read() {
        let asked = seed();
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), bulk("id")]);
        let answer = Value::Array(vec![
            Value::Array(vec![
                Value::Int(0),
                Value::Int(99),
                node(bulk("10.0.0.1"), 6379),
                node(bulk("10.0.0.9"), 6379),
            ]),
            Value::Array(vec![Value::Int(100), Value::Int(200), node(Value::Nil, 7)]),
            Value::Array(vec![Value::Int(-1), Value::Int(200), node(bulk("x"), 7)]),
            Value::Array(vec![Value::Int(300)]),
            Value::Okay,
        ]);
        let slots = read(&answer, &asked);
        let master = |slot| {
            let address = &slots.masters()[slots.owner(slot)?];
            Some((address.host.as_str(), address.port, address.tls))
        };
        assert_eq!(master(99), Some(("10.0.0.1", 6379, true)));
        assert_eq!(master(100), Some(("seed", 7, true)));
        assert_eq!(master(201), None);
        assert!(read(&Value::Nil, &asked).masters().is_empty());
    }

    #[test]
    fn a_certificate_may_be_for_the_announced_host_name_or_for_the_seed() {
        let names = |pairs: &[&str]| Value::Array(pairs.iter().map(|it| bulk(it)).collect());
        let master = |host: Value, pairs: &[&str]| {
            let members = [host, Value::Int(7), bulk("id"), names(pairs)];
            let found = read_master(&members, &seed()).unwrap();
            (found.host, found.other_name.unwrap())
        };
        let pair = |host: &str, other: &str| (host.to_owned(), other.to_owned());
        let ip = || bulk("10.0.0.1");
        assert_eq!(
            master(ip(), &["hostname", "redis-0.redis"]),
            pair("10.0.0.1", "redis-0.redis")
        );
        assert_eq!(master(ip(), &[]), pair("10.0.0.1", "seed"));
        assert_eq!(master(ip(), &["hostname", ""]), pair("10.0.0.1", "seed"));
        assert_eq!(
            master(bulk("?"), &["ip", "10.0.0.1"]),
            pair("10.0.0.1", "seed")
        );
        assert_eq!(master(bulk("?"), &[]), pair("seed", "seed"));
    }
}
