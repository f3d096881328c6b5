//! Checks what a user wrote, once, and returns what the planner relies on.
//!
//! Owns defaults and every check; nothing is checked again later. Messages name the field and never
//! repeat a URL, which may hold a password by mistake.

mod egress;
mod pod;
mod redis;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contract::{LastValuePersistence, Persistence, StreamLength};
use crds::account::{KITE_API, KITE_LOGIN, MarketHours};
use crds::last_value_ttl::LastValueTtl;
use crds::set::{FuturesChannel, Publish, SetMode};
use crds::{InstrumentSetSpec, TickerAccountSpec};
use kite::Mode;

use super::checked::{AccountSpec, ChannelNaming, Choice, Selector, Set, Workload};
use super::observed::{InvalidSpec, Meta, Object, ObservedAccount, ObservedSet, Settings};

/// Checks an account.
pub(crate) fn account(
    observed: &ObservedAccount,
    settings: &Settings,
) -> Result<AccountSpec, InvalidSpec> {
    let spec: &TickerAccountSpec = read(&observed.object)?;
    if !(1..=kite::limits::CONNECTIONS_PER_API_KEY).contains(&spec.connections) {
        return Err(invalid(
            "spec.connections",
            "must be from 1 to 3, Kite's limit per API key",
        ));
    }
    let connections = spec.connections.saturating_sub(spec.headroom_connections);
    if connections == 0 {
        return Err(invalid(
            "spec.headroomConnections",
            "must be less than spec.connections: one socket must remain to stream with",
        ));
    }
    if !(1..=kite::limits::TOKENS_PER_CONNECTION).contains(&spec.tokens_per_connection) {
        return Err(invalid(
            "spec.tokensPerConnection",
            "must be from 1 to 3000, Kite's limit per connection",
        ));
    }
    if spec.credentials_secret_ref.name.is_empty() {
        return Err(invalid(
            "spec.credentialsSecretRef.name",
            "must not be empty: name the Secret that holds the API key",
        ));
    }
    let crds::account::Endpoint {
        websocket,
        api,
        login,
        ..
    } = &spec.endpoint;
    let websocket = origin(websocket, ["ws://", "wss://"], "spec.endpoint.websocket")?;
    let api = origin(api, ["http://", "https://"], "spec.endpoint.api")?;
    let login = match login {
        Some(login) => origin(login, ["http://", "https://"], "spec.endpoint.login")?,
        None if api == KITE_API => KITE_LOGIN,
        // Nobody should log in to the real Kite for a simulator.
        None => api,
    };
    if settings.simulated_time && !spec.mock && !kite::endpoint::is_loopback(websocket) {
        return Err(invalid(
            "spec.endpoint.websocket",
            "is no simulator on this machine, and the operator runs with --wall-clock: run it without",
        ));
    }
    pod::check(&spec.pod)?;
    let redis_url = redis::url(&spec.redis)?.unwrap_or_else(|| settings.redis_url.clone());
    Ok(AccountSpec {
        connections,
        tokens_per_connection: spec.tokens_per_connection,
        egress: egress::of(&spec.endpoint, websocket, settings.proxy.as_ref())?,
        websocket: websocket.to_owned(),
        api: api.to_owned(),
        login: login.to_owned(),
        login_user: spec.login.user_id.clone(),
        webhook_secret: spec
            .login
            .webhook_secret_ref
            .as_ref()
            .map(|it| it.name.clone()),
        mock: spec.mock,
        market_hours: spec.hours(),
        sleeps: spec.schedule.sleep_when_closed && spec.hours() == MarketHours::Exchange,
        paused: spec.paused,
        order_updates: spec.order_updates,
        events: spec.events,
        redis_url,
        workload: Workload {
            secret: spec.credentials_secret_ref.name.clone(),
            redis_secret: spec.redis.secret_ref.as_ref().map(|it| it.name.clone()),
            sentinel: spec.redis.sentinel.is_some(),
            pod: spec.pod.clone(),
        },
    })
}

/// Checks a set.
pub(crate) fn set(observed: &ObservedSet) -> Result<Set<'_>, InvalidSpec> {
    let source = read(observed)?;
    let spec: &InstrumentSetSpec = source;
    let accounts = match (&spec.account_ref, &spec.account_selector) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "spec.accountSelector",
                "must not be set together with spec.accountRef: keep one of them",
            ));
        }
        (Some(named), None) => Choice::Named(&named.name),
        (None, Some(selector)) => Choice::Labelled(selector),
        (None, None) => Choice::Any,
    };
    let prefix = spec.publish.channel_prefix.as_deref();
    let wrong =
        |it: &str| it.is_empty() || it == "mock" || it.starts_with("mock:") || it.ends_with(':');
    if prefix.is_some_and(wrong) {
        return Err(invalid(
            "spec.publish.channelPrefix",
            "must not be empty, mock, begin with mock: or end with a colon",
        ));
    }
    let mode = match spec.mode {
        SetMode::Ltp => Mode::Ltp,
        SetMode::Quote => Mode::Quote,
        SetMode::Full => Mode::Full,
    };
    Ok(Set {
        source,
        mode,
        depth: spec.publish.depth && mode == Mode::Full,
        greeks: spec.publish.greeks,
        keep: keep(&spec.publish)?,
        events: spec.publish.events,
        naming: ChannelNaming {
            prefix,
            futures_with_options: spec.publish.futures_channel == FuturesChannel::Options,
        },
        accounts,
        stale_after: spec.stale_after.into(),
        paused: spec.paused,
        priority: spec.priority,
        selectors: selectors(spec)?,
        exclude: &spec.exclude,
    })
}

