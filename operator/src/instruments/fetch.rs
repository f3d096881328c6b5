//! Fetches an instruments list once.
//!
//! Owns the request and its limits. Must not decide when to fetch or whether to accept the result.

use std::sync::Arc;
use std::time::Duration;

use kite::instruments::DumpError;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};
use service::clock::Clock;

use super::{IndexNames, InstrumentTable};

/// Time limit for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest list that is read, decompressed. 150,000 rows take about 15 MB.
pub const LARGEST_DUMP: usize = 64 * 1024 * 1024;

/// Why a list could not be fetched. Messages hold no address: the caller adds it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer, or an incomplete one.
    #[error(
        "the instruments list could not be fetched, check spec.endpoint.api and the network to it"
    )]
    Transport(#[source] reqwest::Error),
    /// An answer other than 200.
    #[error("the request for the instruments list was answered with {0}")]
    Status(StatusCode),
    /// A web page, as proxies send when the server behind them fails.
    #[error("the request for the instruments list was answered with a web page instead of CSV")]
    WebPage,
    /// More than [`LARGEST_DUMP`].
    #[error("the instruments list is larger than {LARGEST_DUMP} bytes")]
    TooLarge,
    /// Not the CSV that Kite documents.
    #[error("the instruments list could not be read")]
    Dump(#[from] DumpError),
    /// The thread that read the list panicked.
    #[error("the thread that read the instruments list panicked")]
    Reader(#[source] tokio::task::JoinError),
}

/// Fetches the list of the API at `origin`, such as `https://api.kite.trade`.
///
/// # Errors
/// When there is no answer, or one that is not an instruments list.
pub async fn fetch(
    client: &Client,
    origin: &str,
    index_names: &Arc<IndexNames>,
    clock: &Clock,
) -> Result<InstrumentTable, FetchError> {
    let (name, value) = kite::endpoint::VERSION_HEADER;
    let transport = |error: reqwest::Error| FetchError::Transport(error.without_url());
    let request = client
        .get(format!("{origin}/instruments"))
        .header(name, value)
        .timeout(TIMEOUT);
    let response = request.send().await.map_err(transport)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let page = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if page {
        return Err(FetchError::WebPage);
    }
    let text = read(response).await?;
    let fetched = clock.wall();
    let index_names = Arc::clone(index_names);
    // Takes a tenth of a second: not on a thread that runs other tasks.
    let table = tokio::task::spawn_blocking(move || {
        let dump = kite::instruments::read(text.as_slice())?;
        Ok(InstrumentTable::new(dump, fetched, &index_names))
    });
    table.await.map_err(FetchError::Reader)?
}

async fn read(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut text = Vec::new();
    let transport = |error: reqwest::Error| FetchError::Transport(error.without_url());
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if text.len() + chunk.len() > LARGEST_DUMP {
            return Err(FetchError::TooLarge);
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::Router;
    use axum::http::HeaderMap;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const CSV: &str = "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,\
                       tick_size,lot_size,instrument_type,segment,exchange\n\
                       408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE\n\
                       256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE\n";

    /// Serves one answer at `/instruments` and fetches it.
    async fn fetched<R>(
        answer: impl Fn(HeaderMap) -> R + Clone + Send + Sync + 'static,
    ) -> Result<InstrumentTable, FetchError>
    where
        R: IntoResponse + Send + 'static,
    {
        service::tls::install();
        let handler = move |headers: HeaderMap| {
            let answer = answer(headers);
            async { answer }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/instruments", get(handler));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let client = crate::kite_client::client(&service::tls::client_config().unwrap()).unwrap();
        let table = fetch(&client, &origin, &Arc::default(), &Clock::default()).await;
        server.abort();
        table
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn a_compressed_dump_becomes_a_table() {
        let table = fetched(|headers| {
            assert_eq!(headers["X-Kite-Version"], "3");
            assert!(
                headers["accept-encoding"]
                    .to_str()
                    .unwrap()
                    .contains("gzip")
            );
            (
                [("content-encoding", "gzip"), ("content-type", "text/csv")],
                gzip(CSV.as_bytes()),
            )
        });
        let table = table.await.unwrap();
        assert_eq!(table.len(), 2);
        assert!(table.by_symbol("NSE:NIFTY 50").is_some());
    }

    #[tokio::test]
    async fn error_pages_are_named_as_such() {
        const PAGE: &str = "<html><body>502 Bad Gateway</body></html>";
        let error = fetched(|_| {
            (
                axum::http::StatusCode::BAD_GATEWAY,
                [("content-type", "text/html")],
                PAGE,
            )
        });
        assert!(matches!(
            error.await,
            Err(FetchError::Status(StatusCode::BAD_GATEWAY))
        ));
        let error = fetched(|_| ([("content-type", "text/html; charset=utf-8")], PAGE));
        assert!(matches!(error.await, Err(FetchError::WebPage)));
        let error = fetched(|_| ([("content-type", "text/csv")], PAGE));
        assert!(matches!(
            error.await,
            Err(FetchError::Dump(DumpError::MissingColumn(_)))
        ));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_no_dump() {
        let error = fetched(|_| {
            let mut body = gzip(CSV.as_bytes());
            body.truncate(body.len() / 2);
            ([("content-encoding", "gzip")], body)
        });
        assert!(matches!(error.await, Err(FetchError::Transport(_))));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let error = fetched(|_| axum::response::Redirect::temporary("http://127.0.0.1:1/"));
        assert!(matches!(
            error.await,
            Err(FetchError::Status(StatusCode::TEMPORARY_REDIRECT))
        ));
    }

    #[tokio::test]
    async fn a_bomb_is_refused() {
        let bomb = gzip(&vec![b'x'; LARGEST_DUMP + 1]);
        let error = fetched(move |_| ([("content-encoding", "gzip")], bomb.clone()));
        assert!(matches!(error.await, Err(FetchError::TooLarge)));
    }
}
