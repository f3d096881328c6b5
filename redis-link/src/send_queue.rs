//! Commands between rendering and acknowledgement.
//!
//! Owns the bytes not yet written and the size of every command not yet answered, and therefore the
//! state of each: answered, lost, or not begun. Pure; must not touch a socket.

mod window;

use std::collections::VecDeque;
use std::time::Instant;

pub use window::LARGEST as WINDOW;
use window::Window;

/// Written bytes are removed once there are this many.
const COMPACT_AT: usize = 256 * 1024;

/// The kind of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// A message for subscribers, which is counted if lost.
    Message,
    /// A key, which is written again if lost.
    Key,
    /// A question about the server, which is asked again if lost.
    Question,
}

/// Flags in the size of a command that is not a message; no command is that long.
const KEY: u32 = 1 << 31;
const QUESTION: u32 = 1 << 29;

/// Further flag, set once keys are written differently than when it was appended.
const OUTDATED: u32 = 1 << 30;

/// A command that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its kind.
    pub kind: CommandKind,
    /// Whether [`SendQueue::outdate_keys`] was called after it: its answer then says nothing about
    /// later keys.
    pub outdated: bool,
}

/// Commands in order, the oldest unanswered one first.
#[derive(Debug, Default)]
pub struct SendQueue {
    bytes: Vec<u8>,
    /// Number of bytes at the front of `bytes` that were written.
    written: usize,
    /// Sizes of all unanswered commands, written or not, with their flags.
    sizes: VecDeque<u32>,
    /// Sum of `sizes`.
    in_flight: usize,
    /// Sum of the sizes of all answered commands.
    answered: u64,
    window: Window,
}

impl SendQueue {
    /// Whether one more command may be appended.
    #[inline]
    #[must_use]
    pub const fn can_take(&self) -> bool {
        self.window.is_open(self.in_flight)
    }

    /// What is known at `now` of how soon the link answers; to be called in each turn, before answers
    /// are read. `late`: they were read late, and say nothing about the link.
    pub fn observe(&mut self, late: bool, now: Instant) {
        if late {
            self.window.forget_flight();
        }
        self.window.observe(self.answered, self.in_flight, now);
    }

    /// Bytes of commands that are not answered, written or not.
    #[inline]
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether everything was answered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Appends one command.
    #[inline]
    pub fn push(&mut self, kind: CommandKind, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let size = self.bytes.len() - start;
        let mark = match kind {
            CommandKind::Message => 0,
            CommandKind::Key => KEY,
            CommandKind::Question => QUESTION,
        };
        self.sizes.push_back(size as u32 | mark);
        self.in_flight += size;
    }

    /// The bytes that were not written yet.
    #[inline]
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// `count` bytes were written.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        } else if self.written >= COMPACT_AT {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// The oldest command was answered; `None` when there is none.
    #[inline]
    #[must_use]
    pub fn answered(&mut self) -> Option<Answered> {
        let size = self.sizes.pop_front()?;
        self.in_flight -= bytes_of(size);
        self.answered += bytes_of(size) as u64;
        Some(Answered {
            kind: kind_of(size),
            outdated: size & OUTDATED != 0,
        })
    }

    /// Keys are written differently from now on.
    pub fn outdate_keys(&mut self) {
        for size in &mut self.sizes {
            if kind_of(*size) == CommandKind::Key {
                *size |= OUTDATED;
            }
        }
    }

    /// The link ended. Commands of which any byte was written are dropped, and their messages
    /// counted: it is unknown whether they were executed. The others stay, complete, for the next
    /// link.
    pub fn lose(&mut self) -> u64 {
        let mut untouched = self.unwritten().len();
        let whole = self.sizes.iter().rev().take_while(|size| {
            let size = bytes_of(**size);
            let whole = untouched >= size;
            untouched = untouched.saturating_sub(if whole { size } else { 0 });
            whole
        });
        let lost = self.sizes.len() - whole.count();
        let lost = messages(self.sizes.drain(..lost));
        self.in_flight = self.sizes.iter().copied().map(bytes_of).sum();
        let start = self.bytes.len() - self.in_flight;
        self.bytes.drain(..start);
        self.written = 0;
        self.window.forget_flight();
        lost
    }

    /// Drops every command, the unwritten ones too, and counts messages: their link no longer
    /// exists.
    pub fn forget(&mut self) -> u64 {
        messages(std::mem::take(self).sizes)
    }
}

fn messages(sizes: impl IntoIterator<Item = u32>) -> u64 {
    let kinds = sizes.into_iter().map(kind_of);
    kinds.filter(|kind| *kind == CommandKind::Message).count() as u64
}

const fn kind_of(size: u32) -> CommandKind {
    if size & KEY != 0 {
        CommandKind::Key
    } else if size & QUESTION != 0 {
        CommandKind::Question
    } else {
        CommandKind::Message
    }
}

const fn bytes_of(size: u32) -> usize {
    (size & !(KEY | OUTDATED | QUESTION)) as usize
}

#[cfg(test)]
mod tests;
