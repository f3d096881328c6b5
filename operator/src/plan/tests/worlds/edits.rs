//! What users and others change between two passes.

use std::sync::Arc;

use crds::set::SetMode;
use crds::{InstrumentSetSpec, TickerAccountSpec};

use super::accounts;
use super::lists::{self, APIS, SYMBOLS, TOKENS};
use super::sets;
use super::{Dice, World};
use crate::plan::fixture::FIRST_EQUITY;
use crate::plan::*;

impl World {
    /// Changes one thing.
    pub(super) fn edit(&mut self) {
        match self.dice.weighted(&[38, 42, 12, 5, 3]) {
            0 => self.edit_account(),
            1 => self.edit_set(),
            2 => self.reload(),
            3 => {
                if self.wild || self.dice.percent(40) {
                    self.tamper();
                }
            }
            _ => self.restart(),
        }
    }

    /// Another list is loaded.
    fn reload(&mut self) {
        let api = APIS[self.dice.weighted(&[80, 20])];
        match lists::any(&mut self.dice) {
            Some(table) => self.observed.tables.insert(api.to_owned(), table),
            None => self.observed.tables.remove(api),
        };
    }

    /// The operator comes back with other settings, or statuses were lost.
    fn restart(&mut self) {
        match self.dice.below(4) {
            0 => self.observed.settings.poke = self.dice.percent(50),
            1 => {
                let urls = ["redis://127.0.0.1:6379", "redis://10.0.0.1:6379"];
                self.observed.settings.redis_url = self.dice.one(&urls).to_owned();
            }
            2 => {
                for account in &mut self.observed.accounts {
                    account.object.status = None;
                }
            }
            _ => {
                for set in &mut self.observed.sets {
                    set.status = None;
                }
            }
        }
    }

    /// Asks for a rebalance, or no longer.
    pub(super) fn ask_for_rebalance(&mut self) {
        const TEXTS: [&str; 5] = ["", "monday", "tuesday", "wednesday", "dry-run:monday"];
        let dice = &mut self.own_dice;
        if !dice.percent(20) {
            return;
        }
        let text = Some(dice.one(&TEXTS)).filter(|text| !text.is_empty());
        let accounts = self.observed.accounts.iter_mut();
        let accounts = accounts.map(|it| &mut it.object.meta);
        let sets = self.observed.sets.iter_mut().map(|it| &mut it.meta);
        let mut all: Vec<&mut Meta> = accounts.chain(sets).collect();
        all.sort_by(|a, b| (&a.key, &a.uid).cmp(&(&b.key, &b.uid)));
        if !all.is_empty() {
            let at = dice.below(all.len());
            all[at].rebalance = text.map(str::to_owned);
        }
    }

    fn edit_account(&mut self) {
        if self.observed.accounts.is_empty() || self.dice.percent(10) {
            return self.add_account();
        }
        let at = self.dice.below(self.observed.accounts.len());
        let wild = self.wild;
        let made = self.made;
        match self.dice.below(16) {
            0 | 1 => self.change_account(at, |_, spec| spec.paused = !spec.paused),
            2 | 3 => self.change_account(at, accounts::capacity),
            4 => self.change_account(at, |dice, spec| spec.redis = accounts::redis(dice, wild)),
            5 => self.change_account(at, accounts::endpoint),
            6 => self.change_account(at, |dice, spec| match dice.percent(50) {
                true => spec.order_updates = !spec.order_updates,
                false => spec.events = !spec.events,
            }),
            7 => self.remake_account(at),
            8 => {
                let account = self.observed.accounts.remove(at);
                self.stuck.remove(&account.object.meta.key);
            }
            9 => self.end_account(at),
            10 => self.spoil_account(at),
            account_part => {
                let (dice, account) = (&mut self.dice, &mut self.observed.accounts[at]);
                match account_part {
                    11 => {
                        if dice.percent(50) {
                            account.secret = accounts::secret(dice, made);
                            (account.session, account.session_token) =
                                accounts::session(&account.secret);
                        }
                        account.token = accounts::token(dice, &account.secret);
                    }
                    12 => {
                        let spec = account.object.spec.as_ref().ok();
                        account.redis_secret =
                            spec.and_then(|spec| accounts::redis_secret(dice, spec, made));
                    }
                    13 => account.foreign = accounts::foreign(dice, 50),
                    14 => account.unwritten = accounts::unwritten(dice, 50),
                    _ => {
                        let tier = dice.one(&["gold", "silver"]).to_owned();
                        account.object.meta.labels.insert("tier".to_owned(), tier);
                    }
                }
            }
        }
    }

