//! The data plane: one task that owns the sockets, the instruments and the link to Redis.
//!
//! It turns whatever is ready, in one order, without locks: frames in, decisions of the sessions,
//! commands out. Others reach it by [`Order`]s and see it by [`Snapshot`]s. It must not wait for
//! anything but readiness.

pub mod chronicle;
pub mod connection;
pub mod connections;
pub mod publisher;
pub mod shelf;
pub mod socket;
pub mod verdict;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kite::recording::Kind;
use kite::{Command, Mode, ServerText, Token};
use rustls::ClientConfig;
use service::clock::Clock;
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::assigned::Assigned;
use crate::books::Books;
use crate::books::news::News;
use crate::clerk;
use crate::credentials::Found;
use crate::recorder::Recorder;
use crate::redis::access::Access;
use crate::redis::links::Links;
use crate::report::{self, Snapshot};
use crate::silence::Silence;
use chronicle::Chronicle;
use connection::{Connection, Dialler, Event};
use publisher::Publisher;
use socket::Frame;
use verdict::Verdict;

/// Frames of one connection that are read before the others have their turn.
const FRAMES_PER_TURN: usize = 64;

/// How often a snapshot is published without a cause.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// A turn that comes so much too late means that this process, or its machine, stood still.
const STANDSTILL: Duration = Duration::from_secs(1);

/// After a standstill, the time to see what has come in meanwhile. A signal that lets a process go on
/// ends its wait for sockets with an alarm and no news of them.
const CATCH_UP: Duration = Duration::from_millis(50);

/// How long ending may take: for Redis to answer, and for Close frames.
const DRAIN: Duration = Duration::from_secs(2);

/// What others want of the data plane.
#[derive(Debug)]
pub enum Order {
    /// Stream this from now on.
    Assign(Box<Assigned>),
    /// Say why the file in the folder is not in force; `None` when it is.
    Complain(Option<String>),
    /// These are the credentials.
    Credentials(Found),
}

/// What the data plane is built from.
#[derive(Debug)]
pub struct Setup {
    /// The clock.
    pub clock: Clock,
    /// How to trust.
    pub tls: Arc<ClientConfig>,
    /// Where key and token lie.
    pub credentials: PathBuf,
    /// What Redis asks for.
    pub redis: Access,
    /// The start of this process in microseconds, as text.
    pub epoch: String,
    /// Makes the waits of this process its own.
    pub seed: u64,
    /// Where the books go that an assignment makes.
    pub books: watch::Sender<Option<Arc<Books>>>,
    /// Where news go.
    pub news: mpsc::Sender<News>,
    /// What becomes of news.
    pub told: Arc<clerk::Counts>,
    /// Who records frames, if anybody.
    pub recorder: Option<Recorder>,
}

/// The data plane.
#[derive(Debug)]
pub struct Plane {
    setup: Setup,
    random: fastrand::Rng,
    publisher: Publisher,
    connections: Vec<Connection>,
    places: BTreeMap<Token, u8>,
    dialler: Option<Dialler>,
    /// Whether updates of orders are told.
    order_updates: bool,
    verdict: Verdict,
    chronicle: Chronicle,
    silences: [Silence; kite::limits::CONNECTIONS_PER_API_KEY as usize],
    facts: report::Facts,
    orders: mpsc::Receiver<Order>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    next_report: Instant,
}

impl Plane {
    /// A plane that waits for orders.
    #[must_use]
    pub fn new(
        setup: Setup,
        orders: mpsc::Receiver<Order>,
        snapshots: watch::Sender<Arc<Snapshot>>,
    ) -> Self {
        let mut random = fastrand::Rng::with_seed(setup.seed);
        let name = format!("kite-ingestor:{}", setup.epoch);
        let links = Links::new(setup.redis.clone(), name, random.u64(..));
        let connections = (0..kite::limits::CONNECTIONS_PER_API_KEY)
            .map(|index| Connection::new(index, random.u64(..)))
            .collect();
        Self {
            publisher: Publisher::new(links, setup.clock.clone()),
            connections,
            places: BTreeMap::new(),
            dialler: None,
            order_updates: false,
            verdict: Verdict::default(),
            chronicle: Chronicle::default(),
            silences: Default::default(),
            facts: report::Facts::new(&setup.epoch),
            orders,
            snapshots,
            next_report: setup.clock.now(),
            random,
            setup,
        }
    }

