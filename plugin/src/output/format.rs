//! Numbers and times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A duration as kubectl shows ages: in the largest unit of which there are at least two.
pub(crate) fn age_of_seconds(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A number, or a dash where it is not known.
pub(crate) fn rate(rate: Option<u32>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string())
}

/// A text, or a dash.
pub(crate) fn dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

/// `1 instrument`, `2 instruments`.
pub(crate) fn count_of(count: u32, one: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

/// A moment in the time zone of this machine.
pub(crate) fn date_time(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or_default();
    let zoned = time.to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_the_largest_unit_that_fits_twice() {
        let ages = [-5, 0, 119, 120, 7_200, 172_800].map(age_of_seconds);
        assert_eq!(ages, ["0s", "0s", "119s", "2m", "2h", "2d"]);
        assert_eq!(
            [count_of(1, "tick"), count_of(0, "tick")],
            ["1 tick", "0 ticks"]
        );
        assert_eq!(
            (rate(None), rate(Some(3))),
            ("-".to_owned(), "3".to_owned())
        );
    }
}
