//! `plan --dry-run`: what manifests would change.
//!
//! Owns how files are read and the answer is shown; `manifests` owns what of them is sent.

mod manifests;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use contract::answer::{
    AccountPreview, LARGEST_QUESTION, PREVIEW_PATH, PreviewAnswer, SetPreview, SetState,
};
use serde_json::json;

use self::manifests::SentManifests;
use super::cells::{LEFT_OUT, name};
use crate::args::PlanArgs;
use crate::output::{Cell, Paper, Screen, TextTable, Tone, count_of};
use crate::source::Source;

/// The most manifests that are named as not sent.
const MOST_NAMED: usize = 20;

pub(crate) async fn run(source: &Source, screen: &Screen, args: &PlanArgs) -> anyhow::Result<()> {
    let mut manifests = SentManifests::default();
    for file in &args.files {
        let (text, file) = (read(file)?, file.display());
        let added = manifests.add(&text);
        added.map_err(|why| anyhow::anyhow!("{file} {why}"))?;
    }
    let SentManifests { sent, ignored } = manifests;
    anyhow::ensure!(
        !sent.is_empty(),
        "there is neither a TickerAccount nor an InstrumentSet in the files: name one with -f"
    );
    let body = serde_json::to_vec(&json!({"kind": "List", "items": sent}))?;
    let mut answer: PreviewAnswer = source.post(PREVIEW_PATH, body).await?;
    answer.remarks.extend(remark(&ignored));
    let namespaces = source.shows_namespaces();
    screen.print(&answer, |answer, paper| text(answer, namespaces, paper))?;
    let many = |count: usize, what| count_of(u32::try_from(count).unwrap_or(u32::MAX), what);
    let refused = answer.refused.len();
    anyhow::ensure!(refused == 0, "{} would be refused", many(refused, "object"));
    let short = answer.sets.iter().filter(|set| gets_less(set)).count();
    anyhow::ensure!(
        short == 0,
        "{} would not get all that it asks for, and does now or is new",
        many(short, "set")
    );
    Ok(())
}

/// Whether something of a set waits, or cannot be found or streamed, that is not so now.
fn gets_less(set: &SetPreview) -> bool {
    let before = set.before.clone().unwrap_or_default();
    let has_problem = before.problem.is_none() && set.after.problem.is_some();
    has_problem || set.after.waiting > before.waiting
}

fn read(file: &Path) -> anyhow::Result<String> {
    let most = LARGEST_QUESTION as u64;
    let mut text = String::new();
    let failed = || format!("{} cannot be read", file.display());
    if file == Path::new("-") {
        let mut input = std::io::stdin().lock().take(most + 1);
        input.read_to_string(&mut text).with_context(failed)?;
    } else {
        let opened = std::fs::File::open(file).with_context(failed)?;
        let mut input = opened.take(most + 1);
        input.read_to_string(&mut text).with_context(failed)?;
    }
    anyhow::ensure!(
        text.len() as u64 <= most,
        "{} is larger than {most} bytes",
        file.display()
    );
    Ok(text)
}

/// Names what was not sent.
fn remark(ignored: &[String]) -> Option<String> {
    let shown = ignored.iter().take(MOST_NAMED).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = match ignored.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!ignored.is_empty()).then(|| {
        format!("not sent, because only TickerAccounts and InstrumentSets are: {shown}{more}")
    })
}

fn text(answer: &PreviewAnswer, namespaces: bool, paper: Paper) -> String {
    let mut sets = TextTable::new(&["SET", ">SELECTED", ">SCHEDULED", ">WAITING", "PROBLEM"]);
    for set in &answer.sets {
        sets.row(of_set(set, namespaces));
    }
    let mut accounts = TextTable::new(&["ACCOUNT", ">INSTRUMENTS", ">CAPACITY", "PROBLEM"]);
    for account in &answer.accounts {
        accounts.row(of_account(account, namespaces));
    }
    let mut moves = TextTable::new(&["FROM", "TO", ">INSTRUMENTS"]);
    for one in &answer.moves {
        moves.row(vec![
            name(&one.namespace, &one.from, namespaces).into(),
            name(&one.namespace, &one.to, namespaces).into(),
            one.instruments.to_string().into(),
        ]);
    }
    let mut refused = TextTable::new(&["REFUSED", "WHY"]);
    for one in &answer.refused {
        let why = Cell::new(one.why.clone(), Tone::Bad);
        refused.row(vec![one.object.clone().into(), why]);
    }
    let tables = [sets, accounts, moves, refused];
    let tables = tables.iter().filter(|table| !table.is_empty());
    let mut text = tables
        .map(|it| it.render(paper))
        .collect::<Vec<_>>()
        .join("\n");
    if text.is_empty() {
        text.push_str("nothing would change\n");
    }
    for remark in &answer.remarks {
        let _infallible = writeln!(text, "\n{}", service::text::printable(remark, 2_000));
    }
    if answer.truncated {
        text.push_str(LEFT_OUT);
    }
    text
}

fn of_set(set: &SetPreview, namespaces: bool) -> Vec<Cell> {
    let change = |of: fn(&SetState) -> u32| change(set.before.as_ref().map(of), of(&set.after));
    let tone = if set.after.waiting > 0 {
        Tone::Bad
    } else {
        Tone::Plain
    };
    vec![
        name(&set.namespace, &set.name, namespaces).into(),
        change(|it| it.selected).into(),
        change(|it| it.scheduled).into(),
        Cell::new(change(|it| it.waiting), tone),
        set.after.problem.clone().unwrap_or_default().into(),
    ]
}

fn of_account(account: &AccountPreview, namespaces: bool) -> Vec<Cell> {
    vec![
        name(&account.namespace, &account.name, namespaces).into(),
        change(account.before, account.after).into(),
        account.capacity.to_string().into(),
        account.problem.clone().unwrap_or_default().into(),
    ]
}

/// `5`, `5 -> 7`, or `new: 7`.
fn change(before: Option<u32>, after: u32) -> String {
    match before {
        None => format!("new: {after}"),
        Some(before) if before == after => after.to_string(),
        Some(before) => format!("{before} -> {after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_sent_is_named() {
        let names = |count: usize| (0..count).map(|at| format!("Secret {at}"));
        assert_eq!(remark(&[]), None);
        let two = remark(&names(2).collect::<Vec<_>>()).unwrap();
        assert!(two.ends_with("are: Secret 0, Secret 1"), "{two}");
        let many = remark(&names(23).collect::<Vec<_>>()).unwrap();
        assert!(many.ends_with("Secret 19 and 3 more"), "{many}");
    }

    #[test]
    fn what_would_change_is_shown_from_and_to() {
        let state = |selected, scheduled, waiting| SetState {
            selected,
            scheduled,
            waiting,
            problem: (waiting > 0).then(|| "no room".to_owned()),
        };
        let answer = PreviewAnswer {
            sets: vec![SetPreview {
                name: "nifty".to_owned(),
                before: Some(state(2, 2, 0)),
                after: state(5, 4, 1),
                ..SetPreview::default()
            }],
            accounts: vec![AccountPreview {
                name: "a".to_owned(),
                after: 4,
                capacity: 4,
                ..AccountPreview::default()
            }],
            ..PreviewAnswer::default()
        };
        assert_eq!(
            super::text(&answer, false, Paper::default()),
            "\
SET     SELECTED   SCHEDULED   WAITING   PROBLEM
nifty     2 -> 5      2 -> 4    0 -> 1   no room

ACCOUNT   INSTRUMENTS   CAPACITY   PROBLEM
a              new: 4          4
"
        );
    }
}
