//! The forward price that calls and puts agree on.
//!
//! A call less a put of one strike pays forward less strike whatever happens: each pair of prices is an offer of the forward.

/// The most strikes that are used: those nearest the money, where books are narrow.
pub const MOST_STRIKES: usize = 5;

/// With fewer strikes nobody can say which of them is wrong.
const LEAST_STRIKES: usize = 3;

/// A distance from the median beyond so many deviations is an error.
const OUTLIER: f64 = 3.0;

/// The standard deviation of a normal distribution, in median absolute deviations.
const DEVIATION: f64 = 1.4826;

/// Middles of both sides' books at one strike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StrikePair {
    /// The strike.
    pub strike: f64,
    /// The middle of the call's book.
    pub call: f64,
    /// The middle of the put's book.
    pub put: f64,
}

/// The forward price of the strikes whose call and put differ least, without outliers.
///
/// `growth` is e^(rT): prices are paid now and the forward later. `step` is the options' price step: nothing nearer to the
/// median is an outlier, for three strikes that agree deviate by nothing at all.
#[must_use]
pub fn parity(pairs: impl Iterator<Item = StrikePair>, growth: f64, step: f64) -> Option<f64> {
    let mut nearest = [(f64::INFINITY, 0.0); MOST_STRIKES];
    let mut count = 0;
    for pair in pairs {
        let difference = pair.call - pair.put;
        let forward = pair.strike + growth * difference;
        if forward.is_finite() && forward > 0.0 {
            insert(&mut nearest, (difference.abs(), forward));
            count = (count + 1).min(MOST_STRIKES);
        }
    }
    if count < LEAST_STRIKES {
        return None;
    }
    let mut forwards = nearest.map(|it| it.1);
    let forwards = &mut forwards[..count];
    let middle = median(forwards);
    let mut deviations = [0.0; MOST_STRIKES];
    for (deviation, forward) in deviations.iter_mut().zip(forwards.iter()) {
        *deviation = (forward - middle).abs();
    }
    let deviation = median(&mut deviations[..count]);
    let furthest = (OUTLIER * DEVIATION * deviation).max(step);
    let mut kept = 0;
    for at in 0..count {
        if (forwards[at] - middle).abs() <= furthest {
            forwards[kept] = forwards[at];
            kept += 1;
        }
    }
    let forward = median(&mut forwards[..kept]);
    forward.is_finite().then_some(forward)
}

/// Keeps the smallest, in order.
fn insert(nearest: &mut [(f64, f64); MOST_STRIKES], mut new: (f64, f64)) {
    for slot in nearest {
        if new.0 < slot.0 {
            std::mem::swap(slot, &mut new);
        }
    }
}

/// The middle value, or between the two middle ones. There is at least one.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = values.len() / 2;
    if values.len() % 2 == 1 {
        values[at]
    } else {
        values[at - 1] + (values[at] - values[at - 1]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(strike: f64, call: f64, put: f64) -> StrikePair {
        StrikePair { strike, call, put }
    }

    /// Three strikes around 24,210, which agree.
    const AGREED: [StrikePair; 3] = [
        StrikePair {
            strike: 24_150.0,
            call: 200.0,
            put: 140.0,
        },
        StrikePair {
            strike: 24_200.0,
            call: 170.0,
            put: 160.0,
        },
        StrikePair {
            strike: 24_250.0,
            call: 145.0,
            put: 185.0,
        },
    ];

    #[test]
    fn three_strikes_give_a_forward_and_two_none() {
        assert_eq!(parity(AGREED.into_iter(), 1.0, 0.05), Some(24_210.0));
        assert_eq!(parity(AGREED.into_iter().take(2), 1.0, 0.05), None);
        assert_eq!(parity(std::iter::empty(), 1.0, 0.05), None);
    }

    #[test]
    fn what_is_paid_now_grows_until_expiry() {
        let found = parity(AGREED.into_iter(), 1.01, 0.05).unwrap();
        assert!((found - (24_200.0 + 1.01 * 10.0)).abs() < 1e-9, "{found}");
    }

    #[test]
    fn a_wrong_book_is_dropped() {
        let wrong = pair(24_300.0, 160.0, 210.0);
        let five = AGREED
            .into_iter()
            .chain([wrong, pair(24_100.0, 245.0, 135.0)]);
        assert_eq!(parity(five, 1.0, 0.05), Some(24_210.0));
        // Within one price step it stays: the median lies between.
        let near = pair(24_300.0, 100.0, 189.96);
        let four = AGREED.into_iter().chain([near]);
        let found = parity(four, 1.0, 0.05).unwrap();
        assert!((found - 24_210.0).abs() < 1e-9, "{found}");
    }

    #[test]
    fn strikes_far_from_the_money_do_not_count() {
        let far = (1..10).map(|at| pair(25_000.0 + f64::from(at), 1.0, 500.0));
        let found = parity(
            far.chain(AGREED)
                .chain([pair(24_175.0, 185.0, 150.0), pair(24_225.0, 155.0, 170.0)]),
            1.0,
            0.05,
        );
        assert_eq!(found, Some(24_210.0));
    }

    proptest! {
        #[test]
        fn strikes_that_agree_say_the_forward(forward in 100.0_f64..1e5, growth in 0.9_f64..1.2, count in 3_usize..12) {
            let pairs = (0..count).map(|at| {
                let strike = forward * (0.95 + 0.01 * at as f64);
                let difference = (forward - strike) / growth;
                pair(strike, difference.max(0.0) + 10.0, (-difference).max(0.0) + 10.0)
            });
            let found = parity(pairs, growth, 0.05).unwrap();
            prop_assert!((found / forward - 1.0).abs() < 1e-12);
        }

        #[test]
        fn nothing_is_made_up(pairs in prop::collection::vec(any::<(f64, f64, f64)>(), 0..9), growth: f64, step: f64) {
            let pairs = pairs.into_iter().map(|(strike, call, put)| pair(strike, call, put));
            if let Some(forward) = parity(pairs, growth, step) {
                prop_assert!(forward.is_finite() && forward > 0.0);
            }
        }
    }
}
