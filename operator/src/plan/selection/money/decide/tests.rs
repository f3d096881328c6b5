use crate::plan::selection::money::hours::TradingHours;
use crds::account::MarketHours;
use proptest::prelude::*;

use std::time::Duration;

use super::*;

fn phase(now: Timestamp) -> TradingPhase {
    let (calendar, hours) = (calendar::Calendar::india(), MarketHours::Always);
    TradingHours { calendar, hours }.at("NFO", now)
}

fn price(rupees: f64) -> Price {
    Price::new(rupees).unwrap()
}

fn strikes() -> Vec<Price> {
    [90, 95, 100, 105, 110, 120]
        .map(|it| price(f64::from(it)))
        .into()
}

fn at(clock: &str) -> Timestamp {
    format!("2026-12-01T{clock}+05:30").parse().unwrap()
}

fn quote(rupees: f64) -> ReferenceQuote {
    ReferenceQuote {
        price: Price::new(rupees),
        close: None,
        age: Some(Duration::from_secs(1)),
        first: false,
    }
}

/// After a day that closed at 100.
fn with_close(rupees: f64) -> ReferenceQuote {
    ReferenceQuote {
        close: Some(price(100.0)),
        ..quote(rupees)
    }
}

/// A chain on NFO that is asked at several times.
#[derive(Default)]
struct Asked {
    money: Option<ChainMoney>,
    future: Option<ReferenceQuote>,
    spot: Option<ReferenceQuote>,
    due: Option<Timestamp>,
}

impl Asked {
    fn spot(rupees: f64) -> Self {
        Self {
            spot: Some(quote(rupees)),
            ..Self::default()
        }
    }

    /// The strike, and what it was chosen by.
    fn at(&mut self, clock: &str) -> Option<(f64, PriceSource)> {
        let now = at(clock);
        let strikes = strikes();
        let quotes = ChainQuotes {
            strikes: &strikes,
            future: self.future.as_ref(),
            spot: self.spot.as_ref(),
        };
        let decision = decide(quotes, phase(now), self.money.as_ref(), now);
        self.money = decision.money;
        self.due = Some(decision.due);
        decision
            .money
            .map(|money| (money.atm.rupees(), money.source))
    }

    fn strike(&mut self, clock: &str) -> f64 {
        self.at(clock).unwrap().0
    }
}

use PriceSource::{Close, Future, Spot};

#[test]
fn the_strike_is_the_nearest_and_of_two_the_lower() {
    for (spot, strike) in [
        (102.49, 100.0),
        (102.5, 100.0),
        (102.51, 105.0),
        (1.0, 90.0),
        (115.0, 110.0),
        (500.0, 120.0),
    ] {
        assert_eq!(Asked::spot(spot).strike("10:00:00"), strike, "{spot}");
    }
}

#[test]
fn it_follows_when_the_forward_is_a_whole_step_away_for_half_a_minute() {
    let mut chain = Asked::spot(100.0);
    assert_eq!(chain.strike("10:00:00"), 100.0);
    chain.spot = Some(quote(104.95));
    assert_eq!(chain.strike("10:00:01"), 100.0);
    assert_eq!(
        chain.strike("10:05:00"),
        100.0,
        "less than a step, however long"
    );
    chain.spot = Some(quote(105.0));
    assert_eq!(chain.strike("10:05:10"), 100.0);
    assert_eq!(chain.due, Some(at("10:05:40")));
    assert_eq!(chain.strike("10:05:39"), 100.0);
    assert_eq!(chain.strike("10:05:40"), 105.0);
    // From there to where it is by then, however far.
    chain.spot = Some(quote(94.0));
    assert_eq!(chain.strike("10:06:00"), 105.0);
    chain.spot = Some(quote(91.0));
    assert_eq!(chain.strike("10:06:30"), 90.0);
}

