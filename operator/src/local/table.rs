//! The table that `kubectl get` would print, from the same statuses.
//!
//! Owns the text and when it is worth printing again. Must not decide anything.

use std::fmt::Write as _;
use std::time::Duration;

use crds::condition::ConditionType;
use crds::{InstrumentSetStatus, TickerAccountStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use service::text::printable;

/// How often the table is printed although only times and rates have moved.
pub(crate) const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// Longer messages are cut.
const LONGEST_LINE: usize = 2_000;

/// One account's row.
#[derive(Clone, Debug)]
pub(crate) struct AccountRow<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its status.
    pub(crate) status: &'a TickerAccountStatus,
    /// What is wrong although it is ready.
    pub(crate) warning: Option<&'a str>,
    /// Since when it has been known.
    pub(crate) since: Timestamp,
}

/// One set's row.
#[derive(Clone, Debug)]
pub(crate) struct SetRow<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its mode, where its spec can be read.
    pub(crate) mode: Option<&'static str>,
    /// Its status.
    pub(crate) status: &'a InstrumentSetStatus,
    /// What is wrong although it is ready.
    pub(crate) warning: Option<&'a str>,
    /// Since when it has been known.
    pub(crate) since: Timestamp,
}

/// The table, and below it what is wrong with each object.
pub(crate) fn render(accounts: &[AccountRow<'_>], sets: &[SetRow<'_>], now: Timestamp) -> String {
    let mut text = String::new();
    columns(
        &mut text,
        &[
            "ACCOUNT",
            "READY",
            "REASON",
            "CONNS",
            "INSTRUMENTS",
            "TICKS/S",
            "LAST-TICK",
            "AGE",
        ],
        accounts.iter().map(|row| account_cells(row, now)).collect(),
    );
    text.push('\n');
    columns(
        &mut text,
        &[
            "SET",
            "READY",
            "REASON",
            "MODE",
            "INSTRUMENTS",
            "LAST-TICK",
            "AGE",
        ],
        sets.iter().map(|row| set_cells(row, now)).collect(),
    );
    let accounts = accounts
        .iter()
        .map(|row| (row.name, &row.status.conditions, row.warning));
    let sets = sets
        .iter()
        .map(|row| (row.name, &row.status.conditions, row.warning));
    for (name, conditions, warning) in accounts.chain(sets) {
        if let Some(problem) = problem(conditions, warning) {
            // Writing to a String cannot fail.
            let line = format!("{name}: {problem}");
            let _infallible = write!(text, "\n{}", printable(&line, LONGEST_LINE));
        }
    }
    text.push('\n');
    text
}

/// Why it is not Ready, or what is wrong although it is.
fn problem<'a>(conditions: &'a [Condition], warning: Option<&'a str>) -> Option<&'a str> {
    const MINOR_CONDITIONS: [ConditionType; 2] =
        [ConditionType::CredentialsValid, ConditionType::Resolved];
    let ready = ready(conditions)?;
    if ready.status != "True" {
        return Some(ready.message.as_str()).filter(|message| !message.is_empty());
    }
    let minor = || {
        let mut conditions = conditions.iter().filter(|it| it.status == "False");
        let found = conditions.find(|it| {
            MINOR_CONDITIONS
                .iter()
                .any(|kind| kind.as_str() == it.type_)
        });
        found.map(|it| it.message.as_str())
    };
    warning.or_else(minor)
}

/// What a reader may be waiting for: the table without what moves all the time.
pub(crate) fn summary(accounts: &[AccountRow<'_>], sets: &[SetRow<'_>]) -> String {
    let mut text = String::new();
    let of_accounts = accounts.iter().map(|row| {
        let status = row.status;
        (
            row.name,
            &status.conditions,
            row.warning,
            &status.instruments,
        )
    });
    let of_sets = sets.iter().map(|row| {
        let status = row.status;
        (
            row.name,
            &status.conditions,
            row.warning,
            &status.instruments,
        )
    });
    for (name, conditions, warning, instruments) in of_accounts.chain(of_sets) {
        let ready = ready(conditions).map(|it| (&it.status, &it.reason, &it.message));
        let problem = problem(conditions, warning);
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

fn account_cells(row: &AccountRow<'_>, now: Timestamp) -> Vec<String> {
    let status = row.status;
    let (ready, reason) = ready_and_reason(&status.conditions);
    vec![
        row.name.to_owned(),
        ready,
        reason,
        text_or_dash(status.connections.as_deref()),
        text_or_dash(status.instruments.as_deref()),
        status
            .ticks_per_second
            .map_or_else(|| "-".to_owned(), |rate| rate.to_string()),
        since(status.last_tick_time.as_ref(), now),
        age(row.since, now),
    ]
}

fn set_cells(row: &SetRow<'_>, now: Timestamp) -> Vec<String> {
    let status = row.status;
    let (ready, reason) = ready_and_reason(&status.conditions);
    vec![
        row.name.to_owned(),
        ready,
        reason,
        text_or_dash(row.mode),
        text_or_dash(status.instruments.as_deref()),
        since(status.last_tick_time.as_ref(), now),
        age(row.since, now),
    ]
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

fn since(time: Option<&Time>, now: Timestamp) -> String {
    time.map_or_else(|| "-".to_owned(), |time| age(time.0, now))
}

/// A duration as kubectl shows ages, in the largest unit that fits at least twice.
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
fn columns(text: &mut String, header: &[&str], rows: Vec<Vec<String>>) {
    let mut lines = vec![
        header
            .iter()
            .map(|&cell| cell.to_owned())
            .collect::<Vec<_>>(),
    ];
    // Names and reasons come from files and pods: they are shown, never obeyed.
    lines.extend(rows.into_iter().map(|row| {
        let cells = row.iter().map(|cell| printable(cell, LONGEST_LINE));
        cells.collect()
    }));
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
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
        let accounts = [AccountRow {
            name: "demo",
            status: &account,
            warning: None,
            since,
        }];
        let sets = [SetRow {
            name: "indices",
            mode: Some("quote"),
            status: &set,
            warning: None,
            since,
        }];
        assert_eq!(
            render(&accounts, &sets, now),
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
        let row = AccountRow {
            name: "demo",
            status: &account,
            warning: Some("redis is full"),
            since: Timestamp::UNIX_EPOCH,
        };
        let text = render(&[row], &[], Timestamp::UNIX_EPOCH);
        assert!(text.ends_with("\ndemo: redis is full\n"), "{text}");
    }

    #[test]
    fn what_others_wrote_does_not_rule_the_terminal() {
        let account = TickerAccountStatus {
            conditions: condition("False", "Connecting", "\u{1b}[2Jthe server says: \r\n hm"),
            ..TickerAccountStatus::default()
        };
        let row = AccountRow {
            name: "a\u{9b}b",
            status: &account,
            warning: None,
            since: Timestamp::UNIX_EPOCH,
        };
        let text = render(&[row], &[], Timestamp::UNIX_EPOCH);
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
