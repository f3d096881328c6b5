//! The standard normal distribution.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Its density at `x`.
#[must_use]
pub fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt()
}

/// How likely a value up to `x` is. The complement of the error function keeps all digits of the left tail, where
/// `1 + erf` would have none.
#[must_use]
pub fn cumulative(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 60-digit arithmetic.
    const CUMULATIVE: [(f64, f64); 24] = [
        (-37.0, 5.725571222524577e-300),
        (-30.0, 4.906713927148187e-198),
        (-25.0, 3.056696706382561e-138),
        (-20.0, 2.7536241186062337e-89),
        (-15.0, 3.670966199312751e-51),
        (-12.0, 1.776482112077679e-33),
        (-10.0, 7.619853024160525e-24),
        (-8.0, 6.220960574271784e-16),
        (-6.0, 9.86587645037698e-10),
        (-5.0, 2.866515718791939e-07),
        (-4.0, 3.1671241833119924e-05),
        (-3.0, 0.0013498980316300946),
        (-2.0, 0.02275013194817921),
        (-1.5, 0.06680720126885807),
        (-1.0, 0.15865525393145705),
        (-0.5, 0.3085375387259869),
        (-0.1, 0.460172162722971),
        (0.0, 0.5),
        (0.3, 0.6179114221889527),
        (1.0, 0.8413447460685429),
        (1.96, 0.9750021048517795),
        (2.5, 0.9937903346742238),
        (4.0, 0.9999683287581669),
        (8.0, 0.9999999999999993),
    ];

    /// From 60-digit arithmetic.
    const DENSITY: [(f64, f64); 6] = [
        (-37.0, 2.1200065515246056e-298),
        (-12.0, 2.1463837356630605e-32),
        (-6.0, 6.075882849823285e-09),
        (0.1, 0.39695254747701175),
        (1.0, 0.24197072451914334),
        (8.5, 8.16623563166955e-17),
    ];

    #[test]
    fn values_are_those_of_forty_digit_arithmetic() {
        for (x, exact) in CUMULATIVE {
            let found = cumulative(x);
            assert!((found - exact).abs() <= 1e-15, "{x}: {found}, not {exact}");
            assert!(
                (found / exact - 1.0).abs() <= 1e-12,
                "{x}: {found}, not {exact}"
            );
        }
        for (x, exact) in DENSITY {
            let found = density(x);
            assert!(
                (found / exact - 1.0).abs() <= 1e-13,
                "{x}: {found}, not {exact}"
            );
        }
    }

    #[test]
    fn the_ends_are_reached_and_nothing_lies_beyond() {
        assert_eq!((cumulative(-40.0), cumulative(40.0)), (0.0, 1.0));
        assert_eq!((cumulative(f64::MIN), cumulative(f64::MAX)), (0.0, 1.0));
        assert_eq!(density(f64::MAX), 0.0);
    }
}
