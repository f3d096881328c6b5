//! The table, as `kubectl get` would print it from the same statuses.
//!
//! Owns the text, and when it is printed again. Must not decide anything else.

use std::fmt::Write as _;
use std::time::Duration;

use crds::condition::ConditionType;
use crds::{InstrumentSetStatus, TickerAccountStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use service::text::printable;

/// How often the table is printed if only times and rates have changed.
pub(crate) const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// Longer messages are cut.
const LONGEST_LINE: usize = 2_000;

/// Where the users of accounts log in, by name.
pub(crate) fn login_links<'a>(links: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    links.fold(String::new(), |mut text, (account, link)| {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "log in to {account}: {link}");
        text
    })
}

/// One object's row.
#[derive(Clone, Debug)]
pub(crate) struct TableRow<'a> {
    name: &'a str,
    conditions: &'a [Condition],
    instruments: Option<&'a str>,
    /// The warning of a ready object.
    warning: Option<&'a str>,
    cells: Vec<String>,
}

impl<'a> TableRow<'a> {
    /// An account, known since that time.
    pub(crate) fn of_account(
        name: &'a str,
        status: &'a TickerAccountStatus,
        warning: Option<&'a str>,
        since: Timestamp,
        now: Timestamp,
    ) -> Self {
        let rate = status.ticks_per_second.map(|rate| rate.to_string());
        let connections = status.connections.as_deref();
        let instruments = status.instruments.as_deref();
        let middle = [connections, instruments, rate.as_deref()];
        let ages = ages(status.last_tick_time.as_ref(), since, now);
        Self {
            name,
            conditions: &status.conditions,
            instruments,
            warning,
            cells: cells(name, &status.conditions, &middle, ages),
        }
    }

    /// A set, known since that time; its mode, if its spec can be read.
    pub(crate) fn of_set(
        name: &'a str,
        mode: Option<&str>,
        status: &'a InstrumentSetStatus,
        warning: Option<&'a str>,
        since: Timestamp,
        now: Timestamp,
    ) -> Self {
        let instruments = status.instruments.as_deref();
        let ages = ages(status.last_tick_time.as_ref(), since, now);
        Self {
            name,
            conditions: &status.conditions,
            instruments,
            warning,
            cells: cells(name, &status.conditions, &[mode, instruments], ages),
        }
    }
}

/// The cells of a row: both kinds have the same columns on the left and on the right.
fn cells(
    name: &str,
    conditions: &[Condition],
    middle: &[Option<&str>],
    ages: [String; 2],
) -> Vec<String> {
    let (ready, reason) = ready_and_reason(conditions);
    let mut cells = vec![name.to_owned(), ready, reason];
    cells.extend(middle.iter().copied().map(text_or_dash));
    cells.extend(ages);
    cells
}

/// The table, and below it the problems of each object.
pub(crate) fn render(accounts: &[TableRow<'_>], sets: &[TableRow<'_>]) -> String {
    let mut text = String::new();
    columns(
        &mut text,
        "ACCOUNT READY REASON CONNS INSTRUMENTS TICKS/S LAST-TICK AGE",
        accounts,
    );
    text.push('\n');
    columns(
        &mut text,
        "SET READY REASON MODE INSTRUMENTS LAST-TICK AGE",
        sets,
    );
    for row in accounts.iter().chain(sets) {
        if let Some(problem) = problem(row) {
            // Writing to a String cannot fail.
            let line = format!("{}: {problem}", row.name);
            let _infallible = write!(text, "\n{}", printable(&line, LONGEST_LINE));
        }
    }
    text.push('\n');
    text
}

/// Why it is not Ready, or the warning if it is.
fn problem<'a>(row: &TableRow<'a>) -> Option<&'a str> {
    const MINOR_CONDITIONS: [ConditionType; 2] =
        [ConditionType::CredentialsValid, ConditionType::Resolved];
    let ready = ready(row.conditions)?;
    if ready.status != "True" {
        return Some(ready.message.as_str()).filter(|message| !message.is_empty());
    }
    let minor = || {
        let mut conditions = row.conditions.iter().filter(|it| it.status == "False");
        let found = conditions.find(|it| {
            MINOR_CONDITIONS
                .iter()
                .any(|kind| kind.as_str() == it.type_)
        });
        found.map(|it| it.message.as_str())
    };
    row.warning.or_else(minor)
}

/// The table without the values that change all the time.
pub(crate) fn summary(accounts: &[TableRow<'_>], sets: &[TableRow<'_>]) -> String {
    let mut text = String::new();
    for row in accounts.iter().chain(sets) {
        let ready = ready(row.conditions).map(|it| (&it.status, &it.reason, &it.message));
        let (name, problem, instruments) = (row.name, problem(row), row.instruments);
        let _infallible = writeln!(text, "{name} {ready:?} {problem:?} {instruments:?}");
    }
    text
}

