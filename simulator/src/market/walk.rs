//! How underlyings move: each follows one market factor and has its own movement. Both pull back to
//! the middle, so that no price leaves the day's band however long the market runs.
//!
//! Pure, except for the random numbers passed in; time is in seconds since the market opened.

use rand::Rng;

use crate::universe::Underlying;

/// Time in which a deviation decays to a third.
const DECAY: f64 = 2.0 * 3_600.0;
/// Seconds of trading in a year: 252 days of 6.25 hours.
const TRADING_YEAR: f64 = 252.0 * 6.25 * 3_600.0;
/// Annual volatility of the market factor.
const MARKET_VOLATILITY: f64 = 0.13;
/// Farthest a price goes from yesterday's close, as a logarithm: within every 20 % circuit.
const BAND: f64 = 0.18;

/// One mean-reverting walk around zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    value: f64,
    at: f64,
}

impl Walk {
    /// The value at `at`; exact for any distance in time.
    pub(super) fn advance(&mut self, at: f64, volatility: f64, rng: &mut impl Rng) -> f64 {
        let passed = at - self.at;
        if passed > 0.0 {
            self.at = at;
            let kept = libm::exp(-passed / DECAY);
            let spread = volatility * (DECAY / 2.0 / TRADING_YEAR * (1.0 - kept * kept)).sqrt();
            self.value = self.value * kept + spread * gaussian(rng);
        }
        self.value
    }
}

/// Advances the market factor.
pub(super) fn market(walk: &mut Walk, at: f64, rng: &mut impl Rng) -> f64 {
    walk.advance(at, MARKET_VOLATILITY, rng)
}

/// Price of an underlying, given the market factor and its own deviation.
pub(super) fn price(underlying: &Underlying, factor: f64, own: f64) -> f64 {
    let moved = underlying.gap + underlying.beta * factor + own;
    underlying.close * libm::exp(moved.clamp(-BAND, BAND))
}

fn gaussian(rng: &mut impl Rng) -> f64 {
    // Box and Muller; the first number must not be zero.
    let radius = (-2.0 * libm::log(1.0 - rng.random::<f64>())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * rng.random::<f64>())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_walk_has_the_volatility_it_was_given_and_comes_back() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut squares = 0.0;
        const RUNS: u32 = 4_000;
        for _ in 0..RUNS {
            let mut walk = Walk::default();
            let after_a_minute = walk.advance(60.0, 0.2, &mut rng);
            squares += after_a_minute * after_a_minute;
        }
        let measured = (squares / f64::from(RUNS) / 60.0 * TRADING_YEAR).sqrt();
        assert!((measured - 0.2).abs() < 0.01, "{measured}");

        let mut walk = Walk {
            value: 1.0,
            at: 0.0,
        };
        assert!(walk.advance(20.0 * DECAY, 0.2, &mut rng).abs() < 0.1);
    }

    #[test]
    fn the_band_holds() {
        let underlying = Underlying {
            name: "X".to_owned(),
            close: 100.0,
            gap: 0.0,
            beta: -6.0,
            volatility: 0.3,
            implied: 0.3,
        };
        assert!((price(&underlying, 1.0, 0.0) - 83.53).abs() < 0.01);
        assert!((price(&underlying, -1.0, 0.0) - 119.72).abs() < 0.01);
    }
}
