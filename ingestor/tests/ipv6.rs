//! A network with IPv6 alone: Kite, Redis and the process itself at `::1`.

mod stage;

use std::net::SocketAddr;

use stage::kite_server::{KiteServer, Seen, frame, full};
use stage::redis_server::{RedisServer, free_port};
use stage::{ACCESS_TOKEN, Folders, Ingestor, assignment, is_live, option, token};

/// What the pod template says.
const EVERY_ADDRESS: &str = "0.0.0.0";

#[tokio::test]
async fn a_process_whose_network_has_ipv6_alone_streams_and_is_reached() {
    let settings = ["--bind", "::1", "127.0.0.1"];
    let redis = RedisServer::start_with(free_port().await, &settings).await;
    let (mut kite, folders) = (KiteServer::start_at("::1").await, Folders::new());
    let mut ticks = redis.subscribe().await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.redis_url = format!("redis://[::1]:{}", redis.port());
    assigned.instruments = vec![option(1)];
    folders.assign(&assigned);
    folders.credentials_of(ACCESS_TOKEN);

    let mut ingestor = Ingestor::start_at(EVERY_ADDRESS, &folders).await;
    let listening: SocketAddr = ingestor.address().parse().unwrap();
    ingestor.reach_at(&format!("[::1]:{}", listening.port()));
    let socket = kite.socket().await;
    assert_eq!(kite.seen().await, Seen::Opened);
    kite.sees_subscription(&[1]).await;
    ingestor.until("live", is_live).await;
    socket.send(frame(&[full(token(1), 70)])).unwrap();
    assert_eq!(ticks.tick().await["tradingsymbol"], "TEST1CE");
    ingestor.until_status("/readyz", 200).await;

    // And a cluster with IPv4 alone sees no difference.
    ingestor.reach_at(&format!("127.0.0.1:{}", listening.port()));
    assert!(is_live(&ingestor.report().await));
}
