//! Reports of ingest processes.

use contract::report::{
    ConnectionReport, ConnectionState, CredentialRemark, CredentialsReport, FEATURES, MoveReport,
    ReferencePrice, Report,
};
use contract::{ASSIGNMENT_VERSIONS, Assignment, MovePart};

use super::Dice;
use crate::plan::{Now, fixture};

const STATES: [ConnectionState; 6] = [
    ConnectionState::Idle,
    ConnectionState::Connecting,
    ConnectionState::Live,
    ConnectionState::Waiting,
    ConnectionState::RateLimited,
    ConnectionState::Refused,
];

/// The report of a process that streams all of `assignment`.
pub(super) fn good(dice: &mut Dice, assignment: &Assignment, sha256: &str, now: Now) -> Report {
    let mut report = fixture::good(assignment, sha256);
    let age = i64::from(dice.number(0, 900));
    let newest = now.wall.as_microsecond() - age * 1_000;
    report.last_tick_us = report.last_tick_us.map(|_| newest);
    for connection in &mut report.connections {
        connection.last_tick_us = Some(newest);
    }
    for set in &mut report.sets {
        set.last_tick_us = Some(newest);
        set.age_ms = Some(age.unsigned_abs());
    }
    report.ticks_per_second = dice.number(0, 3) * 10;
    if assignment.instruments.is_empty() {
        report.last_tick_us = None;
    }
    report.references = references(assignment, now);
    let account = assignment.account.name.bytes().map(u64::from).sum();
    let mut own = Dice::new(account);
    if own.percent(70) {
        report.features = FEATURES.iter().map(|it| (*it).to_owned()).collect();
        report.moves = moves(assignment, now);
    }
    report
}

/// How far moves are, with numbers of their own.
fn moves(assignment: &Assignment, now: Now) -> Vec<MoveReport> {
    let seconds = now.wall.as_second().unsigned_abs();
    let mut own = Dice::new((seconds / 10).wrapping_add(assignment.generation));
    let second = now.wall.as_second();
    let moves = (0_u16..).zip(&assignment.moves);
    let moves = moves.map(|(at, it)| {
        let rows = assignment.instruments.iter();
        let rows = rows.filter(|row| row.move_at == Some(at)).count();
        let instruments = u32::try_from(rows).unwrap();
        let silent = own.number(0, instruments);
        let all = own.percent(70);
        MoveReport {
            id: it.id.clone(),
            instruments,
            seen: if all { instruments - silent } else { 0 },
            silent,
            second: own.percent(90).then_some(second),
            done: it.part == MovePart::From && it.boundary.is_some() && own.percent(60),
        }
    });
    moves.collect()
}

/// Prices that walk with the time; with numbers of their own, so that a seed plays what it played before there were any.
fn references(assignment: &Assignment, now: Now) -> Vec<ReferencePrice> {
    let rows = assignment.instruments.iter().filter(|row| row.reference);
    let prices = rows.map(|row| {
        let token = row.token.0;
        let seed = now.wall.as_second().unsigned_abs() / 30 + u64::from(token);
        let mut own = Dice::new(seed);
        let price = own.number(23_900, 24_900);
        ReferencePrice {
            token,
            price: own.percent(85).then(|| price.to_string()),
            close: own.percent(50).then(|| "24300".to_owned()),
            age_ms: own.percent(90).then(|| u64::from(own.number(0, 61_000))),
            exchange_ts: None,
            first: own.percent(15),
        }
    });
    prices.collect()
}

/// Makes one thing fail.
pub(super) fn spoil(dice: &mut Dice, report: &mut Report) {
    spoil_one(dice, report);
    for connection in &mut report.connections {
        let down = match connection.state {
            ConnectionState::Live => None,
            _ if report.ticks_per_second > 10 => Some(60_000),
            _ => Some(29_000),
        };
        connection.down_ms = down;
    }
}

fn spoil_one(dice: &mut Dice, report: &mut Report) {
    match dice.below(5) {
        0 => spoil_credentials(dice, report),
        1 => spoil_redis(dice, report),
        2 => spoil_sockets(dice, report),
        3 => spoil_assignment(dice, report),
        _ => spoil_flow(dice, report),
    }
}