#[test]
fn half_a_minute_is_on_end() {
    let mut chain = Asked::spot(100.0);
    chain.strike("10:00:00");
    chain.spot = Some(quote(106.0));
    chain.strike("10:00:10");
    chain.spot = Some(quote(104.0));
    chain.strike("10:00:30");
    chain.spot = Some(quote(106.0));
    assert_eq!(chain.strike("10:00:45"), 100.0, "it was back meanwhile");
    // A price that is missing is not one that is away.
    chain.spot = None;
    assert_eq!(chain.strike("10:01:00"), 100.0);
    chain.spot = Some(quote(106.0));
    assert_eq!(chain.strike("10:01:20"), 100.0);
    assert_eq!(chain.strike("10:01:50"), 105.0);
    // A clock that was set back begins anew.
    chain.spot = Some(quote(111.0));
    chain.strike("10:02:00");
    assert_eq!(chain.strike("09:50:00"), 105.0);
    assert_eq!(chain.strike("09:50:30"), 110.0);
}

#[test]
fn it_stands_still_around_the_opening() {
    let mut chain = Asked::spot(100.0);
    chain.strike("08:00:00");
    chain.spot = Some(quote(111.0));
    for clock in ["09:08:00", "09:15:00", "09:16:00", "09:19:59"] {
        assert_eq!(chain.strike(clock), 100.0, "{clock}");
    }
    assert_eq!(chain.due, Some(at("09:20:00")));
    assert_eq!(chain.strike("09:20:00"), 110.0);
}

#[test]
fn the_future_of_the_expiry_is_the_forward_and_else_the_underlying() {
    let mut chain = Asked::spot(100.0);
    chain.future = Some(quote(104.0));
    assert_eq!(chain.at("10:00:00"), Some((105.0, Future)));
    // Too old.
    let old = ReferenceQuote {
        age: Some(Duration::from_secs(61)),
        ..quote(104.0)
    };
    let mut chain = Asked::spot(100.0);
    chain.future = Some(old);
    assert_eq!(chain.at("10:00:00"), Some((100.0, Spot)));
}

#[test]
fn in_the_closing_auction_the_underlying_has_no_price() {
    let mut weekly = Asked::spot(100.0);
    weekly.strike("15:14:00");
    weekly.spot = Some(quote(111.0));
    for clock in ["15:15:00", "15:16:00", "15:39:59"] {
        assert_eq!(weekly.strike(clock), 100.0, "{clock}");
    }
    let mut monthly = Asked::spot(100.0);
    monthly.future = Some(quote(100.0));
    monthly.strike("15:14:00");
    monthly.future = Some(quote(111.0));
    monthly.strike("15:20:00");
    assert_eq!(monthly.strike("15:20:30"), 110.0);
}

#[test]
fn before_the_session_a_price_of_the_day_before_begins_and_nothing_moves() {
    let first = ReferenceQuote {
        first: true,
        close: Some(price(90.0)),
        ..quote(100.0)
    };
    let mut chain = Asked {
        spot: Some(first),
        ..Asked::default()
    };
    assert_eq!(chain.at("08:45:00"), Some((100.0, Close)));
    // In the auction its price is none that anything was traded at.
    let auction = ReferenceQuote {
        close: Some(price(110.0)),
        ..quote(90.0)
    };
    let mut chain = Asked {
        spot: Some(auction),
        ..Asked::default()
    };
    assert_eq!(chain.at("09:05:00"), Some((110.0, Close)));
    // Of a token that has never been traded only the close is known.
    let untraded = ReferenceQuote {
        price: None,
        ..first
    };
    let mut chain = Asked {
        spot: Some(untraded),
        ..Asked::default()
    };
    assert_eq!(chain.at("10:00:00"), Some((90.0, Close)));
    assert_eq!(Asked::default().at("10:00:00"), None);
}

