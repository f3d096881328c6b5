//! The state of the data plane at one moment.
//!
//! Owns how rows are counted into a report. Reads state and changes only its own; must not hold
//! secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::TokenSource;
use contract::assignment::Account;
use contract::report::{
    AppliedAssignment, ChainReport, ConnectionReport, ConnectionState, CredentialsReport, FEATURES,
    MOST_CHAIN_REPORTS, Report, SAMPLES, SetReport,
};
use kite::Token;

use super::intervals::SetIntervals;
use super::moves;
use super::rates::TickRates;
use super::redis::{self, Conflation};
use super::references;
use super::silence::is_silent;
use super::text::cut;
use crate::connection::Connection;
use crate::directory::refusal::DirectoryHealth;
use crate::input::credential_state::CredentialState;
use crate::pipeline::Pipeline;
use crate::pipeline::accept::rules::ReceiveTime;
use crate::pipeline::instruments::AssignedInstruments;
use crate::pipeline::stats::Stats;
use redis_link::counts::LinkCounts;

const SECOND: Duration = Duration::from_secs(1);

/// A copy of everything that is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct StatusSnapshot {
    /// The report.
    pub(crate) report: Report,
    /// Name of the account, once there is an assignment.
    pub(crate) account: Option<String>,
    /// Tokens that one connection may carry.
    pub(crate) limit: u32,
    /// Which connection carries which token. Shared: it changes with the assignment alone.
    pub(crate) allocation: Arc<BTreeMap<Token, u8>>,
    /// Tokens subscribed to on live sockets, by connection.
    pub(crate) subscribed: Vec<u32>,
    /// Sockets opened after the first, by connection.
    pub(crate) reconnects: Vec<u64>,
    /// The counters.
    pub(crate) stats: Stats,
    /// The link's counters.
    pub(crate) link: LinkCounts,
}

/// What the data plane was given, and what is remembered between two reports.
#[derive(Debug, Default)]
pub(crate) struct ReportState {
    /// The assignment in force.
    pub(crate) applied: Option<AppliedAssignment>,
    /// Its account.
    pub(crate) account: Option<Account>,
    /// Tokens that one connection may carry.
    pub(crate) limit: u32,
    /// Which connection carries which token.
    pub(crate) allocation: Arc<BTreeMap<Token, u8>>,
    /// Why the file in the folder is not in force.
    pub(crate) assignment_error: Option<String>,
    epoch: String,
    rate: TickRate,
    rates: TickRates,
    conflation: Conflation,
    intervals: SetIntervals,
}

#[derive(Clone, Copy, Debug, Default)]
struct TickRate {
    since: Option<Instant>,
    ticks: u64,
    per_second: u32,
}

impl ReportState {
    /// The state at the start of this process.
    #[must_use]
    pub(crate) fn new(epoch: &str) -> Self {
        Self {
            epoch: epoch.to_owned(),
            ..Self::default()
        }
    }
}

/// Copies the state at `now`.
pub(crate) fn snapshot(
    state: &mut ReportState,
    pipeline: &Pipeline,
    connections: &[Connection],
    (credential_state, token_source): (&CredentialState, Option<TokenSource>),
    directory: &DirectoryHealth,
    (now, wall_us): (Instant, i64),
) -> StatusSnapshot {
    let (instruments, stats) = (&pipeline.instruments, &pipeline.stats);
    state.rate.update(stats.ticks, now);
    state.rates.update(instruments, now);
    let mut credentials = credential_state.report();
    if let CredentialsReport::Refused { next_try, .. } = &mut credentials
        && connections.iter().any(Connection::retries_refused)
    {
        // It is past. Another answer than a refusal stands in the error of the connection.
        *next_try = None;
    }
    let rows = instruments.rows();
    let silent = rows.iter().filter(|row| is_silent(row, now));
    let report = Report {
        chains: chains(instruments, now),
        assignment_versions: contract::ASSIGNMENT_VERSIONS.to_vec(),
        features: FEATURES.iter().map(|it| (*it).to_owned()).collect(),
        epoch: state.epoch.clone(),
        assignment: state.applied.clone(),
        assignment_error: state.assignment_error.as_deref().map(cut),
        redis: redis::report(pipeline, directory, &mut state.conflation, (now, wall_us)),
        connections: connections
            .iter()
            .filter(|connection| connection.is_needed() || connection.is_live())
            .map(|connection| {
                let rate = state.rates.of_connection(connection.index());
                connection_report(connection, instruments, &credentials, (rate, now))
            })
            .collect(),
        credentials,
        token_source,
        sets: state
            .intervals
            .observe(sets(instruments, &state.rates, now), now),
        assigned: rows.len() as u32,
        streaming: rows.iter().filter(|row| row.state.seen).count() as u32,
        ticks_total: stats.ticks,
        ticks_per_second: state.rate.per_second,
        last_tick_us: received(stats.last_tick_us),
        silent_samples: silent.map(|row| row.token.0).take(SAMPLES).collect(),
        unknown_packets: pipeline.unknown_packets.report(now),
        references: references::prices(rows, (now, wall_us)),
        moves: moves::report(instruments, now),
    };
    let subscribed = |one: &Connection| if one.is_live() { one.desired() } else { 0 } as u32;
    StatusSnapshot {
        report,
        account: state.account.as_ref().map(|account| account.name.clone()),
        limit: state.limit,
        allocation: Arc::clone(&state.allocation),
        subscribed: connections.iter().map(subscribed).collect(),
        reconnects: connections.iter().map(reconnects).collect(),
        stats: stats.clone(),
        link: pipeline.redis.counts(),
    }
}

