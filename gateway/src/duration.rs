//! A time on the command line, such as `10s`, `500ms`, `5m` or `8h`. Owns its spelling.

use std::time::Duration;

/// The longest time that is taken.
const LONGEST: Duration = Duration::from_hours(24 * 366);

/// Reads one.
///
/// # Errors
/// When it is not spelled so, or too long; the text says what is expected.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let time = number
        .parse::<u64>()
        .ok()
        .and_then(|it| it.checked_mul(millis));
    let time = time.map(Duration::from_millis);
    time.filter(|it| !it.is_zero() && *it <= LONGEST)
        .ok_or_else(|| "must be a time such as 500ms, 10s, 5m or 8h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("8h"), Ok(Duration::from_secs(8 * 3600)));
        for bad in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "0s",
            "99999999999999999999s",
            "9999999h",
            "1 s",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
