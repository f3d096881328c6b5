//! The data plane: one task that owns the sockets, the instruments and the link to Redis.
//!
//! It handles whatever is ready, always in the same order and without locks: reads frames, runs the
//! sessions, sends commands. It takes [`FolderChange`]s, and other tasks read its
//! [`StatusSnapshot`]s. It must not wait for anything but readiness.

mod assign;
mod connections;
mod drain;
mod renewal;
mod setup;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use kite::Token;
use kite::recording::FrameKind;
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::connection::mute_limit::MuteLimit;
use crate::connection::socket::Frame;
use crate::connection::{Connection, Dialler};
use crate::events::alive::AliveState;
use crate::events::detect::EventDetector;
use crate::events::market::MarketClasses;
use crate::input::credential_state::CredentialState;
use crate::input::watch::FolderChange;
use crate::pipeline::Pipeline;
use crate::status::report::{self, StatusSnapshot};
use redis_link::client::RedisClient;

use renewal::Renewal;
pub(crate) use setup::Setup;

/// Frames of one connection that are read before the others have their turn.
const FRAMES_PER_TURN: usize = 64;

/// How often a snapshot is published if nothing changes.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// If a turn is late by this much, this process or its machine was stopped.
const STANDSTILL: Duration = Duration::from_secs(1);

/// After a stop, the time to read what arrived meanwhile. The signal that continues a process ends
/// its wait for sockets with a timeout and without their events.
const CATCH_UP: Duration = Duration::from_millis(50);

/// The data plane.
#[derive(Debug)]
pub(crate) struct DataPlane {
    setup: Setup,
    random: fastrand::Rng,
    pipeline: Pipeline,
    connections: Vec<Connection>,
    /// The second socket of one of them, while it takes over.
    renewal: Option<Renewal>,
    /// When the next one may be opened.
    renewal_after: Option<Instant>,
    /// Which connection carries which token.
    allocation: Arc<BTreeMap<Token, u8>>,
    dialler: Option<Dialler>,
    /// Whether order updates are published.
    order_updates: bool,
    credential_state: CredentialState,
    detector: EventDetector,
    mute_limits: [MuteLimit; kite::limits::CONNECTIONS_PER_API_KEY as usize],
    report_state: report::ReportState,
    changes: mpsc::Receiver<FolderChange>,
    snapshots: watch::Sender<Arc<StatusSnapshot>>,
    next_report: Instant,
}

impl DataPlane {
    /// A data plane that waits for the first assignment.
    #[must_use]
    pub(crate) fn new(
        setup: Setup,
        changes: mpsc::Receiver<FolderChange>,
        snapshots: watch::Sender<Arc<StatusSnapshot>>,
    ) -> Self {
        let mut random = fastrand::Rng::with_seed(setup.seed);
        let name = format!("kite-ingestor:{}", setup.epoch);
        let redis = RedisClient::new(setup.redis.clone(), name, random.u64(..));
        let connections = (0..kite::limits::CONNECTIONS_PER_API_KEY)
            .map(|index| Connection::new(index, random.u64(..)))
            .collect();
        Self {
            pipeline: Pipeline::new(redis, setup.clock.clone()),
            connections,
            renewal: None,
            renewal_after: None,
            allocation: Arc::default(),
            dialler: None,
            order_updates: false,
            credential_state: CredentialState::default(),
            detector: EventDetector::default(),
            mute_limits: Default::default(),
            report_state: report::ReportState::new(&setup.epoch),
            changes,
            snapshots,
            next_report: setup.clock.now(),
            random,
            setup,
        }
    }

