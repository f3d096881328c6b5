//! Greeks as JSON.
//!
//! Owns their keys, and how a number of twelve significant digits is spelled: in an option's tick they are the only numbers that
//! are no integers on the wire. The text is made once per calculation and copied into each message. Must not allocate.

use greeks::{Evaluation, GreeksWord, OptionPrice, Significant, Values};

use super::writer::ByteWriter;

/// Room for the keys of the replaced service with their values.
const LONGEST_VALUES: usize = 160;

/// Room for the added keys with theirs.
const LONGEST_ADDED: usize = 272;

/// Room for a number.
const LONGEST_NUMBER: usize = 24;

/// The most bytes that both take.
pub(crate) const LONGEST: usize = LONGEST_VALUES + LONGEST_ADDED;

/// Decimal places between which a number is written without an exponent, counted from its first digit.
const PLAIN: std::ops::RangeInclusive<i32> = -5..=14;

/// The keys of the replaced service without values.
pub(crate) const NO_VALUES: &[u8] =
    b",\"iv\":null,\"delta\":null,\"gamma\":null,\"theta\":null,\"vega\":null";

/// What is known of an option's Greeks at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GreeksStamp {
    /// Values, or the word why there are none.
    pub(crate) evaluation: Evaluation,
    /// The forward price and where it comes from.
    pub(crate) forward: Option<(f64, &'static str)>,
    /// When it was computed, epoch seconds; `None` before the first time.
    pub(crate) at: Option<i64>,
    /// When the option expires, epoch seconds.
    pub(crate) expiry_ts: i64,
}

impl GreeksStamp {
    /// Before anything was computed.
    pub(crate) const fn unknown(expiry_ts: i64) -> Self {
        Self {
            evaluation: Evaluation::without_values(GreeksWord::StaleInput, None),
            forward: None,
            at: None,
            expiry_ts,
        }
    }
}

/// The text of a stamp, in two parts: an option's tick has other keys between them.
#[derive(Clone, Debug)]
pub(crate) struct GreeksText {
    values: [u8; LONGEST_VALUES],
    values_len: u16,
    added: [u8; LONGEST_ADDED],
    added_len: u16,
}

impl GreeksText {
    /// The text of a stamp.
    #[must_use]
    pub(crate) fn new(stamp: &GreeksStamp) -> Self {
        let mut text = Self {
            values: [0; LONGEST_VALUES],
            values_len: 0,
            added: [0; LONGEST_ADDED],
            added_len: 0,
        };
        text.write(stamp);
        text
    }

    /// Replaces the text by that of another stamp.
    pub(crate) fn write(&mut self, stamp: &GreeksStamp) {
        let Evaluation {
            word,
            price,
            values,
        } = stamp.evaluation;
        self.values_len = write_values(&mut self.values, values.as_ref()) as u16;
        let mut writer = ByteWriter::new(&mut self.added);
        number(&mut writer, b",\"rho\":", values.map(|it| it.greeks.rho));
        writer.raw(b",\"greeks\":\"");
        writer.raw(word.as_str().as_bytes());
        number(&mut writer, b"\",\"fwd\":", stamp.forward.map(|it| it.0));
        word_or_null(&mut writer, b",\"fwd_src\":", stamp.forward.map(|it| it.1));
        number(&mut writer, b",\"iv_px\":", price.map(|it| it.price));
        let source = price.map(|OptionPrice { source, .. }| source.as_str());
        word_or_null(&mut writer, b",\"iv_src\":", source);
        writer.raw(b",\"greeks_ts\":");
        match stamp.at {
            Some(at) => writer.signed(at),
            None => writer.raw(b"null"),
        }
        writer.raw(b",\"expiry_ts\":");
        writer.signed(stamp.expiry_ts);
        self.added_len = writer.len() as u16;
    }

    /// The keys of the replaced service: volatility, delta, gamma, theta and vega.
    #[inline]
    pub(crate) fn values(&self) -> &[u8] {
        &self.values[..usize::from(self.values_len)]
    }

    /// The keys that it did not have.
    #[inline]
    pub(crate) fn added(&self) -> &[u8] {
        &self.added[..usize::from(self.added_len)]
    }
}

