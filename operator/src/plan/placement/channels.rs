//! Redis channels and which sets may publish on them: older sets have precedence.
//!
//! Owns the numbers of channels and of Redis servers. Must not choose accounts.

use rustc_hash::FxHashMap;

use crate::plan::ids::{ChannelId, RouteIx, TargetId};
use crate::plan::input::AccountInput;
use crate::plan::selection::{ChannelRoute, Resolved, RoutedInstrument, Slug};

/// The use of the channels of each Redis.
#[derive(Debug, Default)]
pub(crate) struct ChannelRegister {
    channels: FxHashMap<String, usize>,
    targets: FxHashMap<String, usize>,
    /// Whether a channel carries mock ticks.
    mock: FxHashMap<(TargetId, ChannelId), bool>,
    /// The underlying of a slug.
    slugs: FxHashMap<(TargetId, String), String>,
}

/// The channels of one set, by the position of a route: `None` where an older set excludes it.
#[derive(Debug, Default)]
pub(crate) struct SetChannels {
    ids: Vec<Option<ChannelId>>,
    /// Why the first excluded channel is not available, for people.
    pub(super) clash: Option<String>,
}

impl SetChannels {
    /// The channel of an instrument, and that of a chain that rests on it; `None` unless the set may publish on all.
    pub(super) fn of(&self, routed: &RoutedInstrument) -> Option<(ChannelId, Option<ChannelId>)> {
        let id = |route: RouteIx| self.ids.get(route.at()).copied()?;
        let own = id(routed.route)?;
        match routed.underlying {
            Some(route) => Some((own, Some(id(route)?))),
            None => Some((own, None)),
        }
    }
}

impl ChannelRegister {
    /// Takes the channel of a held over row. To be called before the sets take theirs.
    pub(super) fn hold_over(&mut self, target: TargetId, channel: ChannelId, mock: bool) {
        self.mock.entry((target, channel)).or_insert(mock);
    }

    /// The number of a channel.
    pub(super) fn channel(&mut self, name: &str) -> ChannelId {
        ChannelId::new(number(&mut self.channels, name))
    }

    /// The number of the Redis to which an account publishes once the plan is applied; `None` if
    /// that is not known.
    pub(super) fn target(&mut self, account: &AccountInput<'_>) -> Option<TargetId> {
        let url = redis_url(account)?;
        Some(TargetId::new(number(&mut self.targets, url)))
    }

    /// The channels that a set may publish on, at the targets of all accounts that it may use. To be
    /// called for sets in the order of their age.
    pub(super) fn ask(&mut self, resolved: &Resolved, mut targets: Vec<TargetId>) -> SetChannels {
        targets.sort_unstable();
        targets.dedup();
        let mut found = SetChannels::default();
        for route in &resolved.lookup.routes.channels {
            let channel = self.channel(&route.channel);
            match self.precedence(route, channel, &targets, resolved.mock) {
                Ok(()) => found.ids.push(Some(channel)),
                Err(why) => {
                    found.ids.push(None);
                    found.clash.get_or_insert(why);
                }
            }
        }
        found
    }

    /// Takes a channel for a set at all of its targets, or at none: an older set that excludes it
    /// at one target must not make it exclude a younger set at another.
    fn precedence(
        &mut self,
        route: &ChannelRoute,
        channel: ChannelId,
        targets: &[TargetId],
        mock: bool,
    ) -> Result<(), String> {
        for target in targets {
            if let Some(slug) = &route.slug {
                self.check_slug(*target, slug)?;
            }
            if self
                .mock
                .get(&(*target, channel))
                .is_some_and(|it| *it != mock)
            {
                return Err(format!(
                    "channel {} already carries {} ticks of an older set: set another publish.channelPrefix or redis.url",
                    route.channel,
                    if mock { "real" } else { "mock" }
                ));
            }
        }
        for target in targets {
            if let Some(Slug { slug, underlying }) = &route.slug {
                let slug = (*target, slug.clone());
                self.slugs.entry(slug).or_insert_with(|| underlying.clone());
            }
            self.mock.entry((*target, channel)).or_insert(mock);
        }
        Ok(())
    }

    fn check_slug(&self, target: TargetId, slug: &Slug) -> Result<(), String> {
        let Slug {
            slug,
            underlying: symbol,
        } = slug;
        if slug.is_empty() {
            return Err(format!(
                "{symbol} has no letter or digit to make a channel name of: set publish.channelPrefix"
            ));
        }
        match self.slugs.get(&(target, slug.clone())) {
            Some(first) if first != symbol => Err(format!(
                "{symbol} and {first} would share the channel prefix ticker:{slug}: set publish.channelPrefix"
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// The number of a name, the next one if it has none.
fn number(names: &mut FxHashMap<String, usize>, name: &str) -> usize {
    let next = names.len();
    names.get(name).copied().unwrap_or_else(|| {
        names.insert(name.to_owned(), next);
        next
    })
}

/// The Redis to which an account publishes once the plan is applied, if that is known.
pub(super) fn redis_url<'w>(account: &'w AccountInput<'_>) -> Option<&'w str> {
    match (&account.spec, account.base) {
        (Ok(spec), Some(_)) if !account.eligibility.is_frozen() => Some(&spec.redis_url),
        (_, Some(base)) => Some(&base.redis_url),
        (Ok(spec), None) => Some(&spec.redis_url),
        (Err(_), None) => None,
    }
}
