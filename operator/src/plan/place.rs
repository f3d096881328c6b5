//! Which account streams which token.
//!
//! Owns capacity, stickiness and the rule of one publisher. Knows accounts, sets and channels only
//! as numbers. A token that is placed stays where it is as long as it may; what is new goes where
//! its set already is, then where it fits best; what finds no room waits.

use kite::Token;
use rustc_hash::{FxHashMap, FxHashSet};

/// Runs until nothing that was given up could serve somebody who waits; each round only follows
/// from a conflict, so more than two are hardly ever needed.
const ROUNDS: usize = 8;

/// An account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    /// Tokens that fit at most.
    pub(crate) capacity: usize,
    /// The Redis its ticks go to.
    pub(crate) target: u32,
    /// Nothing may come or go.
    pub(crate) frozen: bool,
    /// What it streams so far, ascending by token.
    pub(crate) held: Vec<Held>,
}

/// A token that an account streams so far.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// The token.
    pub(crate) token: Token,
    /// The requests it is streamed for.
    pub(crate) requests: Vec<usize>,
    /// The channels it is published on, where it stays whatever is asked for.
    pub(crate) fixed: Option<Vec<u32>>,
}

/// A set, in order of precedence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// The accounts it may use, ascending.
    pub(crate) allowed: Vec<usize>,
    /// What it wants, each token once.
    pub(crate) wants: Vec<Want>,
}

/// A token and where its ticks go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// The token.
    pub(crate) token: Token,
    /// The channel.
    pub(crate) channel: u32,
}

/// What became of a want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is streamed by this account.
    Placed(usize),
    /// No account has room.
    Waiting,
    /// Another account publishes the token on the channel.
    Conflict,
}

/// Decides for every want of every request, in their order.
pub(crate) fn place(sites: &[Site], requests: &[Request]) -> Vec<Vec<Outcome>> {
    let (mut outcomes, mut given_up) = Round::new(sites, requests).run(requests);
    for _ in 1..ROUNDS {
        let waits = outcomes
            .iter()
            .flatten()
            .any(|outcome| *outcome == Outcome::Waiting);
        if !waits || !given_up {
            break;
        }
        let sites = settled(sites, requests, &outcomes);
        (outcomes, given_up) = Round::new(&sites, requests).run(requests);
    }
    outcomes
}

/// The sites as they are once `outcomes` is carried out.
fn settled(sites: &[Site], requests: &[Request], outcomes: &[Vec<Outcome>]) -> Vec<Site> {
    let mut next: Vec<Site> = sites.iter().map(Site::without_requests).collect();
    for (index, (request, outcomes)) in requests.iter().zip(outcomes).enumerate() {
        for (want, outcome) in request.wants.iter().zip(outcomes) {
            if let Outcome::Placed(site) = outcome
                && !next[*site].frozen
            {
                next[*site].held.push(Held {
                    token: want.token,
                    requests: vec![index],
                    fixed: None,
                });
            }
        }
    }
    for site in &mut next {
        site.held.sort_by_key(|held| held.token);
        site.held.dedup_by(|later, first| {
            let same = later.token == first.token;
            if same {
                first.requests.append(&mut later.requests);
            }
            same
        });
    }
    next
}

impl Site {
    fn held(&self, token: Token) -> Option<&Held> {
        let at = self
            .held
            .binary_search_by_key(&token, |held| held.token)
            .ok()?;
        self.held.get(at)
    }

    fn holds_for(&self, token: Token, request: usize) -> bool {
        self.held(token)
            .is_some_and(|held| held.requests.contains(&request))
    }

    /// With only what stays whatever is asked for.
    fn without_requests(&self) -> Self {
        if self.frozen {
            return self.clone();
        }
        let fixed = self.held.iter().filter(|held| held.fixed.is_some());
        let held = fixed
            .map(|held| Held {
                requests: Vec::new(),
                ..held.clone()
            })
            .collect();
        Self { held, ..*self }
    }
}

impl Request {
    fn allows(&self, site: usize) -> bool {
        self.allowed.binary_search(&site).is_ok()
    }
}

struct Round<'a> {
    sites: &'a [Site],
    /// Slots per site that neither are taken nor will be by a token that stays.
    free: Vec<usize>,
    /// Tokens that stay where they are, until their request has its turn.
    reserved: FxHashSet<(usize, Token)>,
    /// Where each token was before, ascending.
    before: Vec<(Token, usize)>,
    /// Where each token is placed so far.
    holders: FxHashMap<Token, Vec<usize>>,
    /// Who publishes, by Redis, channel and token.
    claims: FxHashMap<(u32, u32, Token), usize>,
}

impl<'a> Round<'a> {
    fn new(sites: &'a [Site], requests: &[Request]) -> Self {
        let tokens = |(index, site): (usize, &'a Site)| {
            site.held.iter().map(move |held| (held.token, index))
        };
        let mut before: Vec<(Token, usize)> = sites.iter().enumerate().flat_map(tokens).collect();
        before.sort_unstable();
        let mut round = Self {
            sites,
            free: sites.iter().map(|site| site.capacity).collect(),
            reserved: FxHashSet::default(),
            before,
            holders: FxHashMap::default(),
            claims: FxHashMap::default(),
        };
        round.fix();
        for (index, request) in requests.iter().enumerate() {
            round.reserve(index, request);
        }
        round
    }

    /// Takes the slots and channels of what stays whatever is asked for.
    fn fix(&mut self) {
        for (index, site) in self.sites.iter().enumerate() {
            for held in &site.held {
                let Some(channels) = &held.fixed else {
                    continue;
                };
                self.free[index] = self.free[index].saturating_sub(1);
                self.holders.entry(held.token).or_default().push(index);
                for channel in channels {
                    self.claims
                        .entry((site.target, *channel, held.token))
                        .or_insert(index);
                }
            }
        }
    }

