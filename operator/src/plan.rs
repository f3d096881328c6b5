//! The planner: every choice the operator makes, as one pure function.
//!
//! Owns validation, selection, placement, channels, readiness and status. It must not do I/O, read
//! a clock or fail: every input gives a plan, and what is not known changes nothing.
//!
//! [`planner`] has the steps in their order, and the folders read in it: [`input`] checks what was
//! observed, [`selection`] resolves the request of each set, [`placement`] chooses the accounts,
//! [`assignment`] builds what each should stream, [`readiness`] and [`report`] make conditions and
//! statuses. [`review`] says why, to who asks.

mod assignment;
mod ids;
mod input;
mod memory;
mod placement;
mod planner;
mod readiness;
mod report;
pub(crate) mod review;
mod samples;
mod selection;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use assignment::AssignmentChange;
pub(crate) use input::{BAD_SCRAPES, session_version};
pub use input::{
    Cause, DefaultProxy, Failing, Immutable, InvalidSpec, Key, LastAssignment, LastLogin,
    LoginLink, Meta, Now, Object, Observed, ObservedAccount, ObservedSet, PricingRates, Process,
    Scrape, Secret, Settings, Table, TokenAnswer, TokenCheck, ValueFingerprint, Workload,
};
pub use memory::Memory;
pub use planner::plan;
pub(crate) use report::LONGEST_MESSAGE;
pub use report::{
    AccountPlan, Change, Event, EventReason, Failover, Kind, LoginTarget, MoveCounts, Plan,
    SessionTarget, SetPlan, TokenOwner, TokenTarget, WebhookCall, WebhookReason,
};
pub use review::Journal;
pub use selection::PriceBands;
