//! Fixed-point numbers as decimal text.
//!
//! Owns how a price on the wire becomes a JSON number: from integers only, so that no digit comes
//! from binary fractions. Must not allocate.

use super::writer::ByteWriter;

/// How prices of one segment are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimals(u8);

/// With this many decimals a price is written in full.
const CENTS: u8 = 2;

/// From this many decimals on, trailing zeros are left out (CDS has seven).
const TRIMMED_FROM: u8 = 5;

/// The most decimals that a 32-bit price can have.
const MOST: u8 = 9;

/// The maximum length of a price in bytes: sign, ten digits and point, or as many with leading
/// zeros.
pub(crate) const LONGEST: usize = 16;

impl Decimals {
    /// Prices of `decimals` digits behind the point, nine at most.
    #[must_use]
    pub(crate) fn new(decimals: u8) -> Self {
        Self(decimals.min(MOST))
    }

    /// Appends `raw / 10^decimals` in rupees.
    ///
    /// Two and four decimals are written in full (`0.70`), more are trimmed, down to one digit, so
    /// that a price always has a point and readers always parse the same type.
    #[inline]
    pub(crate) fn write(self, writer: &mut ByteWriter<'_>, raw: i32) {
        if raw < 0 {
            writer.raw(b"-");
        }
        let magnitude = u64::from(raw.unsigned_abs());
        if self.0 == CENTS {
            writer.integer(magnitude / 100);
            writer.raw(b".");
            writer.last_digits(magnitude, 2);
        } else {
            self.write_any(writer, magnitude);
        }
    }

    fn write_any(self, writer: &mut ByteWriter<'_>, magnitude: u64) {
        let scale = 10_u64.pow(u32::from(self.0));
        writer.integer(magnitude / scale);
        writer.raw(b".");
        let least = writer.len() + 1;
        writer.last_digits(magnitude % scale, usize::from(self.0).max(1));
        if self.0 >= TRIMMED_FROM {
            writer.trim_zeros(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(raw: i32, decimals: u8) -> String {
        let mut room = [0; LONGEST];
        let mut writer = ByteWriter::new(&mut room);
        Decimals::new(decimals).write(&mut writer, raw);
        let len = writer.len();
        String::from_utf8(room[..len].to_vec()).unwrap()
    }

    #[test]
    fn each_segment_has_its_digits() {
        assert_eq!(text(70, 2), "0.70");
        assert_eq!(text(2_365_905, 2), "23659.05");
        assert_eq!(text(-3_763, 2), "-37.63");
        assert_eq!(text(-5, 2), "-0.05");
        assert_eq!(text(1_065_025, 4), "106.5025");
        assert_eq!(text(1_065_000, 4), "106.5000");
        assert_eq!(text(831_250_000, 7), "83.125");
        assert_eq!(text(831_250_001, 7), "83.1250001");
        assert_eq!(text(830_000_000, 7), "83.0");
        assert_eq!(text(0, 7), "0.0");
        assert_eq!(text(i32::MIN, 2), "-21474836.48");
        assert_eq!(text(i32::MAX, 7), "214.7483647");
    }

    proptest! {
        /// The reference shifts by multiplication of big integers instead of division.
        #[test]
        fn the_text_is_the_number(raw in any::<i32>(), decimals in prop::sample::select(vec![0_u8, 2, 4, 7, 9])) {
            let text = text(raw, decimals);
            let (whole, fraction) = text.trim_start_matches('-').split_once('.').unwrap();
            let mut value: i128 = whole.parse().unwrap();
            for digit in fraction.bytes() {
                value = value * 10 + i128::from(digit - b'0');
            }
            let shift = |places: usize| 10_i128.pow(u32::try_from(places).unwrap());
            prop_assert_eq!(
                value * shift(usize::from(decimals)),
                i128::from(raw.unsigned_abs()) * shift(fraction.len())
            );
            prop_assert_eq!(text.starts_with('-'), raw < 0);
            prop_assert!(whole == "0" || !whole.starts_with('0'));
            prop_assert!(!fraction.is_empty() && fraction.len() <= usize::from(decimals).max(1));
        }
    }
}