    /// Runs until `shutdown`; then stops reading, waits for the answers of Redis, and closes the
    /// sockets.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        let turning = poll_fn(|cx| self.poll(cx, timer.as_mut()));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = turning => {}
        }
        self.drain().await;
    }

    /// Handles whatever is ready; never completes.
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        if self.stood_still(timer.as_mut()) && timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        // One turn: 1 changes of the folders are taken, 2 frames are read and become ticks, 3 connections dial,
        // subscribe and end, 4 the pipeline sends what waits and takes answers, 5 events are handed
        // over, 6 a snapshot is published. Then it sleeps until the next deadline or until a socket
        // wakes it.
        loop {
            let mut changed = self.take_changes(cx);
            let more = self.read_frames(cx);
            let now = self.setup.clock.now();
            changed |= self.poll_connections(cx, now);
            changed |= self.pipeline.poll(cx, now);
            self.send_events();
            if changed || now >= self.next_report {
                self.publish_snapshot(now);
            }
            // A new socket has not been read yet: without a first read nothing would wake this task
            // when its frames arrive.
            if more || changed {
                continue;
            }
            // Deadlines of live sockets move with every frame: waking too early is cheaper than
            // resetting the timer each time.
            let deadline = self.deadline();
            let armed = timer.deadline().into_std();
            if deadline < armed || armed <= now {
                timer.as_mut().reset(deadline.into());
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Whether this turn is so late that unread data would count as silence; then sets the timer
    /// for another turn soon.
    fn stood_still(&mut self, timer: Pin<&mut Sleep>) -> bool {
        let now = self.setup.clock.now();
        let late = now.saturating_duration_since(self.next_report);
        if late < STANDSTILL {
            return false;
        }
        self.pipeline.instruments.on_standstill(late);
        self.next_report = now + CATCH_UP;
        timer.reset(self.next_report.into());
        true
    }

    fn take_changes(&mut self, cx: &mut Context<'_>) -> bool {
        let mut changed = false;
        while let Poll::Ready(Some(change)) = self.changes.poll_recv(cx) {
            changed = true;
            match change {
                FolderChange::Assignment(assigned) => self.assign(*assigned),
                FolderChange::AssignmentError(error) => {
                    self.report_state.assignment_error = Some(error);
                }
                FolderChange::Credentials(found) => {
                    if self.credential_state.is_change(&found) {
                        self.detector.on_credentials_changed();
                    }
                    let time = self.observed_at(self.setup.clock.now());
                    let worthwhile = self.credential_state.on_read(found, time);
                    self.set_credentials(worthwhile);
                    if worthwhile {
                        let connections = self.connections.iter_mut();
                        connections.for_each(Connection::on_credentials_changed);
                    }
                }
            }
        }
        changed
    }

    /// Reads what is available; returns whether a connection has more.
    fn read_frames(&mut self, cx: &mut Context<'_>) -> bool {
        let indexes = 0..self.connections.len();
        let more = indexes.fold(false, |more, index| more | self.read_connection(cx, index));
        more | self.read_renewal(cx)
    }

    fn read_connection(&mut self, cx: &mut Context<'_>, index: usize) -> bool {
        for _ in 0..FRAMES_PER_TURN {
            let now = self.setup.clock.now();
            let Poll::Ready(Some(frame)) = self.connections[index].poll_frame(cx, now) else {
                return false;
            };
            self.record(index as u8, &frame);
            match frame {
                Frame::Binary(bytes) => {
                    let part = self.published_part(index, &bytes, now);
                    if self
                        .pipeline
                        .on_frame(part.as_deref().unwrap_or(&bytes), now)
                    {
                        self.connections[index].on_ticks(now);
                        self.on_ticks(index as u8);
                    } else if part.is_some_and(|_| has_packets(&bytes)) {
                        // Its ticks are published by the socket that takes over.
                        self.connections[index].on_ticks(now);
                    }
                }
                Frame::Text(text) => self.on_text(index, &text, now),
                Frame::Control => {}
            }
            if self.pipeline.is_batch_full(now) {
                self.pipeline.poll(cx, now);
            }
        }
        true
    }

    /// Ticks of this connection were published.
    fn on_ticks(&mut self, index: u8) {
        let us = self.pipeline.stats.last_tick_us;
        let instruments = &self.pipeline.instruments;
        self.detector
            .on_ticks(index, us, || instruments.published_tokens(index));
    }

    fn record(&self, connection: u8, frame: &Frame) {
        let Some(recorder) = &self.setup.recorder else {
            return;
        };
        let (kind, payload) = match frame {
            Frame::Binary(bytes) => (FrameKind::Binary, bytes.clone()),
            Frame::Text(text) => (FrameKind::Text, text.clone().into()),
            Frame::Control => return,
        };
        let now_us = self.setup.clock.wall_micros();
        recorder.offer(now_us, connection, kind, payload);
    }

    fn deadline(&self) -> Instant {
        let connections = self.connections.iter().filter_map(Connection::deadline);
        connections
            .chain(self.pipeline.deadline())
            .chain(self.next_try())
            .chain(self.renewal_deadline())
            .fold(self.next_report, Instant::min)
    }

    /// Sets for each session how long its tokens may be without a tick.
    fn set_mute_limits(&mut self) {
        for connection in &mut self.connections {
            let index = connection.index();
            let market = &self.pipeline.instruments.market;
            let rows = self.pipeline.instruments.carried_by(index);
            let rows = rows.filter(|row| market.may_tick(row.market_class));
            let opened = rows
                .clone()
                .filter_map(|row| market.since(row.market_class));
            let opened = opened.max().and_then(|since| self.setup.monotonic(since));
            let limits = &mut self.mute_limits[usize::from(index)];
            let limit = limits.observe(connection.live(), rows, opened);
            connection.set_mute_limit(limit);
        }
    }

    /// Passes on what each class of instruments does, when that has changed.
    pub(super) fn tell_market(&self) {
        let classes = self.pipeline.instruments.market.classes();
        let classes: MarketClasses = classes.map(|(name, now)| (name.to_owned(), now)).collect();
        self.setup.market.send_if_modified(|told| {
            let is_other = *told != classes;
            if is_other {
                *told = classes;
            }
            is_other
        });
    }

    fn alive(&self, now: Instant) -> AliveState {
        let connections = self.connections.iter();
        let last_tick_us = self.pipeline.stats.last_tick_us;
        let rows = self.pipeline.instruments.rows().iter();
        AliveState {
            live: connections.clone().filter(|one| one.is_live()).count(),
            needed: connections.filter(|one| one.desired() > 0).count(),
            assigned: rows.filter(|row| row.is_published()).count(),
            // Zero before the first.
            last_tick_ts: (last_tick_us != 0).then(|| last_tick_us.div_euclid(1_000_000)),
            at: now,
        }
    }

    fn publish_snapshot(&mut self, now: Instant) {
        self.pipeline.look_at_clock(self.setup.clock.wall_micros());
        self.set_mute_limits();
        self.renew_sockets(now);
        self.tell_market();
        let snapshot = report::snapshot(
            &mut self.report_state,
            &self.pipeline,
            &self.connections,
            (&self.credential_state, self.setup.credentials.source()),
            &self.setup.directory.borrow(),
            (now, self.setup.clock.wall_micros()),
        );
        self.snapshots.send_replace(Arc::new(snapshot));
        self.setup.alive.send_replace(Some(self.alive(now)));
        self.setup.ticks_at.send_if_modified(|told| {
            let server = self.pipeline.redis.server();
            let is_other = server.is_some() && server != told.as_ref();
            if is_other {
                *told = server.cloned();
            }
            is_other
        });
        self.next_report = now + REPORT_INTERVAL;
    }
}

/// Whether a frame is more than a heartbeat.
fn has_packets(frame: &[u8]) -> bool {
    frame.len() > kite::frame::HEARTBEAT.len()
}
