//! Decides whether a silent link has a stopped server or a broken network path.
//!
//! TCP retransmits less and less often: after an interruption of half a minute it would notice half
//! a minute late that the path works again. A second connection is a new attempt each time. If it
//! is answered while the link stays silent, the link is dead. A stopped server answers neither, and
//! the link keeps its order, as it does while the server holds back writes (CLIENT PAUSE). Owns when
//! to probe and what the result means. Must not touch the link.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use super::access::Access;
use super::handshake::is_serving_others;
use super::target::ServerTarget;
use service::address::Address;

/// A link is suspect when answers are missing for this long.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(2);

/// The time limit of one probe, from the first packet to the answer, and the interval of probes.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A server that was stopped answers the probe and the link within this time of each other.
const GRACE: Duration = Duration::from_millis(150);

/// The probe of one link.
#[derive(Default)]
pub(super) struct Probe {
    question: Option<BoxFuture<'static, bool>>,
    asked: Option<Instant>,
    answered: Option<Instant>,
}

impl Probe {
    /// The link was answered, or has ended.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Probes while the link is silent; returns whether the server has answered and the link is
    /// still silent.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        (server, access): (&ServerTarget, &Access),
        (name, id, at): (&str, Option<i64>, &Address),
    ) -> bool {
        if let Some(answered) = self.answered {
            return now.saturating_duration_since(answered) >= GRACE;
        }
        let is_due = |asked| now.saturating_duration_since(asked) >= ASK_EVERY;
        if self.question.is_none() && self.asked.is_none_or(is_due) {
            self.asked = Some(now);
            let (server, access) = (server.clone(), access.clone());
            let (name, at) = (name.to_owned(), at.clone());
            self.question = Some(Box::pin(async move {
                let asked = is_serving_others(&server, &access, (&name, id, &at));
                matches!(tokio::time::timeout(ASK_EVERY, asked).await, Ok(true))
            }));
        }
        if let Some(question) = &mut self.question
            && let Poll::Ready(yes) = question.as_mut().poll(cx)
        {
            self.question = None;
            self.answered = yes.then_some(now);
        }
        false
    }
}