fn write_values(out: &mut [u8], values: Option<&Values>) -> usize {
    let mut writer = ByteWriter::new(out);
    match values {
        None => writer.raw(NO_VALUES),
        Some(Values { volatility, greeks }) => {
            number(&mut writer, b",\"iv\":", Some(*volatility));
            number(&mut writer, b",\"delta\":", Some(greeks.delta));
            number(&mut writer, b",\"gamma\":", Some(greeks.gamma));
            number(&mut writer, b",\"theta\":", Some(greeks.theta));
            number(&mut writer, b",\"vega\":", Some(greeks.vega));
        }
    }
    writer.len()
}

fn number(writer: &mut ByteWriter<'_>, key: &[u8], value: Option<f64>) {
    writer.raw(key);
    match value.and_then(Significant::new) {
        Some(value) => write_number(writer, value),
        None => writer.raw(b"null"),
    }
}

fn word_or_null(writer: &mut ByteWriter<'_>, key: &[u8], word: Option<&str>) {
    writer.raw(key);
    match word {
        Some(word) => {
            writer.raw(b"\"");
            writer.raw(word.as_bytes());
            writer.raw(b"\"");
        }
        None => writer.raw(b"null"),
    }
}

/// Appends a number without trailing zeros; it always has a point or an exponent, so that readers always parse the same type.
pub(crate) fn write_number(writer: &mut ByteWriter<'_>, value: Significant) {
    if value.mantissa == 0 {
        writer.raw(b"0.0");
        return;
    }
    if value.mantissa < 0 {
        writer.raw(b"-");
    }
    let (mut digits, mut exponent) = (value.mantissa.unsigned_abs(), value.exponent);
    let mut count = greeks::DIGITS as usize;
    while digits % 10 == 0 {
        (digits, exponent, count) = (digits / 10, exponent + 1, count - 1);
    }
    let first = exponent + count as i32 - 1;
    if !PLAIN.contains(&first) {
        write_scientific(writer, digits, count, first);
    } else if exponent >= 0 {
        writer.integer(digits * 10_u64.pow(exponent.unsigned_abs()));
        writer.raw(b".0");
    } else {
        let places = exponent.unsigned_abs();
        let scale = 10_u64.pow(places);
        writer.integer(digits / scale);
        writer.raw(b".");
        writer.last_digits(digits % scale, places as usize);
    }
}

/// A price as decimal text; empty if it is no finite number.
pub(crate) fn decimal_text(price: f64) -> String {
    let mut room = [0; LONGEST_NUMBER];
    let mut writer = ByteWriter::new(&mut room);
    if let Some(price) = Significant::new(price) {
        write_number(&mut writer, price);
    }
    let len = writer.len();
    room[..len].iter().map(|byte| char::from(*byte)).collect()
}

fn write_scientific(writer: &mut ByteWriter<'_>, digits: u64, count: usize, first: i32) {
    let scale = 10_u64.pow(count as u32 - 1);
    writer.integer(digits / scale);
    if count > 1 {
        writer.raw(b".");
        writer.last_digits(digits % scale, count - 1);
    }
    writer.raw(b"e");
    writer.signed(i64::from(first));
}

#[cfg(test)]
mod tests {
    use greeks::{Greeks, OptionPriceSource};
    use proptest::prelude::*;

    use super::*;

    fn spelled(value: f64) -> String {
        let mut room = [0; 32];
        let mut writer = ByteWriter::new(&mut room);
        write_number(&mut writer, Significant::new(value).unwrap());
        let len = writer.len();
        String::from_utf8(room[..len].to_vec()).unwrap()
    }

    #[test]
    fn numbers_have_twelve_digits_and_no_zeros_behind_them() {
        let cases = [
            (0.200_694_096_262_410_4, "0.200694096262"),
            (-20.980_971_269_411_4, "-20.9809712694"),
            (1.325_223_728_347_24e-5, "0.0000132522372835"),
            (4.5e-7, "4.5e-7"),
            (1e-300, "1e-300"),
            (-1.234_567_890_123_4e-10, "-1.23456789012e-10"),
            (23_659.0, "23659.0"),
            (0.05, "0.05"),
            (0.0, "0.0"),
            (1e14, "100000000000000.0"),
            (1e15, "1e15"),
            (123_456_789_012_345.0, "123456789012000.0"),
        ];
        for (value, text) in cases {
            assert_eq!(spelled(value), text);
        }
    }

