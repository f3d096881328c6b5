//! How many instruments would have no account if one account failed.

use crate::plan::input::AccountInput;

/// An account and its load.
pub(crate) struct AccountLoad<'a> {
    pub(crate) account: &'a AccountInput<'a>,
    /// Instruments in all.
    pub(crate) instruments: usize,
    /// Those of sets that may use no other account.
    pub(crate) tied: usize,
}

/// For each account, how many of its instruments would have no room on other accounts.
pub(crate) fn stranded(accounts: &[AccountLoad<'_>]) -> Vec<usize> {
    let lost = |(at, lost): (usize, &AccountLoad<'_>)| {
        let others = accounts
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at);
        let room: usize = others
            .filter(|(_, other)| alike(lost.account, other.account))
            .map(|(_, other)| other.free())
            .sum();
        let tied = lost.tied.min(lost.instruments);
        tied + (lost.instruments - tied).saturating_sub(room)
    };
    accounts.iter().enumerate().map(lost).collect()
}

impl AccountLoad<'_> {
    fn free(&self) -> usize {
        if self.account.eligibility.is_frozen() {
            0
        } else {
            self.account.capacity().saturating_sub(self.instruments)
        }
    }
}

/// Whether one account can replace the other.
fn alike(one: &AccountInput<'_>, other: &AccountInput<'_>) -> bool {
    let (Ok(a), Ok(b)) = (&one.spec, &other.spec) else {
        return false;
    };
    one.namespace() == other.namespace()
        && (&a.api, &a.websocket, a.mock, &a.redis_url)
            == (&b.api, &b.websocket, b.mock, &b.redis_url)
}
