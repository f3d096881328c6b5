//! The status of an account.

use contract::Report;
use contract::report::{
    ConnectionState, CredentialsReport, FEATURE_EGRESS, FEATURE_EVENTS, FEATURE_REFERENCES,
    FEATURE_STANDBY,
};
use crds::TickerAccountStatus;
use crds::account::{AssignmentGeneration, ConnectionStatus, MarketHours};
use crds::condition::{ConditionType, Reason, State, UndatedCondition};
use jiff::Timestamp;

use super::login::{self, LoginOffer};
use super::{condition, conditions, count, seconds, token};
use crate::plan::assignment::{AssignedAccount, in_range};
use crate::plan::input::{
    AccountInput, AccountSpec, MarketNow, Now, Process, Secret, TokenAnswer, live_sockets,
};
use crate::plan::readiness::{
    self, AccountFacts, CONTRADICTED, ConditionOutcome, History, Observation,
};
use crate::plan::selection::TradingDays;

/// The status of an account, and what is known beside it.
pub(crate) struct AccountStatus {
    pub(crate) status: TickerAccountStatus,
    /// The outcome for its `Ready`.
    pub(crate) ready: ConditionOutcome,
    /// Whether a first report is still waited for.
    pub(crate) unasked: bool,
    /// The login that is needed, if one is.
    pub(crate) login: LoginOffer,
    /// Whether it needs a good access token now.
    pub(crate) needs_token: bool,
    /// Whether all that it lacks is a token, and it needs none now.
    pub(crate) lacks_token: bool,
}

/// Makes it. `poked`: whether its pod is annotated; `market`: what its markets do;
/// `stranded`: how many of its instruments no other account would have room for, if that is known.
pub(crate) fn status(
    assigned: &AssignedAccount<'_>,
    (poked, market, days): (bool, MarketNow, &TradingDays),
    stranded: Option<usize>,
    previous: Option<&TickerAccountStatus>,
    history: &History<'_>,
    now: Now,
) -> AccountStatus {
    let account = &assigned.account;
    let report = account.report();
    let asks = !account.sleep.is_asleep() && account.observed.scrape.answers(now.monotonic);
    let answer = report.filter(|_| asks);
    let facts = facts(assigned, answer, (poked, market, days), previous, now);
    let observation = readiness::account(account, &facts, now.monotonic);
    let unasked = observation == Observation::Unasked;
    let outcome = readiness::outcome(observation, history, now);
    let mut undated = undated_conditions(account, &facts, answer, stranded.unwrap_or(0), &outcome);
    let generation = account.observed.object.meta.generation;
    let none = TickerAccountStatus::default();
    let before = previous.unwrap_or(&none);
    if unasked {
        // An operator that starts has nothing new to say of what it has not asked about.
        for kind in [ConditionType::CredentialsValid, ConditionType::Connected] {
            super::keep(&mut undated, &before.conditions, kind);
        }
    }
    let is_verified = undated.iter().any(|it| it.reason == Reason::Verified);
    if is_verified && !token::is_asked(account) {
        // Nor of whose token it is, until Kite has answered.
        let was_verified = token::credentials_before(before) == Some(Reason::Verified);
        if was_verified {
            super::keep(
                &mut undated,
                &before.conditions,
                ConditionType::CredentialsValid,
            );
        }
    }
    if stranded.is_none() && before.observed_generation == generation {
        super::keep(
            &mut undated,
            &before.conditions,
            ConditionType::CapacityAvailable,
        );
    }
    let acknowledged = before.assignment_generation.filter(|_| unasked);
    let acknowledged = acknowledged.and_then(|it| it.acknowledged);
    let known = |text: &Option<String>| text.clone().filter(|_| unasked);
    let sockets = || format!("{}/{}", answer.map_or(0, live_sockets), facts.needed);
    let capacity = account.spec.as_ref().map(|spec| count(spec.capacity()));
    let applied = account.applied();
    let wrong = match unasked {
        true => token::credentials_before(before),
        false => readiness::credentials(&facts, answer).map(|it| it.0),
    };
    let login = login::offer(account, &facts, wrong, before, now.wall);
    let status = TickerAccountStatus {
        observed_generation: generation,
        conditions: conditions(undated, &before.conditions, generation, now.wall),
        connections: known(&before.connections).or_else(|| Some(sockets())),
        instruments: known(&before.instruments).or_else(|| Some(instruments(&facts, answer))),
        capacity: capacity.ok().or(before.capacity),
        ticks_per_second: answer
            .map(rate)
            .or(before.ticks_per_second.filter(|_| unasked))
            .or(Some(0)),
        last_tick_time: report
            .and_then(|report| seconds(report.last_tick_us?, now.wall))
            .max(before.last_tick_time.clone()),
        pod_name: match &account.observed.process {
            Process::Present { name, .. } => Some(name.clone()),
            Process::Unknown => before.pod_name.clone(),
            Process::Absent => None,
        },
        assignment_generation: Some(AssignmentGeneration {
            desired: assigned.current().and_then(|it| in_range(it.generation)),
            acknowledged: applied
                .and_then(|applied| in_range(applied.generation))
                .or(acknowledged),
        }),
        connection_status: match unasked {
            true => before.connection_status.clone(),
            false if account.sleep.is_asleep() => Vec::new(),
            false => connection_status(answer, before, now.wall),
        },
        rebalance: assigned.rebalance.clone(),
        login_url: login.url.clone(),
        session: login::session(account, before),
        token_expires_at: token::end(facts.secret, facts.token, before.token_expires_at.as_ref()),
    };
    AccountStatus {
        status,
        login,
        needs_token: facts.needs_token,
        lacks_token: readiness::only_lacks_token(&facts, answer),
        ready: outcome,
        unasked,
    }
}

