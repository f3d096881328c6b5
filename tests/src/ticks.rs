//! A plain Redis subscriber, like a back end, that reads either ticks or events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use futures::StreamExt;
use serde_json::Value;
use service::clock::Clock;
use tokio::task::JoinHandle;

use crate::eventually;

/// One message of a channel.
#[derive(Clone, Debug)]
pub struct Message {
    /// The channel.
    pub channel: String,
    /// The JSON as received.
    pub text: String,
    /// The parsed JSON.
    pub tick: Value,
}

/// Counts the ticks of a pattern and keeps the newest of each instrument.
#[derive(Debug)]
pub struct Ticks {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    count: usize,
    /// How many, and the newest, by instrument.
    tokens: BTreeMap<u64, (usize, Message)>,
    numbers: BTreeMap<Source, Numbers>,
    /// The newest `pub_us`.
    newest_pub_us: i64,
    /// The first number of a source that was not one more than the number before it.
    gap: Option<String>,
    /// The first message without a number.
    unnumbered: Option<String>,
    /// Everything, if the test asked for it.
    all: Option<Vec<Message>>,
}

/// Channel, `src` and `epoch`: what `seq` counts the ticks of.
type Source = (String, String, String);

#[derive(Debug, Default)]
struct Numbers {
    count: u64,
    newest: u64,
    last: u64,
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ticks {
    /// Subscribes to `pattern` at `redis_url`.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn subscribe(redis_url: &str, pattern: &str) -> Result<Self> {
        Self::start(redis_url, pattern, None).await
    }

