//! The status of a set.

use std::time::{Duration, Instant};

use crds::InstrumentSetStatus;
use crds::condition::{ConditionType, Reason, State, UndatedCondition};
use crds::set::AccountShare;

use super::{condition, conditions, count, money, names, seconds};
use crate::plan::input::{MarketNow, Now, SetInput};
use crate::plan::placement::PlacedSet;
use crate::plan::readiness::{
    self, ConditionOutcome, Freshness, History, Holder, SetFacts, unplaced, waiting,
};
use crate::plan::selection::Request;

/// A set is stale when its newest tick is older than this many of its usual intervals.
const USUAL_INTERVALS: u64 = 5;

/// The counts of a set's instruments.
#[derive(Clone, Copy)]
struct Counts {
    selected: u32,
    scheduled: u32,
    streaming: u32,
    silent: u32,
    unresolved: u32,
}

/// When a status holds without any news.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    until: Option<Instant>,
    /// Not before this time, in microseconds since 1970: if the clock is set back, the newest tick is one
    /// of a time to come.
    from: Option<i64>,
}

impl Validity {
    /// Whether it holds at `now`.
    pub(crate) fn holds(self, now: Now) -> bool {
        self.until.is_none_or(|until| now.monotonic <= until)
            && self.from <= Some(now.wall.as_microsecond())
    }
}

