//! The report of one account.
//!
//! Owns what is applied of its plan, and what the conditions of sets depend on. Must not decide
//! whether it is ready.

use std::sync::Arc;

use contract::Assignment;
use crds::condition::State;

use super::events;
use super::object::Previous;
use super::outcome::{AccountPlan, Event, Kind, LoginTarget, WebhookCall};
use super::results::AssignmentCounts;
use super::status;
use super::status::account::AccountStatus;
use super::webhooks;
use crate::plan::assignment::{self, AssignedAccount, AssignmentChange};
use crate::plan::input::{
    self, AccountInput, AccountMemory, Basis, Classes, LastAssignment, MarketNow, Memo, Now,
};
use crate::plan::readiness::ConditionOutcome;
use crate::plan::selection::{MoneyFindings, PriceBands, TradingDays};

/// An account and its report.
pub(super) struct ReportedAccount<'w> {
    pub(super) account: &'w AccountInput<'w>,
    pub(super) plan: AccountPlan,
    pub(super) memory: AccountMemory,
    pub(super) events: Vec<Event>,
    /// What a link for its login has to be made of.
    pub(super) login: Option<LoginTarget>,
    /// The call of its webhook.
    pub(super) webhook: Option<WebhookCall>,
    pub(super) ready: ConditionOutcome,
    /// Whether its first report has not been requested yet.
    pub(super) unasked: bool,
    /// Whether all that it lacks is a token, and it needs none now.
    pub(super) lacks_token: bool,
    pub(super) counts: Arc<AssignmentCounts>,
    /// What its markets do.
    pub(super) market: MarketNow,
    /// Everything in it that the reports of sets depend on.
    pub(super) basis: Arc<Basis>,
}

impl ReportedAccount<'_> {
    /// Those of these classes that trade, each with the second since when.
    pub(super) fn open(&self, classes: Classes, now: Now) -> impl Iterator<Item = (&str, i64)> {
        let sessions = self
            .memory
            .assignment
            .iter()
            .map(|it| it.sessions.as_slice());
        sessions.flat_map(move |sessions| classes.open(sessions, now.wall.as_second()))
    }

    /// What markets of its instruments do.
    pub(super) fn market(&self, classes: Classes, now: Now) -> MarketNow {
        market(self.memory.assignment.as_ref(), classes, now)
    }
}

fn market(current: Option<&Arc<Assignment>>, classes: Classes, now: Now) -> MarketNow {
    let now = now.wall.as_second();
    current.map_or_else(MarketNow::default, |it| classes.at(&it.sessions, now))
}

