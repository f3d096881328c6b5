//! Explanations as text.
//!
//! Pure. Owns the order in which something is told.

use std::fmt::Write as _;

use contract::answer::{
    AccountExplanation, CandidateAccount, ExplainAnswer, ForwardPrice, FoundInstrument,
    InstrumentExplanation, MoveRecord, PlacementState, ReadyState, SelectorExplanation,
    SetExplanation,
};
use service::text::printable;

use crate::command::cells::LEFT_OUT;
use crate::command::find::of_use;
use crate::output::{
    Cell, Paper, TextTable, Tone, age_of_seconds, count_of, dash, date_time, rate,
};

/// The longest line.
const LONGEST: usize = 2_000;

/// The text of an explanation.
pub(super) fn of(answer: &ExplainAnswer, paper: Paper) -> String {
    let mut text = match answer {
        ExplainAnswer::Set(set) => of_set(set, paper),
        ExplainAnswer::Account(account) => of_account(account, paper),
        ExplainAnswer::Instrument(instrument) => of_instrument(instrument),
    };
    if answer.truncated() {
        text.push_str(LEFT_OUT);
    }
    text
}

/// Lines of which each is a name and a text.
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, text: impl AsRef<str>) {
        let text = printable(text.as_ref(), LONGEST);
        let _infallible = writeln!(self.0, "{:<14}{text}", format!("{name}:"));
    }

    fn table(&mut self, table: &TextTable, paper: Paper) {
        if !table.is_empty() {
            self.0.push('\n');
            self.0.push_str(&table.render(paper));
        }
    }
}

fn of_ready(lines: &mut Lines, ready: Option<&ReadyState>) {
    if let Some(ready) = ready {
        let text = format!("{} {}: {}", ready.status, ready.reason, ready.message);
        lines.add("Ready", text);
    }
}

fn of_set(set: &SetExplanation, paper: Paper) -> String {
    let mut lines = Lines(String::new());
    lines.add("Set", &set.name);
    of_ready(&mut lines, set.ready.as_ref());
    if let Some(why) = &set.unresolved_because {
        let effect = if set.removed {
            "nothing streams for it"
        } else {
            "what it has stays as it is"
        };
        lines.add("Not resolved", format!("{why} ({effect})"));
    }
    let mut selected = count_of(set.selected, "instrument");
    if set.excluded > 0 {
        let _infallible = write!(selected, ", {} left out by exclude", set.excluded);
    }
    if set.retained > 0 {
        let _infallible = write!(
            selected,
            ", {} of which the money has left behind",
            set.retained
        );
    }
    lines.add("Selects", selected);
    if set.missing_count > 0 {
        let shown = set.missing.join("; ");
        lines.add("Not found", format!("{}: {shown}", set.missing_count));
    }
    lines.table(&selectors(&set.selectors), paper);
    lines.table(&references(&set.references), paper);
    lines.table(&candidates(set), paper);
    let mut waiting = TextTable::new(&[">WAITING", "FIRST", "WHY"]);
    for group in &set.waiting {
        let more = if (group.first.len() as u32) < group.instruments {
            ", …"
        } else {
            ""
        };
        waiting.row(vec![
            group.instruments.to_string().into(),
            format!("{}{more}", group.first.join(", ")).into(),
            Cell::new(group.why.clone(), Tone::Bad),
        ]);
    }
    lines.table(&waiting, paper);
    lines.table(&moves(&set.moves), paper);
    lines.0
}

fn selectors(selectors: &[SelectorExplanation]) -> TextTable {
    let mut table = TextTable::new(&["SELECTOR", ">INSTRUMENTS", "MONEY"]);
    for selector in selectors {
        let money = selector.money.iter().map(|money| {
            format!(
                "{} {} ({} {})",
                money.expiry, money.strike, money.source, money.price
            )
        });
        let money = money.collect::<Vec<_>>().join(", ");
        table.row(vec![
            selector.selector.clone().into(),
            selector.instruments.to_string().into(),
            money.into(),
        ]);
    }
    table
}

fn references(references: &[ForwardPrice]) -> TextTable {
    let mut table = TextTable::new(&["PRICE-OF", ">PRICE", ">AGE", "ACCOUNTS"]);
    for reference in references {
        let age = reference
            .age_ms
            .map(|ms| i64::try_from(ms / 1_000).unwrap_or(i64::MAX));
        let tone = if reference.price.is_some() {
            Tone::Plain
        } else {
            Tone::Bad
        };
        let accounts = reference.accounts.join(",");
        table.row(vec![
            reference.symbol.clone().into(),
            Cell::new(dash(reference.price.as_deref()), tone),
            dash(age.map(age_of_seconds).as_deref()).into(),
            dash(Some(accounts.as_str()).filter(|it| !it.is_empty())).into(),
        ]);
    }
    table
}

fn candidates(set: &SetExplanation) -> TextTable {
    let mut table = TextTable::new(&["ACCOUNT", ">OF-SET", ">USED", ">CAPACITY", "MAY-USE", "WHY"]);
    for account in &set.accounts {
        let CandidateAccount {
            name,
            usable,
            why,
            used,
            capacity,
        } = account;
        let share = set.placed.iter().find(|it| it.name == *name);
        let (may, tone) = if *usable {
            ("yes", Tone::Good)
        } else {
            ("no", Tone::Doubtful)
        };
        table.row(vec![
            name.clone().into(),
            share.map_or(0, |it| it.instruments).to_string().into(),
            used.to_string().into(),
            capacity.to_string().into(),
            Cell::new(may, tone),
            why.clone().unwrap_or_default().into(),
        ]);
    }
    table
}

