//! Which instruments a connection carries, for an operator that may have to move them.
//!
//! Owns the list and its order. Pure. It is made of what every snapshot shares, and only for a request.

use contract::report::ConnectionInstruments;
use kite::limits::CONNECTIONS_PER_API_KEY;

use super::report::StatusSnapshot;

/// There is no such list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotCarried {
    /// No process has so many connections.
    #[error("there is no connection {0}")]
    Unknown(u32),
    /// Nothing is carried for anybody.
    #[error("no assignment yet")]
    Unassigned,
}

/// The instruments that connection `index` should carry.
pub(super) fn carried_by(
    snapshot: &StatusSnapshot,
    index: u32,
) -> Result<ConnectionInstruments, NotCarried> {
    let known = u8::try_from(index).ok();
    let known = known.filter(|index| *index < CONNECTIONS_PER_API_KEY);
    let index = known.ok_or(NotCarried::Unknown(index))?;
    let applied = snapshot.report.assignment.as_ref();
    let allocation = snapshot.allocation.iter();
    Ok(ConnectionInstruments {
        index,
        epoch: snapshot.report.epoch.clone(),
        generation: applied.ok_or(NotCarried::Unassigned)?.generation,
        tokens: allocation
            .filter(|(_, carrier)| **carrier == index)
            .map(|(token, _)| token.0)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contract::Report;
    use contract::report::AppliedAssignment;
    use kite::Token;

    use super::*;

    fn snapshot() -> StatusSnapshot {
        StatusSnapshot {
            report: Report {
                epoch: "1764559800000000".to_owned(),
                assignment: Some(AppliedAssignment {
                    account_uid: "u".to_owned(),
                    generation: 7,
                    sha256: String::new(),
                }),
                ..Report::default()
            },
            allocation: Arc::new(
                [(9, 0), (4, 1), (2, 0)]
                    .map(|(t, at)| (Token(t), at))
                    .into(),
            ),
            ..StatusSnapshot::default()
        }
    }

    #[test]
    fn the_tokens_of_one_connection_come_in_their_order() {
        let expected = ConnectionInstruments {
            index: 0,
            epoch: "1764559800000000".to_owned(),
            generation: 7,
            tokens: vec![2, 9],
        };
        assert_eq!(carried_by(&snapshot(), 0), Ok(expected));
        let tokens = |index| carried_by(&snapshot(), index).map(|carried| carried.tokens);
        assert_eq!(tokens(1), Ok(vec![4]));
        assert_eq!(tokens(2), Ok(Vec::new()), "it may be used at any time");
    }

    #[test]
    fn what_does_not_exist_is_named() {
        for index in [3, 256, u32::MAX] {
            let unknown = Err(NotCarried::Unknown(index));
            assert_eq!(carried_by(&snapshot(), index), unknown);
        }
        let unassigned = carried_by(&StatusSnapshot::default(), 0);
        assert_eq!(unassigned, Err(NotCarried::Unassigned));
    }
}
