use proptest::prelude::*;

use super::*;
use crate::option_price::OptionPriceSource::{Last, Mid};

const EXPIRY: i64 = 1_796_119_800;
const SETTLES: i64 = EXPIRY - 600;
/// Five days before: a 73rd of a year.
const NOW: i64 = EXPIRY - 432_000;

/// A call at 23,700 on a forward of 23,659.
fn terms() -> OptionTerms {
    OptionTerms {
        right: OptionRight::Call,
        strike: 23_700.0,
        step: 0.05,
        tenor: Tenor {
            expiry_ts: EXPIRY,
            settles_ts: Some(SETTLES),
        },
        rate: Some(0.065),
        open: true,
        forward: Some(23_659.0),
        now: NOW,
    }
}

fn mid(price: f64) -> Option<OptionPrice> {
    Some(OptionPrice { price, source: Mid })
}

fn word(terms: OptionTerms, price: Option<OptionPrice>) -> GreeksWord {
    evaluate(&terms, price, || None).word
}

/// Reference values from 40-digit arithmetic.
#[test]
fn a_price_becomes_greeks() {
    let found = evaluate(&terms(), mid(190.037_984_018_274), || None);
    assert_eq!(found.word, GreeksWord::Ok);
    let values = found.values.unwrap();
    assert!((values.volatility - 0.19).abs() < 1e-11);
    assert!((values.greeks.delta - 0.472_972_236_118_786_7).abs() < 1e-10);
    assert!((values.greeks.theta + 20.890_154_194_003_37).abs() < 1e-8);
    assert!((values.greeks.rho + 0.026_032_600_550_448_49).abs() < 1e-11);
}

#[test]
fn what_is_computed_from_is_what_is_read() {
    let price = mid(190.037_984_018_274);
    let found = evaluate(&terms(), price, || None);
    let read = found.price.unwrap();
    assert_eq!(read.price, 190.037_984_018, "twelve digits");
    let again = evaluate(&terms(), Some(read), || None);
    assert_eq!(again, found);
}

#[test]
fn the_first_word_that_fits_is_said() {
    use GreeksWord::{
        BelowIntrinsic, Closed, Expired, NoForward, NoTimeValue, OutOfRange, PriceFloor,
        SettlementWindow, StaleInput,
    };
    let all_wrong = OptionTerms {
        open: false,
        forward: None,
        now: EXPIRY,
        ..terms()
    };
    assert_eq!(word(all_wrong, None), Expired);
    let settling = OptionTerms {
        now: SETTLES,
        ..all_wrong
    };
    assert_eq!(word(settling, None), Closed);
    let settling = OptionTerms {
        open: true,
        ..settling
    };
    assert_eq!(word(settling, None), SettlementWindow);
    let alive = OptionTerms {
        now: NOW,
        ..settling
    };
    assert_eq!(word(alive, None), NoForward);
    let without_rate = OptionTerms {
        rate: None,
        ..terms()
    };
    assert_eq!(word(without_rate, mid(190.0)), NoForward);
    assert_eq!(word(terms(), None), StaleInput);
    assert_eq!(word(terms(), mid(23_660.0)), OutOfRange);
    assert_eq!(word(terms(), mid(0.05)), PriceFloor);
    let in_the_money = OptionTerms {
        strike: 20_000.0,
        ..terms()
    };
    assert_eq!(word(in_the_money, mid(3_600.0)), BelowIntrinsic);
    let intrinsic = 3_659.0 * (-0.065_f64 / 73.0).exp();
    assert_eq!(word(in_the_money, mid(intrinsic + 0.02)), NoTimeValue);
    assert_eq!(word(in_the_money, mid(intrinsic + 0.03)), GreeksWord::Ok);
}

#[test]
fn prices_that_mean_nothing_are_out_of_range() {
    let with = |forward, strike| {
        let terms = OptionTerms {
            forward: Some(forward),
            strike,
            ..terms()
        };
        word(terms, mid(190.0))
    };
    assert_eq!(with(0.0, 23_700.0), GreeksWord::OutOfRange);
    assert_eq!(with(-5.0, 23_700.0), GreeksWord::OutOfRange);
    assert_eq!(with(23_659.0, 0.0), GreeksWord::OutOfRange);
    let put = OptionTerms {
        right: OptionRight::Put,
        ..terms()
    };
    assert_eq!(
        word(put, mid(23_700.0)),
        GreeksWord::OutOfRange,
        "the strike"
    );
    // One minute before the end no volatility up to 1,000 % makes it worth that much.
    let late = OptionTerms {
        tenor: Tenor {
            settles_ts: None,
            ..terms().tenor
        },
        now: EXPIRY - 60,
        ..terms()
    };
    assert_eq!(word(late, mid(900.0)), GreeksWord::OutOfRange);
}

