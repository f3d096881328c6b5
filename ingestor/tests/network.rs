//! A network that fails silently: nothing is refused, nothing is closed, packets are lost.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use std::sync::Arc;
use std::time::Duration;

use contract::Report;
use stage::lateness::Lateness;
use stage::network::{Lost, Network};
use stage::network_scene::NetworkScene;
use stage::within;
use tokio::time::Instant;

/// TCP, which doubles its pauses from 200 ms on, tries again soon after it.
const HICCUP: Duration = Duration::from_millis(500);

/// Long enough for several windows of unanswered ticks, and TCP tries again only as long after it.
const SHORT: Duration = Duration::from_secs(7);

/// The limit of recovery.
const SOON: Duration = Duration::from_secs(1);

/// What the process may grow by: far less than the ticks of a cut.
const GROWTH: u64 = 4 * 1024 * 1024;

/// A dial that got no answer tries again each second.
const GREETED: Duration = Duration::from_secs(2);

/// A quarter of what is sent, in bits a second.
const SLOW: u32 = 8_000_000;

/// A fifth of that.
const VERY_SLOW: u32 = 1_600_000;

/// No tick is older when it comes: a window takes a second, and what waits for it is newer.
const AGE: Duration = Duration::from_millis(2500);

/// Ticks flow while the way to Redis is cut, and for a moment before and after.
async fn cut(scene: &mut NetworkScene, lost: Lost, length: Duration) -> (Vec<u64>, Healed) {
    scene.rounds_for(Duration::from_millis(500)).await;
    let links = scene.links().await;
    scene.network.cut(lost);
    let start = Instant::now();
    scene.rounds_for(length / 4).await;
    let before = scene.ingestor.resident();
    let report = scene
        .rounds_for(length.saturating_sub(start.elapsed()))
        .await;
    assert!(!report.redis.connected && report.redis.error.is_some());
    let grown = scene.ingestor.resident().saturating_sub(before);
    assert!(grown < GROWTH, "{grown} bytes more");
    assert_eq!(scene.links().await, links, "the server has not noticed");
    scene.witness.catch_up();
    (links, Healed::now(&scene.network))
}

/// Since when the network works again.
struct Healed {
    at: Instant,
    lateness: Lateness,
}

impl Healed {
    fn now(network: &Network) -> Self {
        network.heal();
        Self {
            at: Instant::now(),
            lateness: Lateness::start(),
        }
    }

