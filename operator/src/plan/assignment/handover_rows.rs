//! The rows of instruments that are handed over, in the documents of both accounts.
//!
//! Must not decide which these are.

use std::collections::BTreeSet;

use contract::assignment::{MOST_MOVES, prefix_of};
use contract::{Assignment, Boundary, ClassSessions, Move, MovePart, Output, Row};
use kite::Token;

/// A row of an account's base that it goes on with.
pub(super) struct LeavingRow<'a> {
    pub(super) row: &'a Row,
    /// The move by which it leaves, with its boundary; `None` if both accounts publish it for a while.
    pub(super) by: Option<(String, Option<Boundary>)>,
}

/// Adds rows of the account's base that it goes on with until others have them.
pub(super) fn go_on(document: &mut Assignment, base: &Assignment, leaving: Vec<LeavingRow<'_>>) {
    if leaving.is_empty() {
        return;
    }
    let own = document.channels.iter();
    let own: BTreeSet<String> = own.map(|name| prefix_of(name).to_owned()).collect();
    for LeavingRow { row, by } in leaving {
        // As long as this account publishes, it also writes the keys.
        let keeps = by.is_some();
        let outputs = row.outputs.iter().filter_map(|output| {
            let name = base.channels.get(usize::from(output.channel))?;
            let keep = output.keep.filter(|_| keeps);
            let keep = keep.and_then(|keep| base.keeps.get(usize::from(keep)));
            Some(Output {
                channel: position(&mut document.channels, name)?,
                keep: keep.and_then(|keep| position(&mut document.keeps, keep)),
                ..*output
            })
        });
        let row = Row {
            outputs: outputs.collect(),
            sets: Vec::new(),
            handover: by.is_none(),
            move_at: by.and_then(|(id, boundary)| {
                let part = MovePart::From;
                position(&mut document.moves, &Move { id, part, boundary })
            }),
            class: base
                .sessions_of(row)
                .and_then(|sessions| class(&mut document.sessions, sessions)),
            reference: false,
            retained: None,
            ..row.clone()
        };
        document.instruments.push(row);
    }
    document.instruments.sort_unstable_by_key(|row| row.token);
    // Prefixes that nothing else uses here keep their events to themselves as before.
    let used = document.channels.iter().map(|name| prefix_of(name));
    let used: BTreeSet<&str> = used.filter(|prefix| !own.contains(*prefix)).collect();
    let quiet = base.quiet_prefixes.iter();
    let quiet = quiet.filter(|prefix| used.contains(prefix.as_str()));
    document.quiet_prefixes.extend(quiet.cloned());
    document.quiet_prefixes.sort_unstable();
    document.quiet_prefixes.dedup();
}

/// Leaves outputs to rows that stay for something else, until another account publishes there. Its ticks do not say so if
/// they go to other readers too.
pub(super) fn keep_outputs(document: &mut Assignment, base: &Assignment, staying: &[&Row]) {
    for row in staying {
        let rows = &document.instruments;
        let Ok(at) = rows.binary_search_by_key(&row.token, |row| row.token) else {
            continue;
        };
        for output in &row.outputs {
            let Some(name) = base.channels.get(usize::from(output.channel)) else {
                continue;
            };
            let Some(channel) = position(&mut document.channels, name) else {
                continue;
            };
            let kept = &mut document.instruments[at];
            if kept.outputs.iter().all(|known| known.channel != channel) {
                kept.handover |= kept.sets.is_empty();
                kept.outputs.push(Output {
                    channel,
                    keep: None,
                    ..*output
                });
            }
        }
    }
}

/// Names the move by which a row of the document comes from another account.
pub(super) fn take(
    document: &mut Assignment,
    token: Token,
    (id, boundary): (String, Option<Boundary>),
) {
    let part = MovePart::To;
    let taken = Move { id, part, boundary };
    // A process refuses a file with more of them. Without it the row is published at once: ticks come twice, none is lost.
    if document.moves.len() == MOST_MOVES && !document.moves.contains(&taken) {
        return;
    }
    let at = position(&mut document.moves, &taken);
    let rows = &mut document.instruments;
    if let Ok(row) = rows.binary_search_by_key(&token, |row| row.token) {
        rows[row].move_at = at;
    }
}

/// Whether an assignment publishes the instrument of a row of `base` on any of that row's channels.
pub(super) fn share_a_channel(assignment: &Assignment, base: &Assignment, row: &Row) -> bool {
    let rows = &assignment.instruments;
    let Ok(at) = rows.binary_search_by_key(&row.token, |row| row.token) else {
        return false;
    };
    let mut outputs = row.outputs.iter();
    outputs.any(|output| {
        let mut others = rows[at].outputs.iter();
        let name = channel(base, output);
        name.is_some() && others.any(|other| channel(assignment, other) == name)
    })
}

/// The same, and it neither says that another one may do so nor hears of it by a move.
pub(super) fn publishes_alone(assignment: &Assignment, base: &Assignment, row: &Row) -> bool {
    let rows = &assignment.instruments;
    let at = rows.binary_search_by_key(&row.token, |row| row.token);
    let alone = at.is_ok_and(|at| !rows[at].handover && rows[at].move_at.is_none());
    alone && share_a_channel(assignment, base, row)
}

/// Whether an assignment has the instrument for a set, and no move says where it comes from.
pub(super) fn is_wanted(assignment: &Assignment, token: Token) -> bool {
    let rows = &assignment.instruments;
    let at = rows.binary_search_by_key(&token, |row| row.token);
    at.is_ok_and(|at| !rows[at].sets.is_empty() && rows[at].move_at.is_none())
}

fn channel<'a>(of: &'a Assignment, output: &Output) -> Option<&'a String> {
    of.channels.get(usize::from(output.channel))
}

/// The position of a class, whose sessions are added if none of its name are there.
pub(super) fn class(all: &mut Vec<ClassSessions>, wanted: &ClassSessions) -> Option<u16> {
    let known = all.iter().find(|it| it.class == wanted.class).cloned();
    position(all, &known.unwrap_or_else(|| wanted.clone()))
}

/// The position of an entry, which is added if it is not there.
fn position<T: Clone + PartialEq>(all: &mut Vec<T>, wanted: &T) -> Option<u16> {
    let known = all.iter().position(|known| known == wanted);
    let at = known.unwrap_or_else(|| {
        all.push(wanted.clone());
        all.len() - 1
    });
    u16::try_from(at).ok()
}
