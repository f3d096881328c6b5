//! Calls to the API server that fail or take too long: a short class for metrics, one line for people.
//!
//! The client's own texts repeat their causes and print whole structures.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use kube::Error;

/// A call to the API server that failed.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The API server rejected it, or its answer was not understood.
    Client(Box<Error>),
    /// No answer came in time.
    Timeout,
}

/// A class of failed calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureReason {
    /// No answer came in time.
    Timeout,
    /// A right is missing.
    Forbidden,
    /// The object does not exist.
    NotFound,
    /// The object has changed or is another one.
    Conflict,
    /// The API server does not accept the object.
    Invalid,
    /// The API server asks for fewer requests.
    TooManyRequests,
    /// Any other answer.
    Server,
    /// No answer that can be read.
    Network,
}

impl FailureReason {
    /// Each of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Timeout,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::Invalid,
        Self::TooManyRequests,
        Self::Server,
        Self::Network,
    ];

    /// Its name in metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "Timeout",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
            Self::Server => "Server",
            Self::Network => "Network",
        }
    }
}

impl ApiError {
    /// The class of the failure.
    pub(crate) fn reason(&self) -> FailureReason {
        match self {
            Self::Timeout => FailureReason::Timeout,
            Self::Client(error) => match code(error) {
                Some(403) => FailureReason::Forbidden,
                Some(404) => FailureReason::NotFound,
                Some(409) => FailureReason::Conflict,
                Some(400 | 422) => FailureReason::Invalid,
                Some(429) => FailureReason::TooManyRequests,
                Some(_) => FailureReason::Server,
                None => FailureReason::Network,
            },
        }
    }

    /// Whether the right to do it is missing.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.reason() == FailureReason::Forbidden
    }

    /// Whether the object has changed or is another one.
    pub(crate) fn is_conflict(&self) -> bool {
        self.reason() == FailureReason::Conflict
    }

    /// Whether the object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.reason() == FailureReason::NotFound
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::Client(Box::new(error))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("the API server did not answer in time"),
            Self::Client(error) => f.write_str(&describe(error)),
        }
    }
}

impl std::error::Error for ApiError {}

/// Limits the time of a call.
pub(crate) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, ApiError> {
    let answer = tokio::time::timeout(limit, call).await;
    Ok(answer.map_err(|_| ApiError::Timeout)??)
}

/// Describes an error of the client in one line.
pub(crate) fn describe(error: &Error) -> String {
    match error {
        Error::Api(status) => {
            let text = status.message.lines().next().unwrap_or_default();
            format!(
                "the API server answered {} {}: {text}",
                status.code, status.reason
            )
        }
        other => {
            // The outermost text repeats the others.
            let mut innermost: &dyn std::error::Error = other;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            format!("the API server's answer cannot be used: {innermost}")
        }
    }
}

/// As [`describe`], for watches.
pub(crate) fn describe_watch_error(error: &kube::runtime::watcher::Error) -> String {
    use kube::runtime::watcher::Error as Watch;
    match error {
        Watch::InitialListFailed(error)
        | Watch::WatchStartFailed(error)
        | Watch::WatchFailed(error) => describe(error),
        Watch::WatchError(status) => {
            format!(
                "the API server ended the watch: {} {}",
                status.code, status.reason
            )
        }
        Watch::NoResourceVersion => error.source().map_or_else(
            || "no resource version in the answer".to_owned(),
            ToString::to_string,
        ),
    }
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_refusal_is_one_line_with_code_and_class() {
        let status = Status {
            code: 403,
            reason: "Forbidden".to_owned(),
            message: "pods is forbidden\nmore".to_owned(),
            ..Status::default()
        };
        let error = ApiError::from(Error::Api(Box::new(status)));
        assert_eq!(
            error.to_string(),
            "the API server answered 403 Forbidden: pods is forbidden"
        );
        assert_eq!(error.reason(), FailureReason::Forbidden);
        assert!(!error.is_not_found());
        assert_eq!(ApiError::Timeout.reason(), FailureReason::Timeout);
    }
}
