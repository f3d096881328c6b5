//! What a client of Kite's protocol is sent.
//!
//! Owns how many packets a frame has. Time is an argument.

use std::time::Instant;

use axum::extract::ws::Utf8Bytes;
use kite::FrameBuilder;

use super::{BATCH, Notice, Outbox, Waiting};

/// What such a client is sent now.
#[derive(Debug)]
pub(crate) struct KiteFrames {
    /// Order updates.
    pub(crate) texts: Vec<Utf8Bytes>,
    pub(crate) frames: Vec<Vec<u8>>,
    /// When to ask again, if something waits for its time.
    pub(crate) due: Option<Instant>,
}

impl Outbox {
    /// Takes order updates, and frames of packets if ticks may be sent at `now`: one frame at a time, with a
    /// rate all at once.
    pub(crate) fn take_frames(&self, now: Instant) -> KiteFrames {
        let mut waiting = self.lock();
        // Kite's protocol has no word for a gap.
        waiting.gaps.clear();
        let notices = waiting.notices.drain(..);
        let orders = notices.filter(|(kind, _)| *kind == Notice::Order);
        let texts = orders.map(|(_, text)| text).collect();
        let (frames, due) = waiting.frames(now);
        KiteFrames { texts, frames, due }
    }
}

impl Waiting {
    fn frames(&mut self, now: Instant) -> (Vec<Vec<u8>>, Option<Instant>) {
        let Some(since) = self.since else {
            return (Vec::new(), None);
        };
        let due = self.pace.due(since, self.flushed);
        if due > now {
            return (Vec::new(), Some(due));
        }
        let mut frames = Vec::new();
        loop {
            let frame = self.frame();
            if !frame.is_empty() {
                frames.push(frame.finish());
            }
            if self.count == 0 || !self.pace.is_conflated() {
                break;
            }
        }
        self.flushed = Some(now);
        if self.count == 0 {
            self.clear();
            return (frames, None);
        }
        (frames, Some(now))
    }

    fn frame(&mut self) -> FrameBuilder {
        let mut frame = FrameBuilder::default();
        for _ in 0..BATCH {
            let Some(entry) = self.pop() else { break };
            if let Some(packet) = entry.tick.packet(entry.mode) {
                let _room = frame.push_raw(packet);
            }
        }
        frame
    }
}
