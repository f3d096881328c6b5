//! A day of strikes around the money, on the accelerated wall clock: the list of the morning, a price that walks six strikes
//! and back, an expiry at its time, and the list of the next morning.
//!
//! The clock jumps from one part of the day to the next, and the programs are started anew there: each part is long enough
//! for a slow machine, and what one run leaves behind is what the next one goes on with.

mod expected;
mod seen;
mod stage;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use jiff::civil::Date;
use kite::InstrumentType::{Call, Put};

use expected::{Expected, SelectedSet, call, expiries, of_expiry, strikes, token};
use stage::Stage;

/// A day on which a month of NIFTY's options and its future end. A week of options without a future follows.
const EXPIRY_DAY: &str = "2026-12-29";
const NEXT_DAY: &str = "2026-12-30";

/// For so long a price has to be a whole strike away before the money follows.
const AWAY: Duration = Duration::from_secs(30);

struct Day {
    stage: Stage,
    expected: Expected,
    /// When the options of the two expiries end.
    today: Date,
    next: Date,
    index: u32,
    future: u32,
    /// Those of today, ascending.
    strikes: Vec<f64>,
}

fn at(day: &str, time: &str) -> Result<Timestamp> {
    Ok(format!("{day}T{time}+05:30").parse()?)
}

impl Day {
    async fn new(morning: Timestamp) -> Result<Self> {
        let stage = Stage::new(morning).await?;
        let list = stage.simulator.instruments().await?.instruments;
        let mut expiries = expiries(&list).into_iter();
        let today = expiries.next().context("no expiry")?;
        let next = expiries.next().context("one expiry")?;
        let index = token(&list, "NSE", "NIFTY 50")?;
        let future = token(&list, "NFO", "NIFTY26DECFUT")?;
        Ok(Self {
            stage,
            today,
            next,
            index,
            future,
            strikes: strikes(&list, today),
            expected: Expected {
                sets: vec![
                    SelectedSet::new("kept", today, &[Call, Put], true),
                    SelectedSet::new("dropped", today, &[Call, Put], false),
                    SelectedSet::new("week", next, &[Call], true),
                ],
                references: BTreeSet::from([index, future]),
                list,
                day: today,
            },
        })
    }

    /// One set that keeps what the money leaves behind, one that does not, and one of the expiry that lives on.
    fn write_sets(&self) -> Result<()> {
        let (kept, stage) = ("retain: Day", &self.stage);
        stage.write("kept", "expiries: {nearest: 1}", kept)?;
        stage.write("dropped", "expiries: {nearest: 1}", "retain: None")?;
        let week = format!("expiries: {{dates: [\"{}\"]}}, types: [CE]", self.next);
        stage.write("week", &week, kept)
    }

    /// The strike that is at the money at first.
    fn strike(&self) -> f64 {
        self.strikes[self.strikes.len() / 2]
    }

    /// The price of the index at so many strikes above the first one: a little more, so that the future, which is a little
    /// dearer, is nearest to the same strike.
    fn price(&self, steps: usize) -> f64 {
        self.strikes[self.strikes.len() / 2 + steps] + 8.0
    }

    /// The call of an expiry that all its sets have all the time goes on ticking, without a gap.
    async fn goes_on(&self, expiry: Date) -> Result<()> {
        let call = call(&self.expected.list, expiry, self.strike())?;
        self.stage.goes_on(call).await;
        self.stage.ticks.assert_gapless();
        Ok(())
    }

    async fn morning(&mut self, start: Timestamp) -> Result<()> {
        let price = self.price(0);
        self.stage.set_price(self.index, price).await?;
        self.expected.money_at(price);
        self.stage.play_from(start).await?;
        let stage = &mut self.stage;
        stage.becomes("at first", &self.expected, start).await?;
        stage.has_list_of(at(EXPIRY_DAY, "08:30:00")?).await;
        let after = "after the list of the morning";
        stage.becomes(after, &self.expected, start).await?;
        stage.stop().await
    }

    /// Until 09:20 the money stands still, and then it follows: six strikes up, and back by three at a time.
    async fn walk(&mut self) -> Result<()> {
        let open = at(EXPIRY_DAY, "09:20:00")?;
        self.stage.play_from(at(EXPIRY_DAY, "09:18:00")?).await?;
        let opening = "at the opening";
        self.stage.becomes(opening, &self.expected, open).await?;
        for steps in [2, 3, 4, 6, 3, 0] {
            let price = self.price(steps);
            let set = self.stage.set_price(self.index, price).await?;
            self.expected.money_at(price);
            let follows = open.max(set.checked_add(AWAY)?);
            let what = format!("{steps} strikes up");
            self.stage.becomes(&what, &self.expected, follows).await?;
        }
        // Less than a strike is nothing, though another strike is nearer.
        let stage = &mut self.stage;
        let almost = self.strikes[self.strikes.len() / 2] + 38.0;
        stage.set_price(self.index, almost).await?;
        stage.has_price_for(self.index, almost, 2 * AWAY).await;
        let what = "less than a strike up";
        stage.becomes(what, &self.expected, open).await?;
        self.goes_on(self.today).await?;
        self.stage.stop().await
    }

    /// The nearest expiry is the next one, with its own money, and nothing stays of what has ended.
    async fn expiry(&mut self) -> Result<()> {
        let price = self.price(0);
        self.stage.set_price(self.index, price).await?;
        self.stage.play_from(at(EXPIRY_DAY, "15:39:20")?).await?;
        self.expected.roll(self.today, self.next, price);
        self.expected.references.remove(&self.future);
        let (what, close) = ("the next expiry", at(EXPIRY_DAY, "15:40:00")?);
        self.stage.becomes(what, &self.expected, close).await?;
        self.goes_on(self.next).await?;
        self.stage.stop().await
    }

    /// In the list of the next morning some contracts have the numbers of some that have ended. With it goes what the money
    /// has left behind, and not before.
    async fn next_morning(&mut self) -> Result<()> {
        let ended = of_expiry(&self.expected.list, self.today);
        let made = at(NEXT_DAY, "08:00:00")?;
        let list = self.stage.next_list(made, self.today).await?;
        let again = list.iter().filter(|row| ended.contains(&row.token.0));
        ensure!(again.count() > 10, "no number is used again");
        self.stage.set_price(self.index, self.price(0)).await?;
        self.expected.list = list;
        self.expected.begin_day(NEXT_DAY.parse()?);
        self.stage.play_from(at(NEXT_DAY, "08:29:20")?).await?;
        let (what, morning) = ("the next morning", at(NEXT_DAY, "08:30:00")?);
        self.stage.becomes(what, &self.expected, morning).await?;
        self.goes_on(self.next).await?;
        self.stage.stop().await
    }
}

#[tokio::test]
async fn a_day_of_the_money_from_its_list_to_that_of_the_next_morning() -> Result<()> {
    let morning = at(EXPIRY_DAY, "08:29:20")?;
    let mut day = Day::new(morning).await?;
    day.write_sets()?;
    day.morning(morning).await?;
    day.walk().await?;
    day.expiry().await?;
    day.next_morning().await?;
    let references = [
        (day.index, "NSE:NIFTY 50"),
        (day.future, "NFO:NIFTY26DECFUT"),
    ];
    day.stage.never_published(&references).await
}
