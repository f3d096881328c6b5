//! Prints tables on a thread of its own: a terminal that stands still must hold up nothing else.
//!
//! Owns the newest text that is not printed yet; older ones are dropped. Must not make texts.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Prints to one output until dropped.
#[derive(Debug)]
pub(crate) struct Printer {
    desk: Arc<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    tray: Mutex<Tray>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Tray {
    newest: Option<String>,
    printing: bool,
    failed: Option<io::Error>,
    closed: bool,
}

impl Desk {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints what comes until closed, or until it cannot be printed.
    fn work(&self, mut out: impl Write) {
        loop {
            let waiting = |tray: &mut Tray| tray.newest.is_none() && !tray.closed;
            let tray = self.changed.wait_while(self.tray(), waiting);
            let mut tray = tray.unwrap_or_else(PoisonError::into_inner);
            let Some(text) = tray.newest.take() else {
                return;
            };
            tray.printing = true;
            drop(tray);
            let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            let mut tray = self.tray();
            tray.printing = false;
            tray.failed = printed.err();
            self.changed.notify_all();
            if tray.failed.is_some() {
                return;
            }
        }
    }
}

impl Printer {
    /// Starts printing to `out`.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let worker = Arc::clone(&desk);
        std::thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || worker.work(out))?;
        Ok(Self { desk })
    }

    /// Hands `text` over; never waits.
    ///
    /// # Errors
    /// When an earlier one could not be printed.
    pub(crate) fn print(&self, text: String) -> io::Result<()> {
        let mut tray = self.desk.tray();
        if let Some(error) = tray.failed.take() {
            return Err(error);
        }
        tray.newest = Some(text);
        self.desk.changed.notify_all();
        Ok(())
    }

    /// Waits until everything is printed or cannot be, for as long as `limit`.
    pub(crate) fn finish(&self, limit: Duration) {
        let busy =
            |tray: &mut Tray| tray.failed.is_none() && (tray.printing || tray.newest.is_some());
        let waited = self
            .desk
            .changed
            .wait_timeout_while(self.desk.tray(), limit, busy);
        // Whether it was in time or not, there is nothing more to do.
        drop(waited);
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.desk.tray().closed = true;
        self.desk.changed.notify_all();
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
        while !printer.desk.tray().printing {
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
}