    fn change_account(&mut self, at: usize, edit: impl FnOnce(&mut Dice, &mut TickerAccountSpec)) {
        let object = &mut self.observed.accounts[at].object;
        if let Ok(spec) = &mut object.spec {
            edit(&mut self.dice, Arc::make_mut(spec));
            object.meta.generation = object.meta.generation.map(|known| known + 1);
        }
    }

    /// A new account of an old name; what the old one left may still be there.
    fn remake_account(&mut self, at: usize) {
        let key = self.observed.accounts[at].object.meta.key.clone();
        let new = self.account(key);
        let old = std::mem::replace(&mut self.observed.accounts[at], new);
        let account = &mut self.observed.accounts[at];
        if self.dice.percent(60) {
            account.assignment = old.assignment;
        }
        if self.dice.percent(60) {
            (account.process, account.scrape) = (old.process, old.scrape);
        }
    }

    /// It is deleted and a finalizer holds it; in the end its objects go.
    fn end_account(&mut self, at: usize) {
        let account = &mut self.observed.accounts[at];
        if !account.object.meta.deleting {
            account.object.meta.deleting = true;
            return;
        }
        account.assignment = LastAssignment::Absent;
        (account.process, account.scrape) = (Process::Absent, Scrape::default());
    }

    /// Its spec can no longer be read, or can be read again.
    fn spoil_account(&mut self, at: usize) {
        let object = &mut self.observed.accounts[at].object;
        match &object.spec {
            Ok(spec) => {
                let uid = object.meta.uid.clone();
                self.account_specs.insert(uid, Arc::clone(spec));
                object.spec = Err(accounts::invalid_spec(&mut self.dice));
            }
            Err(_) => {
                if let Some(spec) = self.account_specs.get(&object.meta.uid) {
                    object.spec = Ok(Arc::clone(spec));
                }
            }
        }
    }

    fn edit_set(&mut self) {
        if self.observed.sets.is_empty() || self.dice.percent(15) {
            return self.add_set();
        }
        let at = self.dice.below(self.observed.sets.len());
        let wild = self.wild;
        match self.dice.below(14) {
            0..=3 => self.change_set(at, change_instruments),
            4 => self.change_set(at, |dice, spec| spec.instruments = sets::instruments(dice)),
            5 => self.change_set(at, |_, spec| spec.paused = !spec.paused),
            6 => self.change_set(at, |dice, spec| spec.publish = sets::publish(dice, wild)),
            7 => self.change_set(at, |dice, spec| {
                spec.mode = dice.one(&[SetMode::Ltp, SetMode::Quote, SetMode::Full]);
            }),
            8 | 9 => self.change_set(at, |dice, spec| sets::choose_accounts(dice, spec, wild)),
            10 => self.spoil_set(at),
            11 => {
                let key = self.observed.sets[at].meta.key.clone();
                self.observed.sets[at] = self.set(key);
            }
            12 => {
                self.observed.sets.remove(at);
            }
            _ => self.observed.sets[at].meta.deleting = true,
        }
    }

    fn change_set(&mut self, at: usize, edit: impl FnOnce(&mut Dice, &mut InstrumentSetSpec)) {
        let set = &mut self.observed.sets[at];
        if let Ok(spec) = &mut set.spec {
            edit(&mut self.dice, Arc::make_mut(spec));
            set.meta.generation = set.meta.generation.map(|known| known + 1);
        }
    }

    fn spoil_set(&mut self, at: usize) {
        let set = &mut self.observed.sets[at];
        match &set.spec {
            Ok(spec) => {
                let uid = set.meta.uid.clone();
                self.set_specs.insert(uid, Arc::clone(spec));
                set.spec = Err(accounts::invalid_spec(&mut self.dice));
            }
            Err(_) => {
                if let Some(spec) = self.set_specs.get(&set.meta.uid) {
                    set.spec = Ok(Arc::clone(spec));
                }
            }
        }
    }
}

/// A few more or less.
fn change_instruments(dice: &mut Dice, spec: &mut InstrumentSetSpec) {
    let instruments = &mut spec.instruments;
    match dice.below(4) {
        0 => {
            let first = FIRST_EQUITY + dice.number(0, lists::EQUITIES - 1);
            instruments.tokens.extend(first..first + dice.number(1, 6));
        }
        1 => instruments.tokens.truncate(instruments.tokens.len() / 2),
        2 => instruments.tokens.push(dice.one(&TOKENS)),
        _ => {
            instruments.symbols.pop();
            instruments.symbols.push(dice.one(&SYMBOLS).to_owned());
        }
    }
}
