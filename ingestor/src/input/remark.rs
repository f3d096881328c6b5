//! What can be seen in credentials that Kite will refuse.
//!
//! Pure. Owns what the parts of Kite's credentials look like: a key has 16 letters and digits, a token and the secret
//! of an application 32. A request token looks like an access token. Nothing of a value may leave this module.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::report::CredentialRemark;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::credentials::Credentials;

/// Kite's own length of an API key.
const KEY_LENGTH: usize = 16;

/// Of an access token, and of an application's secret.
const TOKEN_LENGTH: usize = 32;

/// Shorter texts than this may look like base64 by chance.
const SHORTEST_DECODED: usize = 8;

/// What is probably wrong with them.
pub(super) fn remark(credentials: &Credentials) -> Option<CredentialRemark> {
    let key = credentials.api_key.expose_secret();
    let token = credentials.access_token.expose_secret();
    let either = |is: fn(&str) -> bool| is(key) || is(token);
    if either(|value| value.contains(|c: char| c.is_whitespace() || c.is_control()))
        && !token.starts_with("token ")
    {
        return Some(CredentialRemark::LineBreak);
    }
    if either(|value| value.starts_with(['"', '\'']) || value.ends_with(['"', '\''])) {
        return Some(CredentialRemark::Quotes);
    }
    if token.starts_with("token ") || token.contains(':') {
        return Some(CredentialRemark::KeyAndToken);
    }
    if is_word(key, TOKEN_LENGTH) && is_word(token, KEY_LENGTH) {
        return Some(CredentialRemark::Exchanged);
    }
    if is_word(key, TOKEN_LENGTH) {
        return Some(CredentialRemark::SecretForKey);
    }
    either(is_encoded).then_some(CredentialRemark::Base64)
}

fn is_word(value: &str, length: usize) -> bool {
    value.len() == length && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether it is the base64 of letters and digits, which other text is not by chance.
fn is_encoded(value: &str) -> bool {
    STANDARD
        .decode(value)
        .map(Zeroizing::new)
        .is_ok_and(|decoded| {
            let decoded = decoded.trim_ascii_end();
            decoded.len() >= SHORTEST_DECODED && decoded.iter().all(u8::is_ascii_alphanumeric)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "abcdefgh12345678";
    const TOKEN: &str = "abcdefghijklmnopQRSTUVWX12345678";

    fn of(key: &str, token: &str) -> Option<CredentialRemark> {
        remark(&Credentials {
            api_key: key.into(),
            access_token: token.into(),
        })
    }

    #[test]
    fn what_can_be_recognised() {
        use CredentialRemark as Remark;
        let (encoded_key, encoded) = (STANDARD.encode(KEY), STANDARD.encode(format!("{TOKEN}\n")));
        for (key, token, expected) in [
            (KEY, TOKEN, None),
            ("demo", "demo-token", None),
            (KEY, &*encoded, Some(Remark::Base64)),
            (&*encoded_key, TOKEN, Some(Remark::Base64)),
            (
                KEY,
                "abcdefghijklmnop\nQRSTUVWX12345678",
                Some(Remark::LineBreak),
            ),
            (
                KEY,
                "\"abcdefghijklmnopQRSTUVWX12345678\"",
                Some(Remark::Quotes),
            ),
            (KEY, "'abc", Some(Remark::Quotes)),
            (
                KEY,
                "token abcdefgh12345678:abcdefghijklmnop",
                Some(Remark::KeyAndToken),
            ),
            (
                KEY,
                "abcdefgh12345678:abcdefghijklmnop",
                Some(Remark::KeyAndToken),
            ),
            (TOKEN, KEY, Some(Remark::Exchanged)),
            (TOKEN, TOKEN, Some(Remark::SecretForKey)),
        ] {
            assert_eq!(of(key, token), expected, "{key} {token}");
        }
    }

    proptest! {
        #[test]
        fn good_credentials_are_not_remarked_on(key in "[a-z0-9]{16}", token in "[A-Za-z0-9]{32}") {
            prop_assert_eq!(of(&key, &token), None);
        }
    }
}
