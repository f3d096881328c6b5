//! The server's side of the ticker without its sockets: the connections, and what is sent to them and when.
//!
//! Owns the rules of connections. Time is an argument; frames are sent through
//! bounded queues. It must not wait for anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time;
use kite::limits::CONNECTIONS_PER_API_KEY;
use kite::{Mode, Token};
use tokio::sync::mpsc;

use crate::market::{Market, SimulationTime};
use crate::universe::Universe;

mod admission;
mod connection;
pub mod credentials;
mod daily;
mod days;
pub mod faults;
pub mod prices;
pub mod rates;
pub mod recorder;
mod report;
mod request_tokens;
mod schedule;
mod sessions;
mod subscriptions;
pub mod truth;

pub use admission::{ConnectionFilter, Refusal};
use connection::ClientConnection;
pub use connection::{ConnectionHandle, Outgoing, Sent};
use credentials::AccessTokens;
use daily::DailyTime;
pub use days::DayChange;
use faults::Faults;
use rates::Rates;
pub use report::{ConnectionStatistics, Statistics};
use schedule::Schedule;
use sessions::Sessions;

/// API keys whose totals are kept after their connections end.
const MAX_KEYS: usize = 1_000;

/// The subscribers of an instrument.
#[derive(Clone, Copy, Debug)]
struct Watcher {
    connection: u64,
    mode: Mode,
}

/// The whole server, without its sockets.
#[derive(Debug)]
pub struct Exchange {
    market: Market,
    credentials: AccessTokens,
    faults: Faults,
    flush: Option<DailyTime>,
    /// When the next list is made.
    days: Option<DailyTime>,
    /// `None`: the market never closes.
    sessions: Option<Sessions>,
    seed: u64,
    paused: bool,
    next_id: u64,
    connections: BTreeMap<u64, ClientConnection>,
    ended: BTreeMap<Arc<str>, Sent>,
    /// Places that ended connections still hold, and until when.
    lingering: Vec<(Arc<str>, Duration)>,
    watchers: Vec<Vec<Watcher>>,
    schedule: Schedule,
    due: Vec<usize>,
}

impl Exchange {
    /// An exchange without connections.
    #[must_use]
    pub fn new(market: Market, rates: Rates, credentials: AccessTokens, seed: u64) -> Self {
        let listings = market.universe().listings.len();
        Self {
            market,
            credentials,
            faults: Faults::default(),
            flush: None,
            days: None,
            sessions: None,
            seed,
            paused: false,
            next_id: 1,
            connections: BTreeMap::new(),
            ended: BTreeMap::new(),
            lingering: Vec::new(),
            watchers: vec![Vec::new(); listings],
            schedule: Schedule::new(rates, listings, seed),
            due: Vec::new(),
        }
    }

    /// The listed instruments.
    #[must_use]
    pub fn universe(&self) -> Arc<Universe> {
        Arc::clone(self.market.universe())
    }

    /// Logins, sessions and revoked tokens.
    pub fn credentials(&mut self) -> &mut AccessTokens {
        &mut self.credentials
    }

    /// Flushes tokens at this time of each day in India, first after `now`.
    pub fn flush_tokens_daily(&mut self, time: Time, now: Timestamp) {
        self.flush = Some(DailyTime::new(time, now.as_second()));
    }

    /// Admits a connection and takes one of its API key's places, before the upgrade.
    ///
    /// # Errors
    /// When the answer is a plain status.
    pub fn connect(
        &mut self,
        api_key: &str,
        access_token: &str,
        now: SimulationTime,
    ) -> Result<(Arc<ConnectionHandle>, mpsc::Receiver<Outgoing>), Refusal> {
        if let Some(status) = self.faults.refuse(api_key) {
            return Err(Refusal::Fault(status));
        }
        if !self.credentials.admit(api_key, access_token) {
            return Err(Refusal::Forbidden);
        }
        let open = self
            .connections
            .values()
            .filter(|open| &*open.handle.api_key == api_key)
            .count();
        self.lingering.retain(|(_, until)| *until > now.elapsed);
        let lingering = self.lingering.iter().filter(|(key, _)| &**key == api_key);
        if open + lingering.count() >= usize::from(CONNECTIONS_PER_API_KEY) {
            return Err(Refusal::TooManyConnections);
        }
        let id = self.next_id;
        self.next_id += 1;
        let (muted, frozen) = (self.faults.mutes(api_key), self.faults.freezes(api_key));
        let conflated = self.faults.conflates(api_key);
        let (connection, queue) =
            ClientConnection::new(id, api_key.into(), (muted, frozen), conflated);
        let handle = Arc::clone(&connection.handle);
        self.connections.insert(id, connection);
        Ok((handle, queue))
    }

