//! The channel of each instrument of a set, unless an older set has settled otherwise.

use kite::Instrument;

use super::{Channels, Clashes, Precedents, Wanted};
use crate::instruments::InstrumentTable;
use crate::plan::channel::{self, Route};
use crate::plan::input::ChannelNaming;
use crate::plan::select::Selection;

/// Where the instruments of one set go.
pub(super) struct Routes<'r> {
    pub(super) channels: &'r mut Channels,
    pub(super) precedents: &'r mut Precedents,
    pub(super) servers: &'r [u32],
    pub(super) mock: bool,
}

impl Routes<'_> {
    /// What is wanted on which channel, and what cannot be had there.
    pub(super) fn route<'a>(
        &mut self,
        selection: &Selection<'a>,
        table: &InstrumentTable,
        naming: ChannelNaming<'_>,
    ) -> (Vec<Wanted<'a>>, Clashes) {
        let mut clashes = Clashes::default();
        let mut wants = Vec::with_capacity(selection.instruments.len());
        for instrument in &selection.instruments {
            let route = channel::route(instrument, table, naming);
            let channel = self.channels.number(&route.channel);
            match self.precedence(instrument, &route, channel) {
                Ok(()) => wants.push(Wanted {
                    instrument,
                    channel,
                    shape: route.shape,
                }),
                Err(why) => clashes.add(why),
            }
        }
        // An underlying beside its chain, so that they land on one account where a set needs several.
        wants.sort_by_cached_key(|want| (channel::symbol(want.instrument), want.instrument.token));
        (wants, clashes)
    }

    fn precedence(
        &mut self,
        instrument: &Instrument,
        route: &Route,
        channel: u32,
    ) -> Result<(), String> {
        for server in self.servers {
            if let Some(slug) = &route.slug {
                self.check_slug(*server, slug, instrument)?;
            }
            if *self
                .precedents
                .mock
                .entry((*server, channel))
                .or_insert(self.mock)
                != self.mock
            {
                return Err(format!(
                    "{} carries {} ticks of an older set: set another publish.channelPrefix or redis.url",
                    route.channel,
                    if self.mock { "real" } else { "mock" }
                ));
            }
        }
        Ok(())
    }

    fn check_slug(
        &mut self,
        server: u32,
        slug: &str,
        instrument: &Instrument,
    ) -> Result<(), String> {
        let symbol = channel::symbol(instrument);
        if slug.is_empty() {
            return Err(format!(
                "{symbol} has no letter or digit to name a channel: set publish.channelPrefix"
            ));
        }
        let first = self
            .precedents
            .slugs
            .entry((server, slug.to_owned()))
            .or_insert_with(|| symbol.clone().into_owned());
        if **first == *symbol {
            return Ok(());
        }
        Err(format!(
            "{symbol} and {first} would both be on ticker:{slug}: set publish.channelPrefix"
        ))
    }
}