/// The report's rate is of the last seconds: without a socket it would stand, as nothing asks again soon.
fn rate(report: &Report) -> u32 {
    match live_sockets(report) {
        0 => 0,
        _ => report.ticks_per_second,
    }
}

fn facts<'w>(
    assigned: &'w AssignedAccount<'_>,
    answer: Option<&Report>,
    (poked, market, days): (bool, MarketNow, &TradingDays),
    previous: Option<&TickerAccountStatus>,
    now: Now,
) -> AccountFacts<'w> {
    let (account, current) = (&assigned.account, assigned.current());
    let (observed, spec) = (account.observed, account.spec.as_ref());
    let contradicted = assigned
        .reissue
        .filter(|it| it.repeated)
        .map(|_| CONTRADICTED);
    let needs = needs(assigned);
    // An older process opens no connection without instruments.
    let stands_by = |report: &Report| report.features.iter().any(|it| it == FEATURE_STANDBY);
    let standby = current.is_some_and(|it| it.standby) && account.report().is_none_or(stands_by);
    let old_rate = assigned.old_rate.clone();
    let assigned = current.map(|current| current.instruments.len());
    let keeps_hours = spec.is_ok_and(|spec| spec.market_hours == MarketHours::Exchange);
    AccountFacts {
        token: token::checked(account, previous),
        needs_token: !keeps_hours
            || readiness::needs_token(market, (assigned, days.trades_today()), now.wall),
        account: account.name(),
        secret_name: spec.map_or("", |spec| spec.workload.secret.as_str()),
        secret: &observed.secret,
        token_source: token::source(account),
        offers_login: login::is_offered(account, previous),
        login_obstacle: login::obstacle(account),
        process: &observed.process,
        scrape: &observed.scrape,
        report: account.report(),
        assigned,
        needed: match account.sleep.is_asleep() {
            true => 0,
            false => spec
                .map_or(0, |spec| needed(spec, assigned, answer))
                .max(u32::from(standby)),
        },
        standby,
        poked,
        redis_secret: redis_secret(account),
        unwritten: observed.unwritten.as_deref().or(contradicted),
        needs,
        image: spec
            .ok()
            .and_then(|spec| spec.workload.pod.image.as_deref()),
        sleep: account.sleep,
        market,
        calendar: days.warning().filter(|_| keeps_hours),
        old_rate,
    }
}

