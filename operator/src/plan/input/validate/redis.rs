//! The Redis that an account names.
//!
//! Owns its checks, and its spelling in an assignment.

use crds::account::{Redis, RedisCluster, RedisSentinel};

use super::{invalid, origin};
use crate::plan::input::observed::InvalidSpec;

/// The Redis that an account names, spelled as in an assignment.
pub(super) fn url(redis: &Redis) -> Result<Option<String>, InvalidSpec> {
    match (&redis.url, &redis.sentinel, &redis.cluster) {
        (None, None, None) => Ok(None),
        (Some(url), None, None) => {
            let url = origin(url, ["redis://", "rediss://"], "spec.redis.url")?;
            Ok(Some(url.to_owned()))
        }
        (None, Some(sentinel), None) => sentinels(sentinel).map(Some),
        (None, None, Some(cluster)) => self::cluster(cluster).map(Some),
        _ => Err(invalid(
            "spec.redis",
            "only one of url, sentinel and cluster may be set",
        )),
    }
}

fn cluster(cluster: &RedisCluster) -> Result<String, InvalidSpec> {
    let RedisCluster {
        nodes,
        sharded_pub_sub,
        tls,
    } = cluster;
    if nodes.is_empty() || nodes.iter().any(|node| is_strange(node)) {
        return Err(invalid(
            "spec.redis.cluster",
            "needs nodes, each as host:port",
        ));
    }
    let scheme = if *tls {
        "rediss-cluster"
    } else {
        "redis-cluster"
    };
    let path = if *sharded_pub_sub { "/sharded" } else { "" };
    Ok(format!("{scheme}://{}{path}", nodes.join(",")))
}

/// Whether a text would change the meaning of the address that it is put into.
fn is_strange(text: &str) -> bool {
    text.is_empty() || text.contains([',', '/', '@'])
}

fn sentinels(sentinel: &RedisSentinel) -> Result<String, InvalidSpec> {
    let RedisSentinel { master, nodes, tls } = sentinel;
    if is_strange(master) || nodes.is_empty() || nodes.iter().any(|node| is_strange(node)) {
        return Err(invalid(
            "spec.redis.sentinel",
            "needs a master and nodes, each as host:port",
        ));
    }
    let scheme = if *tls {
        "rediss-sentinel"
    } else {
        "redis-sentinel"
    };
    Ok(format!("{scheme}://{}/{master}", nodes.join(",")))
}
