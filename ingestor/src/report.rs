//! What others may know of the data plane, at one moment.
//!
//! Owns counting rows into a report. Reads state, changes none but its own; must not hold secrets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contract::assignment::Account;
use contract::report::{
    AppliedAssignment, Connection as ConnectionReport, ConnectionState, Credentials, Redis, Report,
    SAMPLES, Set,
};

use crate::pace::Pace;
use crate::plane::connection::Connection;
use crate::plane::publisher::Publisher;
use crate::plane::verdict::Verdict;
use crate::redis::link::Counts;
use crate::stats::Stats;
use crate::table::{Row, Table};

/// A token that was subscribed to and not seen for this long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// Longer texts are cut, so that the report keeps its bound.
const LONGEST_TEXT: usize = 200;

const SECOND: Duration = Duration::from_secs(1);

/// A copy of everything that is served.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The report.
    pub report: Report,
    /// Name of the account, once there is an assignment.
    pub account: Option<String>,
    /// Tokens that one connection may carry.
    pub limit: u32,
    /// Tokens subscribed to on live sockets, by connection.
    pub subscribed: Vec<u32>,
    /// The counters.
    pub stats: Stats,
    /// The link's counters.
    pub link: Counts,
    /// When it was made.
    pub made: Option<Instant>,
}

/// What the data plane was told, and what has to be remembered between two reports.
#[derive(Debug)]
pub struct Facts {
    /// The assignment in force.
    pub applied: Option<AppliedAssignment>,
    /// Its account.
    pub account: Option<Account>,
    /// Tokens that one connection may carry.
    pub limit: u32,
    /// Why the file in the folder is not in force.
    pub assignment_error: Option<String>,
    epoch: String,
    rate: Rate,
    paces: BTreeMap<String, SetPace>,
}

/// What is remembered of a set between two reports.
#[derive(Clone, Copy, Debug)]
struct SetPace {
    pace: Pace,
    /// Its instruments that streamed at the last look.
    streamed: u32,
    /// When it was first seen: the age of a tick that never came.
    since: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    since: Option<Instant>,
    ticks: u64,
    per_second: u32,
}

impl Facts {
    /// Nothing but the start of this process.
    #[must_use]
    pub fn new(epoch: &str) -> Self {
        Self {
            applied: None,
            account: None,
            limit: 0,
            assignment_error: None,
            epoch: epoch.to_owned(),
            rate: Rate::default(),
            paces: BTreeMap::new(),
        }
    }
}

/// Copies out how everything is at `now`, which is `wall_us` in microseconds since 1970.
pub fn snapshot(
    facts: &mut Facts,
    publisher: &Publisher,
    connections: &[Connection],
    verdict: &Verdict,
    now: Instant,
    wall_us: i64,
) -> Snapshot {
    let (table, stats) = (&publisher.table, &publisher.stats);
    facts.rate.update(stats.ticks, now);
    let credentials = verdict.report();
    let rows = table.rows();
    let silent = rows.iter().filter(|row| is_silent(row, now));
    let report = Report {
        assignment_versions: contract::ASSIGNMENT_VERSIONS.to_vec(),
        epoch: facts.epoch.clone(),
        assignment: facts.applied.clone(),
        assignment_error: facts.assignment_error.as_deref().map(cut),
        redis: redis(publisher, now),
        connections: connections
            .iter()
            .filter(|connection| connection.desired() > 0 || connection.is_live())
            .map(|connection| connection_report(connection, table, &credentials))
            .collect(),
        credentials,
        sets: paced(sets(table, now), &mut facts.paces, now, wall_us),
        assigned: rows.len() as u32,
        streaming: rows.iter().filter(|row| row.seen).count() as u32,
        ticks_total: stats.ticks,
        ticks_per_second: facts.rate.per_second,
        last_tick_us: received(stats.last_tick_us),
        silent_samples: silent.map(|row| row.token.0).take(SAMPLES).collect(),
    };
    Snapshot {
        report,
        account: facts.account.as_ref().map(|account| account.name.clone()),
        limit: facts.limit,
        subscribed: connections
            .iter()
            .map(|connection| {
                if connection.is_live() {
                    connection.desired() as u32
                } else {
                    0
                }
            })
            .collect(),
        stats: stats.clone(),
        link: publisher.link.counts(),
        made: Some(now),
    }
}

fn redis(publisher: &Publisher, now: Instant) -> Redis {
    let counts = publisher.link.counts();
    let trouble = publisher.link.trouble(now);
    Redis {
        connected: trouble.is_none(),
        error: trouble.as_deref().map(cut),
        published: counts.published,
        conflated: publisher.stats.conflated,
        unknown: counts.unknown,
    }
}

