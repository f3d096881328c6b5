//! Prints tables on its own thread, so that a stopped terminal blocks nothing else.
//!
//! Owns the newest text that is not printed yet; older ones are dropped. Must not compose texts.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Prints to one output until dropped.
#[derive(Debug)]
pub(crate) struct Printer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<PrintState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct PrintState {
    newest: Option<String>,
    printing: bool,
    failed: Option<io::Error>,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, PrintState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints until closed, or until nobody reads any more. What a full disk does not take is left out: ticks do not wait
    /// for it.
    fn print_all(&self, mut out: impl Write) {
        loop {
            let waiting = |state: &mut PrintState| state.newest.is_none() && !state.closed;
            let state = self.changed.wait_while(self.state(), waiting);
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            let Some(text) = state.newest.take() else {
                return;
            };
            state.printing = true;
            drop(state);
            let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            let mut state = self.state();
            state.printing = false;
            state.failed = printed.err().filter(is_final);
            self.changed.notify_all();
            if state.failed.is_some() {
                return;
            }
        }
    }
}

/// Whether nothing can be printed later either.
fn is_final(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WouldBlock
    )
}

impl Printer {
    /// Starts printing to `out`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let worker = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || worker.print_all(out))?;
        Ok(Self { shared })
    }

    /// Queues `text`; never waits.
    ///
    /// # Errors
    /// When an earlier text could not be printed.
    pub(crate) fn print(&self, text: String) -> io::Result<()> {
        let mut state = self.shared.state();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        state.newest = Some(text);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits up to `limit` until everything is printed or printing has failed.
    pub(crate) fn finish(&self, limit: Duration) {
        let busy = |state: &mut PrintState| {
            state.failed.is_none() && (state.printing || state.newest.is_some())
        };
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), limit, busy);
        // In time or not, there is nothing more to do.
        drop(waited);
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes each write when it is let.
    struct Terminal {
        lets: mpsc::Receiver<io::Result<()>>,
        shown: mpsc::Sender<String>,
    }

    impl Write for Terminal {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.lets.recv().unwrap()?;
            self.shown
                .send(String::from_utf8_lossy(text).into_owned())
                .unwrap();
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_stands_still_gets_the_newest_when_it_goes_on() {
        let ((let_it, lets), (shown, shows)) = (mpsc::channel(), mpsc::channel());
        let printer = Printer::start(Terminal { lets, shown }).unwrap();
        printer.print("first".to_owned()).unwrap();
        while !printer.shared.state().printing {
            std::thread::yield_now();
        }
        for number in 0..1_000 {
            printer.print(format!("table {number}")).unwrap();
        }
        printer.finish(Duration::from_millis(1));
        let_it.send(Ok(())).unwrap();
        let_it.send(Ok(())).unwrap();
        printer.finish(Duration::from_secs(10));
        let all: Vec<String> = shows.try_iter().collect();
        assert_eq!(all, ["first", "table 999"]);
    }

    #[test]
    fn one_that_has_gone_is_told_of() {
        let ((let_it, lets), (shown, _shows)) = (mpsc::channel(), mpsc::channel());
        let printer = Printer::start(Terminal { lets, shown }).unwrap();
        let_it.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        printer.print("text".to_owned()).unwrap();
        printer.finish(Duration::from_secs(10));
        let error = printer.print("more".to_owned()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_full_disk_costs_tables_and_nothing_else() {
        let ((let_it, lets), (shown, shows)) = (mpsc::channel(), mpsc::channel());
        let printer = Printer::start(Terminal { lets, shown }).unwrap();
        let_it.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        printer.print("lost".to_owned()).unwrap();
        printer.finish(Duration::from_secs(10));
        let_it.send(Ok(())).unwrap();
        printer.print("later".to_owned()).unwrap();
        printer.finish(Duration::from_secs(10));
        assert_eq!(shows.try_iter().collect::<Vec<_>>(), ["later"]);
    }
}
