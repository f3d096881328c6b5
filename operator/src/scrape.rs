//! Requests the report of an ingest process.
//!
//! Owns one bounded request. Must not decide when to request or what the answer means.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::report::{ConnectionInstruments, ConnectionState, LARGEST_REPORT};
use contract::{REPORT_PATH, Report};
use serde::de::DeserializeOwned;

/// How long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that is down for so long may be given up soon.
const LISTED_AFTER_MS: u64 = 5_000;

/// Requests reports of ingest processes.
#[derive(Clone, Debug)]
pub struct Scraper {
    client: reqwest::Client,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// No connection, no answer in time, or an incomplete answer.
    #[error("no answer from the ingest process")]
    Unreachable(#[source] reqwest::Error),
    /// An answer other than 200.
    #[error("the ingest process answered {0}")]
    Status(u16),
    /// More than [`LARGEST_REPORT`].
    #[error("the report is larger than {LARGEST_REPORT} bytes")]
    Size,
    /// Not a report.
    #[error("the answer is not a report: check the version of the ingest image")]
    Json(#[from] serde_json::Error),
}

/// What a process answers.
#[derive(Clone, Debug, Default)]
pub struct ProcessAnswer {
    /// Its report.
    pub report: Report,
    /// The instruments of connections that are down while others are up.
    pub lost: Vec<Arc<ConnectionInstruments>>,
}

impl From<Report> for ProcessAnswer {
    fn from(report: Report) -> Self {
        Self {
            report,
            lost: Vec::new(),
        }
    }
}

/// Connections that have been down for a while, if others are up.
fn down(report: &Report) -> Vec<u8> {
    let connections = report.connections.iter();
    let mut states = connections.clone().map(|it| it.state);
    if !states.any(|state| state == ConnectionState::Live) {
        return Vec::new();
    }
    let down = connections.filter(|it| it.instruments > 0 && it.down_ms >= Some(LISTED_AFTER_MS));
    down.map(|it| it.index).collect()
}

impl Scraper {
    /// Makes a client that follows no redirect and no proxy.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(tls: &rustls::ClientConfig) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { client })
    }

    /// Requests the report at `address`, and the instruments of connections that are down while others are up.
    ///
    /// # Errors
    /// When the report cannot be read. Without a list of instruments it is complete.
    pub async fn answer(&self, address: SocketAddr) -> Result<ProcessAnswer, ScrapeError> {
        let mut answer = ProcessAnswer::from(self.report(address).await?);
        for index in down(&answer.report) {
            let url = format!("http://{address}{REPORT_PATH}?connection={index}");
            match self.get::<ConnectionInstruments>(&url).await {
                Ok(list) => answer.lost.push(Arc::new(list)),
                // An older process answers with its report.
                Err(error) => tracing::debug!(%address, index, "no list of instruments: {error}"),
            }
        }
        Ok(answer)
    }

    /// Requests the report at `address`.
    ///
    /// # Errors
    /// When the report cannot be read.
    pub async fn report(&self, address: SocketAddr) -> Result<Report, ScrapeError> {
        self.get(&format!("http://{address}{REPORT_PATH}")).await
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, ScrapeError> {
        let mut answer = self
            .client
            .get(url)
            .send()
            .await
            .map_err(ScrapeError::Unreachable)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(ScrapeError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(ScrapeError::Unreachable)? {
            if body.len() + chunk.len() > LARGEST_REPORT {
                return Err(ScrapeError::Size);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use service::signal::Shutdown;

    use super::*;

    async fn answer_of(body: String) -> Result<Report, ScrapeError> {
        service::tls::install();
        let shutdown = Shutdown::new();
        let server = service::http::Server::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = server.local_addr();
        let router = Router::new().route(REPORT_PATH, get(async move || body));
        let serving = tokio::spawn(server.serve(router, shutdown.token()));
        let scraper = Scraper::new(&service::tls::client_config().unwrap()).unwrap();
        let answer = scraper.report(address).await;
        shutdown.trigger();
        serving.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_report_is_read() {
        let report = Report {
            assigned: 7,
            ..Report::default()
        };
        let answer = answer_of(serde_json::to_string(&report).unwrap()).await;
        assert_eq!(answer.unwrap(), report);
    }

    #[tokio::test]
    async fn what_is_too_large_or_no_report_is_refused() {
        let answer = answer_of(" ".repeat(LARGEST_REPORT + 1)).await;
        assert!(matches!(answer, Err(ScrapeError::Size)), "{answer:?}");
        let answer = answer_of("<html>".to_owned()).await;
        assert!(matches!(answer, Err(ScrapeError::Json(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn nobody_there_is_an_error() {
        service::tls::install();
        let scraper = Scraper::new(&service::tls::client_config().unwrap()).unwrap();
        let answer = scraper.report(([127, 0, 0, 1], 1).into()).await;
        assert!(
            matches!(answer, Err(ScrapeError::Unreachable(_))),
            "{answer:?}"
        );
    }
}
