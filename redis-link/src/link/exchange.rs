//! Sends commands and reads answers on an open link.
//!
//! Owns when answers are read, when the server is asked for its role, and when a silent server is
//! suspect. Must not open or close a link.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{Link, LinkState};
use crate::error::LinkError;
use crate::probe::SILENT_AFTER;
use crate::replies::Reply;
use crate::resp::write_command;
use crate::send_queue::{CommandKind, WINDOW};
use crate::target::ServerAddress;
use service::text::{LONGEST_REASON, printable};

/// How often a stream that does not wake for answers is read while there are turns, or after how
/// many unanswered bytes.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LOOK_FROM: usize = WINDOW / 8;

/// Without turns it is read after this time, or sooner if nothing can be written before.
const LOOK_AT_LAST: Duration = Duration::from_millis(50);
const LOOK_AT_FIRST: Duration = Duration::from_millis(1);

/// How often the server is asked whether it is still the master: one that was demoted goes on
/// accepting messages, and its readers are elsewhere.
const ROLE_EVERY: Duration = Duration::from_secs(2);

/// Answers that are read so long after the last look are too old to say what time it is.
const LATE: Duration = Duration::from_secs(1);

impl Link {
    /// When answers are read although nothing wakes the task.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let (looked, unanswered_since) = (self.looked?, self.progress?);
        let quiet = matches!(&self.state, LinkState::Connected(stream) if stream.is_quiet());
        let wait = if !quiet || self.queue.can_take() {
            LOOK_AT_LAST
        } else {
            // A stopped server is read less and less often.
            let waited = looked.saturating_duration_since(unanswered_since);
            waited.clamp(LOOK_AT_FIRST, LOOK_AT_LAST)
        };
        let silent = unanswered_since + SILENT_AFTER;
        let look = looked + wait;
        Some(if quiet { look } else { look.max(silent) })
    }

    fn is_look_due(&self, cx: &mut Context<'_>, now: Instant) -> Result<bool, LinkError> {
        let LinkState::Connected(stream) = &self.state else {
            return Ok(false);
        };
        let woken = stream.is_woken(cx)?;
        let long_ago = |looked| now.saturating_duration_since(looked) >= LOOK_EVERY;
        let due = self.looked.is_none_or(long_ago) || self.queue.in_flight() >= LOOK_FROM;
        Ok(woken || due)
    }

    /// One turn of an open link.
    ///
    /// # Errors
    /// When the link has to be closed.
    pub(super) fn exchange(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), LinkError> {
        self.queue.observe(self.answers.late, now);
        // In this order an end of the stream is seen before anything more is written.
        if self.is_look_due(cx, now)? {
            let is_late = |looked| now.saturating_duration_since(looked) > LATE;
            self.answers.late = self.looked.is_some_and(is_late);
            self.looked = Some(now);
            let read = self.read(cx, now);
            // It explains more than the end of the stream, and is no reason against the next link.
            if let Some(error) = self.answers.take_leave() {
                return Err(error);
            }
            if read? {
                self.progress = Some(now);
            }
        }
        self.ask_role(now);
        self.write(cx)?;
        match (self.queue.is_idle(), self.progress) {
            (true, _) => self.progress = None,
            (false, None) => self.progress = Some(now),
            (false, Some(_)) => {}
        }
        self.forgotten += u64::from(self.answers.take_recovered(now));
        if self.answers.is_link_useless(now) {
            return Err(LinkError::Refusing);
        }
        self.check_sentinels(cx, now)?;
        self.check_silence(cx, now)
    }

    /// When the server is asked for its role; not while the link accepts no commands.
    pub(super) fn next_question(&self) -> Option<Instant> {
        self.answers.role.command()?;
        let asked = self.role_asked.filter(|_| self.queue.can_take());
        asked.map(|asked| asked + ROLE_EVERY)
    }

    fn ask_role(&mut self, now: Instant) {
        // The handshake has asked it first.
        self.role_asked.get_or_insert(now);
        if self.next_question().is_some_and(|at| now >= at)
            && let Some(command) = self.answers.role.command()
        {
            self.role_asked = Some(now);
            self.queue
                .push(CommandKind::Question, |out| write_command(out, command));
        }
    }

    /// Fails when the Sentinels name another master.
    fn check_sentinels(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), LinkError> {
        let (Some(server), Some(linked)) = (&self.target, &self.address) else {
            return Ok(());
        };
        if let ServerAddress::Sentinels(sentinels) = &server.address {
            let asking = (server, self.name.as_str(), &self.access);
            if self.watch.poll(cx, now, sentinels, asking, linked) {
                return Err(LinkError::Replaced);
            }
        }
        Ok(())
    }

    /// Fails when the server answers on another connection and not on this link.
    fn check_silence(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), LinkError> {
        match (&self.target, &self.address) {
            (Some(server), Some(address)) if self.is_silent(now) => {
                let link = (self.name.as_str(), self.previous, address);
                if self.probe.poll(cx, now, (server, &self.access), link) {
                    return Err(LinkError::Interrupted);
                }
            }
            _ => self.probe.forget(),
        }
        Ok(())
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
        let LinkState::Connected(stream) = &mut self.state else {
            return Ok(());
        };
        while !self.queue.unwritten().is_empty() {
            match stream.poll_write(cx, self.queue.unwritten()) {
                Poll::Ready(Ok(0)) => return Err(LinkError::Closed),
                Poll::Ready(Ok(count)) => self.queue.wrote(count),
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => break,
            }
        }
        match stream.poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Reads what is available; returns whether anything was answered.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, LinkError> {
        let mut answered = false;
        loop {
            let LinkState::Connected(stream) = &mut self.state else {
                return Ok(answered);
            };
            let quiet = stream.is_quiet();
            let count = match stream.poll_read(cx, &mut self.buffer) {
                Poll::Pending => return Ok(answered),
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Ready(Ok(0)) => return Err(LinkError::Closed),
                Poll::Ready(Ok(count)) => count,
            };
            answered = true;
            self.replies.extend(&self.buffer[..count]);
            self.count_replies(now)?;
            // Nothing was left. Streams that wake have to be read until they are empty.
            if quiet && count < self.buffer.len() {
                return Ok(answered);
            }
        }
    }

    fn count_replies(&mut self, now: Instant) -> Result<(), LinkError> {
        let mut news = None;
        while let Some(reply) = self.replies.next_reply()? {
            let Some(command) = self.queue.answered() else {
                let Reply::Error(text) = reply else {
                    return Err(LinkError::Surplus);
                };
                // A server says why before it ends a connection.
                let text = String::from_utf8_lossy(text);
                return Err(LinkError::Ending(printable(&text, LONGEST_REASON)));
            };
            if self.answers.take(command, reply, now) {
                news = Some(command.kind);
            }
        }
        let (what, text) = match news {
            None => return Ok(()),
            Some(CommandKind::Message) => ("ticks are lost", self.messages_error(now)),
            Some(CommandKind::Key | CommandKind::Question) => {
                ("keys are not written", self.keys_error(now))
            }
        };
        if let Some(text) = text {
            self.warn(now, what, &text);
        }
        Ok(())
    }
}
