//! Keeps the instruments list of every API endpoint in use up to date.
//!
//! Owns one task per endpoint, which ends with it. When to fetch is decided in
//! [`super::schedule`], which list is accepted in [`super::list_check`].

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use reqwest::Client;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::table::Table;
use super::{InstrumentTable, fetch, list_check, schedule};

/// The newest tables by API origin.
pub type TablesByOrigin = BTreeMap<String, Table>;

/// The instruments of every requested API endpoint.
#[derive(Debug)]
pub struct TableRefresher {
    client: Client,
    known: watch::Sender<TablesByOrigin>,
    suspect: watch::Sender<BTreeSet<String>>,
    tasks: JoinSet<()>,
    by_origin: BTreeMap<String, AbortHandle>,
}

impl TableRefresher {
    /// Fetches none so far.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let (known, _) = watch::channel(TablesByOrigin::new());
        Self {
            client,
            known,
            suspect: watch::Sender::default(),
            tasks: JoinSet::new(),
            by_origin: BTreeMap::new(),
        }
    }

    /// Fetches the instruments of exactly these origins from now on; must be called in a runtime. What
    /// is fetched already is not fetched again, unless it is `suspect`.
    pub fn set_origins(&mut self, origins: &BTreeSet<String>, suspect: &BTreeSet<String>) {
        if *self.suspect.borrow() != *suspect {
            self.suspect.send_replace(suspect.clone());
        }
        while self.tasks.try_join_next().is_some() {}
        self.by_origin.retain(|origin, task| {
            let wanted = origins.contains(origin);
            if !wanted {
                task.abort();
                self.known.send_modify(|known| {
                    known.remove(origin);
                });
            }
            // One that ended by itself is started again below.
            wanted && !task.is_finished()
        });
        for origin in origins {
            if !self.by_origin.contains_key(origin) {
                let suspect = self.suspect.subscribe();
                let known = self.known.clone();
                let task = refresh(self.client.clone(), origin.clone(), known, suspect);
                self.by_origin
                    .insert(origin.clone(), self.tasks.spawn(task));
            }
        }
    }

    /// Follows the tables; each change is a reason to plan again.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<TablesByOrigin> {
        self.known.subscribe()
    }

    /// The tables now.
    #[must_use]
    pub fn known(&self) -> TablesByOrigin {
        self.known.borrow().clone()
    }
}

async fn refresh(
    client: Client,
    origin: String,
    known: watch::Sender<TablesByOrigin>,
    mut suspect: watch::Receiver<BTreeSet<String>>,
) {
    let mut failures = 0_u32;
    let mut rows = None;
    loop {
        let wait = match fetch_checked(&client, &origin, rows).await {
            Ok(table) => {
                tracing::info!(
                    origin,
                    instruments = table.len(),
                    rejected = table.rejected(),
                    "instruments fetched"
                );
                (failures, rows) = (0, Some(table.len()));
                known.send_modify(|known| {
                    known.insert(origin.clone(), Table::Loaded(Arc::new(table)));
                });
                schedule::REFRESH
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let why = service::exit::chain(error.as_ref()).to_string();
                let wait = schedule::wait_after_failure(failures, rows.is_some(), fastrand::f64());
                tracing::warn!(
                    origin,
                    failures,
                    error = why,
                    ?wait,
                    "instruments not fetched"
                );
                known.send_if_modified(|known| missing(known, &origin, why));
                wait
            }
        };
        let suspicion = async {
            let is_suspect = suspect
                .wait_for(|suspect| suspect.contains(&origin))
                .await
                .is_ok();
            if !is_suspect {
                // The sender is gone: the list will not be suspected any more.
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(schedule::REFETCH_SUSPECT_AFTER).await;
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = suspicion => {}
        }
    }
}

async fn fetch_checked(
    client: &Client,
    origin: &str,
    before: Option<usize>,
) -> Result<InstrumentTable, Box<dyn Error + Send + Sync>> {
    let table = fetch::fetch(client, origin).await?;
    list_check::check_rows(before, table.len())?;
    Ok(table)
}

/// Records why there is no table; a good one stays. Returns whether this is a change.
fn missing(known: &mut TablesByOrigin, origin: &str, why: String) -> bool {
    match known.get(origin) {
        Some(Table::Loaded(_)) => false,
        Some(Table::Missing { why: before }) if *before == why => false,
        Some(Table::Missing { .. }) | None => {
            known.insert(origin.to_owned(), Table::Missing { why });
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::get;

    use super::*;

    const CSV: &str = "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,\
                       tick_size,lot_size,instrument_type,segment,exchange\n\
                       408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE\n";

    #[tokio::test]
    async fn a_failing_endpoint_is_tried_until_it_answers_and_forgotten_when_unused() {
        service::tls::install();
        let calls = Arc::new(AtomicUsize::new(0));
        let answer = move || {
            let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if first {
                    StatusCode::BAD_GATEWAY.into_response()
                } else {
                    CSV.into_response()
                }
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/instruments", get(answer));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });

        let client = fetch::client(&service::tls::client_config().unwrap()).unwrap();
        let mut tables = TableRefresher::new(client);
        let mut watch = tables.watch();
        let none = BTreeSet::new();
        tables.set_origins(&[origin.clone()].into(), &none);
        let seen = watch
            .wait_for(|known| known.contains_key(&origin))
            .await
            .unwrap()
            .clone();
        assert!(
            matches!(&seen[&origin], Table::Missing { why } if why.contains("502")),
            "{seen:?}"
        );
        let loaded = |known: &TablesByOrigin| matches!(known.get(&origin), Some(Table::Loaded(_)));
        tokio::time::timeout(std::time::Duration::from_secs(20), watch.wait_for(loaded))
            .await
            .unwrap()
            .unwrap();
        // Asked for again, nothing is fetched again; not asked for, it is gone.
        tables.set_origins(&[origin.clone()].into(), &none);
        assert!(loaded(&tables.known()));
        tables.set_origins(&none, &none);
        assert!(tables.known().is_empty());
        server.abort();
    }

    #[test]
    fn a_good_table_outlives_failures() {
        let mut known = TablesByOrigin::from([("a".to_owned(), Table::Loaded(Arc::default()))]);
        assert!(!missing(&mut known, "a", "502".to_owned()));
        assert!(matches!(known["a"], Table::Loaded(_)));
        assert!(
            missing(&mut known, "b", "502".to_owned())
                && !missing(&mut known, "b", "502".to_owned())
        );
    }
}
