//! The links to one Redis: a single one, or one to each master of a cluster.
//!
//! Owns which link takes a command, and when a cluster is asked anew who has which slots. Plain
//! messages reach the subscribers of every node, so that all of them go over one link, the home, in
//! their order; keys, and messages to sharded channels, go to whoever has their slot. Driven by
//! polling from one task; must not know what a tick is.

mod map;

use std::task::Context;
use std::time::Instant;

use service::text::LineQuota;

use super::access::Access;
use super::counts::Counts;
use super::link::Link;
use super::outbox::Kind;
use super::slots::Slots;
use super::target::{Cluster, Single, Target};
use map::Survey;

/// The way to one Redis, single or many.
pub struct Links {
    access: Access,
    name: String,
    random: fastrand::Rng,
    target: Option<Target>,
    /// One, or one per master in the order of `slots`.
    links: Vec<Link>,
    /// Links to former masters, until they have their answers.
    leaving: Vec<Link>,
    slots: Slots,
    /// Position of the link that carries plain messages.
    home: usize,
    survey: Survey,
    survey_error: Option<String>,
    /// A key was not where it should be.
    moved: bool,
    /// The same when the cluster was asked last.
    asked_for_moved: bool,
    /// A former home has answers to give before the next one takes ticks.
    handover: bool,
    lines: LineQuota,
    /// What went over links that are no more, and commands for which there was none.
    past: Counts,
    /// What [`Links::changes`] counts of links that are no more, and maps taken over.
    changes: u64,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links")
            .field("target", &self.target)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl Links {
    /// A way to nowhere yet. `name` is what servers show of it: without spaces, and of this process
    /// alone.
    #[must_use]
    pub fn new(access: Access, name: String, seed: u64) -> Self {
        Self {
            access,
            name,
            random: fastrand::Rng::with_seed(seed),
            target: None,
            links: Vec::new(),
            leaving: Vec::new(),
            slots: Slots::default(),
            home: 0,
            survey: Survey::Idle { next: None },
            survey_error: None,
            moved: false,
            asked_for_moved: false,
            handover: false,
            lines: LineQuota::for_reasons(),
            past: Counts::default(),
            changes: 0,
        }
    }

    /// Goes to `target`; nothing happens where the links already lead there.
    pub fn set_target(&mut self, target: &Target) {
        if self.target.as_ref() == Some(target) {
            return;
        }
        let before = self.target.replace(target.clone());
        match (before, target) {
            (Some(Target::Single(_)), Target::Single(single)) => {
                for link in &mut self.links {
                    link.set_target(single);
                }
            }
            (_, target) => {
                let links = std::mem::take(&mut self.links);
                let leaving = std::mem::take(&mut self.leaving);
                for link in links.into_iter().chain(leaving) {
                    self.retire(link);
                }
                self.slots = Slots::default();
                self.home = 0;
                self.moved = false;
                self.survey = Survey::Idle { next: None };
                self.survey_error = None;
                if let Target::Single(single) = target {
                    let link = self.link_to(single, false);
                    self.links.push(link);
                }
            }
        }
    }

    /// Whether one more tick may be pushed now.
    #[inline]
    #[must_use]
    pub fn can_take(&self) -> bool {
        let links = self.tick_links();
        !self.handover && !links.is_empty() && links.iter().all(Link::can_take)
    }

    /// Whether any key may be pushed now.
    #[inline]
    #[must_use]
    pub fn can_keep(&self) -> bool {
        self.links.iter().any(Link::can_take)
    }

    /// Whether a key of `slot` may be pushed now.
    #[inline]
    #[must_use]
    pub fn can_keep_in(&self, slot: u16) -> bool {
        let link = self.at(Kind::Kept, slot).and_then(|at| self.links.get(at));
        link.is_some_and(Link::can_take)
    }

    /// Appends one command about a key or channel of `slot`. Ticks are to be pushed only while
    /// [`Links::can_take`]. A stream's entry goes with its tick, and the master that has the stream may
    /// be another, away or standing still: what it cannot take counts as not kept.
    #[inline]
    pub fn push(&mut self, kind: Kind, slot: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.at(kind, slot);
        // Nobody has the slot: that is not how a cluster stays.
        self.moved |= at.is_none();
        // Ticks wait for the only link there is, so that it is never much too full.
        let many = self.links.len() > 1;
        let link = at.and_then(|at| self.links.get_mut(at));
        match link.filter(|link| link.has_room() || (!many && link.is_open())) {
            Some(link) => link.push(kind, write),
            None if kind == Kind::Tick => self.past.failed += 1,
            None => self.past.unkept += 1,
        }
    }

    /// Position of the link that takes a command, if anybody has the slot.
    #[inline]
    fn at(&self, kind: Kind, slot: u16) -> Option<usize> {
        match &self.target {
            Some(Target::Cluster(cluster)) => match kind {
                Kind::Tick if !cluster.sharded => Some(self.home),
                Kind::Tick | Kind::Kept => self.slots.owner(slot),
            },
            Some(Target::Single(_)) | None => Some(0),
        }
    }

    /// Changes whenever a server may know nothing of what was kept before.
    #[must_use]
    pub fn changes(&self) -> u64 {
        let links = self.links.iter().chain(&self.leaving);
        links.fold(self.changes, |sum, link| sum + link.forgotten())
    }

    /// Whether ticks are taken.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let links = self.tick_links();
        !links.is_empty() && links.iter().all(Link::is_open)
    }

