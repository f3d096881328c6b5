//! What is wrong with an account's credentials, and from when on people are told.
//!
//! Owns these rules and their texts; never a value of a Secret. What is wrong with a Secret itself is said in [`super::secret`].

use contract::mount::ACCESS_TOKEN_FILE;
use contract::report::CredentialsReport;
use contract::{Report, TokenSource};
use crds::condition::Reason;
use jiff::Timestamp;
use kite::{access_token, ist};

use super::facts::AccountFacts;
use super::observation::with_remark;
use super::secret;
use crate::plan::input::{MarketNow, Secret, TokenAnswer, live_sockets};

/// The field that names the Secret.
pub(super) const CREDENTIALS: &str = "spec.credentialsSecretRef";

/// What is wrong with the credentials, as far as is known.
pub(crate) fn credentials(
    facts: &AccountFacts<'_>,
    report: Option<&Report>,
) -> Option<(Reason, String)> {
    let name = facts.secret_name;
    if *facts.secret == Secret::Missing {
        let message = format!(
            "Secret {name} does not exist: create it with the keys api_key and access_token"
        );
        return Some((Reason::SecretMissing, message));
    }
    let answer = facts.token.map(|token| &token.answer);
    match report.map(|report| &report.credentials) {
        Some(CredentialsReport::Missing { files })
            if facts.offers_login && *files == [ACCESS_TOKEN_FILE] =>
        {
            let cure = login(facts);
            Some((
                Reason::LoginRequired,
                format!("there is no access token yet: {cure}"),
            ))
        }
        Some(CredentialsReport::Missing { files }) => {
            let why = secret::lacking(name, facts.secret, files);
            Some((Reason::KeyMissing, with_cure(facts, why)))
        }
        Some(CredentialsReport::Refused { remark, .. }) => {
            let refused = match answer {
                Some(TokenAnswer::Accepted { .. }) => {
                    "Kite refused to open a connection (403), although it accepts the access token elsewhere: it may be \
                     about to work again, or the app's subscription has no live data"
                        .to_owned()
                }
                Some(TokenAnswer::Refused) | None => {
                    let Token { what, cure } = token(facts);
                    format!("Kite refused {what} (403): unless it is today's, {cure}")
                }
            };
            let remark = remark.and_then(secret::remark).map(str::to_owned);
            let message = with_cure(facts, with_remark(refused, remark));
            Some((ended(facts), message))
        }
        _ if answer != Some(&TokenAnswer::Refused) => None,
        _ if report.is_some_and(|report| live_sockets(report) > 0) => {
            let Token { what, cure } = token(facts);
            let message =
                format!("Kite refuses {what}, and the open connections stream on: {cure}");
            Some((Reason::RunningOnDeadToken, with_cure(facts, message)))
        }
        _ => {
            let Token { what, cure } = token(facts);
            let message = format!("Kite refuses {what}: {cure}");
            Some((ended(facts), with_cure(facts, message)))
        }
    }
}

/// The words for the access token that is used.
struct Token {
    what: String,
    cure: String,
}

fn token(facts: &AccountFacts<'_>) -> Token {
    let name = facts.secret_name;
    let cure = match facts.token_source {
        _ if facts.offers_login => login(facts),
        TokenSource::Secret => "put today's there".to_owned(),
        TokenSource::Session => format!("put today's into Secret {name}"),
    };
    let what = match facts.token_source {
        TokenSource::Secret => format!("the access token in Secret {name}"),
        TokenSource::Session => "the access token of the last login".to_owned(),
    };
    Token { what, cure }
}

/// How to get another token where users can log in.
fn login(facts: &AccountFacts<'_>) -> String {
    let (account, secret) = (facts.account, facts.secret_name);
    if let Some(why) = facts.login_obstacle {
        return format!("put today's into Secret {secret}; nobody can log in: {why}");
    }
    format!(
        "log in with `kubectl kiteticker login tka/{account}`, or put today's into Secret {secret}"
    )
}

