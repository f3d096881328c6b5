//! Whether an exchange has adjusted the strikes of an underlying.
//!
//! Pure. After a dividend all strikes of an underlying are lower by one amount; after a bonus, a split or a rights
//! issue all are multiplied by one factor and rounded to five paise. Owns how that is told apart from a list whose
//! numbers are dealt anew, as those of a simulator are. Must not know names.

/// The exchanges round an adjusted strike to the tick of five paise; both sides may be rounded.
const ROUNDING: f64 = 5.0;

/// StrikeChanges of the lists are multiples of it, unless they were adjusted. Hundredths.
const GRID: i64 = 50;

/// A factor that fits two strikes may be chance.
const STRIKES_FOR_A_FACTOR: usize = 3;

/// A strike before and today, in hundredths.
pub(super) type Change = (i64, i64);

/// What became of the options of one underlying.
#[derive(Debug, Default)]
pub(super) struct StrikeChanges {
    /// Changed strikes of contracts that are otherwise the same.
    changes: Vec<Change>,
    /// A token has the strike that it had, or belongs to another contract: no adjustment.
    mixed: bool,
}

impl StrikeChanges {
    /// A contract whose strike is another.
    pub(super) fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// A token that shows that not all strikes were adjusted.
    pub(super) const fn contradicted(&mut self) {
        self.mixed = true;
    }

    /// Whether all were adjusted in one way. `kept`: another derivative kept its token, so that the numbers are not
    /// dealt anew. Otherwise the strikes must show it: by lying beside the grid of new contracts, or by a factor that
    /// three of them have in common.
    pub(super) fn are_adjusted(&mut self, kept: bool) -> bool {
        self.changes.sort_unstable();
        self.changes.dedup();
        let off_the_grid = || {
            self.changes
                .iter()
                .any(|(before, now)| (now - before) % GRID != 0)
        };
        if self.mixed {
            false
        } else if self.have_one_amount() {
            kept || off_the_grid()
        } else {
            self.have_one_factor()
                && (kept || off_the_grid() || self.changes.len() >= STRIKES_FOR_A_FACTOR)
        }
    }

    fn have_one_amount(&self) -> bool {
        let mut amounts = self.changes.iter().map(|(before, now)| now - before);
        let first = amounts.next();
        amounts.all(|amount| Some(amount) == first)
    }

    /// Whether some factor leads from each strike to that of today, but for rounding.
    fn have_one_factor(&self) -> bool {
        let (mut least, mut most) = (0.0_f64, f64::INFINITY);
        for &(before, now) in &self.changes {
            if before <= 0 || now <= 0 {
                return false;
            }
            let (before, now) = (before as f64, now as f64);
            least = least.max((now - ROUNDING) / before);
            most = most.min((now + ROUNDING) / before);
        }
        least <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(changes: &[(f64, f64)]) -> StrikeChanges {
        let hundredths = |strike: &f64| (strike * 100.0).round() as i64;
        let mut strikes = StrikeChanges::default();
        for (before, now) in changes {
            strikes.changed((hundredths(before), hundredths(now)));
        }
        strikes
    }

    fn times(factor: f64, before: &[f64]) -> Vec<(f64, f64)> {
        let rounded = |strike: f64| (strike * factor * 20.0).round() / 20.0;
        before
            .iter()
            .map(|strike| (*strike, rounded(*strike)))
            .collect()
    }

    #[test]
    fn one_amount_is_an_adjustment_if_another_contract_kept_its_token_or_it_is_odd() {
        let even = [(400.0, 380.0), (460.0, 440.0)];
        assert!(strikes(&even).are_adjusted(true));
        assert!(!strikes(&even).are_adjusted(false));
        assert!(strikes(&[(400.0, 380.75), (460.0, 440.75)]).are_adjusted(false));
    }

    #[test]
    fn one_factor_is_an_adjustment() {
        for factor in [0.9, 0.5, 0.2, 2.0 / 3.0, 0.98713, 0.1] {
            let changes = times(factor, &[400.0, 410.0, 440.0, 460.0, 1000.0]);
            assert!(strikes(&changes).are_adjusted(true), "{factor}");
            assert!(strikes(&changes).are_adjusted(false), "{factor}");
        }
        let two = times(0.5, &[400.0, 500.0]);
        assert!(strikes(&two).are_adjusted(true));
        assert!(!strikes(&two).are_adjusted(false), "two may be chance");
    }

    #[test]
    fn other_changes_are_none() {
        let dealt = [(400.0, 420.0), (420.0, 400.0), (440.0, 420.0)];
        assert!(!strikes(&dealt).are_adjusted(true));
        let uneven = [(400.0, 419.75), (420.0, 400.0)];
        assert!(!strikes(&uneven).are_adjusted(true));
        let mut contradicted = strikes(&times(0.9, &[400.0, 410.0, 440.0]));
        contradicted.contradicted();
        assert!(!contradicted.are_adjusted(true));
    }
}
