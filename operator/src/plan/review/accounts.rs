//! What accounts have and may have, as sets see them.

use contract::Row;
use contract::answer::{CandidateAccount, ConnectionTop};
use contract::report::ConnectionReport;

use super::count;
use crate::plan::assignment::AssignedAccount;
use crate::plan::input::{Eligibility, Lost, SetInput, Standing};

/// Instruments that an account streams for itself, and those for their price alone.
pub(super) fn streamed<'w>(assigned: &'w AssignedAccount<'_>) -> impl Iterator<Item = &'w Row> {
    let rows = assigned.current().into_iter();
    let rows = rows.flat_map(|current| &current.instruments);
    rows.filter(|row| !is_leaving(row))
}

/// Whether an account goes on with a row only until another one has it: it belongs to no set any more.
pub(super) fn is_leaving(row: &Row) -> bool {
    row.sets.is_empty() && !row.outputs.is_empty()
}

/// Whether an account may be given instruments, and why not.
pub(super) fn usable(assigned: &AssignedAccount<'_>) -> Result<(), String> {
    let account = &assigned.account;
    if let Err(problem) = &account.spec {
        return Err(format!("it cannot be read ({problem}): what it has stays"));
    }
    match &account.eligibility {
        Eligibility::Active => Ok(()),
        Eligibility::Suspended(why) | Eligibility::Frozen(Some(why)) => Err(why.message()),
        Eligibility::Frozen(None) if !account.observed.foreign.is_empty() => Err(format!(
            "objects that it needs belong to somebody else ({}): what it has stays",
            account.observed.foreign.join(", ")
        )),
        Eligibility::Frozen(None) => {
            Err("what it streams is not known at present: what it has stays".to_owned())
        }
    }
}

/// An account of a set's namespace, as a candidate for its instruments.
pub(super) fn candidate(
    (assigned, used): (&AssignedAccount<'_>, usize),
    set: &SetInput<'_>,
    matched: bool,
) -> CandidateAccount {
    let capacity = assigned.account.capacity();
    let why = if !matched {
        Err(match &set.spec {
            Ok(spec) => match spec.accounts {
                crate::plan::input::Choice::Named(name) => {
                    format!("spec.accountRef of the set names {name}")
                }
                _ => "spec.accountSelector of the set does not match its labels".to_owned(),
            },
            Err(_) => "the set cannot be read".to_owned(),
        })
    } else {
        usable(assigned)
    };
    let limit = || {
        let lost = lost(assigned)?;
        Some(format!("{lost}: it gets new instruments last"))
    };
    let full = || (used >= capacity).then(|| "it is full".to_owned());
    CandidateAccount {
        name: assigned.account.name().to_owned(),
        usable: why.is_ok(),
        why: why.err().or_else(limit).or_else(full),
        used: count(used),
        capacity: count(capacity),
    }
}

/// What no socket of an account carries, for people.
pub(super) fn lost(assigned: &AssignedAccount<'_>) -> Option<String> {
    let outage = &assigned.account.outage;
    let cause = outage
        .cause
        .map_or("its sockets are down", |it| it.message());
    match &outage.lost {
        Lost::Nothing => None,
        Lost::Tokens(tokens) => Some(format!(
            "{cause}: {} of its instruments have no socket",
            tokens.len()
        )),
        Lost::Everything => Some(format!("{cause}: none of its instruments has a socket")),
    }
}

/// Whether instruments of others may move to an account, for people.
pub(super) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Proven => {
            "it streams, or Kite accepted its credentials at the last dial: it takes over what others lose"
        }
        Standing::Untried => {
            "its credentials have not been tried: it takes over what others lose last, and at most 100"
        }
        Standing::Doubtful => "it is not known to work: it takes over nothing that others lose",
    }
}

/// A connection as its process reports it.
pub(crate) fn connection(report: &ConnectionReport) -> ConnectionTop {
    ConnectionTop {
        index: report.index,
        state: report.state.as_str().to_owned(),
        instruments: report.instruments,
        streaming: report.streaming,
        ticks_per_second: report.ticks_per_second,
        last_tick_us: report.last_tick_us,
        reconnects: report.reconnects,
        last_error: report.last_error.clone(),
    }
}