    /// Keeps the slots of what a request has already, as long as they last: the first requests have
    /// precedence where an account became smaller.
    fn reserve(&mut self, index: usize, request: &Request) {
        for want in &request.wants {
            let mut allowed = self
                .sites_before(want.token)
                .filter(|site| request.allows(*site));
            let first = allowed.next();
            let own = first
                .into_iter()
                .chain(allowed)
                .find(|site| self.sites[*site].holds_for(want.token, index));
            let Some(site) = own.or(first) else { continue };
            let slot = (site, want.token);
            let taken = self.reserved.contains(&slot) || self.is_placed(site, want.token);
            if !taken && self.free[site] > 0 {
                self.free[site] -= 1;
                self.reserved.insert(slot);
            }
        }
    }

    /// The outcomes, and whether a slot that was kept has become free after all.
    fn run(mut self, requests: &[Request]) -> (Vec<Vec<Outcome>>, bool) {
        let outcomes = requests
            .iter()
            .enumerate()
            .map(|(index, request)| self.serve(index, request))
            .collect();
        (outcomes, !self.reserved.is_empty())
    }

    fn serve(&mut self, index: usize, request: &Request) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Waiting; request.wants.len()];
        let mut fresh = Vec::new();
        for (position, want) in request.wants.iter().enumerate() {
            match self.present(index, request, want) {
                Some(site) => {
                    self.take(site, want);
                    outcomes[position] = Outcome::Placed(site);
                }
                None => fresh.push(position),
            }
        }
        self.spread(request, fresh, &mut outcomes);
        outcomes
    }

    /// A site that streams the token already and may do so for this request: the request's own
    /// first, then one decided on in this round, then one that will keep the token.
    fn present(&self, index: usize, request: &Request, want: &Want) -> Option<usize> {
        let kept = |site: &usize| {
            self.is_placed(*site, want.token) || self.reserved.contains(&(*site, want.token))
        };
        let own = |site: &usize| {
            let listed = self.sites[*site].holds_for(want.token, index);
            listed && (self.sites[*site].frozen || request.allows(*site)) && kept(site)
        };
        let placed = || self.holders.get(&want.token).into_iter().flatten().copied();
        let may_publish = |site: &usize| {
            self.claim(*site, want)
                .is_none_or(|publisher| publisher == *site)
        };
        self.sites_before(want.token)
            .filter(own)
            .chain(placed().filter(|site| request.allows(*site)))
            .chain(
                self.sites_before(want.token)
                    .filter(|site| request.allows(*site) && kept(site)),
            )
            .find(may_publish)
    }

    /// Places what is new: with the rest of its request, else where it fits best.
    fn spread(&mut self, request: &Request, mut fresh: Vec<usize>, outcomes: &mut [Outcome]) {
        let mut open = request.allowed.clone();
        while !fresh.is_empty() {
            open.retain(|site| self.free[*site] > 0 && !self.sites[*site].frozen);
            let Some(best) = self.best(&open, outcomes, fresh.len()) else {
                break;
            };
            open.retain(|site| *site != best);
            fresh.retain(|position| {
                let want = &request.wants[*position];
                let fits = self.free[best] > 0 && self.claim(best, want).is_none();
                if fits {
                    self.take(best, want);
                    outcomes[*position] = Outcome::Placed(best);
                }
                !fits
            });
        }
        for position in fresh {
            outcomes[position] = self.refusal(request, &request.wants[position]);
        }
    }

    /// The site with most of the request; else the fullest into which all of `needed` goes; else the
    /// one with most room.
    fn best(&self, open: &[usize], outcomes: &[Outcome], needed: usize) -> Option<usize> {
        let mut shares: FxHashMap<usize, usize> = FxHashMap::default();
        for outcome in outcomes {
            if let Outcome::Placed(site) = outcome {
                *shares.entry(*site).or_default() += 1;
            }
        }
        open.iter().copied().min_by_key(|site| {
            let (free, share) = (self.free[*site], shares.get(site).copied().unwrap_or(0));
            let fit = if free >= needed {
                (0, free)
            } else {
                (1, usize::MAX - free)
            };
            (usize::MAX - share, fit, *site)
        })
    }

    /// Why a want has no place.
    fn refusal(&self, request: &Request, want: &Want) -> Outcome {
        let published = |site: &usize| self.claim(*site, want).is_some();
        if !request.allowed.is_empty() && request.allowed.iter().all(published) {
            Outcome::Conflict
        } else {
            Outcome::Waiting
        }
    }

    fn take(&mut self, site: usize, want: &Want) {
        let holders = self.holders.entry(want.token).or_default();
        if !holders.contains(&site) {
            holders.push(site);
            if !self.reserved.remove(&(site, want.token)) {
                self.free[site] = self.free[site].saturating_sub(1);
            }
        }
        self.claims
            .insert((self.sites[site].target, want.channel, want.token), site);
    }

    /// Who publishes the want in the site's Redis.
    fn claim(&self, site: usize, want: &Want) -> Option<usize> {
        self.claims
            .get(&(self.sites[site].target, want.channel, want.token))
            .copied()
    }

    fn is_placed(&self, site: usize, token: Token) -> bool {
        self.holders
            .get(&token)
            .is_some_and(|holders| holders.contains(&site))
    }

    fn sites_before(&self, token: Token) -> impl Iterator<Item = usize> + '_ {
        let first = self.before.partition_point(|entry| entry.0 < token);
        self.before[first..]
            .iter()
            .take_while(move |entry| entry.0 == token)
            .map(|entry| entry.1)
    }
}

#[cfg(test)]
mod tests;