    fn stamp(values: Option<Values>) -> GreeksStamp {
        let word = values.map_or(GreeksWord::SettlementWindow, |_| GreeksWord::Ok);
        let source = OptionPriceSource::LastUndated;
        let price = Some(OptionPrice {
            price: 190.05,
            source,
        });
        GreeksStamp {
            evaluation: Evaluation {
                word,
                price: values.and(price),
                values,
            },
            forward: values.map(|_| (23_659.125, "future")),
            at: Some(1_796_100_000),
            expiry_ts: 1_796_119_800,
        }
    }

    fn values() -> Values {
        Values {
            volatility: 0.19,
            greeks: Greeks {
                delta: 0.472_972_236_118_786_7,
                gamma: 7.559_055_429_099_911e-4,
                theta: -20.890_154_194_003_37,
                vega: 11.012_629_776_167_87,
                rho: -0.026_032_600_550_448_49,
            },
        }
    }

    fn text(stamp: &GreeksStamp) -> (String, String) {
        let text = GreeksText::new(stamp);
        let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (string(text.values()), string(text.added()))
    }

    #[test]
    fn keys_and_values_are_spelled_as_promised() {
        let (values, added) = text(&stamp(Some(values())));
        assert_eq!(
            values,
            r#","iv":0.19,"delta":0.472972236119,"gamma":0.00075590554291,"theta":-20.890154194,"vega":11.0126297762"#
        );
        assert_eq!(
            added,
            r#","rho":-0.0260326005504,"greeks":"ok","fwd":23659.125,"fwd_src":"future","iv_px":190.05,"iv_src":"last_undated","greeks_ts":1796100000,"expiry_ts":1796119800"#
        );
    }

    #[test]
    fn without_values_there_are_nulls_and_a_word() {
        let (values, added) = text(&stamp(None));
        assert_eq!(values.as_bytes(), NO_VALUES);
        assert_eq!(
            added,
            r#","rho":null,"greeks":"settlement_window","fwd":null,"fwd_src":null,"iv_px":null,"iv_src":null,"greeks_ts":1796100000,"expiry_ts":1796119800"#
        );
        let (_, added) = text(&GreeksStamp::unknown(7));
        assert!(
            added.ends_with(r#""greeks_ts":null,"expiry_ts":7"#),
            "{added}"
        );
    }

    #[test]
    fn the_longest_text_fits() {
        let long = -1.234_567_890_123_4e-305;
        let greeks = Greeks {
            delta: long,
            gamma: long,
            theta: long,
            vega: long,
            rho: long,
        };
        let mut longest = stamp(Some(Values {
            volatility: long,
            greeks,
        }));
        longest.evaluation.word = GreeksWord::SettlementWindow;
        longest.forward = Some((long, "future"));
        longest.evaluation.price = longest
            .evaluation
            .price
            .map(|it| OptionPrice { price: long, ..it });
        (longest.at, longest.expiry_ts) = (Some(i64::MIN), i64::MIN);
        let (values, added) = text(&longest);
        assert!(values.len() <= LONGEST_VALUES && added.len() <= LONGEST_ADDED);
    }

    proptest! {
        #[test]
        fn every_number_is_read_again_as_it_was(value in prop_oneof![any::<f64>(), -1e9_f64..1e9, 1e-7_f64..10.0]) {
            prop_assume!(value.is_finite() && (value == 0.0 || value.abs() > 1e-280) && value.abs() < 1e300);
            let text = spelled(value);
            prop_assert!(text.len() <= 20, "{}", text);
            prop_assert!(text.contains('.') || text.contains('e'));
            let read: f64 = serde_json::from_str(&text).unwrap();
            let error = if value == 0.0 { read } else { read / value - 1.0 };
            prop_assert!(error.abs() <= 5.1e-12, "{} {}", value, text);
        }
    }
}