fn connection_report(
    connection: &Connection,
    table: &Table,
    credentials: &Credentials,
) -> ConnectionReport {
    let rows = table.rows().iter();
    let rows = rows.filter(|row| row.connection == connection.index());
    let newest = rows.clone().map(|row| row.received_us).max();
    let state = match (connection.state(), credentials) {
        // Nobody asks Kite again with what it refused to another connection.
        (ConnectionState::Idle, Credentials::Refused) => ConnectionState::Refused,
        (state, _) => state,
    };
    ConnectionReport {
        index: connection.index(),
        state,
        instruments: connection.desired() as u32,
        streaming: rows.filter(|row| row.seen).count() as u32,
        reconnects: connection.opened().saturating_sub(1),
        last_tick_us: newest.and_then(received),
        last_error: connection.last_error().map(cut),
    }
}

fn sets(table: &Table, now: Instant) -> Vec<Set> {
    let named = table.sets().iter().map(|name| Set {
        name: name.clone(),
        assigned: 0,
        streaming: 0,
        silent: 0,
        last_tick_us: None,
        age_ms: None,
        usual_interval_ms: None,
    });
    let mut sets: Vec<Set> = named.collect();
    for row in table.rows() {
        for set in table.sets_of(row) {
            let set = &mut sets[usize::from(*set)];
            set.assigned += 1;
            set.streaming += u32::from(row.seen);
            set.silent += u32::from(is_silent(row, now));
            set.last_tick_us = set.last_tick_us.max(received(row.received_us));
        }
    }
    sets
}

/// Adds how old the newest ticks are and how old they usually get.
fn paced(
    mut sets: Vec<Set>,
    paces: &mut BTreeMap<String, SetPace>,
    now: Instant,
    wall_us: i64,
) -> Vec<Set> {
    let mut before = std::mem::take(paces);
    for set in &mut sets {
        let mut known = before.remove(&set.name).unwrap_or(SetPace {
            pace: Pace::default(),
            streamed: 0,
            since: now,
        });
        // Fewer instruments with a packet on the present socket: a socket was lost.
        let interrupted = set.streaming < known.streamed;
        known.pace.look(set.last_tick_us, interrupted);
        known.streamed = set.streaming;
        let age = match set.last_tick_us {
            Some(newest) => wall_us.saturating_sub(newest).max(0).unsigned_abs() / 1_000,
            None => now.saturating_duration_since(known.since).as_millis() as u64,
        };
        set.age_ms = Some(age);
        set.usual_interval_ms = known.pace.usual().map(|usual| usual.as_millis() as u64);
        paces.insert(set.name.clone(), known);
    }
    sets
}

fn is_silent(row: &Row, now: Instant) -> bool {
    let subscribed = row.subscribed;
    !row.seen
        && subscribed.is_some_and(|since| now.saturating_duration_since(since) >= SILENT_AFTER)
}

/// Receive times are zero before the first.
fn received(micros: i64) -> Option<i64> {
    (micros != 0).then_some(micros)
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

impl Rate {
    fn update(&mut self, ticks: u64, now: Instant) {
        let Some(since) = self.since else {
            self.since = Some(now);
            self.ticks = ticks;
            return;
        };
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= SECOND {
            self.per_second = ((ticks - self.ticks) as f64 / elapsed.as_secs_f64()).round() as u32;
            self.since = Some(now);
            self.ticks = ticks;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_last_whole_second() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        let mut rate = Rate::default();
        rate.update(100, start);
        rate.update(150, start + SECOND / 2);
        assert_eq!(rate.per_second, 0);
        rate.update(400, start + SECOND);
        assert_eq!(rate.per_second, 300);
        rate.update(400, start + 3 * SECOND);
        assert_eq!(rate.per_second, 0);
    }

    fn set(streaming: u32, last_tick_us: Option<i64>) -> Vec<Set> {
        vec![Set {
            name: "s".to_owned(),
            assigned: 5,
            streaming,
            silent: 0,
            last_tick_us,
            age_ms: None,
            usual_interval_ms: None,
        }]
    }

    #[test]
    fn an_outage_teaches_no_interval() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let (now, mut paces) = (Instant::now(), BTreeMap::new());
        let mut usual = None;
        // Ticks every second, a socket that is lost for 15 minutes, and ticks again.
        let looks = [(5, 1), (5, 2), (0, 2), (0, 2), (1, 900), (5, 901)];
        for (streaming, second) in looks {
            let micros = second * 1_000_000;
            let paced = paced(set(streaming, Some(micros)), &mut paces, now, micros);
            usual = paced[0].usual_interval_ms;
        }
        assert_eq!(usual, Some(1_000));
    }

    #[test]
    fn a_tick_that_never_came_gets_older_too() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let (start, mut paces) = (Instant::now(), BTreeMap::new());
        let age = |paces: &mut _, seconds| {
            let now = start + seconds * SECOND;
            paced(set(5, None), paces, now, 0)[0].age_ms
        };
        assert_eq!(age(&mut paces, 0), Some(0));
        assert_eq!(age(&mut paces, 40), Some(40_000));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut(&"é".repeat(300)).chars().count(), LONGEST_TEXT);
    }
}
