//! Keeps the instruments list of every API endpoint in use up to date.
//!
//! Owns one task per endpoint, which ends with it. When to fetch is decided in
//! [`super::schedule`], which list is accepted in [`super::list_check`].

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use calendar::Calendar;
use kite::instruments::Rejected;
use reqwest::Client;
use service::clock::Clock;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::schedule::{FetchSchedule, Findings, LOOK_INTERVAL};
use super::table::Table;
use super::{IndexNames, InstrumentTable, fetch, list_check};

/// The newest tables by API origin.
pub type TablesByOrigin = BTreeMap<String, Table>;

/// The instruments of every requested API endpoint.
#[derive(Debug)]
pub struct TableRefresher {
    client: Client,
    clock: Clock,
    index_names: Arc<IndexNames>,
    calendar: watch::Receiver<Arc<Calendar>>,
    known: watch::Sender<TablesByOrigin>,
    findings: watch::Sender<BTreeMap<String, Findings>>,
    tasks: JoinSet<()>,
    by_origin: BTreeMap<String, AbortHandle>,
}

impl TableRefresher {
    /// Fetches none so far.
    #[must_use]
    pub fn new(
        client: Client,
        index_names: IndexNames,
        calendar: watch::Receiver<Arc<Calendar>>,
        clock: Clock,
    ) -> Self {
        let (known, _) = watch::channel(TablesByOrigin::new());
        Self {
            client,
            clock,
            index_names: Arc::new(index_names),
            calendar,
            known,
            findings: watch::Sender::default(),
            tasks: JoinSet::new(),
            by_origin: BTreeMap::new(),
        }
    }

    /// Fetches the instruments of exactly these origins from now on; must be called in a runtime. What
    /// the planner found in a list decides whether it is fetched again before its time.
    pub fn set_lists(&mut self, lists: &BTreeMap<String, Findings>) {
        self.findings.send_if_modified(|findings| {
            let new = *findings != *lists;
            if new {
                findings.clone_from(lists);
            }
            new
        });
        while self.tasks.try_join_next().is_some() {}
        self.by_origin.retain(|origin, task| {
            let wanted = lists.contains_key(origin);
            if !wanted {
                task.abort();
                self.known.send_modify(|known| {
                    known.remove(origin);
                });
            }
            // One that ended by itself is started again below.
            wanted && !task.is_finished()
        });
        for origin in lists.keys() {
            if !self.by_origin.contains_key(origin) {
                let list = List {
                    client: self.client.clone(),
                    clock: self.clock.clone(),
                    origin: origin.clone(),
                    index_names: Arc::clone(&self.index_names),
                    calendar: self.calendar.clone(),
                    known: self.known.clone(),
                };
                let task = list.keep_fetched(self.findings.subscribe());
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

/// The list of one API endpoint.
struct List {
    client: Client,
    clock: Clock,
    origin: String,
    index_names: Arc<IndexNames>,
    calendar: watch::Receiver<Arc<Calendar>>,
    known: watch::Sender<TablesByOrigin>,
}

impl List {
    async fn keep_fetched(self, mut findings: watch::Receiver<BTreeMap<String, Findings>>) {
        let mut schedule = FetchSchedule::new(fastrand::f64());
        let mut rows = None;
        loop {
            let found = findings.borrow_and_update().get(&self.origin).cloned();
            let now = self.clock.times();
            let calendar = Arc::clone(&self.calendar.borrow());
            let is_trading_day = |day| {
                let classes = calendar.classes().map(|(class, _)| class);
                classes
                    .into_iter()
                    .any(|class| calendar.is_trading_day(class, day))
            };
            if schedule.take_due(&found.unwrap_or_default(), is_trading_day, now) {
                self.refresh(&mut schedule, &mut rows).await;
                continue;
            }
            let wait = schedule.wait(now).min(self.clock.real(LOOK_INTERVAL));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = findings.changed() => {
                    if changed.is_err() {
                        // Nobody needs the list any more.
                        return;
                    }
                }
            }
        }
    }

    /// Fetches it once. `rows`: those of the last good list.
    async fn refresh(&self, schedule: &mut FetchSchedule, rows: &mut Option<usize>) {
        match self.fetch_checked(*rows).await {
            Ok(table) => {
                self.log(&table);
                *rows = Some(table.len());
                schedule.succeeded(table.fetched(), self.clock.times());
                self.known.send_modify(|known| {
                    known.insert(self.origin.clone(), Table::Loaded(Arc::new(table)));
                });
            }
            Err(error) => {
                let why = service::exit::chain(error.as_ref()).to_string();
                let wait = schedule.failed(self.clock.times());
                tracing::warn!(
                    origin = self.origin,
                    failures = schedule.failures(),
                    error = why,
                    ?wait,
                    "instruments not fetched"
                );
                self.known
                    .send_if_modified(|known| missing(known, &self.origin, why));
            }
        }
    }

    fn log(&self, table: &InstrumentTable) {
        let Rejected { count, samples } = table.rejected();
        let (origin, instruments) = (&self.origin, table.len());
        if *count == 0 {
            tracing::info!(origin, instruments, "instruments fetched");
        } else {
            let examples = samples.join("; ");
            tracing::warn!(
                origin,
                instruments,
                rejected = count,
                examples,
                "instruments fetched; rows that cannot be read are left out"
            );
        }
    }

    async fn fetch_checked(
        &self,
        before: Option<usize>,
    ) -> Result<InstrumentTable, Box<dyn Error + Send + Sync>> {
        let table =
            fetch::fetch(&self.client, &self.origin, &self.index_names, &self.clock).await?;
        list_check::check_rows(before, table.len())?;
        Ok(table)
    }
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

        let client = crate::kite_client::client(&service::tls::client_config().unwrap()).unwrap();
        let days = watch::channel(Arc::new(Calendar::india().clone())).1;
        let mut tables = TableRefresher::new(client, IndexNames::default(), days, Clock::system());
        let mut watch = tables.watch();
        let wanted = BTreeMap::from([(origin.clone(), Findings::default())]);
        tables.set_lists(&wanted);
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
        tables.set_lists(&wanted);
        assert!(loaded(&tables.known()));
        tables.set_lists(&BTreeMap::new());
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