fn selectors(spec: &InstrumentSetSpec) -> Result<Vec<Selector<'_>>, InvalidSpec> {
    let excluded: BTreeSet<&str> = spec.exclude.iter().map(String::as_str).collect();
    if let Some(both) = spec
        .pin
        .iter()
        .find(|name| excluded.contains(name.as_str()))
    {
        let problem = format!("holds {both}, which spec.exclude holds too: remove it from one");
        return Err(invalid("spec.pin", &problem));
    }
    let mut selectors = vec![
        Selector::Tokens(&spec.instruments.tokens),
        Selector::Symbols(&spec.instruments.symbols),
        Selector::Symbols(&spec.pin),
    ];
    for (at, shares) in spec.equities.iter().enumerate() {
        selectors.push(Selector::Shares(shares.exchange, &shares.symbols));
        if shares.with_derivatives {
            selectors.push(Selector::WithDerivatives(at, shares.exchange));
        }
    }
    let options = spec.options.iter().enumerate();
    selectors.extend(options.map(|(at, options)| Selector::Options(at, options)));
    let futures = spec.futures.iter().enumerate();
    selectors.extend(futures.map(|(at, futures)| Selector::Futures(at, futures)));
    Ok(selectors)
}

/// The length of a stream that sets none, in seconds.
const STREAM_SECONDS: u32 = 60;

fn keep(publish: &Publish) -> Result<Persistence, InvalidSpec> {
    let (last, stream) = (&publish.last_value, &publish.stream);
    let interval: Duration = last.interval.into();
    let day = Duration::from_secs(u64::from(LastValuePersistence::DAY_S));
    let (ttl, until_session) = match last.ttl {
        LastValueTtl::Session => (day, true),
        LastValueTtl::For(ttl) => (ttl.into(), false),
    };
    let (interval, ttl) = (interval.as_millis().try_into(), ttl.as_secs().try_into());
    let last = match (interval, ttl) {
        _ if !last.enabled => None,
        (Ok(interval_ms @ 1..), Ok(ttl_s @ 1..)) => Some(LastValuePersistence {
            interval_ms,
            ttl_s,
            until_session,
        }),
        _ => {
            return Err(invalid(
                "spec.publish.lastValue",
                "interval must be from 50ms to 1m, and ttl Session or from 1m to 168h",
            ));
        }
    };
    let length = stream
        .max_len
        .map_or(StreamLength::Seconds(STREAM_SECONDS), StreamLength::Entries);
    Ok(Persistence {
        last,
        stream: stream.enabled.then_some(length),
    })
}

fn read<Spec, Status>(object: &Object<Spec, Status>) -> Result<&Arc<Spec>, InvalidSpec> {
    let spec = object.spec.as_ref().map_err(Clone::clone)?;
    check_name(&object.meta)?;
    Ok(spec)
}

/// Names of owned objects and label values are made of it.
fn check_name(meta: &Meta) -> Result<(), InvalidSpec> {
    let name = meta.key.name.as_bytes();
    let inner = name
        .iter()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-');
    let first = name.first().is_some_and(u8::is_ascii_lowercase);
    let last = name.last().is_some_and(|c| *c != b'-');
    if inner && first && last && name.len() <= crds::names::MAX_NAME {
        return Ok(());
    }
    Err(invalid(
        "metadata.name",
        "must have at most 40 characters of a-z, 0-9 and -, beginning with a letter",
    ))
}

fn origin<'a>(url: &'a str, schemes: [&str; 2], field: &str) -> Result<&'a str, InvalidSpec> {
    let bare = url.strip_suffix('/').unwrap_or(url);
    let host = schemes.iter().find_map(|scheme| bare.strip_prefix(scheme));
    let strange = |c: char| "/?#@".contains(c) || c.is_whitespace();
    if host.is_some_and(|host| !host.is_empty() && !host.contains(strange)) {
        return Ok(bare);
    }
    let problem = format!(
        "must be {}HOST[:PORT] or {}HOST[:PORT], without user, path or query",
        schemes[0], schemes[1]
    );
    Err(invalid(field, &problem))
}

fn invalid(field: &str, problem: &str) -> InvalidSpec {
    InvalidSpec {
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests;