#[test]
fn a_jump_is_believed_when_the_future_or_two_minutes_confirm_it() {
    let mut chain = Asked {
        spot: Some(with_close(101.0)),
        ..Asked::default()
    };
    chain.strike("10:00:00");
    chain.spot = Some(with_close(50.0));
    for clock in ["10:00:10", "10:01:00", "10:02:09"] {
        assert_eq!(chain.strike(clock), 100.0, "{clock}");
    }
    assert_eq!(chain.due, Some(at("10:02:10")));
    chain.strike("10:02:10");
    assert_eq!(chain.strike("10:02:40"), 90.0);

    // A price for a moment changes nothing, nor does it help the next one.
    let mut chain = Asked {
        spot: Some(with_close(101.0)),
        ..Asked::default()
    };
    chain.strike("10:00:00");
    chain.spot = Some(with_close(10.0));
    chain.strike("10:00:05");
    chain.spot = Some(with_close(50.0));
    assert_eq!(chain.strike("10:02:06"), 100.0, "another jump");

    // The future says the same: the price of the share was divided.
    let mut chain = Asked {
        spot: Some(with_close(101.0)),
        ..Asked::default()
    };
    chain.strike("10:00:00");
    (chain.spot, chain.future) = (Some(with_close(50.0)), Some(with_close(51.0)));
    chain.strike("10:00:10");
    assert_eq!(chain.strike("10:00:40"), 90.0);

    // The future alone is absurd: the underlying leads.
    let mut chain = Asked {
        spot: Some(with_close(101.0)),
        future: Some(with_close(500.0)),
        ..Asked::default()
    };
    assert_eq!(chain.at("10:00:00"), Some((100.0, Spot)));
}

#[test]
fn an_absurd_price_begins_nothing() {
    let first = |spot: f64| Asked {
        spot: Some(with_close(spot)),
        ..Asked::default()
    };
    let mut chain = first(50.0);
    assert_eq!(
        chain.at("10:00:00"),
        Some((100.0, Close)),
        "of the day before"
    );
    assert_eq!(
        chain.at("10:00:05"),
        Some((100.0, Close)),
        "nor a moment later"
    );
    assert_eq!(chain.at("10:02:05"), Some((100.0, Spot)), "it is believed");
    assert_eq!(
        chain.strike("10:02:35"),
        90.0,
        "and half a minute later followed"
    );

    // An underlying without a close says how absurd the future is.
    let mut chain = Asked {
        future: Some(with_close(50.0)),
        ..Asked::spot(100.0)
    };
    assert_eq!(chain.at("10:00:00"), Some((100.0, Spot)));
}

#[test]
fn a_strike_that_the_list_has_no_longer_is_replaced_by_the_nearest() {
    let mut chain = Asked::spot(100.0);
    chain.strike("10:00:00");
    let money = chain.money.as_mut().unwrap();
    (money.atm, money.forward) = (price(102.5), price(103.0));
    chain.spot = None;
    assert_eq!(chain.strike("10:00:01"), 105.0);
}

fn any_quote() -> impl Strategy<Value = Option<ReferenceQuote>> {
    let any_price = || prop::option::of((50_u32..300).prop_map(|it| price(f64::from(it) / 2.0)));
    let quote = (
        any_price(),
        any_price(),
        prop::option::of(0_u64..90),
        any::<bool>(),
    );
    prop::option::of(quote.prop_map(|(price, close, age, first)| ReferenceQuote {
        price,
        close,
        age: age.map(Duration::from_secs),
        first,
    }))
}

proptest! {
    /// Whatever comes: the strike is one of the list, the present prices are within their bands, so that they wake nobody
    /// again, and the time of the next decision is to come.
    #[test]
    fn decisions_are_stable(steps in prop::collection::vec((any_quote(), any_quote(), 0_i64..20_000), 1..40)) {
        let (strikes, mut now) = (strikes(), at("09:00:00"));
        let mut last: Option<ChainMoney> = None;
        for (future, spot, later) in steps {
            now = now.saturating_add(SignedDuration::from_secs(later / 100)).unwrap();
            let quotes = ChainQuotes { strikes: &strikes, future: future.as_ref(), spot: spot.as_ref() };
            let phase = phase(now);
            let decision = decide(quotes, phase, last.as_ref(), now);
            for (quote, band) in [(future, decision.future), (spot, decision.spot)] {
                let price = quote.and_then(|quote| quote.price);
                prop_assert!(price.is_none_or(|price| band.holds(price)));
            }
            prop_assert!(decision.due > now);
            if let Some(money) = decision.money {
                prop_assert!(strikes.contains(&money.atm));
                let again = decide(quotes, phase, Some(&money), now);
                prop_assert_eq!(again.money, decision.money, "the same once more");
            }
            let known = last.is_some();
            last = decision.money;
            prop_assert!(!known || last.is_some(), "what is known is not forgotten");
        }
    }
}
