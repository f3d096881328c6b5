//! What is forgotten with another Redis.

use service::tls::Roots;

use super::*;
use crate::events::message::EventBody;

#[tokio::test]
async fn another_redis_is_begun_with_though_there_was_no_connection() {
    service::tls::install();
    let (health, told) = watch::channel(DirectoryHealth::default());
    let ports = DirectoryPorts {
        listing: watch::channel(None).1,
        events: mpsc::channel(1).1,
        alive: watch::channel(None).1,
        market: watch::channel(Arc::default()).1,
        ticks_at: watch::channel(None).1,
        counts: Arc::default(),
        health,
    };
    let access = Access::new(None, Roots::of_machine()).unwrap();
    let mut task = DirectoryTask::new(access, "name".to_owned(), Clock::default(), ports);
    let assignment = crate::pipeline::instruments::tests::sample();
    let mut enter = |url: &str| {
        let target = Target::parse(url).unwrap();
        task.enter(&DirectoryListing::new(&assignment, target));
        let waiting = task.sync.events.len();
        let body = EventBody::new("subscription_created", &serde_json::Value::Null, &[]);
        task.sync.events.push_back(body);
        task.sender
            .take(Part::Alive, Some("NOPERM"), task.clock.now());
        waiting
    };
    assert_eq!(enter("redis://a"), 0);
    assert_eq!(enter("redis://a"), 1, "a connection that is opened again");
    assert_eq!(enter("redis://b"), 0);
    assert_eq!(told.borrow().remarks.len(), 1);
}
