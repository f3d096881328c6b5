//! Calls webhooks: somebody is told that a login is needed.
//!
//! Owns what is sent and how often it is tried. Nothing waits for it, and what the other side answers has no meaning but that
//! it was received. The address is a secret, for whoever has it can write to the people who read it: it is in no log.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use reqwest::{Client, Url};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::store::LoginStore;
use crate::plan::{Key, WebhookCall, WebhookReason};

/// Time limit for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The pauses between three tries.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// Calls at a time, and calls that wait.
const MOST: usize = 8;
const MOST_WAITING: usize = 256;

/// How many calls ended how.
pub(crate) type WebhookCounter = Family<WebhookLabel, Counter>;

/// The end of a call, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WebhookLabel {
    /// `sent` or `failed`.
    pub(crate) result: &'static str,
}

impl WebhookLabel {
    /// All results.
    pub(crate) const ALL: [&'static str; 2] = ["sent", "failed"];
}

/// Where calls are handed over.
#[derive(Clone, Debug)]
pub(crate) struct Webhooks(mpsc::Sender<WebhookCall>);

/// The task that makes them.
pub(crate) struct WebhookSender<S> {
    calls: mpsc::Receiver<WebhookCall>,
    store: Arc<S>,
    client: Client,
    counter: WebhookCounter,
}

/// What is posted. Slack and Mattermost read `text`.
#[derive(Debug, Serialize)]
struct Message<'a> {
    text: String,
    account: &'a str,
    namespace: &'a str,
    reason: &'static str,
    login_url: &'a str,
    expires_at: String,
}

/// Why a call cannot be made. Holds no address.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    #[error("Secret {0} has no key url")]
    NoAddress(Key),
    #[error("Secret {secret} cannot be read: {why}")]
    Unreadable { secret: Key, why: String },
    #[error(
        "the address in Secret {0} must begin with https://; http:// leads to this machine alone"
    )]
    Address(Key),
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
    #[error("answered with {0}")]
    Status(reqwest::StatusCode),
}

impl Webhooks {
    /// A way to hand over calls, and the task that makes them.
    pub(crate) fn new<S: LoginStore>(
        store: Arc<S>,
        client: Client,
        counter: WebhookCounter,
    ) -> (Self, WebhookSender<S>) {
        let (sender, calls) = mpsc::channel(MOST_WAITING);
        let task = WebhookSender {
            calls,
            store,
            client,
            counter,
        };
        (Self(sender), task)
    }

    /// Hands over calls; of more than can wait the newest are left out.
    pub(crate) fn call(&self, calls: &[WebhookCall]) {
        for call in calls {
            let account = &call.account;
            if self.0.try_send(call.clone()).is_err() {
                tracing::warn!(%account, "the webhook is not called: too many wait");
            }
        }
    }
}

impl<S: LoginStore> WebhookSender<S> {
    /// Makes calls until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(_ended) = running.join_next() => {}
                Some(call) = self.calls.recv(), if running.len() < MOST => {
                    let (store, client) = (Arc::clone(&self.store), self.client.clone());
                    let counter = self.counter.clone();
                    running.spawn(async move {
                        let sent = send(&*store, &client, &call).await;
                        let result = match &sent {
                            Ok(()) => "sent",
                            Err(error) => {
                                let why = service::exit::chain(error);
                                tracing::warn!(account = %call.account, "the webhook was not called: {why}");
                                "failed"
                            }
                        };
                        counter.get_or_create(&WebhookLabel { result }).inc();
                    });
                }
            }
        }
    }
}

async fn send<S: LoginStore>(
    store: &S,
    client: &Client,
    call: &WebhookCall,
) -> Result<(), WebhookError> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let sent = match target(store, &call.secret).await {
            Ok(url) => post(client, url, call).await,
            Err(error) => Err(error),
        };
        match (sent, pauses.next()) {
            (Err(_), Some(pause)) => tokio::time::sleep(pause).await,
            (sent, _) => return sent,
        }
    }
}

/// The address, as it is now.
async fn target<S: LoginStore>(store: &S, secret: &Key) -> Result<Url, WebhookError> {
    let found = store.webhook(secret).await;
    let found = found.map_err(|why| WebhookError::Unreadable {
        secret: secret.clone(),
        why,
    })?;
    let text = found.ok_or_else(|| WebhookError::NoAddress(secret.clone()))?;
    address(&text).ok_or_else(|| WebhookError::Address(secret.clone()))
}

async fn post(client: &Client, url: Url, call: &WebhookCall) -> Result<(), WebhookError> {
    let request = client.post(url).json(&message(call)).timeout(TIMEOUT);
    let answer = request.send().await;
    let answer = answer.map_err(|error| WebhookError::Transport(error.without_url()))?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(WebhookError::Status(answer.status()))
    }
}

fn message(call: &WebhookCall) -> Message<'_> {
    let account = &call.account;
    let (reason, when) = match call.reason {
        WebhookReason::LoginRequired => ("LoginRequired", ""),
        WebhookReason::Reminder => ("Reminder", " before its first session, in half an hour"),
    };
    let url = &call.login_url;
    Message {
        text: format!("kite-ticker: account {account} needs a login to Kite{when}: {url}"),
        account: &account.name,
        namespace: &account.namespace,
        reason,
        login_url: url,
        expires_at: call.expires.to_string(),
    }
}

/// An address that may be posted to.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    let ip = host.parse::<std::net::IpAddr>();
    let is_local = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    let fits = url.scheme() == "https" || url.scheme() == "http" && is_local;
    fits.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_leads_to_this_machine_alone() {
        for good in [
            "https://hooks.slack.com/services/T/B/x",
            "http://127.0.0.1:1/x",
            "http://localhost/x",
            "http://[::1]:2/",
        ] {
            assert!(address(good).is_some(), "{good}");
        }
        for bad in [
            "http://10.0.0.1/",
            "http://localhost.evil/",
            "ftp://x/",
            "x",
            "",
        ] {
            assert!(address(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_message_has_what_a_person_needs_and_slack_reads_its_text() {
        let call = WebhookCall {
            account: Key::new("ticker", "a"),
            secret: Key::new("ticker", "hook"),
            reason: WebhookReason::Reminder,
            login_url: "https://kite.zerodha.com/connect/login?v=3".to_owned(),
            expires: "2026-12-02T06:00:00+05:30".parse().unwrap(),
        };
        let json = serde_json::to_value(message(&call)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "text": "kite-ticker: account ticker/a needs a login to Kite before its first session, in half an hour: \
                         https://kite.zerodha.com/connect/login?v=3",
                "account": "a", "namespace": "ticker", "reason": "Reminder",
                "login_url": "https://kite.zerodha.com/connect/login?v=3",
                "expires_at": "2026-12-02T00:30:00Z",
            })
        );
    }
}
