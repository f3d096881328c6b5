//! `top`: ticks per second by set, account and connection.

use std::cmp::Reverse;

use contract::answer::{AccountTop, ConnectionTop, SetTop, TOP_PATH, TopAnswer};

use super::cells::{name, now_micros, ready_cell, since_micros};
use crate::output::{Cell, Paper, Screen, Table, Tone, dash, rate};
use crate::source::Source;

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
    let mut sets = Table::new(&[
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
    let mut accounts = Table::new(&[
        "ACCOUNT",
        ">TICKS/S",
        "READY",
        ">STREAMING",
        "LAST-TICK",
        ">REPORT-AGE",
    ]);
    let mut connections = Table::new(&[
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
    let mut text = [sets, accounts, connections]
        .iter()
        .filter(|table| !table.is_empty())
        .map(|table| table.render(paper))
        .collect::<Vec<_>>()
        .join("\n");
    if text.is_empty() {
        text.push_str("there is neither an account nor a set\n");
    }
    if answer.truncated {
        text.push_str("\nsome are left out: there are too many\n");
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
