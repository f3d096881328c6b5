//! Which source a forward price is taken from.
//!
//! Owns the patience: a source that is away for a moment is not left, and one that was left is not trusted at once. Otherwise
//! the forward would jump between two prices that never agree exactly.

use std::time::{Duration, Instant};

use super::ForwardSource;
use crate::significant::rounded;

/// A source is left when it has been away so long.
const LEFT_AFTER: Duration = Duration::from_secs(3);

/// One that was left is taken back when it has been there so long.
const TAKEN_BACK_AFTER: Duration = Duration::from_secs(10);

/// How many sources there are.
const COUNT: usize = ForwardSource::ALL.len();

/// What each source says now, in the order of [`ForwardSource::ALL`].
pub type SourcePrices = [Option<f64>; COUNT];

/// The forward price of a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChosenForward {
    /// The forward price, of twelve significant digits.
    pub price: f64,
    /// Where it comes from.
    pub source: ForwardSource,
    /// Since when this source is used.
    pub since: Instant,
    /// When the price was computed.
    pub at: Instant,
}

/// The choice of one chain.
#[derive(Clone, Debug, Default)]
pub struct ForwardChoice {
    chosen: Option<ChosenForward>,
    /// Since when each source has been there without a pause.
    there_since: [Option<Instant>; COUNT],
    /// Whether a source was left, and has not been used since.
    left: [bool; COUNT],
}

impl ForwardChoice {
    /// The forward price that was last chosen.
    #[must_use]
    pub const fn chosen(&self) -> Option<&ChosenForward> {
        self.chosen.as_ref()
    }

    /// Chooses from what the sources say at `now`. While the used one is away for less than three seconds, its last price
    /// stays. After that the best that is there is used.
    pub fn update(&mut self, prices: &SourcePrices, now: Instant) -> Option<ChosenForward> {
        let prices = prices.map(|price| price.filter(|it| *it > 0.0).and_then(rounded));
        for (since, price) in self.there_since.iter_mut().zip(prices) {
            *since = price.and(since.or(Some(now)));
        }
        let used = self.chosen.filter(|it| {
            prices[it.source as usize].is_some()
                || now.saturating_duration_since(it.at) < LEFT_AFTER
        });
        if let (None, Some(old)) = (used, self.chosen) {
            self.left[old.source as usize] = true;
        }
        let best = ForwardSource::ALL.into_iter().find(|source| {
            let better = used.is_none_or(|it| *source < it.source);
            better
                && (used.is_none() || self.is_trusted(*source, now))
                && prices[*source as usize].is_some()
        });
        let source = best.or(used.map(|it| it.source));
        self.chosen = source.and_then(|source| self.taken(source, prices[source as usize], now));
        self.chosen
    }

    /// Leaves the used source at once: what it says is no price any more.
    pub fn leave(&mut self) {
        if let Some(old) = self.chosen.take() {
            self.left[old.source as usize] = true;
        }
    }

    /// Whether a source may replace a worse one that is there.
    fn is_trusted(&self, source: ForwardSource, now: Instant) -> bool {
        let at = source as usize;
        let there = self.there_since[at].map(|since| now.saturating_duration_since(since));
        !self.left[at] || there.is_some_and(|there| there >= TAKEN_BACK_AFTER)
    }

    fn taken(
        &mut self,
        source: ForwardSource,
        price: Option<f64>,
        now: Instant,
    ) -> Option<ChosenForward> {
        let before = self.chosen.filter(|it| it.source == source);
        let Some(price) = price else { return before };
        self.left[source as usize] = false;
        Some(ChosenForward {
            price,
            source,
            since: before.map_or(now, |it| it.since),
            at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUTURE: SourcePrices = [Some(100.0), Some(101.0), None, Some(102.0)];
    const PARITY: SourcePrices = [None, Some(101.0), None, Some(102.0)];
    const NOTHING: SourcePrices = [None; COUNT];

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        Instant::now()
    }

    /// What is chosen at each of the seconds.
    fn choices(seconds: &[(u64, SourcePrices)]) -> Vec<Option<(f64, &'static str)>> {
        let (mut choice, start) = (ForwardChoice::default(), start());
        let chosen = seconds.iter().map(|(at, prices)| {
            let chosen = choice.update(prices, start + Duration::from_secs(*at));
            chosen.map(|it| (it.price, it.source.as_str()))
        });
        chosen.collect()
    }

    #[test]
    fn a_source_is_left_after_three_seconds_and_taken_back_after_ten() {
        let found = choices(&[
            (0, FUTURE),
            (1, PARITY),
            (2, PARITY),
            (3, PARITY),
            (4, FUTURE),
            (13, FUTURE),
            (14, FUTURE),
        ]);
        let (future, parity) = (Some((100.0, "future")), Some((101.0, "parity")));
        assert_eq!(
            found,
            [future, future, future, parity, parity, parity, future]
        );
    }

    #[test]
    fn a_source_that_comes_and_goes_is_not_taken_back() {
        let mut seconds = vec![(0, FUTURE), (3, PARITY)];
        seconds.extend((4..60).map(|at| (at, if at % 9 == 0 { PARITY } else { FUTURE })));
        let found = choices(&seconds);
        assert!(found[1..].iter().all(|it| it.unwrap().1 == "parity"));
    }

    #[test]
    fn a_better_source_that_was_never_left_is_used_at_once() {
        let spot = [None, None, None, Some(102.0)];
        let found = choices(&[(0, spot), (1, PARITY), (1, FUTURE)]);
        let found: Vec<&str> = found.iter().map(|it| it.unwrap().1).collect();
        assert_eq!(found, ["spot", "parity", "future"]);
    }

    #[test]
    fn without_any_source_there_is_no_forward() {
        assert_eq!(choices(&[(0, NOTHING)]), [None]);
        let found = choices(&[(0, FUTURE), (2, NOTHING), (3, NOTHING), (4, FUTURE)]);
        let future = Some((100.0, "future"));
        assert_eq!(found, [future, future, None, future]);
        let wrong = [Some(f64::NAN), Some(-1.0), Some(0.0), Some(f64::INFINITY)];
        assert_eq!(choices(&[(0, wrong)]), [None]);
    }

    #[test]
    fn what_is_no_price_any_more_is_not_held() {
        let (mut choice, start) = (ForwardChoice::default(), start());
        choice.update(&FUTURE, start);
        choice.leave();
        assert_eq!(choice.chosen(), None);
        assert_eq!(choice.update(&NOTHING, start), None);
        let source = choice.update(&FUTURE, start).unwrap().source;
        assert_eq!(source, ForwardSource::Future, "there is nothing else");
    }

    #[test]
    fn a_price_is_cut_before_it_is_used() {
        let long = [Some(23_659.123_456_789), None, None, None];
        assert_eq!(choices(&[(0, long)])[0].unwrap().0, 23_659.123_456_8);
    }

    #[test]
    fn who_reads_it_sees_a_change_of_source() {
        let (mut choice, start) = (ForwardChoice::default(), start());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(choice.update(&FUTURE, at(0)).unwrap().since, at(0));
        assert_eq!(choice.update(&FUTURE, at(2)).unwrap().since, at(0));
        assert_eq!(choice.update(&PARITY, at(5)).unwrap().since, at(5));
        assert_eq!(choice.chosen().unwrap().at, at(5));
    }
}
