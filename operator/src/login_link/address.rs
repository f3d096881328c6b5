//! Kite's login page for one account, with the state that comes back.
//!
//! Pure. The source of its form: Kite Connect's documentation, "Login flow": `v=3`, `api_key`, and `redirect_params`, one
//! URL-encoded query string that is added to the redirect URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::state::LoginState;

/// What may stand in a query as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// What stands before the state.
const STATE: &str = "redirect_params=state%3D";

/// The link. `login`: the origin of the page; `state`: as signed.
pub(crate) fn link(login: &str, api_key: &str, state: &str) -> String {
    let encode = |text| utf8_percent_encode(text, QUERY);
    let (api_key, state) = (encode(api_key), encode(state));
    format!("{login}/connect/login?v=3&api_key={api_key}&{STATE}{state}")
}

/// The offer in a link, whoever has signed it.
pub(crate) fn offer(link: &str) -> Option<LoginState> {
    let (_, state) = link.split_once(STATE)?;
    LoginState::peek(state)
}

#[cfg(test)]
mod tests {
    use super::super::state::StateKey;
    use super::*;

    #[test]
    fn it_is_as_kite_documents_and_its_offer_can_be_read() {
        let time = |second| jiff::Timestamp::from_second(second).unwrap();
        let state = LoginState {
            namespace: "ticker".to_owned(),
            account: "a".to_owned(),
            account_uid: "uid".to_owned(),
            issued: time(1),
            expires: time(2),
        };
        let signed = state.sign(&StateKey::new(&[1; StateKey::LEN]).unwrap());
        let link = link("https://kite.zerodha.com", "fake key&", &signed);
        let expected = format!(
            "https://kite.zerodha.com/connect/login?v=3&api_key=fake%20key%26&redirect_params=state%3D{signed}"
        );
        assert_eq!(link, expected);
        assert_eq!(offer(&link), Some(state));
        assert_eq!(offer("https://kite.zerodha.com/connect/login?v=3"), None);
    }
}
