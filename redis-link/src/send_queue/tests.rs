//! Every command is accounted for, whatever happens to its link.

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

const KINDS: [CommandKind; 3] = [
    CommandKind::Message,
    CommandKind::Key,
    CommandKind::Question,
];

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..3, 1_usize..40).prop_map(|(kind, size)| Step::Push(KINDS[kind], size)),
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
        let kinds = self.commands.iter().map(|one| one.3);
        kinds.filter(|kind| *kind == CommandKind::Message).count() as u64
    }
}

#[test]
fn the_window_closes_and_opens() {
    let mut queue = SendQueue::default();
    queue.push(CommandKind::Message, |out| out.resize(WINDOW, b'x'));
    assert!(!queue.can_take());
    queue.wrote(WINDOW);
    assert!(!queue.can_take(), "written is not answered");
    let answered = queue.answered().map(|it| it.kind);
    assert_eq!(answered, Some(CommandKind::Message));
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
