//! `status`: accounts and sets, with what their pods report at this moment.
//!
//! Owns which of two sources counts for a number: the pod's report, if it answers; else what the object says.

mod live;
mod objects;

use contract::answer::{AccountTop, ReadyState, SetTop, TOP_PATH, TopAnswer};
use serde::Serialize;

use super::cells::{name, now_micros, ready_cell, since_micros};
use crate::output::{Cell, NOTHING, Paper, Screen, TextTable, dash, rate, render_all};
use crate::source::Source;

/// What is shown.
#[derive(Debug, Default, Serialize)]
pub(crate) struct StatusView {
    accounts: Vec<AccountTop>,
    sets: Vec<SetTop>,
    /// What is not live, and why.
    notes: Vec<String>,
}

pub(crate) async fn run(source: &Source, screen: &Screen) -> anyhow::Result<()> {
    let mut view = match source {
        Source::Cluster(cluster) => {
            let mut view = objects::read(cluster).await?;
            // What the objects say is what the operator wrote last.
            if let Err(error) = source.ask::<TopAnswer>(TOP_PATH, &[]).await {
                view.notes.push(format!(
                    "READY, REASON and MESSAGE are what the operator wrote last: {}",
                    service::exit::chain(&error)
                ));
            }
            view
        }
        Source::Local(_) => {
            let top: TopAnswer = source.ask(TOP_PATH, &[]).await?;
            of_top(top)
        }
    };
    live::update(source, &mut view).await;
    let (namespaces, now) = (source.shows_namespaces(), now_micros());
    screen.print(&view, |view, paper| text(view, namespaces, now, paper))
}

/// What the operator without a cluster knows.
fn of_top(top: TopAnswer) -> StatusView {
    let note = "some accounts and sets are left out: there are too many for one answer";
    let truncated = top.truncated.then(|| note.to_owned()).into_iter();
    let problems = top.problems.into_iter().map(|it| format!("not used: {it}"));
    StatusView {
        accounts: top.accounts,
        sets: top.sets,
        notes: truncated.chain(problems).collect(),
    }
}

fn text(view: &StatusView, namespaces: bool, now: i64, paper: Paper) -> String {
    let mut accounts = TextTable::new(&[
        "ACCOUNT",
        "READY",
        "REASON",
        ">CONNS",
        ">INSTRUMENTS",
        ">TICKS/S",
        "LAST-TICK",
        "MESSAGE",
    ]);
    for account in &view.accounts {
        let live = account.connections.iter().filter(|it| it.state == "Live");
        let connections = format!("{}/{}", live.count(), account.connections.len());
        let mut cells = vec![name(&account.namespace, &account.name, namespaces).into()];
        cells.extend(ready_cells(account.ready.as_ref()));
        cells.extend([
            connections.into(),
            share(account.streaming, account.assigned).into(),
            rate(account.ticks_per_second).into(),
            since_micros(account.last_tick_us, now).into(),
            message(account.ready.as_ref()).into(),
        ]);
        accounts.row(cells);
    }
    let mut sets = TextTable::new(&[
        "SET",
        "READY",
        "REASON",
        "MODE",
        ">INSTRUMENTS",
        ">TICKS/S",
        "LAST-TICK",
        "MESSAGE",
    ]);
    for set in &view.sets {
        let mut cells = vec![name(&set.namespace, &set.name, namespaces).into()];
        cells.extend(ready_cells(set.ready.as_ref()));
        cells.extend([
            dash(set.mode.as_deref()).into(),
            share(set.streaming, set.selected).into(),
            rate(set.ticks_per_second).into(),
            since_micros(set.last_tick_us, now).into(),
            message(set.ready.as_ref()).into(),
        ]);
        sets.row(cells);
    }
    let mut text = render_all(&[accounts, sets], paper);
    if text.is_empty() {
        text.push_str(NOTHING);
    }
    for note in &view.notes {
        text.push('\n');
        text.push_str(&service::text::printable(note, 2_000));
        text.push('\n');
    }
    text
}

fn share(part: Option<u32>, all: Option<u32>) -> String {
    format!("{}/{}", rate(part), rate(all))
}

/// What the condition says; of one that is True only what is beyond its usual text.
fn message(ready: Option<&ReadyState>) -> String {
    let usual = |message: &str| message.ends_with("instruments stream");
    match ready {
        Some(ready) if ready.status == "True" && usual(&ready.message) => String::new(),
        Some(ready) => ready.message.clone(),
        None => String::new(),
    }
}

fn ready_cells(ready: Option<&ReadyState>) -> [Cell; 2] {
    let reason = ready.map(|ready| ready.reason.as_str());
    [ready_cell(ready), dash(reason).into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_leaves_out_is_noted() {
        let of = |truncated| {
            let top = TopAnswer {
                truncated,
                ..TopAnswer::default()
            };
            text(&of_top(top), false, 0, Paper::default())
        };
        assert!(of(true).contains("some accounts and sets are left out"));
        assert!(!of(false).contains("left out"));
    }
}