    /// Forgets a connection and keeps its totals.
    pub fn disconnect(&mut self, id: u64, now: SimulationTime) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        for token in connection.subscriptions.keys() {
            self.unwatch(*token, id);
        }
        let key = &connection.handle.api_key;
        let linger = self.faults.linger(key);
        // Each ended connection had one of the key's places, so there are at most as many as were
        // open.
        if !linger.is_zero() {
            self.lingering.push((Arc::clone(key), now.elapsed + linger));
        }
        if self.ended.len() < MAX_KEYS || self.ended.contains_key(key) {
            let total = self.ended.entry(Arc::clone(key)).or_default();
            *total = total.plus(connection.handle.sent());
        }
    }

    /// Makes every instrument tick that is due.
    pub fn step(&mut self, now: SimulationTime) {
        if self
            .flush
            .as_mut()
            .is_some_and(|flush| flush.take_due(now.unix))
        {
            let tokens = self.credentials.flush();
            tracing::info!(tokens, "access tokens flushed");
        }
        if self.paused {
            return;
        }
        self.go_on(now);
        let mut due = std::mem::take(&mut self.due);
        let sessions = self.sessions.as_ref();
        let listings = &self.market.universe().listings;
        self.schedule.take_due(
            now.elapsed,
            |position| {
                let ended = listings[position].contract.has_ended(now.unix);
                !self.watchers[position].is_empty() && !ended
            },
            |position| sessions.is_none_or(|it| it.ticks(&listings[position], now.unix)),
            &mut due,
        );
        for position in due.drain(..) {
            self.publish(position, false, now);
        }
        self.due = due;
        self.flush();
    }

    /// Makes each of the given instruments trade once at another price, also while paused. Returns
    /// how many of them are listed.
    pub fn tick(&mut self, tokens: &[Token], now: SimulationTime) -> usize {
        let positions: Vec<_> = tokens
            .iter()
            .filter_map(|token| self.market.universe().find(*token))
            .collect();
        for position in &positions {
            self.publish(*position, true, now);
        }
        self.flush();
        positions.len()
    }

    /// Stops or resumes the market.
    pub fn pause(&mut self, paused: bool, now: SimulationTime) {
        if self.paused && !paused {
            self.schedule.replan(now.elapsed);
        }
        self.paused = paused;
    }

    /// Changes how often instruments tick: the given ones, or all.
    pub fn set_rate(&mut self, rate: f64, tokens: Option<&[Token]>, now: SimulationTime) {
        match tokens {
            None => self.schedule.rates = Rates::uniform(rate),
            Some(tokens) => {
                for position in tokens
                    .iter()
                    .filter_map(|token| self.market.universe().find(*token))
                {
                    self.schedule.rates.set(position, rate);
                }
            }
        }
        self.schedule.replan(now.elapsed);
    }

    /// Queues a raw frame for connections. Returns for how many.
    pub fn send(&self, filter: &ConnectionFilter, frame: &Outgoing) -> usize {
        let meant = self
            .connections
            .values()
            .filter(|open| filter.matches(&open.handle));
        meant
            .map(|connection| connection.send(frame.clone()))
            .count()
    }

    /// Drops connections without a Close frame. Returns how many.
    pub fn drop_connections(&self, filter: &ConnectionFilter) -> usize {
        let meant = self
            .connections
            .values()
            .filter(|open| filter.matches(&open.handle));
        meant
            .map(|connection| connection.handle.cut.cancel())
            .count()
    }

    /// The active faults.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The faults, to take one for an answer. Changes go through [`Self::change_faults`].
    pub const fn faults_mut(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Changes the faults; mutes and freezes apply to open connections at once.
    ///
    /// # Errors
    /// When the change is not valid.
    pub fn change_faults(&mut self, change: faults::FaultChange) -> Result<(), faults::FaultError> {
        self.faults.apply(change)?;
        for connection in self.connections.values_mut() {
            let key = &connection.handle.api_key;
            connection.muted = self.faults.mutes(key);
            connection.conflated = self.faults.conflates(key);
            connection
                .handle
                .frozen
                .send_replace(self.faults.freezes(key));
        }
        Ok(())
    }

    /// Changes one instrument and adds its packet to the frames of its subscribers.
    fn publish(&mut self, position: usize, trade: bool, now: SimulationTime) {
        let changed = self.market.advance(position, trade, now);
        self.send_packets(position, |mode| changed.concerns(mode));
    }

    /// Adds the packet of one instrument to the frames of its subscribers in some modes.
    fn send_packets(&mut self, position: usize, concerns: impl Fn(Mode) -> bool) {
        for watcher in &self.watchers[position] {
            if concerns(watcher.mode)
                && let Some(connection) = self.connections.get_mut(&watcher.connection)
            {
                connection.push_tick(&self.market.packet(position, watcher.mode));
            }
        }
    }

    fn flush(&mut self) {
        for connection in self.connections.values_mut() {
            connection.flush();
        }
    }
}

#[cfg(test)]
mod tests;
