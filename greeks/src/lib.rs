//! Greeks and implied volatility of options on a forward price.
//!
//! Pure: no I/O, and every time is an argument. Owns Black's formula of 1976, the choice of the price and of the forward that
//! it is given, and the word that says why there is no value. Must not know messages, accounts or a calendar.
//!
//! Prices and strikes are rupees, volatility and rates are decimals a year (0.19: 19 %), times are Unix seconds.

pub mod black76;
mod book;
mod evaluation;
pub mod forward;
pub mod normal;
mod option_price;
mod significant;
mod summary;
mod tenor;
mod volatility;
mod word;

pub use black76::{Greeks, OptionRight};
pub use book::Book;
pub use evaluation::{Evaluation, OptionTerms, Twin, Values, evaluate, hold};
pub use option_price::{LastTrade, OptionPrice, OptionPriceSource, option_price};
pub use significant::{DIGITS, Significant, rounded};
pub use summary::{ChainSummary, StrikePrices, at_the_money};
pub use tenor::{ExpiryPhase, Tenor, years};
pub use volatility::{Unsolved, implied_volatility};
pub use word::GreeksWord;
