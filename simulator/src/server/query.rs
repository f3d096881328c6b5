//! Reads query strings as leniently as Kite does: official clients send access tokens unescaped, so
//! `+` means itself, and a stray `%` is not an error.

use percent_encoding::percent_decode_str;

/// The first parameter called `name`, unless it is empty.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_strangers_and_escapes_do_not_matter() {
        let query = "uid=1&access_token=AT+/=&api_key=a%2Bb&api_key=second&empty=";
        assert_eq!(parameter(query, "access_token").as_deref(), Some("AT+/="));
        assert_eq!(parameter(query, "api_key").as_deref(), Some("a+b"));
        assert_eq!(parameter("api_key=50%", "api_key").as_deref(), Some("50%"));
        assert_eq!(parameter(query, "empty"), None);
        assert_eq!(parameter("api_key", "api_key"), None);
    }
}
