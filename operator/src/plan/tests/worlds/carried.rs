//! Applies a plan: most of it at once, some of it late.

use std::sync::Arc;

use super::World;
use super::files::readable;
use crate::plan::*;

impl World {
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        for decided in &plan.accounts {
            let found = self.observed.accounts.iter().position(|account| {
                let meta = &account.object.meta;
                (&meta.key, &meta.uid) == (&decided.key, &decided.uid)
            });
            if let Some(at) = found {
                self.carry_account_out(at, decided);
            }
        }
        for decided in &plan.sets {
            let found = self
                .observed
                .sets
                .iter_mut()
                .find(|set| (&set.meta.key, &set.meta.uid) == (&decided.key, &decided.uid));
            if let Some(set) = found
                && self.dice.percent(85)
            {
                set.status = Some(Arc::clone(&decided.status));
            }
        }
    }

    fn carry_account_out(&mut self, at: usize, decided: &AccountPlan) {
        let account = &mut self.observed.accounts[at];
        match &decided.assignment {
            AssignmentChange::Write(assignment) => {
                self.history.push(Arc::clone(assignment));
                if account.unwritten.is_none() && self.dice.percent(85) {
                    account.assignment = readable(Arc::clone(assignment));
                    self.pending.remove(&decided.key);
                } else {
                    self.pending
                        .insert(decided.key.clone(), Arc::clone(assignment));
                }
            }
            // It was forgotten or decided otherwise meanwhile, and arrives all the same.
            AssignmentChange::None | AssignmentChange::AlreadyWritten(_) => {
                if let Some(late) = self.pending.remove(&decided.key)
                    && self.dice.percent(30)
                {
                    account.assignment = readable(late);
                }
            }
        }
        if self.dice.percent(85) {
            account.object.status = Some(Arc::clone(&decided.status));
        }
    }
}
