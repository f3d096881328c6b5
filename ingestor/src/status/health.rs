//! `GET /health`: the shape that dashboards of the replaced service read.
//!
//! Owns the decision "ok or degraded, and why". Pure.

use contract::report::{ConnectionState, CredentialsReport, Report};
use serde::Serialize;

use super::report::StatusSnapshot;

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Health {
    status: &'static str,
    ticker: Ticker,
    dependencies: Dependencies,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Ticker {
    running: bool,
    active_subscriptions: u32,
    accounts: Vec<AccountHealth>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct AccountHealth {
    account_id: String,
    instrument_count: u32,
    last_tick_at: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Dependencies {
    redis: &'static str,
}

/// The answer for a snapshot.
#[must_use]
pub(crate) fn assess(snapshot: &StatusSnapshot) -> Health {
    let report = &snapshot.report;
    let reasons = reasons(report);
    let account = snapshot.account.as_ref().map(|name| AccountHealth {
        account_id: name.clone(),
        instrument_count: report.assigned,
        last_tick_at: report.last_tick_us.map(|micros| micros as f64 / 1e6),
    });
    Health {
        status: if reasons.is_empty() { "ok" } else { "degraded" },
        ticker: Ticker {
            running: report.connections.iter().any(is_live),
            active_subscriptions: snapshot.subscribed.iter().sum(),
            accounts: account.into_iter().collect(),
        },
        dependencies: Dependencies {
            redis: if report.redis.connected {
                "ok"
            } else {
                "error"
            },
        },
        reasons,
    }
}

fn reasons(report: &Report) -> Vec<String> {
    let mut reasons = Vec::new();
    if report.assignment.is_none() {
        reasons.push("no assignment yet".to_owned());
    }
    reasons.extend(report.assignment_error.clone());
    match &report.credentials {
        CredentialsReport::Missing { files } => {
            reasons.push(format!("credentials are missing: {}", files.join(", ")));
        }
        CredentialsReport::Refused { .. } => {
            reasons.push("kite refused the credentials".to_owned());
        }
        CredentialsReport::Unread
        | CredentialsReport::Present { .. }
        | CredentialsReport::Accepted => {}
    }
    // One in standby carries nothing that could be missing.
    let needed = report.connections.iter().filter(|one| one.instruments > 0);
    for connection in needed.filter(|one| !is_live(one)) {
        let why = connection.last_error.as_deref().unwrap_or("not open yet");
        let state = connection.state.as_str();
        reasons.push(format!("connection {} is {state}: {why}", connection.index));
    }
    if !report.redis.connected || report.redis.error.is_some() {
        let why = report.redis.error.as_deref().unwrap_or("not connected");
        reasons.push(format!("redis: {why}"));
    }
    reasons
}

fn is_live(connection: &contract::report::ConnectionReport) -> bool {
    connection.state == ConnectionState::Live
}

#[cfg(test)]
mod tests {
    use contract::report::{AppliedAssignment, ConnectionReport, RedisReport};

    use super::*;

    fn snapshot() -> StatusSnapshot {
        StatusSnapshot {
            report: Report {
                assignment: Some(AppliedAssignment {
                    account_uid: "u".to_owned(),
                    generation: 1,
                    sha256: String::new(),
                }),
                credentials: CredentialsReport::Accepted,
                redis: RedisReport {
                    connected: true,
                    ..RedisReport::default()
                },
                connections: vec![ConnectionReport {
                    index: 0,
                    state: ConnectionState::Live,
                    instruments: 442,
                    streaming: 442,
                    reconnects: 0,
                    down_ms: None,
                    ticks_per_second: None,
                    last_tick_us: None,
                    last_error: None,
                }],
                assigned: 442,
                last_tick_us: Some(1_762_238_661_990_000),
                ..Report::default()
            },
            account: Some("primary".to_owned()),
            subscribed: vec![442, 0, 0],
            ..StatusSnapshot::default()
        }
    }

    #[test]
    fn the_shape_is_the_one_dashboards_read() {
        let health = serde_json::to_value(assess(&snapshot())).unwrap();
        let expected = serde_json::json!({
            "status": "ok",
            "ticker": {
                "running": true,
                "active_subscriptions": 442,
                "accounts": [{
                    "account_id": "primary",
                    "instrument_count": 442,
                    "last_tick_at": 1_762_238_661.99
                }]
            },
            "dependencies": {"redis": "ok"}
        });
        assert_eq!(health, expected);
    }

    #[test]
    fn a_connection_in_standby_is_no_trouble_and_refused_credentials_are() {
        let mut snapshot = snapshot();
        snapshot.report.connections[0].instruments = 0;
        snapshot.report.connections[0].state = ConnectionState::Waiting;
        assert_eq!(assess(&snapshot).status, "ok");
        snapshot.report.credentials = CredentialsReport::Refused {
            next_try: None,
            remark: None,
        };
        assert_eq!(assess(&snapshot).reasons, ["kite refused the credentials"]);
    }

    #[test]
    fn trouble_is_told() {
        let mut snapshot = snapshot();
        snapshot.report.redis = RedisReport {
            error: Some("closed".to_owned()),
            ..RedisReport::default()
        };
        snapshot.report.connections[0].state = ConnectionState::Waiting;
        let health = assess(&snapshot);
        assert_eq!(health.status, "degraded");
        assert_eq!(health.dependencies.redis, "error");
        assert_eq!(
            health.reasons,
            ["connection 0 is Waiting: not open yet", "redis: closed"]
        );
        let empty = assess(&StatusSnapshot::default());
        assert_eq!(empty.status, "degraded");
        assert!(!empty.ticker.running);
    }
}
