//! Where answers come from: an operator in a cluster, or `kite-operator local` on this machine.
//!
//! Owns the questions' paths, the patience with a busy operator, and how much of an answer is read: who answers may be
//! another than it seems, and a pod is not trusted. Must not know how answers look.

mod cluster;
mod local;
mod session;

use std::time::Duration;

use contract::Report;
use contract::answer::{LARGEST_ANSWER, TOP_PATH, TopAnswer};
use contract::report::{ConnectionInstruments, LARGEST_REPORT};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::args::PlaceArgs;
use crate::error::{AskError, refusal, status_message};
pub(crate) use cluster::{ClusterOperator, OWN_KINDS, ObjectList};
pub(crate) use local::LocalOperator;
pub(crate) use session::{LoginView, SessionPlace};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How often a question is repeated while the operator answers another one.
const ATTEMPTS: u32 = 10;

/// Kite allows so many connections per API key.
const MOST_CONNECTIONS: u8 = 3;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(300);

/// The most of the operator's metrics that is read, in bytes.
const LARGEST_METRICS: usize = 16 * 1024 * 1024;

/// A status and a body.
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// The place where somebody asks.
pub(crate) enum Source {
    Local(LocalOperator),
    Cluster(Box<ClusterOperator>),
}

impl Source {
    /// Finds the place. The operator itself may not be there.
    pub(crate) async fn open(place: &PlaceArgs) -> Result<Self, AskError> {
        match &place.local {
            Some(folder) => Ok(Self::Local(LocalOperator::find(folder)?)),
            None => Ok(Self::Cluster(Box::new(ClusterOperator::new(place).await?))),
        }
    }

    /// The namespace that a question is about; `None`: all of them.
    pub(crate) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Local(_) => Some(""),
            Self::Cluster(cluster) => cluster.namespace(),
        }
    }

    /// Whether answers may be about several namespaces.
    pub(crate) fn shows_namespaces(&self) -> bool {
        self.namespace().is_none()
    }

    /// Asks the operator.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, AskError> {
        self.answer(path, parameters, None).await
    }

    /// Asks the operator with a body.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, AskError> {
        self.answer(path, &[], Some(body)).await
    }

    /// A page of the operator that is no answer, such as its metrics.
    pub(crate) async fn page(&self, path: &str) -> Result<String, AskError> {
        let answer = self.send(path, None, LARGEST_METRICS).await?;
        if answer.status == 200 {
            Ok(String::from_utf8_lossy(&answer.body).into_owned())
        } else {
            Err(self.failure(path, &answer))
        }
    }

    /// What the process of an account reports at this moment.
    pub(crate) async fn report(&self, namespace: &str, account: &str) -> Result<Report, AskError> {
        let path = contract::REPORT_PATH;
        let answer = self.of_process(namespace, account, path).await?;
        if answer.status != 200 {
            return Err(unreadable(path, &answer));
        }
        serde_json::from_slice(&answer.body).map_err(|_| unreadable(path, &answer))
    }

    /// The connection of an account that carries a token, if its process can be asked.
    pub(crate) async fn connection_of(
        &self,
        namespace: &str,
        account: &str,
        token: u32,
    ) -> Option<u8> {
        for index in 0..MOST_CONNECTIONS {
            let page = format!("{}?connection={index}", contract::REPORT_PATH);
            let answer = self.of_process(namespace, account, &page).await.ok()?;
            let list: ConnectionInstruments = serde_json::from_slice(&answer.body).ok()?;
            if list.tokens.binary_search(&token).is_ok() {
                return Some(list.index);
            }
        }
        None
    }

    /// The place of an account's session.
    pub(crate) async fn session(
        &self,
        namespace: &str,
        account: &str,
    ) -> Result<SessionPlace, AskError> {
        match self {
            Self::Local(local) => SessionPlace::in_files(&local.account(account), account),
            Self::Cluster(cluster) => {
                SessionPlace::in_cluster(cluster.client(), namespace, account).await
            }
        }
    }

    /// How the login of an account is.
    pub(crate) async fn login(
        &self,
        namespace: &str,
        account: &str,
    ) -> Result<LoginView, AskError> {
        match self {
            Self::Cluster(cluster) => {
                LoginView::in_cluster(cluster.client(), namespace, account).await
            }
            Self::Local(local) => {
                let top: TopAnswer = self.ask(TOP_PATH, &[]).await?;
                let found = top.accounts.into_iter().find(|it| it.name == account);
                let missing = || AskError::Refused(format!("there is no TickerAccount {account}"));
                let found = found.ok_or_else(missing)?;
                LoginView::in_files(&local.account(account), found.ready)
            }
        }
    }

    /// Namespace and name of the Service that browsers come back to; `None` without a cluster.
    pub(crate) async fn login_service(&self) -> Result<Option<(String, String)>, AskError> {
        match self {
            Self::Local(_) => Ok(None),
            Self::Cluster(cluster) => cluster.login_service().await.map(Some),
        }
    }

    /// A page of an account's process.
    async fn of_process(
        &self,
        namespace: &str,
        account: &str,
        page: &str,
    ) -> Result<HttpAnswer, AskError> {
        match self {
            Self::Local(local) => local.process(account, page, LARGEST_REPORT).await,
            Self::Cluster(cluster) => cluster.pod(namespace, account, page, LARGEST_REPORT).await,
        }
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<T, AskError> {
        let namespace = self.namespace().filter(|it| !it.is_empty());
        let namespace = namespace.map(|namespace| ("namespace", namespace));
        let all = parameters.iter().copied().chain(namespace);
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query = all.map(|(name, value)| format!("{name}={}", encode(value)));
        let query = query.collect::<Vec<_>>().join("&");
        let full = format!("{path}?{query}");
        let mut attempt = 1;
        loop {
            let answer = self.send(&full, body.clone(), LARGEST_ANSWER).await?;
            let busy = answer.status == 503 && refusal(&answer.body).is_some();
            if busy && attempt < ATTEMPTS {
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            if answer.status != 200 {
                return Err(self.failure(path, &answer));
            }
            return serde_json::from_slice(&answer.body).map_err(|_| unreadable(path, &answer));
        }
    }

    async fn send(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        most: usize,
    ) -> Result<HttpAnswer, AskError> {
        match self {
            Self::Local(local) => local.send(path, body, most).await,
            Self::Cluster(cluster) => cluster.send(path, body, most).await,
        }
    }

    /// Why an answer is none.
    fn failure(&self, path: &str, answer: &HttpAnswer) -> AskError {
        if let Some(text) = refusal(&answer.body) {
            return AskError::Refused(text);
        }
        let message = status_message(&answer.body);
        match (self, answer.status, message) {
            (Self::Cluster(cluster), 403, Some(message)) => cluster.forbidden(path, message),
            (Self::Cluster(cluster), 502..=504, message) => {
                cluster.away(message.unwrap_or_else(|| "no answer in time".to_owned()))
            }
            (Self::Cluster(cluster), 404, Some(_)) => {
                AskError::NoOperator(cluster.operator_namespace().to_owned())
            }
            (_, 404 | 405, None) => AskError::TooOld {
                path: path.to_owned(),
            },
            _ => unreadable(path, answer),
        }
    }
}

fn unreadable(path: &str, answer: &HttpAnswer) -> AskError {
    AskError::Unreadable {
        path: path.to_owned(),
        status: answer.status,
    }
}
