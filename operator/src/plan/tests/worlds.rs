//! Random input, and its changes from pass to pass: the same seed gives the same input.
//!
//! Owns the order of changes; its parts know what may be observed of one kind of object. Must not
//! look into the planner: a world depends on its seed and on the applied plans.

mod accounts;
mod carried;
mod edits;
mod files;
mod lists;
mod processes;
mod reports;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use contract::Assignment;
use crds::{InstrumentSetSpec, TickerAccountSpec};

use super::*;

/// Random choices, all of them from one seed.
pub(super) struct Dice(fastrand::Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// True in this percentage of cases.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.0.u32(0..100) < percent
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.usize(0..end)
    }

    pub(super) fn number(&mut self, from: u32, to: u32) -> u32 {
        self.0.u32(from..=to)
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// The position of one of `weights`, the likelier the heavier it is.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.0.u32(0..weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if left < *weight {
                return at;
            }
            left -= weight;
        }
        unreachable!("the weights were summed")
    }
}

/// A replacement for a hash: FNV-1a of 128 bits, the same on every machine.
pub(super) fn fingerprint(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

/// A world that is observed again and again.
pub(super) struct World {
    pub(super) dice: Dice,
    /// For what came later, so that a seed plays what it played before.
    own_dice: Dice,
    pub(super) observed: Observed,
    pub(super) now: Now,
    /// Whether it has states that no cluster should have.
    wild: bool,
    /// Whether objects have a namespace.
    cluster: bool,
    /// The number of created objects: each has its own uid.
    made: u32,
    /// Decisions that are not visible yet.
    pending: BTreeMap<Key, Arc<Assignment>>,
    /// All decisions so far.
    history: Vec<Arc<Assignment>>,
    /// Accounts whose process stays as it is, whatever is written for it.
    stuck: BTreeSet<Key>,
    /// Specs that can no longer be read, by uid.
    account_specs: BTreeMap<String, Arc<TickerAccountSpec>>,
    set_specs: BTreeMap<String, Arc<InstrumentSetSpec>>,
}

impl World {
    /// The world of a seed as it is first seen.
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let offset = u64::from(dice.number(0, 6 * 3600));
        let wild = dice.percent(15);
        let mut world = Self {
            observed: observed(Vec::new(), Vec::new()),
            // Reports and attempts are older than the first pass.
            now: later(start(), 3_600 + offset),
            cluster: !dice.percent(8),
            wild,
            dice,
            own_dice: Dice::new(seed ^ 0xba1a),
            made: 0,
            pending: BTreeMap::new(),
            history: Vec::new(),
            stuck: BTreeSet::new(),
            account_specs: BTreeMap::new(),
            set_specs: BTreeMap::new(),
        };
        world.observed.settings.login = true;
        world.observed.settings.poke = world.dice.percent(85);
        // With numbers of its own, so that a seed plays what it played before there was failover.
        if Dice::new(seed ^ 0xfa11).percent(50) {
            world.observed.settings.failover_after = Some(Duration::from_secs(30));
        }
        world.observed.tables = lists::first(&mut world.dice);
        let accounts = [0, 1, 2, 3, 4, 5, 6][world.dice.weighted(&[1, 14, 27, 26, 16, 10, 6])];
        for _ in 0..accounts {
            world.add_account();
        }
        for _ in 0..world.dice.number(1, 8) {
            world.add_set();
        }
        if world.wild {
            world.invent_files();
        }
        world.react();
        world
    }

    /// Goes on to the next pass after `plan` was applied, perhaps partly.
    pub(super) fn advance(&mut self, plan: &Plan) {
        self.carry_out(plan);
        self.pass_time();
        self.react();
        let edits = match self.dice.weighted(&[45, 30, 15, 10]) {
            3 => self.dice.number(3, 6),
            few => u32::try_from(few).unwrap(),
        };
        for _ in 0..edits {
            self.edit();
        }
        self.ask_for_rebalance();
        // The order of lists means nothing.
        for _ in 0..self.dice.below(4) {
            rotate(&mut self.observed.accounts);
            rotate(&mut self.observed.sets);
        }
    }

    /// From zero to more than any deadline.
    fn pass_time(&mut self) {
        const PASSED: [u64; 12] = [
            0, 200, 1_000, 2_500, 5_000, 9_999, 10_000, 10_001, 31_000, 120_000, 3_600_000,
            14_400_000,
        ];
        let passed = PASSED[self
            .dice
            .weighted(&[8, 10, 20, 10, 12, 6, 8, 6, 10, 6, 2, 2])];
        let passed = Duration::from_millis(passed);
        self.now.monotonic += passed;
        self.now.wall += passed;
        // The clock is set.
        if self.dice.percent(2) {
            self.now.wall += jiff::SignedDuration::from_secs(self.dice.one(&[-90, -1, 7, 600]));
        }
    }

    /// A name among few, so that old names come back.
    fn key(&mut self, names: &[&str]) -> Key {
        let namespace = match (self.cluster, self.dice.percent(85)) {
            (false, _) => "",
            (true, true) => NAMESPACE,
            (true, false) => "research",
        };
        let name = self.dice.one(names);
        Key::new(namespace, name)
    }

    fn meta(&mut self, key: Key) -> Meta {
        self.made += 1;
        // Few ages, so that many are equal.
        let age = i64::from(self.dice.number(0, 4)) * 60;
        let mut labels = BTreeMap::new();
        for (name, values) in [("tier", ["gold", "silver"]), ("zone", ["east", "west"])] {
            if self.dice.percent(85) {
                let value = values[self.dice.weighted(&[70, 30])];
                labels.insert(name.to_owned(), value.to_owned());
            }
        }
        Meta {
            key,
            uid: format!("uid-{}", self.made),
            generation: (!self.wild || !self.dice.percent(10)).then_some(1),
            created: jiff::Timestamp::from_second(1_700_000_000 + age).unwrap(),
            labels,
            deleting: self.dice.percent(1),
            rebalance: None,
        }
    }
}

/// Puts the first last.
fn rotate<T>(list: &mut [T]) {
    if !list.is_empty() {
        list.rotate_left(1);
    }
}