/// The `Ready` condition.
pub(crate) fn ready(conditions: &[Condition]) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str())
}

fn ready_and_reason(conditions: &[Condition]) -> (String, String) {
    ready(conditions).map_or_else(
        || ("Unknown".to_owned(), "-".to_owned()),
        |condition| (condition.status.clone(), condition.reason.clone()),
    )
}

fn text_or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

fn ages(last_tick: Option<&Time>, since: Timestamp, now: Timestamp) -> [String; 2] {
    let last_tick = last_tick.map_or_else(|| "-".to_owned(), |time| age(time.0, now));
    [last_tick, age(since, now)]
}

/// A duration as kubectl shows ages: in the largest unit of which there are at least two.
fn age(from: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(from.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Left-aligned columns, three spaces apart.
fn columns(text: &mut String, header: &str, rows: &[TableRow<'_>]) {
    let header: Vec<_> = header.split(' ').map(str::to_owned).collect();
    // Names and reasons come from files and pods: control characters are not passed to the
    // terminal.
    let shown = |row: &TableRow<'_>| {
        let cells = row.cells.iter();
        cells.map(|cell| printable(cell, LONGEST_LINE)).collect()
    };
    let mut lines: Vec<Vec<String>> = vec![header];
    lines.extend(rows.iter().map(shown));
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    for line in &lines {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(status: &str, reason: &str, message: &str) -> Vec<Condition> {
        vec![Condition {
            type_: "Ready".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: None,
        }]
    }

    #[test]
    fn the_table_reads_like_kubectl() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let account = TickerAccountStatus {
            conditions: condition("True", "Streaming", ""),
            connections: Some("1/1".to_owned()),
            instruments: Some("43/43".to_owned()),
            ticks_per_second: Some(41),
            last_tick_time: Some(Time(Timestamp::from_second(999_999).unwrap())),
            ..TickerAccountStatus::default()
        };
        let set = InstrumentSetStatus {
            conditions: condition(
                "False",
                "NothingResolved",
                "no symbol is known: check NSE:X",
            ),
            ..InstrumentSetStatus::default()
        };
        let since = Timestamp::from_second(999_700).unwrap();
        let accounts = [TableRow::of_account("demo", &account, None, since, now)];
        let sets = [TableRow::of_set(
            "indices",
            Some("quote"),
            &set,
            None,
            since,
            now,
        )];
        assert_eq!(
            render(&accounts, &sets),
            "\
ACCOUNT   READY   REASON      CONNS   INSTRUMENTS   TICKS/S   LAST-TICK   AGE
demo      True    Streaming   1/1     43/43         41        1s          5m

SET       READY   REASON            MODE    INSTRUMENTS   LAST-TICK   AGE
indices   False   NothingResolved   quote   -             -           5m

indices: no symbol is known: check NSE:X
"
        );
    }

    #[test]
    fn what_is_wrong_with_something_that_is_ready_is_shown() {
        let account = TickerAccountStatus {
            conditions: condition(
                "True",
                "Streaming",
                "5 of 5 instruments stream; redis is full",
            ),
            ..TickerAccountStatus::default()
        };
        let start = Timestamp::UNIX_EPOCH;
        let row = TableRow::of_account("demo", &account, Some("redis is full"), start, start);
        let text = render(&[row], &[]);
        assert!(text.ends_with("\ndemo: redis is full\n"), "{text}");
    }

    #[test]
    fn what_others_wrote_does_not_rule_the_terminal() {
        let account = TickerAccountStatus {
            conditions: condition("False", "Connecting", "\u{1b}[2Jthe server says: \r\n hm"),
            ..TickerAccountStatus::default()
        };
        let start = Timestamp::UNIX_EPOCH;
        let row = TableRow::of_account("a\u{9b}b", &account, None, start, start);
        let text = render(&[row], &[]);
        assert!(text.contains("\na b: "), "{text}");
        assert!(!text.chars().any(|char| char.is_control() && char != '\n'));
    }

    #[test]
    fn ages_are_in_the_largest_unit_that_fits_twice() {
        let at = |seconds| {
            age(
                Timestamp::UNIX_EPOCH,
                Timestamp::from_second(seconds).unwrap(),
            )
        };
        assert_eq!(
            [at(0), at(119), at(120), at(7_200), at(172_800)],
            ["0s", "119s", "2m", "2h", "2d"]
        );
    }
}