/// The features that a process must have to obey the assignment.
fn needs(assigned: &AssignedAccount<'_>) -> Vec<&'static str> {
    let current = assigned.current();
    let egress = current.is_some_and(|it| !it.egress.is_direct());
    let events = current.is_some_and(|it| !it.events || !it.quiet_prefixes.is_empty());
    let references = !assigned.references.instruments.is_empty();
    let all = [
        (FEATURE_EGRESS, egress),
        (FEATURE_EVENTS, events),
        (FEATURE_REFERENCES, references),
        (FEATURE_STANDBY, current.is_some_and(|it| it.standby)),
    ];
    let needed = all.into_iter().filter(|(_, needed)| *needed);
    needed.map(|(feature, _)| feature).collect()
}

fn undated_conditions(
    account: &AccountInput<'_>,
    facts: &AccountFacts<'_>,
    answer: Option<&Report>,
    stranded: usize,
    outcome: &ConditionOutcome,
) -> Vec<UndatedCondition> {
    let mut ready = super::ready(outcome);
    if outcome.reason == Reason::TokenExpired
        && let Some(next) = answer.and_then(next_try)
    {
        // Not in the outcome, which its sets repeat: each would be written at every try.
        ready.message = super::bounded(&format!("{}; {next}", outcome.message));
    }
    match &account.spec {
        Ok(spec) => vec![
            ready,
            credentials(facts, answer),
            connected(facts, answer, outcome),
            capacity(account, spec, facts.assigned, stranded),
            super::paused(spec.paused),
        ],
        Err(_) => [ready].into_iter().chain(unknown(outcome)).collect(),
    }
}

/// How many of the assigned instruments stream.
fn instruments(facts: &AccountFacts<'_>, answer: Option<&Report>) -> String {
    let assigned = count(facts.assigned.unwrap_or(0));
    // A process that has not dropped some instruments yet streams more than it should.
    let streaming = answer.map_or(0, |report| report.streaming.min(assigned));
    format!("{streaming}/{assigned}")
}

fn connection_status(
    answer: Option<&Report>,
    before: &TickerAccountStatus,
    now: Timestamp,
) -> Vec<ConnectionStatus> {
    match answer {
        Some(report) => {
            let connections = report.connections.iter();
            connections.map(|it| connection(it, now)).collect()
        }
        None => {
            let connections = before.connection_status.iter().cloned();
            connections.map(unknown_connection).collect()
        }
    }
}

fn redis_secret<'a>(account: &'a AccountInput<'_>) -> Option<(&'a str, &'a Secret)> {
    let name = account
        .spec
        .as_ref()
        .ok()?
        .workload
        .redis_secret
        .as_deref()?;
    Some((name, account.observed.redis_secret.as_ref()?))
}

/// A socket of a process that does not answer: the last known values, with an unknown state.
fn unknown_connection(last: ConnectionStatus) -> ConnectionStatus {
    ConnectionStatus {
        state: Some(State::Unknown.as_str().to_owned()),
        ..last
    }
}

/// Sockets that this many instruments need. A process that has them on more sockets needs those: it
/// does not move an instrument to save a socket.
fn needed(spec: &AccountSpec, assigned: Option<usize>, answer: Option<&Report>) -> u32 {
    let assigned = assigned.unwrap_or(0);
    if assigned == 0 {
        return 0;
    }
    let full = count(assigned.div_ceil(usize::from(spec.tokens_per_connection).max(1)));
    let used = answer.map_or(0, |report| {
        let used = report.connections.iter().filter(|it| it.instruments > 0);
        count(used.count())
    });
    full.max(used)
}

