//! The order updates that one client reads.
//!
//! Owns the comparison with its rights.

use serde_json::Value;

use super::conversation::Conversation;
use crate::protocol::answer::{self, Reason, Rejection, Wanted};

impl Conversation {
    pub(super) fn subscribe_orders(&mut self, id: Option<&Value>, accounts: Vec<String>) {
        let (allowed, others): (Vec<String>, Vec<String>) = accounts
            .into_iter()
            .partition(|account| self.rights.orders.contains(account));
        for account in &allowed {
            self.gateway.hub.subscribe_orders(self.client, account);
        }
        let rejected = others.into_iter().map(|account| Rejection {
            what: Wanted::Account(service::text::printable(&account, 64)),
            reason: Reason::NotPermitted,
        });
        let rejected: Vec<Rejection> = rejected.collect();
        self.answers.push(answer::orders(id, &allowed, &rejected));
    }
}
