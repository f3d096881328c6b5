//! Whether a link is silent because its server stands still, or because the way to it is broken.
//!
//! TCP asks a silent peer less and less often: after a cut of half a minute it would notice half a
//! minute late that the way is whole again. A second connection asks anew each time. If that one is
//! answered while the link stays silent, the link is dead; a server that stands still answers neither,
//! and the link keeps its order. Owns when that is asked and what it means. Must not touch the link.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use super::access::Access;
use super::handshake::is_serving;
use super::target::Single;

/// A link is doubted when it owes answers for so long.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(2);

/// How long one question may take, from the first packet to the answer, and how often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A server that stood still answers the question and the link at the same time, give or take this.
const GRACE: Duration = Duration::from_millis(150);

/// The second opinion about one link.
#[derive(Default)]
pub(super) struct Probe {
    question: Option<BoxFuture<'static, bool>>,
    asked: Option<Instant>,
    answered: Option<Instant>,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe")
            .field("asked", &self.asked)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}

impl Probe {
    /// The link was answered, or is no more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Asks, while the link is silent; whether the server has answered and the link is still silent.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        server: &Single,
        access: &Access,
        name: &str,
    ) -> bool {
        if let Some(answered) = self.answered {
            return now.saturating_duration_since(answered) >= GRACE;
        }
        let is_due = |asked| now.saturating_duration_since(asked) >= ASK_EVERY;
        if self.question.is_none() && self.asked.is_none_or(is_due) {
            self.asked = Some(now);
            let (server, access, name) = (server.clone(), access.clone(), name.to_owned());
            self.question = Some(Box::pin(async move {
                let asked = is_serving(&server, &access, &name);
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
