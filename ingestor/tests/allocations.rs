//! From a frame to Redis nothing is allocated per tick, measured by a counting allocator.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use contract::{Assignment, Chain, StreamLength};
use ingestor::pipeline::Pipeline;
use ingestor::pipeline::instruments::AssignedInstruments;
use kite::{Depth, Detail, FrameBuilder, Full, Level, Packet, Quote};
use redis_link::client::RedisClient;
use redis_link::target::Target;
use service::clock::Clock;

/// In a frame; all of them are in each.
const INSTRUMENTS: u32 = 20;

/// So many of them are needed for their price alone.
const UNREAD: u32 = 2;

/// A third of what Redis may leave unanswered.
const FRAMES: i32 = 12;

/// Between two frames: all of them together are longer than the interval of last values.
const BEAT: Duration = Duration::from_millis(5);

/// How long a [`stage::LOOK`] of the manual clock takes.
const SLOWED: Duration = Duration::from_millis(50);

fn frame(price: i32, now: u32) -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    for number in 1..=INSTRUMENTS {
        // The first is the future that the others rest on, at about a thousand rupees.
        let bid = if number == 1 { 100_000 } else { 2_000 } + price;
        let level = |price| Level {
            quantity: 1,
            price,
            orders: 1,
        };
        let mut depth = Depth::default();
        (depth.buy[0], depth.sell[0]) = (level(bid), level(bid + 10));
        let full = Full {
            exchange_time: now,
            depth,
            ..Full::default()
        };
        let packet = Packet {
            token: stage::token(number),
            last_price: price,
            detail: Detail::Full(Quote::default(), full),
        };
        assert!(builder.push(&packet));
    }
    builder.finish()
}

/// Turns it until `done`, with an alarm for what it does unasked, and returns how often it allocated
/// meanwhile. Its clock is slow, so that a Redis without a processor is not taken for one that is gone.
async fn turn(pipeline: &mut Pipeline, clock: &Clock, done: impl Fn(&Pipeline) -> bool) -> u64 {
    let mut alarm = Box::pin(tokio::time::sleep(SLOWED));
    let mut allocations = 0;
    let turning = poll_fn(|cx| {
        loop {
            let turns = allocation_counter::measure(|| while pipeline.poll(cx, clock.now()) {});
            allocations += turns.count_total;
            if done(pipeline) {
                return Poll::Ready(());
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            clock.advance(stage::LOOK);
            alarm.as_mut().reset(tokio::time::Instant::now() + SLOWED);
        }
    });
    stage::within("the pipeline", turning).await;
    allocations
}

/// Makes the first instrument the future of a chain, and the others its options.
fn with_greeks(assigned: &mut Assignment, expiry_ts: i64) {
    assigned.chains = vec![Chain {
        exchange: "NFO".to_owned(),
        underlying: "TEST".to_owned(),
        expiry: jiff::civil::date(2026, 12, 1),
        expiry_ts,
        settles_ts: None,
        r: Some(0.0525),
        q: 0.0,
        future: Some(stage::token(1)),
        parity: Vec::new(),
        carry: None,
        spot: None,
    }];
    for row in &mut assigned.instruments[1..] {
        (row.chain, row.strike) = (Some(0), Some(1_000.0));
        for output in &mut row.outputs {
            output.greeks = true;
        }
    }
}

#[tokio::test]
async fn ticks_go_through_without_an_allocation() {
    let (kite, redis, _folders) = stage::servers().await;
    let mut assigned = stage::assignment(&kite, redis.port());
    assigned.instruments = (1..=INSTRUMENTS).map(stage::option).collect();
    stage::keep_all(&mut assigned, Some(StreamLength::Entries(1_000)));
    for row in &mut assigned.instruments[..UNREAD as usize] {
        row.reference = true;
        row.outputs.clear();
    }
    let clock = Clock::manual(Clock::system().wall());
    with_greeks(&mut assigned, clock.wall_micros() / 1_000_000 + 86_400);
    let client = RedisClient::new(stage::access(), "kite-ingestor:test".to_owned(), 1);
    let mut pipeline = Pipeline::new(client, clock.clone());
    pipeline.replace(AssignedInstruments::build(&assigned, "1", false));
    pipeline.set_target(&Target::parse(&assigned.redis_url).unwrap());
    turn(&mut pipeline, &clock, |pipeline| pipeline.redis.is_open()).await;
    let now = u32::try_from(clock.wall_micros() / 1_000_000).unwrap();

    let frames: Vec<_> = (0..FRAMES).map(|price| frame(price, now)).collect();
    let publish = |pipeline: &mut Pipeline| {
        let mut cx = Context::from_waker(Waker::noop());
        for frame in &frames {
            clock.advance(BEAT);
            pipeline.on_frame(frame, clock.now());
            pipeline.poll(&mut cx, clock.now());
        }
    };

    // Buffers find their size: the largest is that of a Redis that answers nothing for twice as long.
    for _ in 0..2 {
        redis.signal("-STOP");
        publish(&mut pipeline);
        publish(&mut pipeline);
        redis.signal("-CONT");
        turn(&mut pipeline, &clock, Pipeline::is_drained).await;
    }
    let before = pipeline.stats.ticks;
    let allocations = allocation_counter::measure(|| publish(&mut pipeline));
    let ticks = pipeline.stats.ticks - before;
    assert_eq!(ticks, u64::from(INSTRUMENTS) * FRAMES as u64);
    assert_eq!(pipeline.stats.conflated, 0);
    assert_eq!(allocations.count_total, 0, "{allocations:?}");

    let while_answered = turn(&mut pipeline, &clock, Pipeline::is_drained).await;
    assert_eq!(while_answered, 0, "allocations while Redis answers");
    let counts = pipeline.redis.counts();
    let read = u64::from(INSTRUMENTS - UNREAD);
    assert_eq!(
        counts.published * u64::from(INSTRUMENTS),
        pipeline.stats.ticks * read
    );
    assert!(
        counts.keys_written > counts.published,
        "streams and last values"
    );
    let field = stage::token(INSTRUMENTS).0.to_string();
    let newest = redis
        .command(&["HGET", "mock:ticker:test:last", &field])
        .await;
    assert!(newest.contains(r#""greeks":"ok","fwd":1000."#), "{newest}");
}
