//! What happens to the connections, as readers are told of it.
//!
//! Owns when something is news: a socket that was open and is not, the one gap that follows, a
//! socket that is mute and ticks again, a token that expired or was replaced. Pure; times are
//! arguments.

use contract::report::CredentialsReport as State;
use kite::limits::CONNECTIONS_PER_API_KEY;

use crate::books::news::{News, What};

const MICROS: i64 = 1_000_000;

/// What is remembered of the connections, and the news that nobody was told yet.
#[derive(Debug, Default)]
pub struct Chronicle {
    lines: [Line; CONNECTIONS_PER_API_KEY as usize],
    credentials: Credentials,
    untold: Vec<News>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    up: bool,
    /// When the last tick came that nobody asked for, epoch microseconds.
    last_tick_us: Option<i64>,
    /// Ticks may be missing since then, epoch seconds.
    gap_from: Option<i64>,
    stale: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Credentials {
    #[default]
    Untried,
    Accepted,
    Refused,
}

impl Chronicle {
    /// The news since the last call.
    pub fn take(&mut self) -> Vec<News> {
        std::mem::take(&mut self.untold)
    }

    /// A socket is open.
    pub fn on_opened(&mut self, connection: u8, now_us: i64) {
        self.lines[usize::from(connection)].up = true;
        self.tell(now_us, What::Connected { connection });
    }

    /// A socket or a dial ended. `wanted` is whether the connection has anything to stream.
    pub fn on_ended(&mut self, connection: u8, reason: &str, wanted: bool, now_us: i64) {
        let line = &mut self.lines[usize::from(connection)];
        if !wanted {
            *line = Line {
                up: line.up,
                ..Line::default()
            };
        }
        if !std::mem::take(&mut line.up) {
            return;
        }
        if let Some(last) = line.last_tick_us.filter(|_| wanted) {
            line.gap_from.get_or_insert(last.div_euclid(MICROS));
        }
        let reason = reason.to_owned();
        self.tell(now_us, What::Disconnected { connection, reason });
    }

    /// A socket is replaced because it sends heartbeats and no ticks.
    pub fn on_mute(&mut self, connection: u8, now_us: i64) {
        let line = &mut self.lines[usize::from(connection)];
        if !std::mem::replace(&mut line.stale, true) {
            self.tell(now_us, What::Stale { connection });
        }
    }

    /// Ticks came that nobody asked for; `tokens` are those of the connection.
    #[inline]
    pub fn on_ticks(&mut self, connection: u8, now_us: i64, tokens: impl FnOnce() -> Vec<u32>) {
        let line = &mut self.lines[usize::from(connection)];
        line.last_tick_us = Some(now_us);
        if line.stale || line.gap_from.is_some() {
            self.flows_again(connection, now_us, tokens);
        }
    }

    fn flows_again(&mut self, connection: u8, now_us: i64, tokens: impl FnOnce() -> Vec<u32>) {
        let line = &mut self.lines[usize::from(connection)];
        let (stale, gap) = (std::mem::take(&mut line.stale), line.gap_from.take());
        if stale {
            self.tell(now_us, What::Fresh { connection });
        }
        if let Some(from) = gap {
            let gap = What::Gap {
                connection,
                from,
                to: now_us.div_euclid(MICROS) + 1,
                tokens: tokens(),
            };
            self.tell(now_us, gap);
        }
    }

    /// Kite judged credentials: `state` is what is thought of those in the files now, `others`
    /// whether Kite knew others before.
    pub fn on_judged(&mut self, state: &State, others: bool, now_us: i64) {
        let now = match state {
            State::Accepted => Credentials::Accepted,
            State::Refused => Credentials::Refused,
            State::Unread | State::Missing { .. } | State::Present => return,
        };
        let before = std::mem::replace(&mut self.credentials, now);
        match (before, now) {
            (Credentials::Untried | Credentials::Accepted, Credentials::Refused) => {
                self.tell(now_us, What::TokenExpired);
            }
            (_, Credentials::Accepted) if others => self.tell(now_us, What::TokenRotated),
            _ => {}
        }
    }

    /// An order of the account changed.
    pub fn on_order(&mut self, order: String, now_us: i64) {
        self.tell(now_us, What::Order(order));
    }

    fn tell(&mut self, now_us: i64, what: What) {
        let ts = now_us.div_euclid(MICROS);
        self.untold.push(News { ts, what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(chronicle: &mut Chronicle) -> Vec<String> {
        let kind = |news: News| {
            let text = format!("{:?}", news.what);
            text.split(' ').next().unwrap_or_default().to_owned()
        };
        chronicle.take().into_iter().map(kind).collect()
    }

    fn tokens() -> Vec<u32> {
        vec![7]
    }

    #[test]
    fn a_reconnect_is_three_events_and_one_gap() {
        let mut chronicle = Chronicle::default();
        chronicle.on_opened(0, MICROS);
        chronicle.on_ticks(0, 10 * MICROS + 999_999, tokens);
        assert_eq!(kinds(&mut chronicle), ["Connected"]);
        chronicle.on_ended(0, "lost", true, 12 * MICROS);
        // Dials that fail are no news.
        chronicle.on_ended(0, "refused", true, 13 * MICROS);
        chronicle.on_opened(0, 14 * MICROS);
        assert_eq!(kinds(&mut chronicle), ["Disconnected", "Connected"]);
        chronicle.on_ticks(0, 15 * MICROS, tokens);
        chronicle.on_ticks(0, 16 * MICROS, tokens);
        let gap = What::Gap {
            connection: 0,
            from: 10,
            to: 16,
            tokens: tokens(),
        };
        assert_eq!(chronicle.take(), [News { ts: 15, what: gap }]);
    }

    #[test]
    fn a_gap_lasts_until_ticks_come_however_often_the_socket_is_lost() {
        let mut chronicle = Chronicle::default();
        chronicle.on_opened(1, 0);
        chronicle.on_ticks(1, MICROS, tokens);
        for second in 2..5 {
            chronicle.on_mute(1, second * MICROS);
            chronicle.on_ended(1, "mute", true, second * MICROS);
            chronicle.on_opened(1, second * MICROS);
        }
        chronicle.on_ticks(1, 9 * MICROS, tokens);
        let all = kinds(&mut chronicle);
        let count = |kind: &str| all.iter().filter(|one| *one == kind).count();
        assert_eq!(
            (
                count("Stale"),
                count("Fresh"),
                count("Gap"),
                count("Disconnected")
            ),
            (1, 1, 1, 3)
        );
    }

    #[test]
    fn what_nobody_wants_any_more_leaves_no_gap() {
        let mut chronicle = Chronicle::default();
        chronicle.on_opened(0, 0);
        chronicle.on_ticks(0, MICROS, tokens);
        chronicle.on_ended(0, "nothing is assigned", false, 2 * MICROS);
        chronicle.on_opened(0, 3 * MICROS);
        chronicle.on_ticks(0, 4 * MICROS, tokens);
        assert_eq!(
            kinds(&mut chronicle),
            ["Connected", "Disconnected", "Connected"]
        );
    }

    #[test]
    fn a_refusal_is_told_once_and_a_new_token_when_it_is_accepted() {
        let mut chronicle = Chronicle::default();
        chronicle.on_judged(&State::Accepted, false, 0);
        assert!(chronicle.take().is_empty(), "the first token is no news");
        for _ in 0..3 {
            chronicle.on_judged(&State::Refused, false, 0);
        }
        chronicle.on_judged(&State::Accepted, true, 0);
        assert_eq!(kinds(&mut chronicle), ["TokenExpired", "TokenRotated"]);
    }
}