/// The status, the outcome behind its `Ready`, and when both hold without any news.
pub(crate) fn status(
    placed: &PlacedSet<'_>,
    (holders, silent_market): (&[Holder<'_>], bool),
    previous: Option<&InstrumentSetStatus>,
    history: &History<'_>,
    now: Now,
) -> (InstrumentSetStatus, ConditionOutcome, Validity) {
    let none = InstrumentSetStatus::default();
    let before = previous.unwrap_or(&none);
    let (set, request) = (&placed.set, &placed.request);
    let counts = counts(placed, holders, before);
    let (conflicts, example) = conflicts(placed);
    let stands = before.scheduled == Some(counts.scheduled);
    let facts = SetFacts {
        stands,
        request,
        scheduled: counts.scheduled,
        waiting: unplaced_count(placed),
        conflicts: (conflicts, &example),
        holders,
        freshness: freshness(set, holders, now),
        market: holders
            .iter()
            .map(|it| it.market)
            .fold(MarketNow::default(), MarketNow::plus),
        silent_market,
        now: now.wall.as_second(),
    };
    let outcome = readiness::outcome(readiness::set(&facts), history, now);
    let unasked = holders.iter().any(|holder| holder.unasked);
    let mut undated = undated_conditions(set, &facts, counts, unasked, &outcome);
    if unasked {
        // An operator that starts has nothing new to say of what it has not asked about.
        super::keep(&mut undated, &before.conditions, ConditionType::Streaming);
    }
    let generation = set.observed.meta.generation;
    let is_kept = stands && request.is_unread() && before.observed_generation == generation;
    if is_kept {
        // Nor of what it has not looked up.
        for kind in [ConditionType::Resolved, ConditionType::Scheduled] {
            super::keep(&mut undated, &before.conditions, kind);
        }
    }
    let samples = names::samples(request, before);
    let ticks = holders.iter().filter_map(|it| it.report?.last_tick_us);
    let newest = ticks.filter_map(|us| seconds(us, now.wall)).max();
    let names: Vec<&str> = holders.iter().map(|holder| holder.name).collect();
    let names = names.join(",");
    let money = money::of(placed, before);
    let known = |before: Option<u32>, now| Some(if unasked { before.unwrap_or(0) } else { now });
    let status = InstrumentSetStatus {
        observed_generation: generation,
        conditions: conditions(undated, &before.conditions, generation, now.wall),
        instruments: match before.instruments.clone() {
            Some(known) if unasked => Some(known),
            _ => Some(format!("{}/{}", counts.streaming, counts.selected)),
        },
        selected: Some(counts.selected),
        scheduled: Some(counts.scheduled),
        streaming: known(before.streaming, counts.streaming),
        waiting: match before.waiting {
            Some(known) if is_kept => Some(known),
            _ => Some(facts.waiting),
        },
        silent: known(before.silent, counts.silent),
        resolved_at: names::resolved_at(
            request,
            before,
            (counts.selected, counts.unresolved),
            &samples,
            now,
        ),
        unresolved: samples,
        unresolved_count: Some(counts.unresolved),
        renamed: names::renamed(request, before),
        atm: money.atm,
        atm_count: money.atm_count,
        retained: money.retained,
        references: money.references,
        accounts: (!names.is_empty()).then_some(names),
        assignments: holders.iter().map(share).collect(),
        moving: Some(holders.iter().map(|it| it.moving).sum()).filter(|moving| *moving > 0),
        last_tick_time: newest.max(before.last_tick_time.clone()),
        rebalance: placed.rebalance.clone(),
    };
    (status, outcome, validity(&facts, now))
}

fn undated_conditions(
    set: &SetInput<'_>,
    facts: &SetFacts<'_>,
    counts: Counts,
    unasked: bool,
    outcome: &ConditionOutcome,
) -> Vec<UndatedCondition> {
    let paused = match &set.spec {
        Ok(spec) => super::paused(spec.paused),
        Err(_) => {
            let condition = condition(ConditionType::Paused);
            condition(State::Unknown, Reason::Invalid, "the set cannot be read")
        }
    };
    vec![
        super::ready(outcome),
        names::resolved(facts.request, counts.selected),
        scheduled(facts, counts),
        streaming(counts, unasked, outcome),
        paused,
    ]
}

fn share(holder: &Holder<'_>) -> AccountShare {
    AccountShare {
        account: Some(holder.name.to_owned()),
        instruments: Some(holder.instruments),
    }
}

fn validity(facts: &SetFacts<'_>, now: Now) -> Validity {
    let holders = facts.holders.iter();
    let from = holders.filter_map(|it| it.report?.last_tick_us).max();
    let expected = facts.market.expected_for(facts.now);
    let fresh = facts
        .freshness
        .as_ref()
        .filter(|it| expected.is_some() && it.age <= it.limit);
    let until = if from > Some(now.wall.as_microsecond()) {
        // A tick of a time to come counts as one of now.
        Some(now.monotonic)
    } else {
        fresh.and_then(|it| now.monotonic.checked_add(it.limit - it.age))
    };
    let session = facts.market.until().and_then(|it| session_end(it, now));
    let until = until.into_iter().chain(session).min();
    Validity { until, from }
}

/// The monotonic time before a session ends, epoch seconds.
fn session_end(until: i64, now: Now) -> Option<Instant> {
    let left = until
        .checked_mul(1_000_000)?
        .checked_sub(now.wall.as_microsecond())?;
    let left = Duration::from_micros(u64::try_from(left).ok()?.saturating_sub(1));
    now.monotonic.checked_add(left)
}

/// How many of a set's instruments wait for room.
fn unplaced_count(placed: &PlacedSet<'_>) -> u32 {
    match &placed.request {
        Request::Resolved(_) => placed.placement.waiting,
        // A paused or deleted set does not wait for anything.
        Request::Pending { .. }
        | Request::Denied {
            reason: Reason::Paused | Reason::Terminating,
            ..
        } => 0,
        Request::Denied { .. } => names(&placed.set),
    }
}

/// How many instruments an older set excludes from their channel, with an example.
fn conflicts(placed: &PlacedSet<'_>) -> (u32, String) {
    let Some(resolved) = placed.request.resolved() else {
        return (0, String::new());
    };
    let (clashes, clash) = &placed.placement.clashes;
    let (conflicts, first) = placed.placement.conflicts;
    let count = clashes.saturating_add(conflicts);
    let example = clash.clone().or_else(|| {
        let instrument = resolved.lookup.table.get(first?)?;
        Some(format!(
            "{}:{} is already published on this channel by another account for an older set: use that account, \
             or another publish.channelPrefix",
            instrument.exchange, instrument.tradingsymbol
        ))
    });
    (count, example.unwrap_or_default())
}

/// The age of the newest tick, and its limit. The age is what the process measured plus the time
/// since: clocks of two machines are not compared.
fn freshness(set: &SetInput<'_>, holders: &[Holder<'_>], now: Now) -> Option<Freshness> {
    let spec = set.spec.as_ref().ok()?;
    let newest = holders.iter().filter_map(|holder| {
        let report = holder.report?;
        let since = now.monotonic.saturating_duration_since(holder.at?);
        Some((
            Duration::from_millis(report.age_ms?).saturating_add(since),
            report.last_tick_us.and_then(|us| seconds(us, now.wall)),
        ))
    });
    let (age, newest) = newest.min_by_key(|(age, _)| *age)?;
    let usual = holders.iter().filter_map(|it| it.report?.usual_interval_ms);
    let usual = usual.min().map_or(Duration::ZERO, |usual| {
        Duration::from_millis(usual.saturating_mul(USUAL_INTERVALS))
    });
    Some(Freshness {
        age,
        newest,
        limit: spec.stale_after.max(usual),
    })
}

fn counts(placed: &PlacedSet<'_>, holders: &[Holder<'_>], before: &InstrumentSetStatus) -> Counts {
    let sum = |of: fn(&Holder<'_>) -> u32| holders.iter().map(of).fold(0, u32::saturating_add);
    let scheduled = sum(|holder| holder.instruments);
    let (selected, unresolved) = match &placed.request {
        Request::Resolved(resolved) => (
            resolved
                .selected()
                .saturating_add(placed.placement.retained),
            resolved.lookup.selection.unresolved,
        ),
        Request::Denied { .. } => (names(&placed.set), 0),
        Request::Pending { .. } => (
            before.selected.unwrap_or(0).max(scheduled),
            before.unresolved_count.unwrap_or(0),
        ),
    };
    Counts {
        selected,
        scheduled,
        streaming: sum(|holder| holder.report.map_or(0, |report| report.streaming)).min(scheduled),
        silent: sum(|holder| holder.report.map_or(0, |report| report.silent)).min(scheduled),
        unresolved,
    }
}

/// How many names a set lists that cannot be looked up.
fn names(set: &SetInput<'_>) -> u32 {
    set.spec.as_ref().map_or(0, |spec| count(spec.names()))
}

fn scheduled(facts: &SetFacts<'_>, counts: Counts) -> UndatedCondition {
    let condition = condition(ConditionType::Scheduled);
    let placed = format!(
        "{} of {} instruments have an account",
        counts.scheduled, counts.selected
    );
    match facts.request {
        Request::Pending { reason, message } => condition(State::Unknown, *reason, message),
        Request::Denied { reason, message } => condition(State::False, *reason, message),
        Request::Resolved(_) if facts.conflicts.0 > 0 => {
            condition(State::False, Reason::ChannelConflict, facts.conflicts.1)
        }
        Request::Resolved(resolved) if facts.waiting > 0 => {
            let reason = unplaced(counts.scheduled, resolved);
            condition(State::False, reason, &waiting(facts.waiting, resolved))
        }
        Request::Resolved(_) if counts.selected == 0 => {
            condition(State::False, Reason::NothingResolved, &placed)
        }
        Request::Resolved(_) => condition(State::True, Reason::AllScheduled, &placed),
    }
}

fn streaming(counts: Counts, unasked: bool, outcome: &ConditionOutcome) -> UndatedCondition {
    let condition = condition(ConditionType::Streaming);
    let seen = format!(
        "{} of {} instruments stream, {} are silent",
        counts.streaming, counts.scheduled, counts.silent
    );
    if unasked {
        let message = "waiting for the first report";
        return condition(State::Unknown, Reason::Pending, message);
    }
    if outcome.reason != Reason::Stale
        && counts.scheduled > 0
        && counts.streaming > 0
        && counts.streaming + counts.silent >= counts.scheduled
    {
        return condition(State::True, Reason::Streaming, &seen);
    }
    let reason = match outcome.reason {
        Reason::MarketClosed => Reason::MarketClosed,
        _ if outcome.state == State::True => Reason::Connecting,
        reason => reason,
    };
    condition(State::False, reason, &seen)
}
