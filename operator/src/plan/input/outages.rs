//! Accounts that are known to have lost their sockets, and accounts that may take over.
//!
//! Pure. Owns since when an outage counts, and that nothing counts while most accounts of an endpoint are down: then the
//! fault is not theirs. A process that cannot be reached while its pod runs is not known to be down. Must not place
//! anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contract::Report;
use contract::report::{ConnectionReport, ConnectionState, CredentialsReport};

use super::account::{AccountInput, live_sockets};
use super::observed::{Process, Scrape};
use super::outage::{Cause, Lost, Outage, Standing};
use super::prices::{MarketKey, market};
use super::token::TokenAnswer;
use super::token_use;

/// Finds the outage of each account that may stream. `after`: how long one must last; `None` if none counts.
pub(super) fn check(accounts: &mut [AccountInput<'_>], after: Option<Duration>, now: Instant) {
    let mut markets: BTreeMap<MarketKey, (usize, usize)> = BTreeMap::new();
    let mut of: Vec<Option<MarketKey>> = Vec::with_capacity(accounts.len());
    for account in &mut *accounts {
        let spec = account.spec.as_ref().ok();
        let spec = spec.filter(|_| account.eligibility.is_active());
        let Some((spec, after)) = spec.zip(after) else {
            of.push(None);
            continue;
        };
        let market = market(spec);
        account.outage = outage(account, after, now);
        let (all, down) = markets.entry(market.clone()).or_default();
        *all += 1;
        *down += usize::from(matches!(account.outage.lost, Lost::Everything));
        of.push(Some(market));
    }
    for (account, market) in accounts.iter_mut().zip(of) {
        let Some((all, down)) = market.and_then(|market| markets.get(&market)) else {
            continue;
        };
        if down * 2 > *all {
            account.outage.lost = Lost::Nothing;
        }
    }
}

fn outage(account: &AccountInput<'_>, after: Duration, now: Instant) -> Outage {
    if account.sleep.is_asleep() {
        return asleep(account);
    }
    let scrape = &account.observed.scrape;
    let report = account.report().filter(|_| scrape.answers(now));
    let Some(report) = report else {
        return stopped(account, after, now);
    };
    let waited = scrape.at.map(|at| now.saturating_duration_since(at));
    let waited = waited.unwrap_or_default();
    let down = |it: &ConnectionReport| Some(Duration::from_millis(it.down_ms?) + waited);
    let known = report.connections.iter().filter(|it| is_known_down(it));
    let known: Vec<(&ConnectionReport, Duration)> =
        known.filter_map(|it| Some((it, down(it)?))).collect();
    let lasting = known.iter().filter(|(_, down)| *down >= after);
    let lasting: Vec<&ConnectionReport> = lasting.map(|(it, _)| *it).collect();
    let live = live_sockets(report) > 0;
    let all_down = !known.is_empty() && lasting.len() == known.len();
    let lost = match (live, lasting.first()) {
        (false, Some(_)) if all_down => Lost::Everything,
        (true, Some(_)) => Lost::Tokens(tokens(account, report, &lasting)),
        _ => Lost::Nothing,
    };
    let shorter = known.iter().filter(|(_, down)| *down < after);
    let due = shorter.map(|(_, down)| now + (after - *down)).min();
    Outage {
        standing: match &lost {
            Lost::Nothing => standing(report, live),
            Lost::Tokens(_) | Lost::Everything => Standing::Doubtful,
        },
        lost,
        cause: lasting.first().map(|it| cause(it.state)),
        stopped_since: None,
        due,
    }
}

/// An account whose process rests has lost nothing. It may take over as one whose token Kite accepts.
fn asleep(account: &AccountInput<'_>) -> Outage {
    let check = token_use::check(account.observed, account.token_use.source);
    let accepted = check.is_some_and(|it| matches!(it.answer, TokenAnswer::Accepted { .. }));
    Outage {
        standing: if accepted {
            Standing::Untried
        } else {
            Standing::Doubtful
        },
        ..Outage::default()
    }
}

/// The instruments of connections that are down. A list of another assignment than the one in force says nothing.
fn tokens(account: &AccountInput<'_>, report: &Report, down: &[&ConnectionReport]) -> Vec<u32> {
    let generation = report.assignment.as_ref().map(|it| it.generation);
    let lists = account.observed.scrape.lost.iter();
    let lists = lists.filter(|list| {
        let is_current = Some(list.generation) == generation && list.epoch == report.epoch;
        is_current && down.iter().any(|it| it.index == list.index)
    });
    lists.flat_map(|list| list.tokens.iter().copied()).collect()
}

/// The outage of an account whose process does not answer: it counts only if the process is known not to run.
fn stopped(account: &AccountInput<'_>, after: Duration, now: Instant) -> Outage {
    let is_stopped = match &account.observed.process {
        Process::Absent => true,
        Process::Present { stopped, .. } => *stopped,
        Process::Unknown => false,
    };
    if !is_stopped {
        return Outage::default();
    }
    let failing = |scrape: &Scrape| Some(scrape.failing.as_ref()?.since);
    let known = account.remembered.and_then(|it| it.stopped_since);
    let since = [known, failing(&account.observed.scrape)];
    let since = since.into_iter().flatten().min().unwrap_or(now);
    let lasts = now.saturating_duration_since(since) >= after;
    Outage {
        lost: if lasts {
            Lost::Everything
        } else {
            Lost::Nothing
        },
        standing: Standing::Doubtful,
        cause: lasts.then_some(Cause::Stopped),
        stopped_since: Some(since),
        due: (!lasts).then(|| since + after),
    }
}

/// Whether a connection is down for a reason that is known. Between two waits it dials.
fn is_known_down(connection: &ConnectionReport) -> bool {
    match connection.state {
        ConnectionState::Waiting | ConnectionState::RateLimited | ConnectionState::Refused => true,
        ConnectionState::Connecting => connection.last_error.is_some(),
        ConnectionState::Idle | ConnectionState::Live => false,
    }
}

const fn cause(state: ConnectionState) -> Cause {
    match state {
        ConnectionState::Refused => Cause::Refused,
        ConnectionState::RateLimited => Cause::RateLimited,
        ConnectionState::Idle
        | ConnectionState::Connecting
        | ConnectionState::Live
        | ConnectionState::Waiting => Cause::Disconnected,
    }
}

fn standing(report: &Report, live: bool) -> Standing {
    match report.credentials {
        _ if live => Standing::Proven,
        CredentialsReport::Accepted => Standing::Proven,
        CredentialsReport::Present { .. } => Standing::Untried,
        CredentialsReport::Unread
        | CredentialsReport::Missing { .. }
        | CredentialsReport::Refused { .. } => Standing::Doubtful,
    }
}
