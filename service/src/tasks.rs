//! Owns the long-running tasks of a process: no task ends unnoticed.
//!
//! A service lives only while all its tasks live: the first one that ends by itself stops the rest.
//! Retrying belongs inside a task; there are no restarts here.

use std::any::Any;
use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::exit;
use crate::signal::Shutdown;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why the process has to exit with a failure.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The task returned without an error before shutdown.
    #[error("task {name} ended unexpectedly")]
    Ended {
        /// The task.
        name: String,
    },
    /// The task returned an error.
    #[error("task {name} failed")]
    Failed {
        /// The task.
        name: String,
        /// What it returned.
        source: BoxError,
    },
    /// The task panicked.
    #[error("task {name} panicked: {message}")]
    Panicked {
        /// The task.
        name: String,
        /// The panic's message.
        message: String,
    },
    /// Tasks ran too long after shutdown and were aborted.
    #[error("aborted after {within:?} of shutdown: {}", names.join(", "))]
    Overdue {
        /// The tasks, sorted by name.
        names: Vec<String>,
        /// Their time limit.
        within: Duration,
    },
}

/// What a task may return: nothing, or a result with any error.
pub trait TaskResult: Send + 'static {
    /// Converts into a result.
    ///
    /// # Errors
    /// The error the task returned.
    fn into_result(self) -> Result<(), BoxError>;
}

impl TaskResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError> + Send + 'static> TaskResult for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// The tasks of a process and the shutdown they share.
#[derive(Debug)]
pub struct Tasks {
    set: JoinSet<Result<(), BoxError>>,
    names: HashMap<Id, String>,
    shutdown: Shutdown,
}

impl Tasks {
    /// No tasks yet. `shutdown` is triggered when one of them ends by itself.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            set: JoinSet::new(),
            names: HashMap::new(),
            shutdown,
        }
    }

    /// Starts a task that has to run until shutdown. `name` appears in logs and in the exit error.
    pub fn spawn<F>(&mut self, name: impl Into<String>, task: F)
    where
        F: Future<Output: TaskResult> + Send + 'static,
    {
        let handle = self.set.spawn(async { task.await.into_result() });
        self.names.insert(handle.id(), name.into());
    }

    /// Waits for shutdown, and for the end of every task within `drain` of it.
    ///
    /// A task that ends before shutdown triggers it.
    ///
    /// # Errors
    /// The first error; further ones are only logged.
    pub async fn join_all_bounded(mut self, drain: Duration) -> Result<(), TaskError> {
        let mut first = None;
        while !self.shutdown.is_triggered() && !self.set.is_empty() {
            tokio::select! {
                () = self.shutdown.wait() => {}
                Some(ended) = self.set.join_next_with_id() => {
                    // A task may end because of the shutdown before it is seen here.
                    let early = !self.shutdown.is_triggered();
                    let ended = self.failure(ended, early);
                    self.shutdown.trigger();
                    record_failure(&mut first, ended);
                }
            }
        }
        let deadline = Instant::now() + drain;
        while let Ok(joined) = tokio::time::timeout_at(deadline, self.set.join_next_with_id()).await
        {
            let Some(ended) = joined else {
                return first.map_or(Ok(()), Err);
            };
            let ended = self.failure(ended, false);
            record_failure(&mut first, ended);
        }
        self.set.shutdown().await;
        let mut names: Vec<_> = self.names.into_values().collect();
        names.sort_unstable();
        record_failure(
            &mut first,
            Some(TaskError::Overdue {
                names,
                within: drain,
            }),
        );
        first.map_or(Ok(()), Err)
    }

    /// Removes the task from the list and returns the error of its end, if any.
    fn failure(
        &mut self,
        ended: Result<(Id, Result<(), BoxError>), JoinError>,
        early: bool,
    ) -> Option<TaskError> {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let name = self.names.remove(&id).unwrap_or_default();
        match ended {
            Ok((_, Ok(()))) => early.then_some(TaskError::Ended { name }),
            Ok((_, Err(source))) => Some(TaskError::Failed { name, source }),
            Err(error) => Some(match error.try_into_panic() {
                Ok(panic) => TaskError::Panicked {
                    name,
                    message: panic_message(panic.as_ref()),
                },
                Err(_cancelled) => TaskError::Ended { name },
            }),
        }
    }
}

