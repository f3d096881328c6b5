//! The strike at the money of one chain.
//!
//! Pure. Owns which price is taken for the forward, when it is not believed, and how long it must differ before the strike
//! follows. Must not know sets or accounts.

use crds::set::PriceSource;
use jiff::{SignedDuration, Timestamp};

use super::band::{FRESH, PriceBand};
use super::hours::TradingPhase;
use crate::plan::input::{Price, ReferenceQuote};

/// For so long the forward must be a whole step away.
const AWAY: SignedDuration = SignedDuration::from_secs(30);

/// A price that differs by more percent than this is not believed at once.
const BELIEVED: u64 = 20;

/// One that stays for so long is believed: a share whose price was divided this morning.
const CONFIRMED: SignedDuration = SignedDuration::from_secs(120);

/// Where the money of one chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainMoney {
    /// The strike at the money.
    pub(crate) atm: Price,
    /// The newest forward that was believed.
    pub(crate) forward: Price,
    /// What that is the price of.
    pub(crate) source: PriceSource,
    /// Since when the forward is a whole step away from the strike.
    pub(crate) away_since: Option<Timestamp>,
    /// A price that is not believed yet, and since when it comes.
    pub(crate) doubted: Option<(Price, Timestamp)>,
}

/// What is known of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainQuotes<'a> {
    /// Its strikes, ascending.
    pub(super) strikes: &'a [Price],
    /// Its future.
    pub(super) future: Option<&'a ReferenceQuote>,
    /// Its underlying.
    pub(super) spot: Option<&'a ReferenceQuote>,
}

/// What was decided about a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// Where the money is; `None` until there is a price.
    pub(super) money: Option<ChainMoney>,
    /// What the price of the future may be without another decision.
    pub(super) future: PriceBand,
    /// What the price of the underlying may be without another decision.
    pub(super) spot: PriceBand,
    /// When to decide again even if no price changes.
    pub(super) due: Timestamp,
}

/// A price of this session.
#[derive(Clone, Copy)]
struct Forward {
    source: PriceSource,
    price: Price,
    close: Option<Price>,
}

/// Decides where the money is at `now`, given where it was.
pub(super) fn decide(
    chain: ChainQuotes<'_>,
    phase: TradingPhase,
    last: Option<&ChainMoney>,
    now: Timestamp,
) -> Decision {
    let live = chain.live(phase);
    let known = last.map(|last| last.forward);
    let known = known.or_else(|| chain.settled(phase));
    let believed = live.iter().flatten().find(|it| {
        let mut others = live.iter().flatten();
        !it.is_absurd(known) || others.any(|other| it.is_confirmed_by(other))
    });
    let first = live.iter().flatten().next();
    let doubted = first.filter(|_| believed.is_none()).map(|it| {
        let known = last.and_then(|last| last.doubted);
        let known = known.filter(|(price, _)| price.is_within(BELIEVED, it.price));
        known.map_or((it.price, now), |(price, since)| (price, since.min(now)))
    });
    let stays = doubted.is_some_and(|(_, since)| now.duration_since(since) >= CONFIRMED);
    let believed = believed.or(first.filter(|_| stays));
    let doubted = doubted.filter(|_| !stays);
    let money = match (last, believed) {
        (Some(last), Some(forward)) => Some(chain.follow(last, forward, phase, now)),
        (Some(last), None) => Some(ChainMoney {
            atm: chain.listed(last.atm, last.forward),
            away_since: None,
            ..*last
        }),
        (None, Some(forward)) => Some(chain.start(forward.price, forward.source)),
        (None, None) => known.map(|price| chain.start(price, PriceSource::Close)),
    };
    let money = money.map(|money| ChainMoney { doubted, ..money });
    let band = |source| {
        let live = live.iter().flatten().find(|it| it.source == source);
        match (live, believed, &money) {
            (Some(it), Some(believed), Some(money)) if believed.source == it.source => {
                chain.band(money, it.price)
            }
            // Until it may be believed.
            (Some(it), ..) => PriceBand::around(it.price, BELIEVED),
            (None, ..) => PriceBand::ANY,
        }
    };
    Decision {
        money,
        future: band(PriceSource::Future),
        spot: band(PriceSource::Spot),
        due: due(money.as_ref(), phase),
    }
}

impl Forward {
    /// Whether it is far from its own close, and from what is known of the chain.
    fn is_absurd(&self, known: Option<Price>) -> bool {
        let mut known = [self.close, known].into_iter().flatten().peekable();
        known.peek().is_some() && known.all(|known| !known.is_within(BELIEVED, self.price))
    }

