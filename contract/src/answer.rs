//! What the operator answers to people who ask at a terminal: why something is where it is, what an instrument is called,
//! how much comes, what a manifest would change.
//!
//! Owns the documents, their paths and their limits. The program that asks may be older or newer than the operator: members
//! are added with a default, and unknown ones are ignored.

mod calendar;
mod explain;
mod find;
mod preview;
mod top;

use serde::{Deserialize, Serialize};

pub use calendar::{CalendarAnswer, ClassDay};
pub use explain::{
    AccountExplanation, AccountShareExplanation, CandidateAccount, ExplainAnswer, ForwardPrice,
    InstrumentExplanation, MoneyExplanation, MoveRecord, PlacementState, SelectorExplanation,
    SetExplanation, WaitingInstruments,
};
pub use find::{FindAnswer, FoundInstrument, InstrumentUse};
pub use preview::{
    AccountPreview, MovePreview, PreviewAnswer, RefusedObject, SetPreview, SetState,
};
pub use top::{AccountTop, ConnectionTop, ReadyState, SetTop, TopAnswer};

/// Explains an object or an instrument of a set: `?kind=set&namespace=N&name=X&symbol=S`.
pub const EXPLAIN_PATH: &str = "/v1/explain";

/// Finds instruments: `?query=WORDS&namespace=N`.
pub const FIND_PATH: &str = "/v1/find";

/// Lists accounts and sets with what they receive: `?namespace=N`.
pub const TOP_PATH: &str = "/v1/top";

/// What the market calendar says of a date: `?date=2026-12-25`.
pub const CALENDAR_PATH: &str = "/v1/calendar";

/// Plans with the posted manifests in place of those in force, and changes nothing: `?namespace=N`.
pub const PREVIEW_PATH: &str = "/v1/plan";

/// The file in the state folder of `kite-operator local` that holds the address of these paths.
pub const ADDRESS_FILE: &str = "operator-port";

/// Folder with the login link of an account, while one is offered: in the account's folder of the state folder of an operator
/// without a cluster.
pub const LOGIN_FOLDER: &str = "login";
/// Its file.
pub const LOGIN_FILE: &str = "url";

/// The largest answer, in bytes; what is cut says so.
pub const LARGEST_ANSWER: usize = 1024 * 1024;

/// The largest body of a request, in bytes.
pub const LARGEST_QUESTION: usize = 4 * 1024 * 1024;

/// The most instruments that are found for one query.
pub const MOST_FOUND: usize = 50;

/// An answer that can be made shorter.
pub trait Shorten {
    /// Leaves something out and notes it; `false` if there is nothing left to leave out.
    fn shorten(&mut self) -> bool;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// For people: what is wrong, and what to do.
    pub error: String,
}

/// Leaves out the second half of a list; `false` if it has at most one entry.
fn halve<T>(list: &mut Vec<T>) -> bool {
    let longer = list.len() > 1;
    if longer {
        list.truncate(list.len() / 2);
    }
    longer
}
