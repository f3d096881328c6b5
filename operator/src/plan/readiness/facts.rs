//! What the rules for an account judge.
//!
//! Owns types only.

use contract::{Report, TokenSource};

use crate::plan::input::{MarketNow, Process, Scrape, Secret, Sleep, TokenCheck};

/// What is known of an account that can be used.
#[derive(Clone, Debug)]
pub(crate) struct AccountFacts<'a> {
    /// Its name.
    pub(crate) account: &'a str,
    /// Name of its Secret.
    pub(crate) secret_name: &'a str,
    pub(crate) secret: &'a Secret,
    /// Which of its two access tokens is used.
    pub(crate) token_source: TokenSource,
    /// What Kite said of it.
    pub(crate) token: Option<&'a TokenCheck>,
    /// Whether its user can log in for another one.
    pub(crate) offers_login: bool,
    /// Why there can be no link for that, if it is known.
    pub(crate) login_obstacle: Option<&'a str>,
    /// Whether a good one is needed now.
    pub(crate) needs_token: bool,
    pub(crate) process: &'a Process,
    pub(crate) scrape: &'a Scrape,
    /// The report, if it is about this account.
    pub(crate) report: Option<&'a Report>,
    /// Instruments that it should stream; `None` if that is not known.
    pub(crate) assigned: Option<usize>,
    /// Sockets that are needed for them.
    pub(crate) needed: u32,
    /// Whether the pod is annotated when its files change.
    pub(crate) poked: bool,
    /// The Secret for Redis and its name, if its spec names one.
    pub(crate) redis_secret: Option<(&'a str, &'a Secret)>,
    /// What does not reach its process, and why.
    pub(crate) unwritten: Option<&'a str>,
    /// Whether it keeps a connection although it has no instruments.
    pub(crate) standby: bool,
    /// Features that its process must have to obey its assignment.
    pub(crate) needs: Vec<&'static str>,
    /// The image that its spec names.
    pub(crate) image: Option<&'a str>,
    /// Whether its process rests.
    pub(crate) sleep: Sleep,
    /// What its markets do.
    pub(crate) market: MarketNow,
    /// That the calendar it depends on ends soon.
    pub(crate) calendar: Option<String>,
    /// That its options are priced with an old interest rate.
    pub(crate) old_rate: Option<String>,
}
