//! Applies an assignment: rows, places on connections, the endpoint.
//!
//! Must not disturb what stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use kite::endpoint::is_loopback;
use kite::{Mode, Token};

use super::DataPlane;
use crate::connection::{Connection, Dialler, allocation};
use crate::input::assignment::PreparedAssignment;

/// An instrument and the prefixes under which it is published.
type PublishedToken = (u32, Vec<Arc<str>>);

impl DataPlane {
    /// Applies an assignment as a difference: what stays is not disturbed.
    pub(super) fn assign(&mut self, assigned: PreparedAssignment) {
        let simulated = assigned.account.mock || is_loopback(&assigned.websocket);
        if self.setup.clock.is_accelerated() && !simulated {
            let error = "this process runs with --wall-clock, which is for simulators alone: start it without, or set mock: true";
            self.report_state.assignment_error = Some(error.to_owned());
            return;
        }
        tracing::info!(
            generation = assigned.applied.generation,
            instruments = assigned.instruments.rows().len(),
            "assignment is in force"
        );
        let now_us = self.setup.clock.wall_micros();
        // It carries what was assigned before.
        self.renewal = None;
        let with_gap = self.published_with_gap();
        self.pipeline.replace(assigned.instruments);
        for overlap in self.pipeline.take_overlaps() {
            self.detector.on_overlap(overlap, now_us);
        }
        self.pipeline.set_target(&assigned.target);
        self.order_updates = assigned.order_updates;
        self.setup.listing.send_replace(Some(assigned.listing));
        let uid = &assigned.account.uid;
        self.setup.credentials.assign(uid, assigned.token_source);
        let tls = assigned.tls.unwrap_or_else(|| Arc::clone(&self.setup.tls));
        self.go_to(Dialler {
            origin: assigned.websocket,
            credentials: self.setup.credentials.clone(),
            tls,
            proxy: assigned.proxy,
        });
        self.allocation = Arc::new(allocation::allocate(
            &self.allocation,
            self.pipeline.instruments.rows().iter().map(|row| row.token),
            assigned.connections,
            assigned.tokens_per_connection,
        ));
        self.pipeline.instruments.set_allocation(&self.allocation);
        self.note_left(with_gap, now_us);
        self.set_desired(assigned.standby);
        self.report_state.allocation = Arc::clone(&self.allocation);
        self.report_state.applied = Some(assigned.applied);
        self.report_state.account = Some(assigned.account);
        self.report_state.limit = u32::from(assigned.tokens_per_connection);
        self.report_state.assignment_error = None;
    }

    /// What is published by connections of which ticks may be missing, each instrument with its prefixes.
    fn published_with_gap(&self) -> Vec<(u8, Vec<PublishedToken>)> {
        let connections = self.connections.iter().map(Connection::index);
        let with_gap = connections.filter(|index| self.detector.has_gap(*index));
        let instruments = &self.pipeline.instruments;
        let with_gap = with_gap.map(|index| {
            let tokens = instruments.published_tokens(index).into_iter();
            let published = tokens.map(|token| (token, instruments.prefixes(token)));
            (index, published.collect())
        });
        with_gap.collect()
    }

    /// Notes those of them that are not published any more, for some readers or for all, and those that another connection
    /// carries from now on: who has them then does not know since when.
    fn note_left(&mut self, with_gap: Vec<(u8, Vec<PublishedToken>)>, now_us: i64) {
        for (connection, published) in with_gap {
            let mut left: BTreeMap<Vec<Arc<str>>, Vec<u32>> = BTreeMap::new();
            for (token, mut prefixes) in published {
                if self.allocation.get(&Token(token)) == Some(&connection) {
                    let stay = self.pipeline.instruments.prefixes(token);
                    prefixes.retain(|prefix| !stay.contains(prefix));
                }
                if !prefixes.is_empty() {
                    left.entry(prefixes).or_default().push(token);
                }
            }
            for (prefixes, tokens) in left {
                self.detector.on_left(connection, tokens, prefixes, now_us);
            }
        }
    }

    /// Tells every connection what it carries. Without any instruments the first one stands by, if that is asked for.
    fn set_desired(&mut self, standby: bool) {
        let rows = self.pipeline.instruments.rows();
        let mut desired = vec![BTreeMap::<Token, Mode>::new(); self.connections.len()];
        for row in rows {
            desired[usize::from(row.state.connection)].insert(row.token, row.mode);
        }
        let stands_by = |index: u8| standby && rows.is_empty() && index == 0;
        for (connection, desired) in self.connections.iter_mut().zip(desired) {
            if desired.is_empty() {
                self.detector.on_emptied(connection.index());
            }
            if stands_by(connection.index()) {
                connection.stand_by();
            } else {
                connection.set_desired(desired);
            }
        }
    }

    /// Dials so from now on; sockets to another origin are closed, those that were opened in another
    /// way are not.
    fn go_to(&mut self, dialler: Dialler) {
        let before = self.dialler.as_ref();
        let stays = before.is_some_and(|before| before.origin == dialler.origin);
        self.dialler = Some(dialler);
        if stays {
            return;
        }
        self.credential_state.forget();
        for connection in &mut self.connections {
            connection.restart(self.random.u64(..));
        }
        let worthwhile = self.credential_state.is_dial_worthwhile();
        self.set_credentials(worthwhile);
    }

    pub(super) fn set_credentials(&mut self, worthwhile: bool) {
        for connection in &mut self.connections {
            connection.set_credentials(worthwhile);
        }
    }
}