    /// The newest tick of each instrument comes within `limit`.
    async fn newest_within(&self, scene: &NetworkScene, limit: Duration) {
        let newest = scene.newest().await - self.at;
        let late = self.lateness.total();
        assert!(newest < limit + late, "{newest:?}, {late:?} late");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_hiccup_the_same_link_goes_on() {
    let mut scene = NetworkScene::start().await;
    scene.rounds_for(Duration::from_millis(500)).await;
    let links = scene.links().await;
    scene.witness.catch_up();
    scene.network.cut(Lost::Everything);
    let (start, network) = (Instant::now(), Arc::clone(&scene.network));
    // Beside the load, which a busy machine takes longer to send: a long cut costs the link.
    let healing = tokio::spawn(async move {
        tokio::time::sleep(HICCUP).await;
        Healed::now(&network)
    });
    scene.send_for(HICCUP).await;
    let sent = Instant::now();
    let mut healed = within("the end of the cut", healing).await.unwrap();
    // A cut that is longer all the same is one after which TCP tries again as much later.
    let longer = (healed.at - start).saturating_sub(HICCUP);
    // The newest tick cannot come before it is sent.
    healed.at = healed.at.max(sent);
    healed.newest_within(&scene, SOON + longer).await;
    let report = scene.is_accounted_for().await;
    assert_eq!((report.redis.unknown, report.redis.refused), (0, 0));
    assert_eq!(scene.links().await, links);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_that_returns_has_the_newest_within_a_second() {
    let mut scene = NetworkScene::start().await;
    let (links, healed) = cut(&mut scene, Lost::Everything, SHORT).await;
    healed.newest_within(&scene, SOON).await;
    scene.round();
    scene.newest().await;
    let report = scene.is_accounted_for().await;
    println!("{:?}", report.redis);
    assert!(report.redis.connected && report.redis.conflated > 0);
    let next = scene.links().await;
    assert!(next.len() == 1 && next != links, "{next:?} after {links:?}");
}

/// How long a cut is that TCP gives up.
fn long() -> Duration {
    let seconds = std::env::var_os("SILENCE_SECONDS");
    let seconds = seconds.and_then(|text| text.to_str()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(75))
}

/// After a cut of this `length` the newest are there as soon as there is another link, and the server
/// has only that one.
async fn outlast(lost: Lost, length: Duration) -> (NetworkScene, Report) {
    let mut scene = NetworkScene::start().await;
    let (links, healed) = cut(&mut scene, lost, length).await;
    healed.newest_within(&scene, GREETED + SOON).await;
    scene.round();
    scene.newest().await;
    let report = scene.is_accounted_for().await;
    assert!(report.redis.connected && report.redis.unknown > 0);
    let next = scene.links().await;
    assert!(next.len() == 1 && next != links, "{next:?} after {links:?}");
    (scene, report)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "lasts for SILENCE_SECONDS: make soak"]
async fn a_network_that_is_silent_for_too_long_costs_one_window() {
    let (scene, report) = outlast(Lost::Everything, long()).await;
    println!("{:?}", report.redis);
    // Nothing of the window had come through.
    assert_eq!(scene.witness.count(), report.redis.published);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "lasts for SILENCE_SECONDS: make soak"]
async fn what_came_through_and_was_not_answered_is_not_sent_again() {
    let (scene, report) = outlast(Lost::Answers, long()).await;
    let (redis, seen) = (report.redis, scene.witness.count());
    println!("{seen} seen, {redis:?}");
    assert!(seen > redis.published, "{seen} seen, {redis:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_gets_the_newest_that_it_can_carry() {
    println!("{}", carries_the_newest(SLOW, Duration::from_secs(2)).await);
}

/// The first window is under way for five seconds; from then on it has another size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_very_slow_network_gets_no_old_ticks_either() {
    println!(
        "{}",
        carries_the_newest(VERY_SLOW, Duration::from_secs(7)).await
    );
}

/// Ticks on a network of so many bits a second are young, after it has been used for this time. Returns
/// the figures.
async fn carries_the_newest(bits: u32, known_after: Duration) -> String {
    let mut scene = NetworkScene::start().await;
    scene.network.slow_down(bits);
    scene.rounds_for(known_after).await;
    let (before, seen) = (scene.ingestor.resident(), scene.witness.count());
    let lateness = Lateness::start();
    let report = scene.rounds_for(Duration::from_secs(4)).await;
    assert!(report.redis.connected && report.redis.conflated > 0);
    let grown = scene.ingestor.resident().saturating_sub(before);
    assert!(grown < GROWTH, "{grown} bytes more");
    let seen = scene.witness.all().split_off(seen as usize);
    let oldest = seen.iter().map(|seen| seen.age).max().unwrap();
    let late = lateness.total();
    let figures = format!(
        "{} in 4 s, at most {oldest:?} old, {grown} bytes more, {late:?} late",
        seen.len()
    );
    assert!(oldest < AGE + late, "{oldest:?}, {late:?}");
    scene.network.speed_up();
    let sped_up = Instant::now();
    let newest = scene.newest().await - sped_up;
    let report = scene.is_accounted_for().await;
    assert_eq!(report.redis.unknown, 0);
    format!("{figures}, newest after {newest:?}")
}

/// A system goes on sending for a process that has ended, but nothing that would come after the first
/// ticks of the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_ended_process_had_written_does_not_come_later() {
    let mut scene = NetworkScene::start().await;
    scene.rounds_for(SOON).await;
    scene.network.cut(Lost::Everything);
    scene.rounds_for(SOON).await;
    let waiting = scene.network.unsent();
    assert!(waiting > 10_000, "{waiting} bytes wait to be sent");
    scene.ingestor.terminate();
    let ended = within("the end", scene.ingestor.child.wait()).await;
    assert!(ended.unwrap().success());
    // The FIN of a connection counts as a byte.
    let waiting = scene.network.unsent();
    assert!(waiting <= 1, "{waiting} bytes wait to be sent");
}
