//! Logging in to Kite: the link for a user, and what happens when the browser comes back.
//!
//! Owns the exchange of a request token for a session, and the pages. Must not decide when a login is needed, and knows no
//! place of Secrets: those are behind [`LoginStore`].

mod attempts;
mod candidate;
mod exchange;
mod flow;
mod links;
mod pages;
mod server;
mod store;
mod webhook;

pub(crate) use flow::{LoginCounter, LoginLabel};
pub(crate) use links::{LinkMaker, LoginLinks};
pub(crate) use server::{LoginParts, router};
pub(crate) use store::{AppCredentials, LoginStore, SOURCE, SessionOwner, SessionValues, text};
pub(crate) use webhook::{WebhookCounter, WebhookLabel, Webhooks};
