//! What the annotation on an object asks for.
//!
//! Pure. Owns when a request is a new one. Must not decide what moves.

use crds::rebalance::{DRY_RUN, MAX_REQUEST, RebalanceState, RebalanceStatus};
use service::text::printable;

/// The rebalance of an account or a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rebalance {
    /// What the status says of it.
    known: Option<RebalanceStatus>,
    /// Whether it is not done yet.
    asked: bool,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RebalanceMode {
    /// To place instruments anew.
    Move,
    /// To say how many would move.
    DryRun,
}

impl Rebalance {
    /// The rebalance of an object with this annotation, whose status says `known`.
    pub(super) fn new(annotation: Option<&str>, known: Option<&RebalanceStatus>) -> Self {
        let request = annotation.map(|text| printable(text.trim(), MAX_REQUEST));
        let is_done = |it: &&RebalanceStatus| it.state == Some(RebalanceState::Done);
        let Some(request) = request.filter(|text| !text.is_empty()) else {
            // What was done stays known: a tool that writes the annotation again asks for nothing new.
            let known = known.filter(is_done).cloned();
            return Self {
                known,
                asked: false,
            };
        };
        let known = known.filter(|it| it.request.as_deref() == Some(request.as_str()));
        let known = known.cloned();
        let asked = match &known {
            Some(known) if is_dry_run(&request) => known.moves.is_none(),
            Some(known) => known.state != Some(RebalanceState::Done),
            None => true,
        };
        let new = || RebalanceStatus {
            request: Some(request),
            state: Some(RebalanceState::Planned),
            moves: None,
        };
        Self {
            known: Some(known.unwrap_or_else(new)),
            asked,
        }
    }

    /// What is to be decided, if anything is.
    pub(crate) fn asked(&self) -> Option<RebalanceMode> {
        let request = self.known.as_ref()?.request.as_deref()?;
        self.asked.then(|| match is_dry_run(request) {
            true => RebalanceMode::DryRun,
            false => RebalanceMode::Move,
        })
    }

    /// What the status says once so many more instruments move, or would.
    pub(crate) fn status(&self, decided: Option<(RebalanceState, u32)>) -> Option<RebalanceStatus> {
        let known = self.known.clone()?;
        let Some((state, moves)) = decided.filter(|_| self.asked) else {
            return Some(known);
        };
        Some(RebalanceStatus {
            state: Some(state),
            moves: Some(known.moves.unwrap_or(0).saturating_add(moves)),
            ..known
        })
    }
}

fn is_dry_run(request: &str) -> bool {
    request.starts_with(DRY_RUN)
}

#[cfg(test)]
mod tests {
    use RebalanceState::{Done, Moving, Planned};

    use super::*;

    fn status(request: &str, state: RebalanceState, moves: u32) -> RebalanceStatus {
        RebalanceStatus {
            request: Some(request.to_owned()),
            state: Some(state),
            moves: Some(moves),
        }
    }

    #[test]
    fn a_text_is_one_request() {
        let moving = status("monday", Moving, 500);
        for (annotation, known, asked) in [
            (None, None, None),
            (Some("monday"), None, Some(RebalanceMode::Move)),
            (Some("monday"), Some(&moving), Some(RebalanceMode::Move)),
            (Some("monday"), Some(&status("monday", Done, 700)), None),
            (Some(" monday\n"), Some(&status("monday", Done, 700)), None),
            (
                Some("tuesday"),
                Some(&status("monday", Done, 700)),
                Some(RebalanceMode::Move),
            ),
            (
                Some("dry-run:monday"),
                Some(&status("monday", Done, 700)),
                Some(RebalanceMode::DryRun),
            ),
            (
                Some("dry-run:monday"),
                Some(&status("dry-run:monday", Planned, 7)),
                None,
            ),
            (
                Some("monday"),
                Some(&status("monday", Planned, 0)),
                Some(RebalanceMode::Move),
            ),
            (None, Some(&moving), None),
            (Some("  "), Some(&moving), None),
        ] {
            let found = Rebalance::new(annotation, known);
            assert_eq!(found.asked(), asked, "{annotation:?} {known:?}");
        }
        let long = "x".repeat(200);
        let found = Rebalance::new(Some(&long), None).status(None).unwrap();
        assert_eq!(found.request.unwrap().len(), MAX_REQUEST);
    }

    #[test]
    fn a_dry_run_is_decided_once_and_not_before_it_can_be() {
        let waiting = Rebalance::new(Some("dry-run:x"), None).status(None);
        let later = Rebalance::new(Some("dry-run:x"), waiting.as_ref());
        assert_eq!(later.asked(), Some(RebalanceMode::DryRun));
        let decided = later.status(Some((Planned, 0)));
        let after = Rebalance::new(Some("dry-run:x"), decided.as_ref());
        assert_eq!((after.asked(), after.status(None)), (None, decided));
    }

    #[test]
    fn what_was_done_stays_known_and_moves_are_added_up() {
        let done = status("monday", Done, 700);
        let moving = status("monday", Moving, 500);
        assert_eq!(Rebalance::new(None, Some(&done)).status(None), Some(done));
        assert_eq!(Rebalance::new(None, Some(&moving)).status(None), None);
        let going_on = Rebalance::new(Some("monday"), Some(&moving));
        let expected = status("monday", Done, 530);
        assert_eq!(going_on.status(Some((Done, 30))), Some(expected));
        assert_eq!(going_on.status(None), Some(moving));
        let new = Rebalance::new(Some("tuesday"), None);
        let waiting = RebalanceStatus {
            moves: None,
            ..status("tuesday", Planned, 0)
        };
        assert_eq!(new.status(None), Some(waiting));
    }
}
