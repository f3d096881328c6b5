//! `top`: ticks per second by set, account and connection.

use std::cmp::Reverse;
use std::fmt::Write as _;

use contract::answer::{AccountTop, ConnectionTop, SetTop, TOP_PATH, TopAnswer};

use super::cells::{LEFT_OUT, name, now_micros, ready_cell, since_micros};
use crate::output::{
    Cell, NOTHING, Paper, Screen, TextTable, Tone, age_of_seconds, dash, rate, render_all,
};
use crate::source::Source;

/// The operator plans every ten seconds at least; after so many seconds something is wrong with it.
const LATE: i64 = 120;

pub(crate) async fn run(source: &Source, screen: &Screen) -> anyhow::Result<()> {
    let mut answer: TopAnswer = source.ask(TOP_PATH, &[]).await?;
    answer
        .sets
        .sort_by_key(|set| Reverse(set.ticks_per_second.unwrap_or(0)));
    answer
        .accounts
        .sort_by_key(|account| Reverse(account.ticks_per_second.unwrap_or(0)));
    let namespaces = source.shows_namespaces();
    let now = now_micros();
    screen.print(&answer, |answer, paper| {
        text(answer, namespaces, now, paper)
    })
}

fn text(answer: &TopAnswer, namespaces: bool, now: i64, paper: Paper) -> String {
    let mut sets = TextTable::new(&[
        "SET",
        ">TICKS/S",
        "READY",
        ">STREAMING",
        "LAST-TICK",
        "ACCOUNTS",
    ]);
    for set in &answer.sets {
        sets.row(of_set(set, namespaces, now));
    }
    let mut accounts = TextTable::new(&[
        "ACCOUNT",
        ">TICKS/S",
        "READY",
        ">STREAMING",
        "LAST-TICK",
        ">REPORT-AGE",
    ]);
    let mut connections = TextTable::new(&[
        "CONNECTION",
        ">TICKS/S",
        "STATE",
        ">STREAMING",
        "LAST-TICK",
        ">REOPENED",
        "LAST-ERROR",
    ]);
    for account in &answer.accounts {
        let name = name(&account.namespace, &account.name, namespaces);
        accounts.row(of_account(&name, account, now));
        for connection in &account.connections {
            connections.row(of_connection(&name, connection, now));
        }
    }
    let mut text = render_all(&[sets, accounts, connections], paper);
    if text.is_empty() {
        text.push_str(NOTHING);
    }
    let silent = i64::try_from(answer.plan_age_ms / 1_000).unwrap_or(i64::MAX);
    if silent > LATE {
        let age = age_of_seconds(silent);
        let _infallible = writeln!(text, "\nthe operator planned last {age} ago: see its log");
    }
    if answer.truncated {
        text.push_str(LEFT_OUT);
    }
    text
}

fn of_set(set: &SetTop, namespaces: bool, now: i64) -> Vec<Cell> {
    let streaming = match (set.streaming, set.selected) {
        (Some(streaming), Some(selected)) => format!("{streaming}/{selected}"),
        (Some(streaming), None) => streaming.to_string(),
        (None, Some(selected)) => format!("-/{selected}"),
        (None, None) => "-".to_owned(),
    };
    vec![
        name(&set.namespace, &set.name, namespaces).into(),
        rate(set.ticks_per_second).into(),
        ready_cell(set.ready.as_ref()),
        streaming.into(),
        since_micros(set.last_tick_us, now).into(),
        dash(Some(set.accounts.join(",").as_str()).filter(|it| !it.is_empty())).into(),
    ]
}

fn of_account(name: &str, account: &AccountTop, now: i64) -> Vec<Cell> {
    let streaming = match (account.streaming, account.assigned) {
        (Some(streaming), Some(assigned)) => format!("{streaming}/{assigned}"),
        _ => "-".to_owned(),
    };
    let age = account.report_age_ms.map(|ms| format!("{}s", ms / 1_000));
    let tone = if account.no_answer.is_some() {
        Tone::Bad
    } else {
        Tone::Plain
    };
    vec![
        name.into(),
        rate(account.ticks_per_second).into(),
        ready_cell(account.ready.as_ref()),
        streaming.into(),
        since_micros(account.last_tick_us, now).into(),
        Cell::new(dash(age.as_deref()), tone),
    ]
}

fn of_connection(account: &str, connection: &ConnectionTop, now: i64) -> Vec<Cell> {
    let tone = match connection.state.as_str() {
        "Live" => Tone::Good,
        "Idle" | "Connecting" => Tone::Plain,
        _ => Tone::Bad,
    };
    vec![
        format!("{account}/{}", connection.index).into(),
        rate(connection.ticks_per_second).into(),
        Cell::new(connection.state.clone(), tone),
        format!("{}/{}", connection.streaming, connection.instruments).into(),
        since_micros(connection.last_tick_us, now).into(),
        connection.reconnects.to_string().into(),
        connection.last_error.clone().unwrap_or_default().into(),
    ]
}

#[cfg(test)]
mod tests {
    use contract::answer::ReadyState;

    use super::*;

    #[test]
    fn what_is_quiet_and_what_is_late_is_seen() {
        let ready = |status: &str| {
            Some(ReadyState {
                status: status.to_owned(),
                ..ReadyState::default()
            })
        };
        let answer = TopAnswer {
            plan_age_ms: 130_000,
            sets: vec![SetTop {
                namespace: "ticker".to_owned(),
                name: "s".to_owned(),
                ready: ready("True"),
                selected: Some(5),
                streaming: Some(4),
                ticks_per_second: Some(9),
                last_tick_us: Some(1_100_000_000),
                accounts: vec!["a".to_owned(), "b".to_owned()],
                ..SetTop::default()
            }],
            accounts: vec![AccountTop {
                name: "a".to_owned(),
                connections: vec![ConnectionTop {
                    state: "Waiting".to_owned(),
                    instruments: 5,
                    reconnects: 3,
                    last_error: Some("connection refused".to_owned()),
                    ..ConnectionTop::default()
                }],
                ..AccountTop::default()
            }],
            ..TopAnswer::default()
        };
        assert_eq!(
            text(&answer, true, 1_130_000_000, Paper::default()),
            "\
SET        TICKS/S   READY   STREAMING   LAST-TICK   ACCOUNTS
ticker/s         9   True          4/5   30s         a,b

ACCOUNT   TICKS/S   READY     STREAMING   LAST-TICK   REPORT-AGE
a               -   Unknown           -   -                    -

CONNECTION   TICKS/S   STATE     STREAMING   LAST-TICK   REOPENED   LAST-ERROR
a/0                -   Waiting         0/5   -                  3   connection refused

the operator planned last 2m ago: see its log
"
        );
        let none = text(&TopAnswer::default(), false, 0, Paper::default());
        assert_eq!(none, "there is neither an account nor a set\n");
    }
}
