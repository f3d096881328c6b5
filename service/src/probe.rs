//! Answers the kubelet: `/livez` (is every loop still turning?) and `/readyz` (may others rely on it?).
//!
//! It stores what the owners set and compares ages with limits; it never probes anything itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::clock::Clock;

/// The gate that [`Probes::set_ready`] moves.
const MAIN_GATE: &str = "service";

/// The health of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct Probes {
    clock: Clock,
    state: Arc<Mutex<ProbeState>>,
}

#[derive(Debug, Default)]
struct ProbeState {
    gates: BTreeMap<&'static str, Readiness>,
    beats: BTreeMap<&'static str, Beat>,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    last: Instant,
    max_age: Duration,
}

/// Whether a gate is open. Made from a `bool` or from the reason why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The part is ready.
    Ready,
    /// The part is not ready, for this reason (short, without secrets, because it is served).
    NotReady(Cow<'static, str>),
}

impl From<bool> for Readiness {
    fn from(ready: bool) -> Self {
        if ready {
            Self::Ready
        } else {
            "not ready".into()
        }
    }
}

impl From<&'static str> for Readiness {
    fn from(reason: &'static str) -> Self {
        Self::NotReady(reason.into())
    }
}

impl From<String> for Readiness {
    fn from(reason: String) -> Self {
        Self::NotReady(reason.into())
    }
}

/// One named condition of readiness. It starts closed ("starting") and stays as last set.
#[derive(Clone, Debug)]
pub struct Gate {
    name: &'static str,
    state: Arc<Mutex<ProbeState>>,
}

/// The heartbeat of one loop.
///
/// A dropped heartbeat stays registered and grows old: a loop that has ended is not alive.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    name: &'static str,
    state: Arc<Mutex<ProbeState>>,
}

impl Default for Probes {
    fn default() -> Self {
        Self::new()
    }
}

impl Probes {
    /// Without heartbeats (alive) and without gates (not ready until one is opened).
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Clock::system())
    }

    /// As [`Probes::new`], with ages measured by `clock`.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        let state = Arc::default();
        Self { clock, state }
    }

    /// Opens or closes the gate named `service`, which is enough where one condition decides.
    pub fn set_ready(&self, readiness: impl Into<Readiness>) {
        self.gate(MAIN_GATE).set(readiness);
    }

    /// Adds a closed gate, or finds the one of this name.
    #[must_use]
    pub fn gate(&self, name: &'static str) -> Gate {
        let starting = Readiness::NotReady("starting".into());
        lock(&self.state).gates.entry(name).or_insert(starting);
        let state = Arc::clone(&self.state);
        Gate { name, state }
    }

    /// Adds a heartbeat that must not grow older than `max_age`. Its first beat is now.
    #[must_use]
    pub fn heartbeat(&self, name: &'static str, max_age: Duration) -> Heartbeat {
        let last = self.clock.now();
        lock(&self.state).beats.insert(name, Beat { last, max_age });
        let state = Arc::clone(&self.state);
        Heartbeat { name, state }
    }

    /// Whether every heartbeat is young enough at this moment.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.stalled().is_empty()
    }

    /// Whether there are gates and all of them are open.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.not_ready().is_empty()
    }

    /// Serves `/livez` and `/readyz`: 200 `ok`, or 503 with one line per reason.
    pub fn router(&self) -> Router {
        Router::new()
            .route(
                "/livez",
                get(async |State(probes): State<Self>| answer(&probes.stalled())),
            )
            .route(
                "/readyz",
                get(async |State(probes): State<Self>| answer(&probes.not_ready())),
            )
            .with_state(self.clone())
    }

    fn stalled(&self) -> Vec<String> {
        let now = self.clock.now();
        let state = lock(&self.state);
        let ages = state
            .beats
            .iter()
            .map(|(name, beat)| (name, now.saturating_duration_since(beat.last), beat.max_age));
        ages.filter(|(_, age, max_age)| age > max_age)
            .map(|(name, age, max)| {
                format!(
                    "{name}: no heartbeat for {:.1} s, allowed are {:.1} s",
                    age.as_secs_f64(),
                    max.as_secs_f64()
                )
            })
            .collect()
    }

    fn not_ready(&self) -> Vec<String> {
        let state = lock(&self.state);
        if state.gates.is_empty() {
            return vec![format!("{MAIN_GATE}: starting")];
        }
        let closed = state.gates.iter().filter_map(|(name, gate)| match gate {
            Readiness::Ready => None,
            Readiness::NotReady(reason) => Some(format!("{name}: {reason}")),
        });
        closed.collect()
    }
}

impl Gate {
    /// Opens or closes the gate.
    pub fn set(&self, readiness: impl Into<Readiness>) {
        let readiness = readiness.into();
        lock(&self.state).gates.insert(self.name, readiness);
    }
}

impl Heartbeat {
    /// Records that the loop ran at `now`. Once per turn, not per item.
    pub fn beat(&self, now: Instant) {
        if let Some(beat) = lock(&self.state).beats.get_mut(self.name) {
            beat.last = beat.last.max(now);
        }
    }
}

fn answer(failures: &[String]) -> (StatusCode, String) {
    if failures.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, failures.join("\n") + "\n")
    }
}

fn lock(state: &Mutex<ProbeState>) -> MutexGuard<'_, ProbeState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn probe(probes: &Probes, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = probes.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn liveness_names_each_loop_that_stopped_turning() {
        let clock = Clock::manual("2026-11-24T03:45:00Z".parse().unwrap());
        let probes = Probes::with_clock(clock.clone());
        assert_eq!(probe(&probes, "/livez").await, (200, "ok\n".into()));

        let fast = probes.heartbeat("fast", Duration::from_secs(2));
        drop(probes.heartbeat("gone", Duration::from_secs(3)));
        clock.advance(Duration::from_secs(2));
        assert!(probes.alive(), "exactly max_age is still young enough");

        clock.advance(Duration::from_millis(1_500));
        let (status, body) = probe(&probes, "/livez").await;
        assert_eq!(status, 503);
        assert_eq!(
            body,
            "fast: no heartbeat for 3.5 s, allowed are 2.0 s\n\
             gone: no heartbeat for 3.5 s, allowed are 3.0 s\n"
        );

        fast.beat(clock.now());
        let (_, body) = probe(&probes, "/livez").await;
        assert!(body.starts_with("gone") && !body.contains("fast"), "{body}");
    }

    #[tokio::test]
    async fn readiness_needs_every_gate_open() {
        let probes = Probes::new();
        assert_eq!(
            probe(&probes, "/readyz").await,
            (503, "service: starting\n".into())
        );

        let (store, table) = (probes.gate("store"), probes.gate("table"));
        store.set("no connection");
        let (status, body) = probe(&probes, "/readyz").await;
        assert_eq!(
            (status, body.as_str()),
            (503, "store: no connection\ntable: starting\n")
        );

        store.set(true);
        table.set(true);
        assert_eq!(probe(&probes, "/readyz").await, (200, "ok\n".into()));

        probes.set_ready(format!("{} sockets down", 2));
        assert_eq!(
            probe(&probes, "/readyz").await,
            (503, "service: 2 sockets down\n".into())
        );
        assert!(!probes.ready());
    }

    #[test]
    fn finding_a_gate_again_does_not_close_it() {
        let probes = Probes::new();
        probes.set_ready(true);
        drop(probes.gate(MAIN_GATE));
        assert!(probes.ready());
    }
}
