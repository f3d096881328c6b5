//! What is sent, in which order, and again.

use proptest::prelude::*;

use super::*;

fn desired(entries: &[(u32, Mode)]) -> BTreeMap<Token, Mode> {
    entries
        .iter()
        .map(|(token, mode)| (Token(*token), *mode))
        .collect()
}

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    Instant::now()
}

fn drain(subscriptions: &mut Subscriptions, now: Instant) -> Vec<Command> {
    std::iter::from_fn(|| subscriptions.next_command(now)).collect()
}

/// What a server streams after `commands`.
fn streamed(mut server: BTreeMap<Token, Mode>, commands: &[Command]) -> BTreeMap<Token, Mode> {
    for command in commands {
        match command {
            Command::Subscribe(tokens) => {
                server.extend(tokens.iter().map(|token| (*token, Mode::Quote)));
            }
            Command::Unsubscribe(tokens) => tokens.iter().for_each(|token| {
                server.remove(token);
            }),
            Command::SetMode(mode, tokens) => {
                server.extend(tokens.iter().map(|token| (*token, *mode)));
            }
        }
    }
    server
}

#[test]
fn a_change_names_only_what_changed() {
    let now = start();
    let mut subscriptions = Subscriptions::default();
    subscriptions.set_desired(desired(&[
        (1, Mode::Full),
        (2, Mode::Quote),
        (3, Mode::Full),
    ]));
    drain(&mut subscriptions, now);
    subscriptions.set_desired(desired(&[
        (1, Mode::Full),
        (3, Mode::Ltp),
        (4, Mode::Quote),
    ]));
    assert_eq!(
        drain(&mut subscriptions, now),
        [
            Command::Unsubscribe(vec![Token(2)]),
            Command::Subscribe(vec![Token(4)]),
            Command::SetMode(Mode::Ltp, vec![Token(3)]),
        ]
    );
}

#[test]
fn a_new_socket_is_told_everything_again() {
    let now = start();
    let mut subscriptions = Subscriptions::default();
    subscriptions.set_desired(desired(&[(1, Mode::Full)]));
    let first = drain(&mut subscriptions, now);
    assert_eq!(drain(&mut subscriptions, now), []);
    subscriptions.reset_sent();
    assert_eq!(drain(&mut subscriptions, now), first);
}

fn unseen(tokens: &[u32]) -> Unconfirmed {
    Unconfirmed {
        unseen: tokens.iter().copied().map(Token).collect(),
        other_mode: Vec::new(),
    }
}

#[test]
fn what_is_not_confirmed_leaves_and_joins_again_a_few_times_and_then_rarely() {
    let mut now = start();
    let mut subscriptions = Subscriptions::default();
    subscriptions.set_desired(desired(&[(1, Mode::Full), (2, Mode::Quote)]));
    drain(&mut subscriptions, now);
    for round in 1..=2 * PROMPT_ATTEMPTS {
        let due = subscriptions.check_at().unwrap();
        assert_eq!(due, now + CONFIRM_TIMEOUT);
        now = due;
        if round >= PROMPT_ATTEMPTS {
            subscriptions.on_unconfirmed(&unseen(&[1]), now);
            assert_eq!(drain(&mut subscriptions, now), []);
            let due = subscriptions.check_at().unwrap();
            assert_eq!(due, now + RETRY_EVERY - CONFIRM_TIMEOUT);
            now = due;
        }
        subscriptions.on_unconfirmed(&unseen(&[1]), now);
        assert_eq!(
            drain(&mut subscriptions, now),
            [
                Command::Unsubscribe(vec![Token(1)]),
                Command::Subscribe(vec![Token(1)]),
                Command::SetMode(Mode::Full, vec![Token(1)]),
            ]
        );
    }
}

#[test]
fn a_mode_that_does_not_come_is_said_again_without_leaving() {
    let now = start();
    let mut subscriptions = Subscriptions::default();
    subscriptions.set_desired(desired(&[(1, Mode::Full)]));
    drain(&mut subscriptions, now);
    let tokens = Unconfirmed {
        unseen: Vec::new(),
        other_mode: vec![Token(1)],
    };
    for round in 1..=3 {
        let now = now + CONFIRM_TIMEOUT * round;
        subscriptions.on_unconfirmed(&tokens, now);
        let sent = drain(&mut subscriptions, now);
        let again = Command::SetMode(Mode::Full, vec![Token(1)]);
        let expected = (round < u32::from(PROMPT_ATTEMPTS)).then_some(again);
        assert_eq!(sent, expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_newcomer_has_its_own_time() {
    let now = start();
    let mut subscriptions = Subscriptions::default();
    subscriptions.set_desired(desired(&[(1, Mode::Quote)]));
    drain(&mut subscriptions, now);
    let later = now + CONFIRM_TIMEOUT / 2;
    subscriptions.set_desired(desired(&[(1, Mode::Quote), (2, Mode::Quote)]));
    drain(&mut subscriptions, later);
    let due = subscriptions.check_at().unwrap();
    subscriptions.on_unconfirmed(&unseen(&[2]), due);
    assert_eq!(drain(&mut subscriptions, due), []);
    assert_eq!(subscriptions.check_at(), Some(later + CONFIRM_TIMEOUT));
}

fn any_desired() -> impl Strategy<Value = BTreeMap<Token, Mode>> {
    proptest::collection::btree_map(
        (0_u32..40).prop_map(Token),
        proptest::sample::select(Mode::ALL.to_vec()),
        0..30,
    )
}

proptest! {
    #[test]
    fn any_change_leads_to_what_is_desired_and_is_never_over_the_limit(
        changes in proptest::collection::vec(
            (any_desired(), proptest::collection::vec((0_u32..40, any::<bool>()), 0..20)), 1..6)
    ) {
        let mut subscriptions = Subscriptions::default();
        let mut server = BTreeMap::new();
        let mut now = start();
        for (next, silent) in changes {
            now += CONFIRM_TIMEOUT;
            let mut tokens = Unconfirmed::default();
            for (token, seen) in silent {
                let list = if seen { &mut tokens.other_mode } else { &mut tokens.unseen };
                list.push(Token(token));
            }
            subscriptions.on_unconfirmed(&tokens, now);
            subscriptions.set_desired(next.clone());
            for command in drain(&mut subscriptions, now) {
                let before = server.len();
                server = streamed(server, std::slice::from_ref(&command));
                prop_assert!(server.len() <= before.max(next.len()));
            }
            prop_assert_eq!(&server, &next);
        }
    }
}