    /// Runs until `shutdown`; then stops reading, lets Redis answer, closes the sockets politely.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        let turning = poll_fn(|cx| self.poll(cx, timer.as_mut()));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = turning => {}
        }
        self.drain().await;
    }

    /// Turns whatever is ready; pending for ever.
    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        if self.stood_still(timer.as_mut()) && timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        loop {
            let mut changed = self.take_orders(cx);
            let more = self.read_frames(cx);
            let now = self.setup.clock.now();
            changed |= self.poll_connections(cx, now);
            changed |= self.publisher.poll(cx, now);
            self.tell();
            if changed || now >= self.next_report {
                self.publish_snapshot(now);
            }
            // A socket that opened just now has not been read yet: without a first read nothing
            // would wake this task when its frames come.
            if more || changed {
                continue;
            }
            // Deadlines of live sockets move with every frame: an early alarm is cheaper than
            // setting it again each time.
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

    /// Whether no turn came for so long that silence would be judged unheard; sets the alarm for a
    /// turn in a moment.
    fn stood_still(&mut self, timer: Pin<&mut Sleep>) -> bool {
        let now = self.setup.clock.now();
        if now.saturating_duration_since(self.next_report) < STANDSTILL {
            return false;
        }
        self.next_report = now + CATCH_UP;
        timer.reset(self.next_report.into());
        true
    }

    fn take_orders(&mut self, cx: &mut Context<'_>) -> bool {
        let mut changed = false;
        while let Poll::Ready(Some(order)) = self.orders.poll_recv(cx) {
            changed = true;
            match order {
                Order::Assign(assigned) => self.assign(*assigned),
                Order::Complain(complaint) => self.facts.assignment_error = complaint,
                Order::Credentials(found) => {
                    let worthwhile = self.verdict.on_found(found);
                    self.set_credentials(worthwhile);
                }
            }
        }
        changed
    }

    /// Puts an assignment in force as a difference: what stays is not disturbed.
    fn assign(&mut self, assigned: Assigned) {
        tracing::info!(
            generation = assigned.applied.generation,
            instruments = assigned.table.rows().len(),
            "assignment is in force"
        );
        self.publisher.replace(assigned.table);
        self.publisher.set_target(&assigned.target);
        self.order_updates = assigned.order_updates;
        self.setup.books.send_replace(Some(assigned.books));
        self.go_to(assigned.websocket);
        self.places = connections::place(
            &self.places,
            self.publisher.table.rows().iter().map(|row| row.token),
            assigned.connections,
            assigned.tokens_per_connection,
        );
        self.publisher.table.set_places(&self.places);
        let mut desired = vec![BTreeMap::<Token, Mode>::new(); self.connections.len()];
        for row in self.publisher.table.rows() {
            desired[usize::from(row.connection)].insert(row.token, row.mode);
        }
        for (connection, desired) in self.connections.iter_mut().zip(desired) {
            connection.set_desired(desired);
        }
        self.facts.applied = Some(assigned.applied);
        self.facts.account = Some(assigned.account);
        self.facts.limit = u32::from(assigned.tokens_per_connection);
        self.facts.assignment_error = None;
    }

    /// Dials `origin` from now on; sockets to another one end.
    fn go_to(&mut self, origin: String) {
        if self
            .dialler
            .as_ref()
            .is_some_and(|old| old.origin == origin)
        {
            return;
        }
        self.verdict.forget();
        for connection in &mut self.connections {
            connection.restart(self.random.u64(..));
        }
        self.dialler = Some(Dialler {
            origin,
            credentials: self.setup.credentials.clone(),
            tls: Arc::clone(&self.setup.tls),
        });
        let worthwhile = self.verdict.is_dial_worthwhile();
        self.set_credentials(worthwhile);
    }

    fn set_credentials(&mut self, worthwhile: bool) {
        for connection in &mut self.connections {
            connection.set_credentials(worthwhile);
        }
    }

    /// Reads what is there; whether a connection was left with more.
    fn read_frames(&mut self, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        for index in 0..self.connections.len() {
            more |= self.read_connection(cx, index);
        }
        more
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
                    if self.publisher.on_frame(&bytes, now) {
                        self.connections[index].on_ticks(now);
                        let (us, index) = (self.publisher.stats.last_tick_us, index as u8);
                        let table = &self.publisher.table;
                        self.chronicle
                            .on_ticks(index, us, || table.tokens_of(index));
                    }
                }
                Frame::Text(text) => self.on_text(index, &text, now),
                Frame::Control => {}
            }
            if self.publisher.is_batch_full(now) {
                self.publisher.poll(cx, now);
            }
        }
        true
    }

    fn record(&self, connection: u8, frame: &Frame) {
        let Some(recorder) = &self.setup.recorder else {
            return;
        };
        let now_us = self.setup.clock.wall_micros();
        match frame {
            Frame::Binary(bytes) => {
                recorder.offer(now_us, connection, Kind::Binary, bytes.clone());
            }
            Frame::Text(text) => {
                let bytes = Bytes::copy_from_slice(text.as_bytes());
                recorder.offer(now_us, connection, Kind::Text, bytes);
            }
            Frame::Control => {}
        }
    }

    fn on_text(&mut self, index: usize, text: &str, now: Instant) {
        match ServerText::parse(text) {
            ServerText::Error(message) => {
                self.publisher.stats.errors.server_error += 1;
                self.connections[index].on_server_error(&message, now);
            }
            ServerText::Order(order) if self.order_updates => {
                let now_us = self.setup.clock.wall_micros();
                self.chronicle.on_order(order.to_string(), now_us);
            }
            ServerText::Order(_)
            | ServerText::Message(_)
            | ServerText::Unknown { .. }
            | ServerText::Malformed => {}
        }
    }

    fn poll_connections(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut changed = false;
        for index in 0..self.connections.len() {
            self.connections[index].poll(cx, now, self.dialler.as_ref());
            while let Some(event) = self.connections[index].take_event() {
                changed = true;
                self.on_event(index as u8, event, now);
            }
        }
        changed
    }

    fn on_event(&mut self, index: u8, event: Event, now: Instant) {
        let table = &mut self.publisher.table;
        let now_us = self.setup.clock.wall_micros();
        match event {
            Event::Opened => {
                table.on_socket_end(index);
                self.chronicle.on_opened(index, now_us);
            }
            Event::Ended => {
                table.on_socket_end(index);
                let connection = &self.connections[usize::from(index)];
                let wanted = connection.desired() > 0;
                let reason = connection.last_error().filter(|_| wanted);
                let reason = reason.unwrap_or("closed on purpose");
                self.chronicle.on_ended(index, reason, wanted, now_us);
            }
            Event::Mute => self.chronicle.on_mute(index, now_us),
            Event::Judged(credentials, accepted) => {
                let others = self.verdict.knows_others(&credentials);
                let worthwhile = self.verdict.on_judged(credentials, accepted);
                self.set_credentials(worthwhile);
                let state = self.verdict.report();
                self.chronicle.on_judged(&state, others, now_us);
            }
            Event::Sent(Command::Subscribe(tokens)) => {
                tokens
                    .iter()
                    .for_each(|token| table.on_subscribe(*token, now));
            }
            Event::Sent(Command::SetMode(_, tokens)) => {
                tokens.iter().for_each(|token| table.on_mode_change(*token));
            }
            Event::Sent(Command::Unsubscribe(_)) => {}
            Event::Confirm => {
                let unconfirmed = table.unconfirmed(index);
                self.connections[usize::from(index)].on_unconfirmed(&unconfirmed, now);
            }
        }
    }

    /// Hands news over. A full queue means that Redis is away for long: what is lost is counted.
    fn tell(&mut self) {
        for news in self.chronicle.take() {
            if self.setup.news.try_send(news).is_err() {
                self.setup.told.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn deadline(&self) -> Instant {
        let connections = self.connections.iter().filter_map(Connection::deadline);
        connections
            .chain(self.publisher.deadline())
            .fold(self.next_report, Instant::min)
    }

    /// Tells each session how long its tokens may be without a tick.
    fn judge_silence(&mut self) {
        for connection in &mut self.connections {
            let rows = self.publisher.table.carried_by(connection.index());
            let usual =
                self.silences[usize::from(connection.index())].look(connection.live(), rows);
            connection.set_usual_silence(usual);
        }
    }

    fn publish_snapshot(&mut self, now: Instant) {
        self.judge_silence();
        let snapshot = report::snapshot(
            &mut self.facts,
            &self.publisher,
            &self.connections,
            &self.verdict,
            now,
        );
        self.snapshots.send_replace(Arc::new(snapshot));
        self.next_report = now + REPORT_INTERVAL;
    }

    async fn drain(mut self) {
        self.publisher.hurry();
        for connection in &mut self.connections {
            connection.hang_up();
        }
        let mut alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
        let ended = poll_fn(|cx| {
            let now = self.setup.clock.now();
            while self.publisher.poll(cx, now) {}
            while let Some(deadline) = self.publisher.deadline() {
                alarm.as_mut().reset(deadline.into());
                if alarm.as_mut().poll(cx).is_pending() {
                    break;
                }
                self.publisher.poll(cx, self.setup.clock.now());
            }
            let mut ended = self.publisher.is_drained();
            for connection in &mut self.connections {
                ended &= connection.poll_farewell(cx).is_ready();
            }
            if ended {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        if tokio::time::timeout(DRAIN, ended).await.is_err() {
            tracing::warn!("ended before redis answered everything or sockets were closed");
        }
    }
}