/// Reports an account. `poke`: whether pods are annotated; `stranded`: how many of its instruments no other account would
/// have room for, if that is known.
pub(super) fn report<'w>(
    assigned: &'w AssignedAccount<'w>,
    money: &MoneyFindings,
    (poke, days): (bool, &TradingDays),
    stranded: Option<usize>,
    counts: &mut Memo<'_, Arc<AssignmentCounts>>,
    now: Now,
) -> ReportedAccount<'w> {
    let (account, current) = (&assigned.account, assigned.current());
    let object = &account.observed.object;
    let meta = &object.meta;
    let previous = Previous::new(object, account.remembered.map(|known| &known.object));
    let history = previous.history(meta.generation);
    let before = previous.status.map(Arc::as_ref);
    let counts = current.map(|current| {
        let basis = Basis::default().shared(current);
        counts.get_or(&meta.key, basis, || AssignmentCounts::of(current))
    });
    let counts = counts.unwrap_or_default();
    let market = market(current, counts.classes, now);
    let AccountStatus {
        status,
        ready,
        unasked,
        needs_token,
        lacks_token,
        login,
    } = status::account::status(
        assigned,
        (poke, market, days),
        stranded,
        before,
        &history,
        now,
    );
    let reported = account.remembered.map(|known| known.reported_dead_token);
    let reported_dead_token = needs_token && events::is_dead_token(&status);
    // A restart of the operator tells nothing again.
    let reported =
        reported.unwrap_or_else(|| needs_token && before.is_some_and(events::is_dead_token));
    let dead_token =
        (reported_dead_token && !reported).then(|| events::of_dead_token(meta, &status));
    let told = before.is_some_and(|it| it.login_url.is_some() && it.login_url == login.url);
    let (webhook, webhook_memory) =
        webhooks::call(account, &login, told, market.begins(), now.wall);
    let report = previous.report(Kind::Account, object, status, &ready);

    let decided = assigned.change.assignment();
    let marks = decided.map(|decided| assignment::marks(account, decided));
    let delivery = delivery(assigned);
    let asleep = account.sleep.is_asleep();
    let awaiting = !asleep && awaits(account, &delivery);
    let workload = account.spec.as_ref().map(|spec| spec.workload.clone());
    let plan = AccountPlan {
        key: meta.key.clone(),
        uid: meta.uid.clone(),
        expecting: awaiting || !asleep && ready.state == State::Unknown,
        awaiting,
        assignment: delivery,
        bands: bands(assigned, money),
        asleep,
        workload: workload
            .ok()
            .filter(|_| account.observed.foreign.is_empty() && !meta.deleting),
        change: report.change,
        status: Arc::clone(&report.memory.status),
        warning: report.memory.warning.clone(),
    };
    let memory = AccountMemory {
        reissue: assigned.reissue,
        stopped_since: account.outage.stopped_since,
        goes_on: assigned.goes_on,
        restricted_since: assigned.restricted_since,
        reported_dead_token,
        object: report.memory,
        assignment: current.cloned(),
        classes: counts.classes,
        key: account.api_key(),
        tokens: account.token_use.memory.clone(),
        login_key: account.api_key().filter(|_| login.url.is_some()),
        webhook: webhook_memory,
        marks: marks.unwrap_or_default(),
    };
    ReportedAccount {
        basis: Arc::new(basis(
            assigned,
            &memory,
            &ready,
            (unasked, lacks_token),
            now,
        )),
        account,
        plan,
        memory,
        login: login.target,
        webhook,
        events: report.event.into_iter().chain(dead_token).collect(),
        ready,
        unasked,
        lacks_token,
        counts,
        market,
    }
}

/// The bands of the prices that its process reports.
fn bands(assigned: &AssignedAccount<'_>, money: &MoneyFindings) -> PriceBands {
    let references = assigned.references.instruments.iter().map(|it| it.token);
    match &assigned.account.spec {
        Ok(spec) if references.len() > 0 => money.bands(&input::market(spec), references),
        Ok(_) | Err(_) => PriceBands::default(),
    }
}

/// The change of the assignment that is applied. An account that is being deleted loses its objects:
/// they are not created again.
fn delivery(assigned: &AssignedAccount<'_>) -> AssignmentChange {
    let observed = assigned.account.observed;
    match &assigned.change {
        AssignmentChange::Write(_)
            if observed.object.meta.deleting
                && matches!(observed.assignment, LastAssignment::Absent) =>
        {
            AssignmentChange::None
        }
        change => change.clone(),
    }
}

/// Whether the process has not applied the decided assignment yet.
fn awaits(account: &AccountInput<'_>, delivery: &AssignmentChange) -> bool {
    let applied = account.applied();
    match delivery {
        AssignmentChange::None => false,
        AssignmentChange::Write(_) => true,
        AssignmentChange::AlreadyWritten(assignment) => {
            applied.is_none_or(|applied| applied.generation != assignment.generation)
        }
    }
}

fn basis(
    assigned: &AssignedAccount<'_>,
    memory: &AccountMemory,
    ready: &ConditionOutcome,
    (unasked, lacks_token): (bool, bool),
    now: Now,
) -> Basis {
    let observed = assigned.account.observed;
    let (meta, scrape) = (&observed.object.meta, &observed.scrape);
    let mut basis = Basis::default()
        .value((&meta.key, &meta.uid, ready, unasked, lacks_token))
        .value((
            scrape.at,
            scrape.answers(now.monotonic),
            assigned.account.rests(now.monotonic),
        ))
        .shared(&memory.marks);
    if let Some(report) = &scrape.report {
        basis = basis.shared(report);
    }
    if let Some(current) = assigned.current() {
        basis = basis.shared(current);
    }
    basis
}