    /// Subscribes to `pattern` at `redis_url`, and keeps every message for [`all`](Self::all): for
    /// tests that end after some thousand ticks.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn subscribe_and_keep(redis_url: &str, pattern: &str) -> Result<Self> {
        Self::start(redis_url, pattern, Some(Vec::new())).await
    }

    /// Starts a subscriber of a pattern's events that keeps all of them, and reads no ticks.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn subscribe_to_events(redis_url: &str, pattern: &str) -> Result<Self> {
        Self::start_with(redis_url, pattern, Some(Vec::new()), true).await
    }

    async fn start(redis_url: &str, pattern: &str, all: Option<Vec<Message>>) -> Result<Self> {
        Self::start_with(redis_url, pattern, all, false).await
    }

    async fn start_with(
        redis_url: &str,
        pattern: &str,
        all: Option<Vec<Message>>,
        events: bool,
    ) -> Result<Self> {
        let mut subscription = redis::Client::open(redis_url)?.get_async_pubsub().await?;
        subscription.psubscribe(pattern).await?;
        let seen = Arc::new(Mutex::new(Seen {
            all,
            ..Seen::default()
        }));
        let sink = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut stream = subscription.into_on_message();
            while let Some(message) = stream.next().await {
                if message.get_channel_name().ends_with(":events") != events {
                    continue;
                }
                let text: String = message.get_payload().unwrap_or_default();
                let tick = serde_json::from_str(&text)
                    .unwrap_or_else(|error| panic!("a message is no JSON ({error}): {text}"));
                let channel = message.get_channel_name().to_owned();
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                sink.take(Message {
                    channel,
                    text,
                    tick,
                });
            }
        });
        Ok(Self { seen, task })
    }

    /// Everything so far.
    ///
    /// # Panics
    /// When a message was not JSON, or the subscriber does not keep them.
    #[must_use]
    pub fn all(&self) -> Vec<Message> {
        let all = self.lock().all.clone();
        all.unwrap_or_else(|| panic!("only subscribe_and_keep keeps all messages"))
    }

    /// How many so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        let mut seen = self.lock();
        let all = seen.all.as_ref().map(|_| Vec::new());
        *seen = Seen {
            all,
            ..Seen::default()
        };
    }

    /// Forgets everything that was published until now, also what this subscriber has still to read: it may be seconds
    /// behind a burst. Ticks have to flow.
    ///
    /// # Panics
    /// When no tick comes that was published later.
    pub async fn forget_published(&self) {
        let now = Clock::system().wall_micros();
        eventually("the subscriber has read up to now", async || {
            let newest = self.lock().newest_pub_us;
            (newest >= now).then_some(()).ok_or(newest)
        })
        .await;
        self.clear();
    }

    /// How many ticks of one instrument so far.
    #[must_use]
    pub fn count_of(&self, token: u64) -> usize {
        self.lock().tokens.get(&token).map_or(0, |of| of.0)
    }

    /// From which account the newest tick of each instrument is: how many of each.
    #[must_use]
    pub fn newest_sources(&self) -> BTreeMap<String, usize> {
        let mut sources = BTreeMap::new();
        for (_, newest) in self.lock().tokens.values() {
            let source = newest.tick["src"].as_str().unwrap_or_default();
            *sources.entry(source.to_owned()).or_default() += 1;
        }
        sources
    }

    /// The newest tick of one instrument.
    #[must_use]
    pub fn newest(&self, token: u64) -> Option<Message> {
        self.lock().tokens.get(&token).map(|of| of.1.clone())
    }

    /// The newest tick of the instrument with this symbol.
    #[must_use]
    pub fn newest_of_symbol(&self, symbol: &str) -> Option<Message> {
        let seen = self.lock();
        let mut newest = seen.tokens.values().map(|of| &of.1);
        newest
            .find(|message| message.tick["tradingsymbol"] == symbol)
            .cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        assert!(
            !self.task.is_finished(),
            "the subscriber ended: a message was no JSON"
        );
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `more` further messages.
    pub async fn next(&self, more: usize) {
        let goal = self.count() + more;
        eventually("further ticks", async || {
            let count = self.count();
            if count >= goal {
                Ok(())
            } else {
                Err(format!("{count} of {goal}"))
            }
        })
        .await;
    }

    /// Waits for a tick of `token` and returns its newest.
    pub async fn tick_of(&self, token: u64) -> Message {
        eventually("a tick of the token", async || {
            self.newest(token).ok_or_else(|| self.count())
        })
        .await
    }

    /// How many ticks are missing according to their numbers, over all (channel, src, epoch), each
    /// counted from 1.
    ///
    /// # Panics
    /// When a tick had no `seq`.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let seen = self.lock();
        assert_eq!(seen.unnumbered, None, "no seq");
        let sources = seen.numbers.values();
        sources.map(|source| source.newest - source.count).sum()
    }

    /// Checks that `seq` of each (channel, src, epoch) grows by one.
    ///
    /// # Panics
    /// At a gap or a repetition, or when a tick had no `seq`.
    pub fn assert_gapless(&self) {
        let seen = self.lock();
        assert_eq!(seen.unnumbered, None, "no seq");
        assert_eq!(seen.gap, None, "a gap or a repetition");
    }
}

impl Seen {
    fn take(&mut self, message: Message) {
        self.count += 1;
        let published = message.tick["pub_us"].as_i64().unwrap_or_default();
        self.newest_pub_us = self.newest_pub_us.max(published);
        match message.tick["seq"].as_u64() {
            Some(seq) => self.number(seq, &message),
            None if self.unnumbered.is_none() => self.unnumbered = Some(message.text.clone()),
            None => {}
        }
        if let Some(token) = message.tick["token"].as_u64() {
            let count = self.tokens.get(&token).map_or(0, |of| of.0);
            self.tokens.insert(token, (count + 1, message.clone()));
        }
        if let Some(all) = &mut self.all {
            all.push(message);
        }
    }

    fn number(&mut self, seq: u64, message: &Message) {
        let field = |name: &str| message.tick[name].as_str().unwrap_or_default().to_owned();
        let source = (message.channel.clone(), field("src"), field("epoch"));
        let numbers = self.numbers.entry(source).or_default();
        if numbers.count > 0 && seq != numbers.last + 1 {
            let gap = format!("{seq} after {}: {}", numbers.last, message.text);
            self.gap.get_or_insert(gap);
        }
        numbers.count += 1;
        numbers.last = seq;
        numbers.newest = seq.max(numbers.newest);
    }
}
