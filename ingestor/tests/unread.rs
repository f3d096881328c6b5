//! A subscriber that does not read affects only Redis.

mod stage;

use kite::Packet;
use stage::kite_server::{frame, full};
use stage::witness::Witness;
use stage::{Ingestor, assignment, is_live, option, servers, token};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

const INSTRUMENTS: u32 = 100;

/// More than the buffers of a connection and Redis's limit take together.
const ROUNDS: u32 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_does_not_read_harms_no_other() {
    let (mut kite, redis, folders) = servers().await;
    let limit = "pubsub 2mb 2mb 0";
    redis
        .command(&["CONFIG", "SET", "client-output-buffer-limit", limit])
        .await;
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = (1..=INSTRUMENTS).map(option).collect();
    folders.assign(&assigned);
    let witness = Witness::of(&redis).await;
    let deaf = TcpSocket::new_v4().unwrap();
    // Small, so that it fills soon.
    deaf.set_recv_buffer_size(4096).unwrap();
    let address = format!("127.0.0.1:{}", redis.port()).parse().unwrap();
    let mut deaf = deaf.connect(address).await.unwrap();
    deaf.write_all(b"PSUBSCRIBE *\r\n").await.unwrap();
    let two = |list: &str| list.lines().count() == 2;
    redis
        .answers(&["CLIENT", "LIST", "TYPE", "pubsub"], two)
        .await;
    let ingestor = Ingestor::start(&folders).await;
    let socket = kite.socket().await;
    ingestor.until("live", is_live).await;

    for price in 1..=ROUNDS {
        let packets: Vec<Packet> = (1..=INSTRUMENTS)
            .map(|number| full(token(number), i32::try_from(price).unwrap()))
            .collect();
        socket.send(frame(&packets)).unwrap();
        // Not faster than the one that reads.
        let total = u64::from(price * INSTRUMENTS);
        witness.has(total).await;
    }
    let one = |list: &str| list.lines().count() == 1;
    redis
        .answers(&["CLIENT", "LIST", "TYPE", "pubsub"], one)
        .await;
    let total = u64::from(ROUNDS * INSTRUMENTS);
    let report = ingestor
        .until("everything", |report| report.redis.published == total)
        .await;
    witness.is_in_order();
    assert_eq!(witness.count(), total);
    let redis = report.redis;
    assert!(redis.connected);
    assert_eq!((redis.conflated, redis.unknown, redis.refused), (0, 0, 0));
    assert!(
        ingestor
            .get("/metrics")
            .await
            .1
            .contains("kiteticker_redis_reconnects_total 0")
    );
    drop(deaf);
}