/// The reason for an access token that has ended.
const fn ended(facts: &AccountFacts<'_>) -> Reason {
    if facts.offers_login {
        Reason::LoginRequired
    } else {
        Reason::TokenExpired
    }
}

/// A message about values of a Secret that a kubelet may hold back.
fn with_cure(facts: &AccountFacts<'_>, message: String) -> String {
    match secret::immutable(facts.secret_name, facts.secret, CREDENTIALS) {
        Some(cure) => format!("{message}; {cure}"),
        None => message,
    }
}

/// Whether this is about an access token that has ended.
pub(crate) const fn is_dead_token(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::TokenExpired | Reason::LoginRequired | Reason::RunningOnDeadToken
    )
}

/// Whether all that an account lacks is a token, and it needs none now. What else is wrong with its process or Redis counts.
pub(crate) fn only_lacks_token(facts: &AccountFacts<'_>, report: Option<&Report>) -> bool {
    let works = report.is_some_and(|it| it.redis.connected || facts.assigned == Some(0));
    let wrong = credentials(facts, report);
    works && !facts.needs_token && wrong.is_some_and(|(reason, _)| is_dead_token(reason))
}

/// Whether an account needs a good token at `now`: nobody is told at night that one has ended, as all do. It does from the
/// hour on at which those of the day before have ended, on a day on which its markets open. `trades_today`: whether any
/// market does, which counts for an account without instruments.
pub(crate) fn needs_token(
    market: MarketNow,
    (assigned, trades_today): (Option<usize>, bool),
    now: Timestamp,
) -> bool {
    let flushed = |day| now >= access_token::flushed_on(day);
    match market.begins() {
        Some(begins) if market.is_closed() => flushed(ist::date(begins)),
        _ if assigned == Some(0) => trades_today && flushed(ist::date(now)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use contract::{ClassSessions, SessionSpan};
    use kite::MarketSession::Open;

    use super::*;
    use crate::plan::input::Classes;

    fn at(text: &str) -> Timestamp {
        format!("{text}+05:30").parse().unwrap()
    }

    /// What a market does that opens on these two days.
    fn market(now: &str) -> MarketNow {
        let span = |from: &str, until: &str| {
            SessionSpan(at(from).as_second(), at(until).as_second(), Open)
        };
        let friday = span("2026-12-04T09:15:00", "2026-12-04T15:30:00");
        let monday = span("2026-12-07T09:15:00", "2026-12-07T15:30:00");
        let class = ClassSessions {
            class: "NSE".to_owned(),
            previous_day: None,
            spans: vec![friday, monday],
        };
        let mut classes = Classes::default();
        classes.add(Some(0));
        classes.at(&[class], at(now).as_second())
    }

    #[test]
    fn a_token_is_needed_from_the_flush_of_a_trading_day_to_the_end_of_its_sessions() {
        for (now, needed) in [
            ("2026-12-04T07:36:00", true),
            ("2026-12-04T12:00:00", true),
            ("2026-12-04T15:29:59", true),
            ("2026-12-04T15:30:00", false),
            // Saturday's flush, and Monday's.
            ("2026-12-05T06:20:00", false),
            ("2026-12-05T08:30:00", false),
            ("2026-12-07T07:34:59", false),
            ("2026-12-07T07:35:00", true),
        ] {
            let is_needed = needs_token(market(now), (Some(5), true), at(now));
            assert_eq!(is_needed, needed, "{now}");
        }
    }

    #[test]
    fn what_has_no_hours_needs_it_always_and_an_idle_account_on_trading_days() {
        let (night, day) = ("2026-12-05T03:00:00", "2026-12-07T07:35:00");
        let any_time = MarketNow::default();
        assert!(needs_token(any_time, (Some(5), false), at(night)));
        assert!(!needs_token(
            any_time,
            (Some(0), false),
            at("2026-12-05T12:00:00")
        ));
        assert!(!needs_token(
            any_time,
            (Some(0), true),
            at("2026-12-07T07:34:00")
        ));
        assert!(needs_token(any_time, (Some(0), true), at(day)));
    }
}
