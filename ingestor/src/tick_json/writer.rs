//! Writes text into a buffer of fixed size.
//!
//! Owns how numbers become digits. A tick has about sixty numbers: each is written in place,
//! without a check whether the buffer has to grow. Must not allocate; if the caller's buffer is too
//! small, writing panics.

/// The two digits of each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Powers of ten from 10; nothing has fewer digits than one.
const POWERS: [u64; 20] = {
    let mut powers = [0; 20];
    let (mut at, mut power) = (1, 1_u64);
    while at < powers.len() {
        power *= 10;
        powers[at] = power;
        at += 1;
    }
    powers
};

/// Writes text from the start of its buffer.
#[derive(Debug)]
pub(crate) struct ByteWriter<'a> {
    room: &'a mut [u8],
    len: usize,
}

impl<'a> ByteWriter<'a> {
    /// A writer at the start of `room`.
    #[inline]
    #[must_use]
    pub(crate) const fn new(room: &'a mut [u8]) -> Self {
        Self { room, len: 0 }
    }

    /// Bytes written.
    #[inline]
    #[must_use]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Appends text unchanged.
    #[inline(always)]
    pub(crate) fn raw(&mut self, text: &[u8]) {
        self.next(text.len()).copy_from_slice(text);
    }

    /// Appends a number.
    #[inline]
    pub(crate) fn integer(&mut self, value: u64) {
        write_digits(self.next(digits(value)), value);
    }

    /// Appends a number that may be negative.
    #[inline]
    pub(crate) fn signed(&mut self, value: i64) {
        if value < 0 {
            self.raw(b"-");
        }
        self.integer(value.unsigned_abs());
    }

    /// Appends the last `count` digits of a number, with leading zeros.
    #[inline]
    pub(crate) fn last_digits(&mut self, value: u64, count: usize) {
        write_digits(self.next(count), value);
    }

    /// Removes trailing zeros, while more than `least` bytes are written.
    pub(crate) fn trim_zeros(&mut self, least: usize) {
        while self.len > least && self.room[self.len - 1] == b'0' {
            self.len -= 1;
        }
    }

    #[inline(always)]
    fn next(&mut self, count: usize) -> &mut [u8] {
        let start = self.len;
        self.len += count;
        &mut self.room[start..start + count]
    }
}

/// How many digits a number has: its bits times log10(2), corrected by a comparison.
#[inline]
const fn digits(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    let guess = (bits as usize * 1233) >> 12;
    guess + (value >= POWERS[guess]) as usize
}

#[inline]
fn write_digits(slot: &mut [u8], mut value: u64) {
    let mut pairs = slot.rchunks_exact_mut(2);
    for pair in &mut pairs {
        pair.copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if let [first] = pairs.into_remainder() {
        *first = PAIRS[(value % 10) as usize][1];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut ByteWriter<'_>)) -> String {
        let mut room = [0; 64];
        let mut writer = ByteWriter::new(&mut room);
        write(&mut writer);
        let len = writer.len();
        String::from_utf8(room[..len].to_vec()).unwrap()
    }

    #[test]
    fn numbers_on_both_sides_of_each_power_are_whole() {
        let powers = (0..20).map(|power| 10_u64.pow(power));
        let numbers = powers.flat_map(|power| [power - 1, power, power + 1]);
        for number in numbers.chain([u64::MAX]) {
            assert_eq!(written(|writer| writer.integer(number)), number.to_string());
        }
        assert_eq!(
            written(|writer| writer.signed(i64::MIN)),
            i64::MIN.to_string()
        );
    }

    #[test]
    fn zeros_are_taken_back() {
        let trimmed = |value, least| {
            written(|writer| {
                writer.last_digits(value, 6);
                writer.trim_zeros(least);
            })
        };
        assert_eq!(trimmed(1_200, 1), "0012");
        assert_eq!(trimmed(0, 1), "0");
        assert_eq!(trimmed(1_200, 5), "00120");
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn too_little_room_is_a_fault() {
        ByteWriter::new(&mut [0; 2]).integer(123);
    }

    proptest! {
        #[test]
        fn numbers_are_as_anyone_writes_them(value in any::<i64>(), shift in 0_u32..64) {
            let value = value >> shift;
            prop_assert_eq!(written(|writer| writer.signed(value)), value.to_string());
            let last = value.unsigned_abs() % 1_000;
            prop_assert_eq!(written(|writer| writer.last_digits(value.unsigned_abs(), 3)), format!("{last:03}"));
        }
    }
}
