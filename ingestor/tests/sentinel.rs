//! Redis behind Sentinels: the master is found, and found again after a failover.

mod stage;

use std::process::Stdio;

use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::{RedisServer, free_port};
use stage::{ACCESS_TOKEN, Folders, Ingestor, assignment, option, servers, token};
use tokio::process::{Child, Command};

/// A Sentinel that watches `master` alone (quorum 1).
async fn sentinel(master: u16, folder: &std::path::Path) -> (u16, Child) {
    let port = free_port().await;
    let config = folder.join("sentinel.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor ours 127.0.0.1 {master} 1\n\
         sentinel down-after-milliseconds ours 500\nsentinel failover-timeout ours 3000\n",
        folder.display()
    );
    std::fs::write(&config, text).expect("a temporary folder");
    let child = Command::new("redis-server")
        .arg(&config)
        .arg("--sentinel")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed");
    (port, child)
}

#[tokio::test]
async fn a_failover_is_followed() {
    let (mut kite, mut first, second) = (
        KiteServer::start().await,
        RedisServer::start().await,
        RedisServer::start().await,
    );
    let port = first.port().to_string();
    second.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let folder = tempfile::tempdir().unwrap();
    let (port, _sentinel) = sentinel(first.port(), folder.path()).await;
    // A Sentinel that is away is skipped.
    let nowhere = free_port().await;
    let folders = Folders::new();
    let mut assigned = assignment(&kite, first.port());
    assigned.redis_url = format!("redis-sentinel://127.0.0.1:{nowhere},127.0.0.1:{port}/ours");
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor
        .until("the master", |report| report.redis.connected)
        .await;
    let mut ticks = first.subscribe().await;
    socket.send(frame(&[full(token(1), 1)])).unwrap();
    assert_eq!(ticks.tick().await["seq"], 1);

    // The Sentinel has to know of the replica before it can choose it.
    let mut look = tokio::time::interval(std::time::Duration::from_millis(100));
    let known = async {
        loop {
            look.tick().await;
            let port = port.to_string();
            let output = Command::new("redis-cli")
                .args(["-p", &port, "SENTINEL", "replicas", "ours"])
                .output()
                .await
                .unwrap();
            if String::from_utf8_lossy(&output.stdout).contains(&second.port().to_string()) {
                return;
            }
        }
    };
    stage::within("the sentinel knows the replica", known).await;
    first.kill().await;
    ingestor
        .until("away", |report| !report.redis.connected)
        .await;
    socket.send(frame(&[full(token(1), 2)])).unwrap();
    let report = ingestor
        .until("the new master", |report| report.redis.connected)
        .await;
    assert_eq!(report.connections[0].reconnects, 0);
    let mut ticks = second.subscribe().await;
    socket.send(frame(&[full(token(1), 3)])).unwrap();
    while ticks.tick().await["seq"] != 3 {}
    assert_eq!(
        second.command(&["ROLE"]).await.lines().next(),
        Some("master")
    );
}

#[tokio::test]
async fn who_knows_no_master_is_told_apart_from_who_does_not_answer() {
    let (mut kite, redis, folders) = servers().await;
    let folder = tempfile::tempdir().unwrap();
    let (port, _sentinel) = sentinel(redis.port(), folder.path()).await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.redis_url = format!("redis-sentinel://127.0.0.1:{port}/theirs");
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    let ingestor = Ingestor::start(&folders).await;
    let _socket = kite.socket().await;
    let says = |what: &'static str| {
        move |report: &contract::Report| {
            report
                .redis
                .error
                .as_deref()
                .is_some_and(|error| error.contains(what))
        }
    };
    ingestor
        .until("no master", says("know no master theirs"))
        .await;
    assigned.generation += 1;
    assigned.redis_url = format!("redis-sentinel://127.0.0.1:{}/ours", free_port().await);
    folders.assign(&assigned);
    ingestor
        .until("no sentinel", says("no sentinel answers"))
        .await;
}