    /// Whether every command was answered, or cannot be any more.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let mut links = self.links.iter().chain(&self.leaving);
        links.all(Link::is_idle)
    }

    /// What went over all of them.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let links = self.links.iter().chain(&self.leaving);
        links.fold(self.past, |sum, link| sum.plus(link.counts()))
    }

    /// Why ticks are not being taken at `now`, or `None` while they are.
    #[must_use]
    pub fn trouble(&self, now: Instant) -> Option<String> {
        if self.links.is_empty() {
            let error = self.survey_error.clone();
            return Some(error.unwrap_or_else(|| "not connected yet".to_owned()));
        }
        let mut links = self.tick_links().iter();
        let trouble = links.find_map(|link| link.trouble(now));
        let sharded = self.target.as_ref().is_some_and(Target::is_sharded);
        trouble.or_else(|| self.holes().filter(|_| sharded))
    }

    /// What is wrong with a map that lacks slots.
    fn holes(&self) -> Option<String> {
        let clustered = matches!(self.target, Some(Target::Cluster(_)));
        let holes = clustered && !self.slots.is_whole();
        holes.then(|| "some slots of the redis cluster have no master: assign them".to_owned())
    }

    /// Why what is kept beside the ticks is not written at `now`.
    #[must_use]
    pub fn keys_trouble(&self, now: Instant) -> Option<String> {
        let refused = self.links.iter().find_map(|link| link.keys_trouble(now));
        refused.or_else(|| self.holes()).or_else(|| {
            let away = self.links.iter().find_map(|link| link.trouble(now))?;
            let ticks_flow = self.trouble(now).is_none();
            ticks_flow.then(|| format!("a master of the redis cluster takes no keys: {away}"))
        })
    }

    /// Forgets that keys were refused: others are written from now on, or none.
    pub fn forgive_keeping(&mut self) {
        self.links.iter_mut().for_each(Link::forgive_keeping);
    }

    /// When [`Links::poll`] has something to do even if no socket wakes it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let links = self.links.iter().chain(&self.leaving);
        let survey = match self.survey {
            Survey::Idle { next } if self.is_map_doubtful(None) => next,
            Survey::Idle { .. } | Survey::Asking(_) => None,
        };
        links.filter_map(Link::deadline).chain(survey).min()
    }

    /// Moves bytes in both directions as far as possible now; connects when it is time. Returns
    /// whether a link was opened or lost, or a cluster was asked for its map and answered or not.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut changed = false;
        for link in self.links.iter_mut().chain(&mut self.leaving) {
            changed |= link.poll(cx, now);
            self.moved |= link.take_moved();
        }
        let over = |link: &mut Link| link.is_idle() || link.is_silent(now);
        let gone = self.leaving.extract_if(.., over);
        for link in gone.collect::<Vec<_>>() {
            self.retire(link);
        }
        self.handover &= !self.leaving.is_empty();
        changed | self.poll_survey(cx, now)
    }

    fn tick_links(&self) -> &[Link] {
        match &self.target {
            Some(Target::Cluster(Cluster { sharded: false, .. })) => {
                self.links.get(self.home..=self.home).unwrap_or_default()
            }
            _ => &self.links,
        }
    }

    fn link_to(&mut self, server: &Single, clustered: bool) -> Link {
        let seed = self.random.u64(..);
        let mut link = Link::new(self.access.clone(), self.name.clone(), seed, clustered);
        link.set_target(server);
        link
    }

    fn retire(&mut self, mut link: Link) {
        link.abandon();
        self.past = self.past.plus(link.counts());
        self.changes += link.forgotten();
    }
}
