//! Commands between rendering and acknowledgement.
//!
//! Owns the bytes not yet written and the size of every command not yet answered, and therefore the
//! state of each: answered, lost, or not begun. Pure; must not touch a socket.

use std::collections::VecDeque;

/// The maximum of unanswered bytes: a stopped server does not cost more memory, and the fate of no
/// more than this is ever unknown.
pub const WINDOW: usize = 1024 * 1024;

/// Written bytes are removed once there are this many.
const COMPACT_AT: usize = 256 * 1024;

/// The kind of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// A message for subscribers, which is counted if lost.
    Message,
    /// A key, which is written again if lost.
    Key,
}

/// Flag in the size of a command that is not a message; no command is that long.
const KEY: u32 = 1 << 31;

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
    /// Sizes of all unanswered commands, written or not, with [`KEY`].
    sizes: VecDeque<u32>,
    /// Sum of `sizes`.
    in_flight: usize,
}

impl SendQueue {
    /// Whether one more command may be appended.
    #[inline]
    #[must_use]
    pub const fn can_take(&self) -> bool {
        self.in_flight < WINDOW
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
        let mark = if kind == CommandKind::Key { KEY } else { 0 };
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
    if size & KEY == 0 {
        CommandKind::Message
    } else {
        CommandKind::Key
    }
}

const fn bytes_of(size: u32) -> usize {
    (size & !(KEY | OUTDATED)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(CommandKind, usize),
        Write(usize),
        Answer,
        Lose,
        Forget,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (any::<bool>(), 1_usize..40).prop_map(|(tick, size)| {
                Step::Push(if tick { CommandKind::Message } else { CommandKind::Key }, size)
            }),
            3 => (0_usize..100).prop_map(Step::Write),
            2 => Just(Step::Answer),
            1 => Just(Step::Lose),
            1 => Just(Step::Forget),
        ]
    }

    /// The truth, command by command: its number, its size, how much of it was written, its kind.
    #[derive(Default)]
    struct Model {
        commands: VecDeque<(u8, usize, usize, CommandKind)>,
    }

    impl Model {
        fn write(&mut self, mut count: usize) {
            for (_, size, written, _) in &mut self.commands {
                let part = count.min(*size - *written);
                *written += part;
                count -= part;
            }
        }

        fn unwritten(&self) -> Vec<u8> {
            let rest = self.commands.iter();
            rest.flat_map(|(number, size, written, _)| vec![*number; size - written])
                .collect()
        }

        fn lose(&mut self) -> u64 {
            let before = self.ticks();
            self.commands.retain(|(_, _, written, _)| *written == 0);
            before - self.ticks()
        }

        fn ticks(&self) -> u64 {
            let ticks = self
                .commands
                .iter()
                .filter(|one| one.3 == CommandKind::Message);
            ticks.count() as u64
        }
    }

    #[test]
    fn the_window_closes_and_opens() {
        let mut queue = SendQueue::default();
        queue.push(CommandKind::Message, |out| out.resize(WINDOW, b'x'));
        assert!(!queue.can_take());
        queue.wrote(WINDOW);
        assert!(!queue.can_take(), "written is not answered");
        assert_eq!(
            queue.answered().map(|it| it.kind),
            Some(CommandKind::Message)
        );
        assert!(queue.can_take() && queue.is_idle());
        assert_eq!(queue.answered(), None);
    }

    #[test]
    fn keys_under_way_are_outdated_and_ticks_and_later_keys_are_not() {
        let mut queue = SendQueue::default();
        for kind in [CommandKind::Key, CommandKind::Message] {
            queue.push(kind, |out| out.push(b'x'));
        }
        queue.outdate_keys();
        queue.push(CommandKind::Key, |out| out.push(b'x'));
        let answered = [queue.answered(), queue.answered(), queue.answered()];
        let outdated = answered.map(|it| it.map(|it| (it.kind, it.outdated)));
        let (kept, tick) = (CommandKind::Key, CommandKind::Message);
        let expected = [(kept, true), (tick, false), (kept, false)].map(Some);
        assert_eq!(outdated, expected);
        assert_eq!(queue.in_flight(), 0);
    }

    proptest! {
        #[test]
        fn every_command_is_accounted_for(steps in proptest::collection::vec(any_step(), 0..200)) {
            let mut queue = SendQueue::default();
            let mut model = Model::default();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(kind, size) => {
                        queue.push(kind, |out| out.resize(out.len() + size, number as u8));
                        model.commands.push_back((number as u8, size, 0, kind));
                    }
                    Step::Write(count) => {
                        let count = count.min(queue.unwritten().len());
                        queue.wrote(count);
                        model.write(count);
                    }
                    // A server answers only what it has received whole.
                    Step::Answer => {
                        if model.commands.front().is_some_and(|(_, size, written, _)| size == written) {
                            let kind = model.commands.pop_front().map(|one| one.3);
                            prop_assert_eq!(queue.answered().map(|it| it.kind), kind);
                        }
                    }
                    Step::Lose => prop_assert_eq!(queue.lose(), model.lose()),
                    Step::Forget => {
                        prop_assert_eq!(queue.forget(), model.ticks());
                        model.commands.clear();
                    }
                }
                prop_assert_eq!(queue.unwritten(), model.unwritten());
                prop_assert_eq!(queue.is_idle(), model.commands.is_empty());
                let in_flight: usize = model.commands.iter().map(|(_, size, _, _)| size).sum();
                prop_assert_eq!(queue.in_flight, in_flight);
            }
        }
    }
}
