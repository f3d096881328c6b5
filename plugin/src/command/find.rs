//! `find`: instruments by words.

use std::fmt::Write as _;

use contract::answer::{FIND_PATH, FindAnswer, FoundInstrument, InstrumentUse};

use super::cells::LEFT_OUT;
use crate::args::FindArgs;
use crate::output::{Cell, Paper, Screen, TextTable, Tone, dash};
use crate::source::Source;

pub(crate) async fn run(source: &Source, screen: &Screen, args: &FindArgs) -> anyhow::Result<()> {
    let words = args.words.join(" ");
    let answer: FindAnswer = source.ask(FIND_PATH, &[("query", &words)]).await?;
    let namespaces = source.shows_namespaces();
    screen.print(&answer, |answer, paper| {
        text(answer, &words, namespaces, paper)
    })?;
    if answer.instruments.is_empty() {
        anyhow::bail!("nothing matches {words:?}{}", hint(&answer));
    }
    Ok(())
}

fn hint(answer: &FindAnswer) -> String {
    if !answer.missing_lists.is_empty() {
        return format!(
            ": instruments lists are missing ({})",
            answer.missing_lists.join("; ")
        );
    }
    match &answer.similar {
        Some(similar) => format!(": did you mean {similar}?"),
        None => ": leave a word out".to_owned(),
    }
}

fn text(answer: &FindAnswer, words: &str, namespaces: bool, paper: Paper) -> String {
    if answer.instruments.is_empty() {
        return String::new();
    }
    let mut table = TextTable::new(&[
        "SYMBOL", ">TOKEN", "TYPE", ">STRIKE", "EXPIRY", ">LOT", ">TICK", "STREAMED",
    ]);
    for found in &answer.instruments {
        table.row(row(found, namespaces));
    }
    let mut text = table.render(paper);
    let more = answer.more;
    if more > 0 {
        let _infallible = writeln!(text, "\n{more} more match {words:?}: add a word");
    }
    for missing in &answer.missing_lists {
        let _infallible = writeln!(text, "\nnot searched: {missing}");
    }
    if answer.truncated {
        text.push_str(LEFT_OUT);
    }
    text
}

fn row(found: &FoundInstrument, namespaces: bool) -> Vec<Cell> {
    let number = |number: Option<f64>| number.map(|number| number.to_string());
    let streamed = match found.used_by.as_slice() {
        [] => Cell::from("-"),
        uses => {
            let waits = uses.iter().all(|it| it.account.is_none());
            let texts = uses.iter().map(|it| of_use(it, namespaces));
            let texts = texts.collect::<Vec<_>>().join(", ");
            Cell::new(texts, if waits { Tone::Bad } else { Tone::Good })
        }
    };
    vec![
        found.symbol.clone().into(),
        found.token.to_string().into(),
        found.instrument_type.as_str().into(),
        dash(number(found.strike).as_deref()).into(),
        dash(found.expiry.map(|it| it.to_string()).as_deref()).into(),
        dash(found.lot_size.map(|it| it.to_string()).as_deref()).into(),
        dash(number(found.tick_size).as_deref()).into(),
        streamed,
    ]
}

/// `nifty on acct-a`, or `nifty waits: why`.
pub(super) fn of_use(it: &InstrumentUse, namespaces: bool) -> String {
    let set = if namespaces && !it.namespace.is_empty() {
        format!("{}/{}", it.namespace, it.set)
    } else {
        it.set.clone()
    };
    match (&it.account, &it.waits) {
        (Some(account), _) => format!("{set} on {account}"),
        (None, Some(waits)) => format!("{set} waits: {waits}"),
        (None, None) => set,
    }
}

#[cfg(test)]
mod tests {
    use kite_type::call;

    use super::*;

    mod kite_type {
        use contract::answer::FoundInstrument;

        pub(super) fn call() -> FoundInstrument {
            serde_json::from_value(serde_json::json!({
                "symbol": "NFO:NIFTY26DEC25000CE", "token": 12_192_002, "type": "CE",
                "expiry": "2026-12-29", "strike": 25000.0, "lot_size": 75, "tick_size": 0.05,
                "used_by": [{"set": "nifty", "account": "acct-a"}],
            }))
            .unwrap()
        }
    }

    #[test]
    fn everything_that_is_needed_to_name_it_is_shown() {
        let mut waiting = call();
        waiting.used_by = vec![InstrumentUse {
            set: "nifty".to_owned(),
            waits: Some("no room".to_owned()),
            ..InstrumentUse::default()
        }];
        let answer = FindAnswer {
            instruments: vec![call(), waiting],
            more: 3,
            truncated: true,
            ..FindAnswer::default()
        };
        assert_eq!(
            text(&answer, "nifty", false, Paper::default()),
            "\
SYMBOL                     TOKEN   TYPE   STRIKE   EXPIRY       LOT   TICK   STREAMED
NFO:NIFTY26DEC25000CE   12192002   CE      25000   2026-12-29    75   0.05   nifty on acct-a
NFO:NIFTY26DEC25000CE   12192002   CE      25000   2026-12-29    75   0.05   nifty waits: no room

3 more match \"nifty\": add a word

some lines are left out: there are too many
"
        );
    }
}
