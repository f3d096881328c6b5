//! What keeps a process that answers from streaming what it should, in words.
//!
//! Owns messages for people that say what to do. Must not judge how bad it is.

use contract::Report;
use contract::report::ConnectionState;

use crate::plan::input::live_sockets;

/// Why the process does not take up what is written for it.
pub(crate) fn assignment(report: &Report) -> Option<String> {
    apart(contract::ASSIGNMENT_VERSIONS, &report.assignment_versions).or_else(|| {
        let error = report.assignment_error.as_deref()?;
        Some(format!("the ingest pod cannot use its assignment: {error}"))
    })
}

/// Says which side is to be upgraded when no version is known to both.
fn apart(ours: &[u32], theirs: &[u32]) -> Option<String> {
    if ours.iter().any(|version| theirs.contains(version)) {
        return None;
    }
    let older = if theirs.iter().max() > ours.iter().max() {
        "operator"
    } else {
        "ingest image"
    };
    Some(format!(
        "the ingest pod reads assignment versions {theirs:?} and this operator writes {ours:?}: upgrade the {older}"
    ))
}

/// Why sockets are not up.
pub(crate) fn sockets(report: &Report, needed: u32) -> String {
    if let Some(why) = assignment(report) {
        return why;
    }
    let up = live_sockets(report);
    if needed > 0 && up >= needed {
        return "all sockets are up, no packet came yet".to_owned();
    }
    let limited = report
        .connections
        .iter()
        .any(|socket| socket.state == ConnectionState::RateLimited);
    if limited {
        return format!(
            "{up} of {needed} sockets are up: Kite answered 429, another process uses this API key; end it"
        );
    }
    match report
        .connections
        .iter()
        .find_map(|connection| connection.last_error.as_deref())
    {
        Some(error) => format!("{up} of {needed} sockets are up: {error}"),
        None => format!("{up} of {needed} sockets are up"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_apart_name_the_side_to_upgrade() {
        assert_eq!(apart(&[1, 2], &[2, 3]), None);
        let said = apart(&[1, 2], &[3]).unwrap();
        assert!(said.ends_with("[1, 2]: upgrade the operator"), "{said}");
        let said = apart(&[2], &[1]).unwrap();
        assert!(said.ends_with("upgrade the ingest image"), "{said}");
    }

    #[test]
    fn versions_come_before_what_the_process_complains_of() {
        let mut report = Report {
            assignment_versions: contract::ASSIGNMENT_VERSIONS.to_vec(),
            assignment_error: Some("it is no gzip".to_owned()),
            ..Report::default()
        };
        let said = sockets(&report, 1);
        assert!(said.ends_with("its assignment: it is no gzip"), "{said}");
        report.assignment_versions = vec![9];
        let said = sockets(&report, 1);
        assert!(said.contains("reads assignment versions [9]"), "{said}");
        report.assignment_versions = contract::ASSIGNMENT_VERSIONS.to_vec();
        report.assignment_error = None;
        assert_eq!(sockets(&report, 1), "0 of 1 sockets are up");
    }
}
