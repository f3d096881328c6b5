//! Messages about what keeps a process that answers from streaming.
//!
//! Owns texts for people that say what to do. Must not decide how serious a problem is.

use contract::Report;
use contract::report::ConnectionState;

use crate::plan::input::live_sockets;

/// Why the process does not apply the assignment that was written for it.
pub(crate) fn assignment(report: &Report) -> Option<String> {
    apart(contract::ASSIGNMENT_VERSIONS, &report.assignment_versions).or_else(|| {
        let error = report.assignment_error.as_deref()?;
        Some(format!("the ingest pod cannot use its assignment: {error}"))
    })
}

/// The message which side is to be upgraded, if no version is common to both.
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
        return "all sockets are up, but no packet has arrived yet".to_owned();
    }
    let limited = report
        .connections
        .iter()
        .any(|socket| socket.state == ConnectionState::RateLimited);
    if limited {
        return format!(
            "{up} of {needed} sockets are up: Kite answered 429: stop the other process that uses this API key"
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
        let message = apart(&[1, 2], &[3]).unwrap();
        assert!(
            message.ends_with("[1, 2]: upgrade the operator"),
            "{message}"
        );
        let message = apart(&[2], &[1]).unwrap();
        assert!(message.ends_with("upgrade the ingest image"), "{message}");
    }

    #[test]
    fn versions_come_before_what_the_process_complains_of() {
        let mut report = Report {
            assignment_versions: contract::ASSIGNMENT_VERSIONS.to_vec(),
            assignment_error: Some("the assignment is not valid gzip".to_owned()),
            ..Report::default()
        };
        let message = sockets(&report, 1);
        assert!(
            message.ends_with("its assignment: the assignment is not valid gzip"),
            "{message}"
        );
        report.assignment_versions = vec![9];
        let message = sockets(&report, 1);
        assert!(
            message.contains("reads assignment versions [9]"),
            "{message}"
        );
        report.assignment_versions = contract::ASSIGNMENT_VERSIONS.to_vec();
        report.assignment_error = None;
        assert_eq!(sockets(&report, 1), "0 of 1 sockets are up");
    }
}