fn credentials(facts: &AccountFacts<'_>, answer: Option<&Report>) -> UndatedCondition {
    let condition = condition(ConditionType::CredentialsValid);
    if let Some((reason, mut message)) = readiness::credentials(facts, answer) {
        if let Some(next) = answer.and_then(next_try) {
            message = format!("{message}; {next}");
        }
        return condition(State::False, reason, &message);
    }
    if let Some(TokenAnswer::Accepted { user_id }) = facts.token.map(|token| &token.answer) {
        let message = format!("Kite accepts the access token of {user_id}");
        return condition(State::True, Reason::Verified, &message);
    }
    match answer.map(|report| &report.credentials) {
        Some(CredentialsReport::Accepted) => condition(
            State::True,
            Reason::Verified,
            "Kite accepted the credentials",
        ),
        Some(_) | None => condition(
            State::Unknown,
            Reason::Unverified,
            "the credentials have not been used yet",
        ),
    }
}

/// When Kite is asked again after it refused the credentials. The text changes once per try.
fn next_try(report: &Report) -> Option<String> {
    let CredentialsReport::Refused { next_try, .. } = report.credentials else {
        return None;
    };
    let Some(next_try) = next_try else {
        return under_way(report);
    };
    let time = kite::ist::civil(Timestamp::from_second(next_try).ok()?).time();
    Some(format!("it is tried again at {time} IST"))
}

/// Refused credentials are being tried, and Kite does not say whether it accepts them.
fn under_way(report: &Report) -> Option<String> {
    let mut connections = report.connections.iter();
    let trying = connections.find(|it| it.state == ConnectionState::Waiting)?;
    let error = trying.last_error.as_deref()?;
    Some(format!(
        "it is being tried again, without an answer so far: {error}"
    ))
}

fn connected(
    facts: &AccountFacts<'_>,
    answer: Option<&Report>,
    outcome: &ConditionOutcome,
) -> UndatedCondition {
    let condition = condition(ConditionType::Connected);
    if facts.needed == 0
        && (facts.assigned == Some(0) || facts.sleep.is_asleep())
        && answer.is_none_or(|report| live_sockets(report) == 0)
    {
        return condition(State::True, Reason::Idle, "no socket is needed");
    }
    let Some(report) = answer else {
        return condition(State::Unknown, outcome.reason, &outcome.message);
    };
    let up = live_sockets(report);
    if up >= facts.needed.max(1) {
        let message = format!("{up} of {} sockets are up", facts.needed);
        return condition(State::True, Reason::Connected, &message);
    }
    let message = readiness::sockets(report, facts.needed);
    condition(State::False, Reason::Connecting, &message)
}

fn capacity(
    account: &AccountInput<'_>,
    spec: &AccountSpec,
    assigned: Option<usize>,
    stranded: usize,
) -> UndatedCondition {
    let condition = condition(ConditionType::CapacityAvailable);
    let capacity = spec.capacity();
    let Some(assigned) = assigned else {
        let message = "the account's assignment cannot be read";
        return condition(State::Unknown, Reason::Pending, message);
    };
    if let Some(why) = account.eligibility.suspension() {
        return condition(State::False, why.reason(), &why.message());
    }
    let mut message = format!("{assigned} instruments are assigned, {capacity} fit");
    if stranded > 0 {
        message.push_str(&format!(
            "; if this account failed, {stranded} of its instruments would have no room elsewhere"
        ));
    }
    if assigned < capacity {
        condition(State::True, Reason::CapacityFree, &message)
    } else {
        condition(State::False, Reason::CapacityShort, &message)
    }
}

fn unknown(outcome: &ConditionOutcome) -> [UndatedCondition; 4] {
    let kinds = [
        ConditionType::CredentialsValid,
        ConditionType::Connected,
        ConditionType::CapacityAvailable,
        ConditionType::Paused,
    ];
    let why = "the account cannot be read";
    kinds.map(|kind| condition(kind)(State::Unknown, outcome.reason, why))
}

fn connection(connection: &contract::report::ConnectionReport, now: Timestamp) -> ConnectionStatus {
    ConnectionStatus {
        index: Some(connection.index),
        state: Some(connection.state.as_str().to_owned()),
        instruments: Some(connection.instruments),
        reconnects: Some(connection.reconnects.min(i64::MAX as u64)),
        last_tick_time: connection.last_tick_us.and_then(|us| seconds(us, now)),
        last_error: connection.last_error.clone(),
    }
}