fn record_failure(first: &mut Option<TaskError>, error: Option<TaskError>) {
    let Some(error) = error else { return };
    if first.is_none() {
        *first = Some(error);
    } else {
        tracing::error!(error = %exit::chain(&error), "another task failed");
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;

    use super::*;

    const DRAIN: Duration = Duration::from_secs(5);

    fn tasks() -> (Shutdown, Tasks) {
        let shutdown = Shutdown::new();
        (shutdown.clone(), Tasks::new(shutdown))
    }

    /// A task that does what it should: runs until shutdown.
    fn obedient(shutdown: &Shutdown) -> impl Future<Output = ()> + Send + 'static {
        shutdown.token().cancelled_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_stops_the_others_and_is_reported_by_name() {
        let (shutdown, mut tasks) = tasks();
        tasks.spawn("obedient", obedient(&shutdown));
        tasks.spawn("reader", async { assert_eq!(1 + 1, 3, "sums") });
        let error = tasks.join_all_bounded(DRAIN).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("task reader panicked: "), "{text}");
        assert!(text.contains("sums"), "{text}");
        assert!(shutdown.is_triggered());
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_keeps_its_source() {
        let (shutdown, mut tasks) = tasks();
        tasks.spawn("obedient", obedient(&shutdown));
        tasks.spawn("writer", async { Err(io::Error::other("disk full")) });
        let error = tasks.join_all_bounded(DRAIN).await.unwrap_err();
        assert_eq!(
            exit::chain(&error).to_string(),
            "task writer failed: disk full"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_early_end_is_a_failure_and_an_end_after_shutdown_is_not() {
        let (shutdown, mut early) = tasks();
        early.spawn("obedient", obedient(&shutdown));
        early.spawn("hasty", async {});
        let error = early.join_all_bounded(DRAIN).await.unwrap_err();
        assert_eq!(error.to_string(), "task hasty ended unexpectedly");

        let (shutdown, mut late) = tasks();
        late.spawn("obedient", obedient(&shutdown));
        shutdown.trigger();
        late.join_all_bounded(DRAIN).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_ignore_shutdown_are_aborted_in_time_and_named() {
        let (shutdown, mut tasks) = tasks();
        tasks.spawn("stuck", pending::<()>());
        tasks.spawn("obedient", obedient(&shutdown));
        tasks.spawn("deaf", pending::<Result<(), io::Error>>());
        shutdown.trigger();
        let start = Instant::now();
        let error = tasks.join_all_bounded(DRAIN).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "aborted after 5s of shutdown: deaf, stuck"
        );
        assert_eq!(start.elapsed(), DRAIN);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cause_is_returned_rather_than_what_follows_it() {
        let (_shutdown, mut tasks) = tasks();
        tasks.spawn("stuck", pending::<()>());
        tasks.spawn("hasty", async {});
        let error = tasks.join_all_bounded(DRAIN).await.unwrap_err();
        assert!(matches!(error, TaskError::Ended { name } if name == "hasty"));
    }

    #[tokio::test]
    async fn a_task_that_ends_with_the_shutdown_is_not_early() {
        // Which of the two is seen first is left to chance.
        for _ in 0..50 {
            let shutdown = Shutdown::new();
            let mut tasks = Tasks::new(shutdown.clone());
            tasks.spawn("ender", async move { shutdown.trigger() });
            tasks
                .join_all_bounded(Duration::from_secs(1))
                .await
                .unwrap();
        }
    }
}
