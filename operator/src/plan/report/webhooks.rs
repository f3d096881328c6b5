//! When the webhook of an account is called: once for each login that is needed, and once more half an hour before the first
//! session of the day.
//!
//! Pure. Must not send anything, and nothing waits for it.

use jiff::{SignedDuration, Timestamp};

use super::outcome::{WebhookCall, WebhookReason};
use super::status::LoginOffer;
use crate::plan::input::{AccountInput, Key, WebhookMemory};

/// How long before the first session somebody is told again.
const REMINDER: SignedDuration = SignedDuration::from_mins(30);

/// The call that is due, and what to remember. `told`: whether the status said this offer before this operator was started;
/// `begins`: when the first session of the day does.
pub(super) fn call(
    account: &AccountInput<'_>,
    offer: &LoginOffer,
    told: bool,
    begins: Option<Timestamp>,
    now: Timestamp,
) -> (Option<WebhookCall>, Option<WebhookMemory>) {
    let remembered = account.remembered.map(|it| it.webhook);
    let (Some(url), Some(expires)) = (&offer.url, offer.expires) else {
        // Another link is on its way.
        let known = remembered.flatten().filter(|_| offer.target.is_some());
        return (None, known);
    };
    let is_near =
        begins.is_some_and(|begins| now < begins && begins.duration_since(now) <= REMINDER);
    let before = match remembered {
        // What an earlier run has told is not told again.
        None if told => Some(WebhookMemory {
            expires,
            reminded: is_near,
        }),
        known => known.flatten().filter(|it| it.expires == expires),
    };
    let reason = match before {
        None => Some(WebhookReason::LoginRequired),
        Some(it) if is_near && !it.reminded => Some(WebhookReason::Reminder),
        Some(_) => None,
    };
    let memory = WebhookMemory {
        expires,
        reminded: is_near || before.is_some_and(|it| it.reminded),
    };
    let secret = account.spec.as_ref().ok();
    let secret = secret.and_then(|spec| spec.webhook_secret.as_ref());
    let call = reason.zip(secret).map(|(reason, secret)| {
        let key = &account.observed.object.meta.key;
        WebhookCall {
            account: key.clone(),
            secret: Key::new(&key.namespace, secret),
            reason,
            login_url: url.clone(),
            expires,
        }
    });
    (call, Some(memory))
}
