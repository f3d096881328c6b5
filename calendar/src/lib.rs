//! When India's exchanges trade: sessions, holidays, special days and the end of contracts.
//!
//! Pure: no I/O, and every time is an argument. Owns every hour of a market: no other package has one. Must not know
//! accounts, sets or Kubernetes.
//!
//! What is built in is `data/india.yaml`; a file of the same form may replace rows of it ([`Calendar::with`]). Instruments
//! that trade at the same hours are of one [class](Calendar::class_of); each class has its [sessions](MarketSession) of a day,
//! as [`Span`]s.

mod calendar;
mod checked;
mod class;
mod error;
mod expiry;
mod file;
mod hours;
mod span;

pub use calendar::{Calendar, ClassMoment, DayNote};
pub use class::{ClassIx, Traded, TradedKind};
pub use error::{CalendarError, CalendarProblem};
pub use expiry::ContractExpiry;
pub use kite::MarketSession;
pub use span::Span;

/// The local time in India.
#[must_use]
pub fn in_india(time: jiff::Timestamp) -> jiff::civil::DateTime {
    kite::ist::civil(time)
}