#[test]
fn deep_in_the_money_the_other_right_gives_the_volatility() {
    let deep = OptionTerms {
        strike: 20_000.0,
        ..terms()
    };
    let twin = Twin {
        volatility: 0.31,
        price: 1.35,
    };
    let price = 3_659.0 * (-0.065_f64 / 73.0).exp() + 0.01;
    let found = evaluate(&deep, mid(price), || Some(twin));
    let source = OptionPriceSource::Twin;
    let said = Some(OptionPrice {
        price: 1.35,
        source,
    });
    assert_eq!((found.word, found.price), (GreeksWord::Ok, said));
    let values = found.values.unwrap();
    assert_eq!(values.volatility, 0.31);
    assert!(values.greeks.delta > 0.99);
    // It is not asked for an option whose price says enough.
    let found = evaluate(&terms(), mid(190.0), || panic!("nobody asks"));
    assert_eq!(found.word, GreeksWord::Ok);
}

#[test]
fn a_volatility_is_held_when_the_forward_moves() {
    let before = evaluate(&terms(), mid(190.0), || None);
    let moved = OptionTerms {
        forward: Some(23_700.0),
        now: NOW + 60,
        ..terms()
    };
    let after = hold(&moved, &before);
    let (old, new) = (before.values.unwrap(), after.values.unwrap());
    assert_eq!(new.volatility, old.volatility);
    assert!(new.greeks.delta > old.greeks.delta);
    assert_eq!(after.price, before.price);
    let expired = OptionTerms {
        now: EXPIRY,
        ..moved
    };
    assert_eq!(hold(&expired, &before).word, GreeksWord::Expired);
    let floor = evaluate(&terms(), mid(0.05), || None);
    assert_eq!(hold(&moved, &floor), floor);
    let lost = OptionTerms {
        forward: None,
        ..moved
    };
    assert_eq!(hold(&lost, &before).word, GreeksWord::NoForward);
}

proptest! {
    /// Never NaN, never infinity, never a value without the word ok.
    #[test]
    fn every_input_has_finite_values_or_a_word(
        numbers: [f64; 5],
        call: bool,
        expiry_ts: i64,
        settles_ts: Option<i64>,
        now: i64,
        held: [f64; 2],
    ) {
        let [strike, step, rate, forward, price] = numbers;
        let right = if call { OptionRight::Call } else { OptionRight::Put };
        let tenor = Tenor { expiry_ts, settles_ts };
        let terms = OptionTerms { right, strike, step, tenor, rate: Some(rate), open: true, forward: Some(forward), now };
        let twin = Twin { volatility: held[0], price: held[1] };
        let found = evaluate(&terms, Some(OptionPrice { price, source: Last }), || Some(twin));
        check(&found)?;
        check(&hold(&terms, &found))?;
    }

    /// The same near the prices of a market, where most words occur.
    #[test]
    fn usual_inputs_too(
        right in prop::sample::select(vec![OptionRight::Call, OptionRight::Put]),
        forward in 20_000_i32..28_000,
        strike in 20_000_i32..28_000,
        price in 0_i32..800_000,
        rate in -0.05_f64..0.12,
        left in -100_i64..3_000_000,
    ) {
        let terms = OptionTerms {
            right,
            strike: f64::from(strike),
            forward: Some(f64::from(forward)),
            rate: Some(rate),
            now: EXPIRY - left,
            ..terms()
        };
        check(&evaluate(&terms, mid(f64::from(price) / 100.0), || None))?;
    }
}

fn check(found: &Evaluation) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.word == GreeksWord::Ok, found.values.is_some());
    if let Some(price) = found.price {
        prop_assert!(price.price.is_finite());
    }
    if let Some(Values { volatility, greeks }) = found.values {
        let Greeks {
            delta,
            gamma,
            theta,
            vega,
            rho,
        } = greeks;
        let all = [volatility, delta, gamma, theta, vega, rho];
        prop_assert!(all.iter().all(|it| it.is_finite()), "{:?}", found);
        prop_assert!(volatility > 0.0 && gamma >= 0.0 && vega >= 0.0);
    }
    Ok(())
}
