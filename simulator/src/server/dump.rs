//! The instruments list as bytes, plain and gzipped, for all exchanges and for each one. Made once a day.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use kite::{Instrument, instruments};

use crate::universe::Universe;

/// The list could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DumpBodiesError {
    /// A row cannot be written as CSV.
    #[error("instruments cannot be written as CSV")]
    Csv(#[from] csv::Error),
    /// Compression failed.
    #[error("instruments cannot be compressed")]
    Gzip(#[from] io::Error),
}

/// Ready answers.
#[derive(Debug)]
pub struct DumpBodies {
    all: DumpBody,
    by_exchange: BTreeMap<String, DumpBody>,
}

#[derive(Debug)]
struct DumpBody {
    plain: Bytes,
    gzipped: Bytes,
}

impl DumpBodies {
    /// Makes the answers for a universe.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub fn new(universe: &Universe) -> Result<Self, DumpBodiesError> {
        let rows = || universe.listings.iter().map(|listing| &listing.instrument);
        let mut by_exchange = BTreeMap::new();
        for exchange in universe.exchanges() {
            let body = DumpBody::new(rows().filter(|row| &*row.exchange == exchange))?;
            by_exchange.insert(exchange.to_owned(), body);
        }
        Ok(Self {
            all: DumpBody::new(rows())?,
            by_exchange,
        })
    }

    /// The answer for one exchange, or for all; `None` for an exchange that does not exist.
    pub(super) fn answer(&self, exchange: Option<&str>, request: &HeaderMap) -> Option<Response> {
        let body = match exchange {
            None => &self.all,
            Some(exchange) => self.by_exchange.get(exchange)?,
        };
        let csv = (header::CONTENT_TYPE, HeaderValue::from_static("text/csv"));
        Some(if accepts_gzip(request) {
            let gzip = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            ([csv, gzip], body.gzipped.clone()).into_response()
        } else {
            ([csv], body.plain.clone()).into_response()
        })
    }
}

impl DumpBody {
    fn new<'a>(rows: impl Iterator<Item = &'a Instrument>) -> Result<Self, DumpBodiesError> {
        let mut plain = Vec::new();
        instruments::write(&mut plain, rows)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&plain)?;
        Ok(Self {
            plain: plain.into(),
            gzipped: gzip.finish()?.into(),
        })
    }
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim() == "gzip" || coding.trim().starts_with("gzip;"))
}
