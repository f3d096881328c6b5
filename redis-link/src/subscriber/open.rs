//! One open connection that subscribes: what was asked, what the server has confirmed, and whether it
//! still speaks.
//!
//! Owns the difference between what is wanted and what is subscribed to, and pings. Must not connect.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use service::address::Address;
use service::stream::Stream;
use service::text::printable;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::event::ChannelEvent;
use super::push::{self, Push};
use crate::access::Access;
use crate::introduction::Established;
use crate::replies::{InvalidReply, Replies};
use crate::resp::write_command;
use crate::sentinel::SentinelWatch;
use crate::target::{ServerAddress, ServerTarget};

/// A server that says nothing for this long is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(1);

/// A server that says nothing for this long, though it was asked, stands still or cannot be reached.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// When a channel that was refused is asked for again: rights may have been given meanwhile.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The longest text about a refusal.
const LONGEST_REFUSAL: usize = 200;

const READ_BUFFER: usize = 64 * 1024;

/// Why an open connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("redis closed the connection of a subscriber: it may have read too slowly")]
    Closed,
    #[error("connection to redis broke: {}", .0.kind())]
    Io(#[from] io::Error),
    #[error(transparent)]
    InvalidReply(#[from] InvalidReply),
    #[error("redis stands still, or cannot be reached any more")]
    Silent,
    #[error("the sentinels name another server as the master now")]
    Replaced,
}

/// What belongs to one open stream.
pub(super) struct OpenConnection {
    stream: Stream,
    address: Address,
    replies: Replies,
    buffer: Box<[u8]>,
    /// What is to be written, and how much of it is.
    out: Vec<u8>,
    written: usize,
    channels: BTreeMap<Box<str>, ChannelState>,
    /// What was asked and is not answered, in order.
    asked: VecDeque<Question>,
    heard: Instant,
    pinged: Option<Instant>,
    watch: SentinelWatch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChannelState {
    Asked,
    Subscribed,
    Leaving,
    Refused { until: Instant },
}

enum Question {
    Subscribe(Box<str>),
    Unsubscribe(Box<str>),
    Ping,
}

/// What the server's pushes mean for the connection.
#[derive(Default)]
pub(super) struct Told {
    pub(super) dirty: bool,
    pub(super) moved: bool,
    pub(super) refusal: Option<String>,
}

impl OpenConnection {
    pub(super) fn new(established: Established, now: Instant) -> Self {
        Self {
            stream: established.stream,
            address: established.address,
            replies: Replies::default(),
            buffer: vec![0; READ_BUFFER].into(),
            out: Vec::new(),
            written: 0,
            channels: BTreeMap::new(),
            asked: VecDeque::new(),
            heard: now,
            pinged: None,
            watch: SentinelWatch::default(),
        }
    }

    /// Whether a channel is subscribed to.
    pub(super) fn has(&self, channel: &str) -> bool {
        self.channels.get(channel) == Some(&ChannelState::Subscribed)
    }

    /// When it has to be polled even if the socket does not wake it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let wait = if self.pinged.is_some() {
            SILENT_AFTER
        } else {
            PING_AFTER
        };
        let refused = self.channels.values().filter_map(|state| match state {
            ChannelState::Refused { until } => Some(*until),
            _ => None,
        });
        let next = refused.chain([self.heard + wait]);
        next.chain(self.watch.deadline()).min()
    }

    /// Asks the Sentinels, if there are any, whether another server is the master now.
    pub(super) fn watch(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        asked: (&ServerTarget, &str, &Access),
    ) -> Result<(), ConnectionError> {
        if let ServerAddress::Sentinels(sentinels) = &asked.0.address
            && self.watch.poll(cx, now, sentinels, asked, &self.address)
        {
            return Err(ConnectionError::Replaced);
        }
        Ok(())
    }

    /// Reads what one buffer holds; returns whether there may be more.
    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<bool, ConnectionError> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Err(ConnectionError::Closed),
            Poll::Ready(Ok(())) => {
                self.replies.extend(buffer.filled());
                self.heard = now;
                self.pinged = None;
                Ok(true)
            }
        }
    }

    pub(super) fn take_pushes(
        &mut self,
        now: Instant,
        wanted: &BTreeSet<Box<str>>,
        emit: &mut dyn FnMut(ChannelEvent<'_>),
    ) -> Result<Told, ConnectionError> {
        let mut told = Told::default();
        while let Some(reply) = self.replies.next_reply()? {
            match push::read(reply) {
                Push::Message { channel, payload } => {
                    emit(ChannelEvent::Message { channel, payload });
                }
                Push::Subscribed(channel) => {
                    let first = self.asked.front();
                    if matches!(first, Some(Question::Subscribe(name)) if **name == *channel) {
                        self.asked.pop_front();
                        let state = ChannelState::Subscribed;
                        self.channels.insert(channel.into(), state);
                        told.dirty = true;
                        if wanted.contains(channel) {
                            emit(ChannelEvent::Subscribed { channel });
                        }
                    }
                }
                Push::Unsubscribed(channel) => {
                    let first = self.asked.front();
                    let asked =
                        matches!(first, Some(Question::Unsubscribe(name)) if **name == *channel);
                    if asked {
                        self.asked.pop_front();
                    }
                    // Of two that crossed, the answer to our question ends the matter.
                    let before = self.channels.remove(channel);
                    told.dirty = true;
                    if !asked && before == Some(ChannelState::Subscribed) {
                        told.moved = true;
                        if wanted.contains(channel) {
                            emit(ChannelEvent::Lost { channel });
                        }
                    }
                }
                Push::Pong => {
                    if matches!(self.asked.front(), Some(Question::Ping)) {
                        self.asked.pop_front();
                    }
                }
                Push::Refused(text) => {
                    let text = String::from_utf8_lossy(text);
                    told.moved |= text.starts_with("MOVED ") || text.starts_with("CLUSTERDOWN");
                    if let Some(Question::Subscribe(channel)) = self.asked.pop_front() {
                        let until = now + ASK_AGAIN;
                        let text = format!("redis refuses the channel {channel}: {text}");
                        told.refusal = Some(printable(&text, LONGEST_REFUSAL));
                        self.channels
                            .insert(channel, ChannelState::Refused { until });
                    }
                }
                Push::Other => {}
            }
        }
        Ok(told)
    }

    pub(super) fn may_ask_again(&self, now: Instant) -> bool {
        let mut states = self.channels.values();
        states.any(|state| matches!(state, ChannelState::Refused { until } if now >= *until))
    }

    pub(super) fn are_all_subscribed(&self, wanted: &BTreeSet<Box<str>>) -> bool {
        let mut wanted = wanted.iter();
        wanted.all(|channel| self.has(channel))
    }

    /// Asks for wanted channels that are not subscribed to, and leaves those that are no longer wanted.
    pub(super) fn reconcile(&mut self, wanted: &BTreeSet<Box<str>>, now: Instant, sharded: bool) {
        let (join, leave): (&[u8], &[u8]) = if sharded {
            (b"SSUBSCRIBE", b"SUNSUBSCRIBE")
        } else {
            (b"SUBSCRIBE", b"UNSUBSCRIBE")
        };
        self.channels.retain(|channel, state| match state {
            ChannelState::Refused { until } => now < *until && wanted.contains(channel),
            _ => true,
        });
        for (channel, state) in &mut self.channels {
            if *state == ChannelState::Subscribed && !wanted.contains(channel) {
                *state = ChannelState::Leaving;
                write_command(&mut self.out, &[leave, channel.as_bytes()]);
                self.asked.push_back(Question::Unsubscribe(channel.clone()));
            }
        }
        for channel in wanted {
            if !self.channels.contains_key(channel) {
                // One command each, so that one that is refused does not take others with it.
                write_command(&mut self.out, &[join, channel.as_bytes()]);
                self.asked.push_back(Question::Subscribe(channel.clone()));
                self.channels.insert(channel.clone(), ChannelState::Asked);
            }
        }
    }

    pub(super) fn ping(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let quiet = now.saturating_duration_since(self.heard);
        if self.pinged.is_some() && quiet >= SILENT_AFTER {
            return Err(ConnectionError::Silent);
        }
        if self.pinged.is_none() && quiet >= PING_AFTER {
            self.pinged = Some(now);
            write_command(&mut self.out, &[b"PING"]);
            self.asked.push_back(Question::Ping);
        }
        Ok(())
    }

    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Result<(), ConnectionError> {
        while self.written < self.out.len() {
            let rest = &self.out[self.written..];
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Pending => return Ok(()),
                Poll::Ready(written) => self.written += written?,
            }
        }
        self.out.clear();
        self.written = 0;
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(flushed) => Ok(flushed?),
            Poll::Pending => Ok(()),
        }
    }
}