    fn is_confirmed_by(&self, other: &Self) -> bool {
        other.source != self.source && other.price.is_within(BELIEVED, self.price)
    }
}

impl ChainQuotes<'_> {
    /// The prices of this session: that of the future counts before that of the underlying.
    fn live(&self, phase: TradingPhase) -> [Option<Forward>; 2] {
        let live = |quote: Option<&ReferenceQuote>, source| {
            let quote = quote.filter(|it| !it.first && it.age.is_some_and(|age| age <= FRESH))?;
            Some(Forward {
                source,
                price: quote.price?,
                close: quote.close,
            })
        };
        let future = live(self.future.filter(|_| phase.is_open), PriceSource::Future);
        let spot = live(self.spot.filter(|_| phase.spot_trades), PriceSource::Spot);
        [future, spot]
    }

    /// A price to begin with: of before the session, or one of the session that is near the close.
    fn settled(&self, phase: TradingPhase) -> Option<Price> {
        let settled = |quote: &ReferenceQuote| {
            let near = |price: &Price| {
                let close = quote.close;
                close.is_none_or(|close| !phase.is_auction && close.is_within(BELIEVED, *price))
            };
            let price = quote.price.filter(|price| quote.first || near(price));
            price.or(quote.close)
        };
        let spot = self.spot.and_then(settled);
        spot.or_else(|| self.future.and_then(settled))
    }

    fn start(&self, forward: Price, source: PriceSource) -> ChainMoney {
        ChainMoney {
            atm: nearest(self.strikes, forward),
            forward,
            source,
            away_since: None,
            doubted: None,
        }
    }

    /// The strike, or the one nearest to the forward if the list has it no longer.
    fn listed(&self, atm: Price, forward: Price) -> Price {
        match self.strikes.binary_search(&atm) {
            Ok(_) => atm,
            Err(_) => nearest(self.strikes, forward),
        }
    }

    /// The strikes on either side of the one at the money.
    fn neighbours(&self, atm: Price) -> (Option<Price>, Option<Price>) {
        let below = self.strikes.partition_point(|it| *it < atm);
        let above = self.strikes.partition_point(|it| *it <= atm);
        let lower = below.checked_sub(1).map(|at| self.strikes[at]);
        (lower, self.strikes.get(above).copied())
    }

    fn follow(
        &self,
        last: &ChainMoney,
        forward: &Forward,
        phase: TradingPhase,
        now: Timestamp,
    ) -> ChainMoney {
        let price = forward.price;
        let atm = self.listed(last.atm, price);
        let (lower, upper) = self.neighbours(atm);
        let is_away = lower.is_some_and(|it| price <= it) || upper.is_some_and(|it| price >= it);
        let since = last.away_since.map_or(now, |since| since.min(now));
        let moves = is_away && !phase.is_quiet && now.duration_since(since) >= AWAY;
        ChainMoney {
            atm: if moves {
                nearest(self.strikes, price)
            } else {
                atm
            },
            forward: price,
            source: forward.source,
            away_since: (is_away && !moves).then_some(since),
            doubted: None,
        }
    }

    /// Between the strikes beside the money, or beyond one of them while the price is there.
    fn band(&self, money: &ChainMoney, price: Price) -> PriceBand {
        let (lower, upper) = self.neighbours(money.atm);
        let (lower, upper) = (lower.unwrap_or(Price::MIN), upper.unwrap_or(Price::MAX));
        if price <= lower {
            PriceBand::new(Price::MIN, lower)
        } else if price >= upper {
            PriceBand::new(upper, Price::MAX)
        } else {
            PriceBand::new(lower.neighbours().1, upper.neighbours().0)
        }
    }
}

fn due(money: Option<&ChainMoney>, phase: TradingPhase) -> Timestamp {
    let after = |since: Timestamp, wait| since.saturating_add(wait).unwrap_or(Timestamp::MAX);
    // In a quiet time nothing moves before its end.
    let away = money.and_then(|money| money.away_since);
    let away = away.filter(|_| !phase.is_quiet);
    let doubted = money.and_then(|money| money.doubted);
    let dues = [
        away.map(|since| after(since, AWAY)),
        doubted.map(|(_, since)| after(since, CONFIRMED)),
    ];
    let due = dues.into_iter().flatten().min();
    due.map_or(phase.until, |due| due.min(phase.until))
}

/// The strike nearest to a price, of two the lower.
fn nearest(strikes: &[Price], price: Price) -> Price {
    let nearest = strikes.iter().min_by_key(|it| it.distance(price));
    nearest.copied().unwrap_or(price)
}

#[cfg(test)]
mod tests;