fn moves(moves: &[MoveRecord]) -> TextTable {
    let mut table = TextTable::new(&["MOVED", "FROM", "TO", ">INSTRUMENTS", "WHY"]);
    for one in moves {
        table.row(vec![
            date_time(one.at).into(),
            dash(one.from.as_deref()).into(),
            one.to.clone().into(),
            one.instruments.to_string().into(),
            one.why.clone().unwrap_or_default().into(),
        ]);
    }
    table
}

fn of_account(account: &AccountExplanation, paper: Paper) -> String {
    let mut lines = Lines(String::new());
    lines.add("Account", &account.name);
    of_ready(&mut lines, account.ready.as_ref());
    let may = match &account.why {
        Some(why) if account.usable => format!("not now: {why}"),
        Some(why) => format!("no: {why}"),
        None => "yes".to_owned(),
    };
    lines.add("Gets more", may);
    let room = account.capacity.saturating_sub(account.used);
    let mut places = format!("{} of {}, {room} free", account.used, account.capacity);
    if account.references > 0 {
        let _infallible = write!(places, ", {} for their price alone", account.references);
    }
    if account.leaving > 0 {
        let _infallible = write!(places, ", {} more until others have them", account.leaving);
    }
    if account.headroom_connections > 0 {
        let _infallible = write!(
            places,
            ", {} left free for other programs",
            count_of(u32::from(account.headroom_connections), "connection")
        );
    }
    lines.add("Instruments", places);
    lines.add("Failover", &account.standing);
    if let Some(lost) = &account.lost {
        lines.add("Lost", lost);
    }
    let pod = account.process.as_deref().unwrap_or("not known");
    let age = account
        .report_age_ms
        .map(|ms| format!(", report {}s old", ms / 1_000));
    lines.add("Process", format!("{pod}{}", age.unwrap_or_default()));
    if let Some(generation) = account.generation {
        let acknowledged = match account.acknowledged {
            Some(acknowledged) if acknowledged == generation => "running".to_owned(),
            Some(acknowledged) => format!("the process still runs {acknowledged}"),
            None => "the process has not reported it".to_owned(),
        };
        lines.add(
            "Assignment",
            format!("generation {generation}, {acknowledged}"),
        );
    }
    let mut connections = TextTable::new(&[
        ">CONNECTION",
        "STATE",
        ">STREAMING",
        ">TICKS/S",
        ">REOPENED",
        "LAST-ERROR",
    ]);
    for connection in &account.connections {
        connections.row(vec![
            connection.index.to_string().into(),
            connection.state.clone().into(),
            format!("{}/{}", connection.streaming, connection.instruments).into(),
            rate(connection.ticks_per_second).into(),
            connection.reconnects.to_string().into(),
            connection.last_error.clone().unwrap_or_default().into(),
        ]);
    }
    lines.table(&connections, paper);
    let mut sets = TextTable::new(&["SET", ">INSTRUMENTS"]);
    for set in &account.sets {
        sets.row(vec![
            set.name.clone().into(),
            set.instruments.to_string().into(),
        ]);
    }
    lines.table(&sets, paper);
    lines.table(&moves(&account.moves), paper);
    lines.0
}

fn of_instrument(explanation: &InstrumentExplanation) -> String {
    let mut lines = Lines(String::new());
    lines.add("Instrument", of_contract(&explanation.instrument));
    lines.add("Set", &explanation.set);
    let selected = match explanation.selected_by.as_slice() {
        [] => "by no selector".to_owned(),
        by => format!("by {}", by.join("; ")),
    };
    lines.add("Selected", selected);
    let account = explanation.account.as_deref().unwrap_or("an account");
    let connection = explanation.connection;
    let connection = connection.map_or_else(String::new, |index| format!(", connection {index}"));
    let state = match explanation.state {
        PlacementState::Placed => format!("on {account}{connection}"),
        PlacementState::HeldOver => format!("held over on {account}{connection}"),
        PlacementState::Waiting => "nowhere: it waits for room".to_owned(),
        PlacementState::Conflict => "nowhere: its channel is taken".to_owned(),
        PlacementState::Excluded => "nowhere: it is excluded".to_owned(),
        PlacementState::NotSelected => "nowhere: it is not selected".to_owned(),
        PlacementState::Other => dash(explanation.account.as_deref()),
    };
    lines.add("Where", state);
    lines.add("Why", &explanation.why);
    if let Some(since) = explanation.since {
        lines.add("Since", date_time(since));
    }
    if let Some(channel) = &explanation.channel {
        lines.add("Channel", channel);
    }
    match explanation.acknowledged {
        Some(false) => lines.add("Process", "has not applied the newest assignment yet"),
        Some(true) if explanation.silent => {
            lines.add(
                "Process",
                "subscribed; no packet has come for more than ten seconds",
            );
        }
        Some(true) => lines.add("Process", "runs the assignment with it"),
        None => {}
    }
    for one in &explanation.instrument.used_by {
        lines.add("Used by", of_use(one, false));
    }
    lines.0
}

fn of_contract(instrument: &FoundInstrument) -> String {
    let mut text = format!("{}, token {}", instrument.symbol, instrument.token);
    if let Some(lot) = instrument.lot_size {
        let _infallible = write!(text, ", lot {lot}");
    }
    if let Some(expiry) = instrument.expiry {
        let _infallible = write!(text, ", expires {expiry}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said() {
        let text_of = |truncated| {
            let sets = [
                ExplainAnswer::Set(SetExplanation {
                    truncated,
                    ..SetExplanation::default()
                }),
                ExplainAnswer::Account(AccountExplanation {
                    truncated,
                    ..AccountExplanation::default()
                }),
            ];
            sets.map(|it| of(&it, Paper::default()).contains(LEFT_OUT))
        };
        assert_eq!((text_of(true), text_of(false)), ([true; 2], [false; 2]));
    }
}
