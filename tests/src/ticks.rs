//! A plain Redis subscriber, like a back end, that reads ticks and no events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use futures::StreamExt;
use serde_json::Value;
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

/// Collects every tick of a pattern.
#[derive(Debug)]
pub struct Ticks {
    messages: Arc<Mutex<Vec<Message>>>,
    task: JoinHandle<()>,
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
        let mut subscription = redis::Client::open(redis_url)?.get_async_pubsub().await?;
        subscription.psubscribe(pattern).await?;
        let messages = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&messages);
        let task = tokio::spawn(async move {
            let mut stream = subscription.into_on_message();
            while let Some(message) = stream.next().await {
                if message.get_channel_name().ends_with(":events") {
                    continue;
                }
                let text: String = message.get_payload().unwrap_or_default();
                let tick = serde_json::from_str(&text)
                    .unwrap_or_else(|error| panic!("a message is no JSON ({error}): {text}"));
                let channel = message.get_channel_name().to_owned();
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                sink.push(Message {
                    channel,
                    text,
                    tick,
                });
            }
        });
        Ok(Self { messages, task })
    }

    /// Everything so far.
    ///
    /// # Panics
    /// When a message was not JSON.
    #[must_use]
    pub fn all(&self) -> Vec<Message> {
        self.lock().clone()
    }

    /// How many so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The ticks of one instrument so far.
    #[must_use]
    pub fn of(&self, token: u64) -> Vec<Message> {
        let messages = self.lock();
        let of_token = messages
            .iter()
            .filter(|message| message.tick["token"] == token);
        of_token.cloned().collect()
    }

    /// The newest tick of one instrument.
    #[must_use]
    pub fn newest(&self, token: u64) -> Option<Message> {
        let messages = self.lock();
        let of_token = |message: &&Message| message.tick["token"] == token;
        messages.iter().rfind(of_token).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Message>> {
        assert!(
            !self.task.is_finished(),
            "the subscriber ended: a message was no JSON"
        );
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// When a tick has no `seq`.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let mut channels: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for message in self.lock().iter() {
            let (count, newest) = channels.entry(channel_key(message)).or_default();
            *count += 1;
            *newest = seq(message).max(*newest);
        }
        channels
            .into_values()
            .map(|(count, newest)| newest - count)
            .sum()
    }

    /// Checks that `seq` of each (channel, src, epoch) grows by one.
    ///
    /// # Panics
    /// At a gap or a repetition.
    pub fn assert_gapless(&self) {
        let mut last = BTreeMap::new();
        for message in self.lock().iter() {
            let key = channel_key(message);
            let seq = seq(message);
            if let Some(previous) = last.insert(key.clone(), seq) {
                assert_eq!(seq, previous + 1, "gap in {key:?}");
            }
        }
    }
}

fn channel_key(message: &Message) -> (String, String, String) {
    let field = |name: &str| message.tick[name].as_str().unwrap_or_default().to_owned();
    (message.channel.clone(), field("src"), field("epoch"))
}

fn seq(message: &Message) -> u64 {
    message.tick["seq"]
        .as_u64()
        .unwrap_or_else(|| panic!("no seq: {}", message.text))
}
