//! Why there is no answer, for the person who asked.

use std::path::PathBuf;

use contract::answer::ErrorAnswer;
use serde_json::Value;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: check --context and --kubeconfig")]
    Kubeconfig(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The cluster does not answer.
    #[error("the cluster does not answer")]
    Cluster(#[source] Box<kube::Error>),
    /// Nobody is logged in, or for too long.
    #[error("the cluster does not know you: log in again, or name another --context ({0})")]
    Unauthenticated(String),
    /// A right is missing.
    #[error(
        "{verb} on {resource} in {place} is not allowed: the chart's Role kiteticker-plugin grants it ({message})"
    )]
    Forbidden {
        /// What would have to be allowed.
        verb: &'static str,
        /// On what.
        resource: &'static str,
        /// Where: `namespace x`, or `every namespace`.
        place: String,
        /// What the API server says.
        message: String,
    },
    /// A right is missing that no Role of the chart grants.
    #[error(
        "{verb} on {resource} in {place} is not allowed: ask who looks after the cluster ({message})"
    )]
    NotAllowed {
        /// What would have to be allowed.
        verb: &'static str,
        /// On what.
        resource: &'static str,
        /// Where.
        place: String,
        /// What the API server says.
        message: String,
    },
    /// Nothing that could be the operator.
    #[error(
        "there is no operator in namespace {0}: name its namespace with --operator-namespace, or install the chart"
    )]
    NoOperator(String),
    /// It has no pod that answers.
    #[error(
        "the operator in namespace {namespace} does not answer: see `kubectl --namespace {namespace} get pods` ({message})"
    )]
    OperatorAway {
        /// Where.
        namespace: String,
        /// What the API server says.
        message: String,
    },
    /// It does not know the question.
    #[error(
        "the operator does not know {path}: it is older than this program ({}); upgrade the operator", env!("CARGO_PKG_VERSION")
    )]
    TooOld {
        /// What was asked.
        path: String,
    },
    /// It has no answer.
    #[error("{0}")]
    Refused(String),
    /// It answered something else.
    #[error(
        "the answer to {path} cannot be read (status {status}): check the versions of operator and plugin"
    )]
    Unreadable {
        /// What was asked.
        path: String,
        /// The status of the answer.
        status: u16,
    },
    /// It is too large to be read.
    #[error(
        "the answer to {path} is larger than {most} bytes, and was not read: check who answers there"
    )]
    TooLarge {
        /// What was asked.
        path: String,
        /// What would have been read.
        most: usize,
    },
    /// The kinds are not installed.
    #[error(
        "the cluster does not know TickerAccounts and InstrumentSets: install the chart kite-ticker-crds"
    )]
    NoKinds,
    /// No operator without a cluster.
    #[error("no `kite-operator local` answers for {}: start it, or name its state folder with --local=FOLDER", .0.display())]
    NoLocal(PathBuf),
    /// Its state folder cannot be read.
    #[error("the state folder {} cannot be read: name another with --local=FOLDER", path.display())]
    StateFolder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Its address cannot be read.
    #[error("the address of {who} cannot be read: check who may read the state folder")]
    Address {
        /// Who has it.
        who: String,
        /// What is wrong with it.
        source: service::http::PortFileError,
    },
    /// There is no HTTP client.
    #[error("an HTTP client cannot be set up on this machine")]
    Client(#[source] reqwest::Error),
    /// It was reached, and did not answer in time.
    #[error("{who} did not answer within {seconds} s: ask again, or see its log")]
    Late {
        /// Who was asked.
        who: String,
        /// How long it had.
        seconds: u64,
    },
    /// It was reached, and its answer is not whole.
    #[error("the answer of {who} broke off: ask again, or see its log")]
    BrokenOff {
        /// Who was asked.
        who: String,
        /// What is known of it.
        source: reqwest::Error,
    },
    /// Several of them.
    #[error("several `kite-operator local` run: choose one with --local=FOLDER ({0})")]
    SeveralLocal(String),
    /// There is no home directory.
    #[error("there is no home directory with a state folder: name it with --local=FOLDER")]
    NoHome,
}

/// The operator's own text in the body of an answer that is none.
pub(crate) fn refusal(body: &[u8]) -> Option<String> {
    let answer: ErrorAnswer = serde_json::from_slice(body).ok()?;
    Some(answer.error)
}

/// What the API server says in the body of a failure.
pub(crate) fn status_message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let is_status = value.get("kind").and_then(Value::as_str) == Some("Status");
    let message = value.get("message").and_then(Value::as_str);
    message.filter(|_| is_status).map(str::to_owned)
}
