//! Commands between rendering and acknowledgement.
//!
//! Owns the bytes not yet written and the size of every command not yet answered, and therefore
//! what is known about each: answered, lost, or never begun. Pure; must not touch a socket.

use std::collections::VecDeque;

/// How many bytes may be unanswered. A server that stands still then costs no more memory, and no
/// more than this is ever unknown.
pub const WINDOW: usize = 1024 * 1024;

/// Written bytes are kept until this many have gathered, then dropped in one move.
const COMPACT_AT: usize = 256 * 1024;

/// Commands in order: the oldest unanswered first.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Bytes at the front of `bytes` that the socket has taken.
    written: usize,
    /// Sizes of all unanswered commands, written or not.
    sizes: VecDeque<u32>,
    /// Sum of `sizes`.
    unanswered: usize,
}

impl Outbox {
    /// Whether one more command may be appended.
    #[inline]
    #[must_use]
    pub const fn can_take(&self) -> bool {
        self.unanswered < WINDOW
    }

    /// Whether everything was answered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Appends one command.
    #[inline]
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let size = self.bytes.len() - start;
        self.sizes.push_back(size as u32);
        self.unanswered += size;
    }

    /// What the socket has not taken yet.
    #[inline]
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The socket took `count` bytes.
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

    /// The oldest command was answered; `false` when there is none.
    #[inline]
    #[must_use]
    pub fn answered(&mut self) -> bool {
        match self.sizes.pop_front() {
            Some(size) => {
                self.unanswered -= size as usize;
                true
            }
            None => false,
        }
    }

    /// The link died. Commands of which any byte was written are forgotten and counted: nobody
    /// knows whether they were carried out. The others stay, whole, for the next link.
    pub fn lose(&mut self) -> u64 {
        let mut untouched = self.unwritten().len();
        let keep = self
            .sizes
            .iter()
            .rev()
            .take_while(|size| {
                let whole = untouched >= **size as usize;
                untouched = untouched.saturating_sub(if whole { **size as usize } else { 0 });
                whole
            })
            .count();
        let lost = self.sizes.len() - keep;
        self.sizes.drain(..lost);
        self.unanswered = self.sizes.iter().map(|size| *size as usize).sum();
        let start = self.bytes.len() - self.unanswered;
        self.bytes.drain(..start);
        self.written = 0;
        lost as u64
    }

    /// Forgets and counts every command, the untouched ones too: there is no link that they are for.
    pub fn forget(&mut self) -> u64 {
        let lost = self.sizes.len() as u64;
        self.sizes.clear();
        self.unanswered = 0;
        self.bytes.clear();
        self.written = 0;
        lost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Write(usize),
        Answer,
        Lose,
        Forget,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_usize..40).prop_map(Step::Push),
            3 => (0_usize..100).prop_map(Step::Write),
            2 => Just(Step::Answer),
            1 => Just(Step::Lose),
            1 => Just(Step::Forget),
        ]
    }

    /// The truth, command by command: its number, its size and how much of it was written.
    #[derive(Default)]
    struct Model {
        commands: VecDeque<(u8, usize, usize)>,
    }

    impl Model {
        fn write(&mut self, mut count: usize) {
            for (_, size, written) in &mut self.commands {
                let part = count.min(*size - *written);
                *written += part;
                count -= part;
            }
        }

        fn unwritten(&self) -> Vec<u8> {
            let rest = self.commands.iter();
            rest.flat_map(|(number, size, written)| vec![*number; size - written])
                .collect()
        }

        fn lose(&mut self) -> u64 {
            let before = self.commands.len();
            self.commands.retain(|(_, _, written)| *written == 0);
            (before - self.commands.len()) as u64
        }
    }

    #[test]
    fn the_window_closes_and_opens() {
        let mut outbox = Outbox::default();
        outbox.push(|out| out.resize(WINDOW, b'x'));
        assert!(!outbox.can_take());
        outbox.wrote(WINDOW);
        assert!(!outbox.can_take(), "written is not answered");
        assert!(outbox.answered());
        assert!(outbox.can_take() && outbox.is_idle());
        assert!(!outbox.answered());
    }

    proptest! {
        #[test]
        fn every_command_is_accounted_for(steps in proptest::collection::vec(any_step(), 0..200)) {
            let mut outbox = Outbox::default();
            let mut model = Model::default();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(size) => {
                        outbox.push(|out| out.resize(out.len() + size, number as u8));
                        model.commands.push_back((number as u8, size, 0));
                    }
                    Step::Write(count) => {
                        let count = count.min(outbox.unwritten().len());
                        outbox.wrote(count);
                        model.write(count);
                    }
                    // A server answers only what it has received whole.
                    Step::Answer => {
                        if model.commands.front().is_some_and(|(_, size, written)| size == written) {
                            prop_assert!(outbox.answered());
                            model.commands.pop_front();
                        }
                    }
                    Step::Lose => prop_assert_eq!(outbox.lose(), model.lose()),
                    Step::Forget => {
                        prop_assert_eq!(outbox.forget(), model.commands.len() as u64);
                        model.commands.clear();
                    }
                }
                prop_assert_eq!(outbox.unwritten(), model.unwritten());
                prop_assert_eq!(outbox.is_idle(), model.commands.is_empty());
                let unanswered: usize = model.commands.iter().map(|(_, size, _)| size).sum();
                prop_assert_eq!(outbox.unanswered, unanswered);
            }
        }
    }
}