fn connection_report(
    connection: &Connection,
    instruments: &AssignedInstruments,
    credentials: &CredentialsReport,
    (ticks_per_second, now): (Option<u32>, Instant),
) -> ConnectionReport {
    let rows = instruments.carried_by(connection.index());
    let newest = rows.clone().filter_map(|row| row.state.received).max();
    let state = match (connection.state(), credentials) {
        // No connection dials with credentials that Kite refused to another one.
        (ConnectionState::Idle, CredentialsReport::Refused { .. }) => ConnectionState::Refused,
        (state, _) => state,
    };
    ConnectionReport {
        index: connection.index(),
        state,
        instruments: connection.desired() as u32,
        streaming: rows.filter(|row| row.state.seen).count() as u32,
        reconnects: reconnects(connection),
        down_ms: connection.down_for(now).map(|down| down.as_millis() as u64),
        ticks_per_second,
        last_tick_us: newest.map(|newest| newest.us),
        last_error: connection.last_error().map(cut),
    }
}

fn reconnects(connection: &Connection) -> u64 {
    connection.opened().saturating_sub(1)
}

/// The sets, each with the time of its newest tick.
fn sets(
    instruments: &AssignedInstruments,
    rates: &TickRates,
    now: Instant,
) -> Vec<(SetReport, Option<ReceiveTime>)> {
    let named = instruments.sets().iter().map(|name| SetReport {
        name: name.clone(),
        assigned: 0,
        streaming: 0,
        silent: 0,
        ticks_per_second: rates.of_set(name),
        last_tick_us: None,
        age_ms: None,
        usual_interval_ms: None,
        greeks: BTreeMap::new(),
    });
    let mut sets: Vec<_> = named.map(|set| (set, None)).collect();
    for row in instruments.rows() {
        for set in instruments.sets_of(row) {
            let (set, newest) = &mut sets[usize::from(*set)];
            set.assigned += 1;
            set.streaming += u32::from(row.state.seen);
            set.silent += u32::from(is_silent(row, now));
            if let Some(word) = instruments.greeks_word(row) {
                *set.greeks.entry(word.as_str().to_owned()).or_default() += 1;
            }
            *newest = row.state.received.max(*newest);
        }
    }
    sets
}

/// The forwards of the chains, as far as a report has room.
fn chains(instruments: &AssignedInstruments, now: Instant) -> Vec<ChainReport> {
    let chains = instruments.chains.chains().iter();
    let chains = chains.take(MOST_CHAIN_REPORTS);
    chains.map(|chain| chain.report(now)).collect()
}

/// Receive times are zero before the first.
fn received(micros: i64) -> Option<i64> {
    (micros != 0).then_some(micros)
}

impl TickRate {
    fn update(&mut self, ticks: u64, now: Instant) {
        let Some(since) = self.since else {
            (self.since, self.ticks) = (Some(now), ticks);
            return;
        };
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= SECOND {
            self.per_second = ((ticks - self.ticks) as f64 / elapsed.as_secs_f64()).round() as u32;
            (self.since, self.ticks) = (Some(now), ticks);
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
        let mut rate = TickRate::default();
        rate.update(100, start);
        rate.update(150, start + SECOND / 2);
        assert_eq!(rate.per_second, 0);
        rate.update(400, start + SECOND);
        assert_eq!(rate.per_second, 300);
        rate.update(400, start + 3 * SECOND);
        assert_eq!(rate.per_second, 0);
    }
}