fn spoil_credentials(dice: &mut Dice, report: &mut Report) {
    let missing = |files: &[&str]| CredentialsReport::Missing {
        files: files.iter().map(|file| (*file).to_owned()).collect(),
    };
    report.credentials = match dice.below(6) {
        0 => CredentialsReport::Unread,
        1 => missing(&["access_token"]),
        2 => missing(&["api_key", "access_token"]),
        3 => missing(&["a usable access_token (not UTF-8 text)"]),
        4 => CredentialsReport::Present {
            remark: dice.percent(50).then_some(CredentialRemark::Base64),
        },
        _ => CredentialsReport::Refused {
            next_try: dice
                .percent(70)
                .then(|| 1_764_560_000 + dice.below(3) as i64 * 30),
            remark: dice.percent(50).then_some(CredentialRemark::NeverAccepted),
        },
    };
    // Sockets may outlive them.
    if dice.percent(70) {
        close(report, ConnectionState::Refused);
    }
}

fn close(report: &mut Report, state: ConnectionState) {
    for connection in &mut report.connections {
        (connection.state, connection.streaming) = (state, 0);
    }
    report.streaming = 0;
    for set in &mut report.sets {
        set.streaming = 0;
    }
}

fn spoil_redis(dice: &mut Dice, report: &mut Report) {
    match dice.below(3) {
        0 => report.redis.keys_error = Some("NOPERM this user has no permissions".to_owned()),
        1 => report.redis.connected = false,
        _ => {
            report.redis.connected = false;
            report.redis.error = Some("WRONGPASS invalid username-password pair".to_owned());
        }
    }
}

fn spoil_sockets(dice: &mut Dice, report: &mut Report) {
    let state = dice.one(&STATES);
    match dice.below(4) {
        0 => {
            close(report, state);
            for connection in &mut report.connections {
                connection.last_error = dice.percent(50).then(|| "reset by peer".to_owned());
            }
        }
        1 => {
            if let Some(connection) = report.connections.first_mut() {
                (connection.state, connection.reconnects) = (state, 3);
            }
        }
        // Sockets that nothing needs, or over which instruments are spread.
        2 => {
            for _ in 0..dice.number(1, 2) {
                report.connections.push(ConnectionReport {
                    index: u8::try_from(report.connections.len()).unwrap(),
                    state,
                    instruments: dice.number(0, 2),
                    streaming: 0,
                    reconnects: 0,
                    down_ms: None,
                    ticks_per_second: None,
                    last_tick_us: None,
                    last_error: None,
                });
            }
        }
        _ => report.connections.clear(),
    }
}

fn spoil_assignment(dice: &mut Dice, report: &mut Report) {
    match dice.below(4) {
        0 => {
            report.assignment_error = Some("the assignment is not valid gzip".to_owned());
            if dice.percent(50) {
                report.assignment = None;
            }
        }
        1 => {
            let versions: &[u32] = dice.one(&[&[1], &[1, 2], &[9], &[], ASSIGNMENT_VERSIONS]);
            report.assignment_versions = versions.to_vec();
            if dice.percent(40) {
                close(report, ConnectionState::Idle);
            }
        }
        2 => {
            report.assignment = None;
            close(report, ConnectionState::Idle);
        }
        _ => {
            let Some(applied) = &mut report.assignment else {
                return;
            };
            match dice.below(5) {
                0 => applied.account_uid = "uid-of-another".to_owned(),
                1 => applied.generation = applied.generation.saturating_sub(1),
                2 => applied.generation = applied.generation.saturating_add(3),
                3 => applied.generation = dice.one(&[1 << 53, u64::MAX]),
                _ => applied.sha256 = "0".repeat(64),
            }
        }
    }
}

fn spoil_flow(dice: &mut Dice, report: &mut Report) {
    let at = dice.below(report.sets.len().max(1));
    match dice.below(6) {
        // Sockets are up, but no packet has arrived.
        0 => {
            report.streaming = 0;
            for set in &mut report.sets {
                (set.streaming, set.age_ms) = (0, Some(u64::from(dice.number(0, 60_000))));
            }
        }
        1 => report.sets.clear(),
        2 => {
            for set in &mut report.sets {
                set.age_ms = Some(u64::from(dice.number(20_000, 400_000)));
                set.usual_interval_ms = dice.one(&[None, Some(1_000), Some(30_000)]);
                set.last_tick_us = set.last_tick_us.filter(|_| dice.percent(50));
            }
        }
        // Its clock is ahead.
        3 => {
            report.last_tick_us = report.last_tick_us.map(|newest| newest + 90_000_000);
            for set in &mut report.sets {
                set.last_tick_us = report.last_tick_us;
            }
        }
        kind => {
            let Some(set) = report.sets.get_mut(at) else {
                return;
            };
            let missing = dice.number(0, set.streaming);
            set.streaming -= missing;
            if kind == 4 {
                set.silent = missing;
            }
        }
    }
}
