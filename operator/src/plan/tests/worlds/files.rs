//! Stored assignments that no plan of this sequence has decided.

use std::sync::Arc;

use contract::{
    Assignment, Boundary, Move, MovePart, Output, Persistence, Row, Shape, StreamLength,
};
use kite::{InstrumentType, Mode, Token};

use super::lists::EQUITIES;
use super::{Dice, World, fingerprint};
use crate::plan::fixture::FIRST_EQUITY;
use crate::plan::*;

/// The assignment as found in storage.
pub(super) fn readable(assignment: Arc<Assignment>) -> LastAssignment {
    let json = serde_json::to_vec(&*assignment).unwrap();
    let sha256 = format!("{:064x}", fingerprint(&json));
    LastAssignment::Readable { assignment, sha256 }
}

impl World {
    /// Stores what an earlier operator wrote.
    pub(super) fn invent_files(&mut self) {
        for at in 0..self.observed.accounts.len() {
            if self.dice.percent(60) {
                self.invent_file(at);
            }
        }
    }

    fn invent_file(&mut self, at: usize) {
        let (dice, account) = (&mut self.dice, &mut self.observed.accounts[at]);
        let invented = invented(dice, &account.object.meta);
        invented.check().unwrap();
        account.assignment = readable(Arc::new(invented));
    }

    /// Changes the stored assignment of some account.
    pub(super) fn tamper(&mut self) {
        if self.observed.accounts.is_empty() {
            return;
        }
        let at = self.dice.below(self.observed.accounts.len());
        let (dice, account) = (&mut self.dice, &mut self.observed.accounts[at]);
        let uid = &account.object.meta.uid;
        let own: Vec<&Arc<Assignment>> = self
            .history
            .iter()
            .filter(|old| old.account.uid == *uid)
            .collect();
        let lies_there = match &account.assignment {
            LastAssignment::Readable { assignment, .. } => Some(Arc::clone(assignment)),
            LastAssignment::Absent | LastAssignment::Unreadable { .. } => None,
        };
        match dice.below(8) {
            0 => account.assignment = LastAssignment::Absent,
            1 => {
                account.assignment = LastAssignment::Unreadable {
                    why: "the assignment is not valid gzip".to_owned(),
                };
            }
            2 if !own.is_empty() => {
                account.assignment = readable(Arc::clone(own[dice.below(own.len())]));
            }
            3 if !own.is_empty() => {
                // Restored from a backup with a higher generation.
                let mut restored = (**own[dice.below(own.len())]).clone();
                restored.generation += dice.one(&[3, 10_000]);
                account.assignment = readable(Arc::new(restored));
            }
            4 if !self.history.is_empty() => {
                let any = dice.below(self.history.len());
                account.assignment = readable(Arc::clone(&self.history[any]));
            }
            5 if let Some(there) = lies_there => {
                let mut changed = (*there).clone();
                change(dice, &mut changed);
                changed.check().unwrap();
                account.assignment = readable(Arc::new(changed));
            }
            _ => self.invent_file(at),
        }
    }
}

/// Another document of the same account.
fn change(dice: &mut Dice, assignment: &mut Assignment) {
    match dice.below(5) {
        0 => assignment.generation = dice.one(&[1 << 53, u64::MAX]),
        1 => {
            assignment.instruments.pop();
        }
        2 => assignment.redis_url = "redis://10.0.0.9:6379".to_owned(),
        3 => assignment.account.mock = !assignment.account.mock,
        _ => {
            for row in &mut assignment.instruments {
                if dice.percent(30) {
                    row.tradingsymbol = format!("{}X", row.tradingsymbol).into();
                }
            }
        }
    }
}

/// An assignment that today's planner would not make.
fn invented(dice: &mut Dice, meta: &Meta) -> Assignment {
    let sets: Vec<String> = (0..3).map(|at| format!("s{at}")).collect();
    let channels = ["gone:equity", "ticker:equity", "x:equity"];
    let first = dice.number(0, EQUITIES);
    let rows = first..first + dice.number(0, 30);
    let moves = moves(dice);
    let instruments = rows.map(|at| row(dice, at, moves.len())).collect();
    let uid = if dice.percent(85) {
        meta.uid.clone()
    } else {
        "uid-of-another".to_owned()
    };
    let namespace = meta.key.namespace.clone();
    Assignment {
        version: 1,
        generation: dice.one(&[0, 1, 5, 1_000_000]),
        account: contract::Account {
            name: meta.key.name.clone(),
            namespace: (!namespace.is_empty()).then_some(namespace),
            uid,
            mock: dice.percent(92),
        },
        websocket: "ws://127.0.0.1:7070".to_owned(),
        credentials: contract::CredentialChoice::default(),
        egress: contract::Egress::default(),
        redis_url: "redis://127.0.0.1:6379".to_owned(),
        connections: 1,
        tokens_per_connection: 30,
        order_updates: false,
        standby: false,
        events: true,
        quiet_prefixes: Vec::new(),
        moves,
        sets,
        channels: channels.map(str::to_owned).to_vec(),
        keeps: vec![Persistence {
            last: None,
            stream: Some(StreamLength::Entries(7)),
        }],
        sessions: Vec::new(),
        chains: Vec::new(),
        always_open: false,
        instruments,
    }
}

/// Moves of accounts that may not exist, under names that nobody gave.
fn moves(dice: &mut Dice) -> Vec<Move> {
    const IDS: &[&str] = &["a>b:1", "b>a:5", "a>a:2", "gone>c:7", "c", ""];
    let one = |dice: &mut Dice| Move {
        id: dice.one(IDS).to_owned(),
        part: dice.one(&[MovePart::From, MovePart::To]),
        boundary: dice.percent(50).then(|| Boundary {
            second: dice.one(&[Boundary::AT_ONCE, 1_764_000_000, i64::MAX]),
            within_s: dice.one(&[0, 10, u16::MAX]),
        }),
    };
    (0..dice.below(3)).map(|_| one(dice)).collect()
}

/// A row as of the whole list, or of none.
fn row(dice: &mut Dice, at: u32, moves: usize) -> Row {
    let symbol: Arc<str> = format!("EQ{at}").into();
    let set = dice.one(&[0, 1, 2]);
    Row {
        token: Token(FIRST_EQUITY + at),
        mode: dice.one(&[Mode::Ltp, Mode::Quote, Mode::Full]),
        symbol: symbol.clone(),
        tradingsymbol: symbol,
        exchange: "NSE".into(),
        segment: "NSE".into(),
        instrument_type: InstrumentType::Equity,
        strike: None,
        expiry: None,
        lot_size: Some(1),
        tick_size: Some(0.05),
        sets: vec![set],
        outputs: vec![Output {
            channel: dice.one(&[0, 1, 1, 2]),
            shape: Shape::Contract,
            depth: dice.percent(50),
            greeks: false,
            keep: dice.percent(30).then_some(0),
        }],
        class: None,
        chain: None,
        reference: false,
        handover: false,
        move_at: match moves {
            0 => None,
            _ => dice
                .percent(40)
                .then(|| u16::try_from(dice.below(moves)).unwrap()),
        },
        retained: None,
        former: None,
    }
}
