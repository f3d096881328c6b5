//! Messages about what keeps a process that answers from streaming.
//!
//! Owns texts for people that say what to do. Must not decide how serious a problem is.

use contract::Report;
use contract::report::{
    ConnectionState, FEATURE_EGRESS, FEATURE_EVENTS, FEATURE_REFERENCES, FEATURE_STANDBY,
};

use crate::plan::input::live_sockets;

/// Fewer packets in the last minute say nothing about their share.
const FEWEST_PACKETS: u64 = 100;

/// One packet in so many that cannot be read is told: a change of Kite's protocol concerns at least
/// all packets of a mode, damage on the way less than one in a million.
const UNKNOWN_SHARE: u64 = 100;

/// The message about a process that goes on reporting another assignment than the one written for it.
pub(crate) const CONTRADICTED: &str = "the ingest pod reports another assignment than the one written for it, and may stream \
     other instruments: delete the pod; if that does not help, use an ingest image of the operator's version. Until then \
     it is written anew every 15 s";

/// Why the process does not apply the assignment that was written for it.
pub(crate) fn assignment(report: &Report) -> Option<String> {
    apart(contract::ASSIGNMENT_VERSIONS, &report.assignment_versions).or_else(|| {
        let error = report.assignment_error.as_deref()?;
        Some(format!("the ingest pod cannot use its assignment: {error}"))
    })
}

/// The message that an ingest image is too old for a feature of its assignment. `image`: the one that the account names.
pub(crate) fn too_old(feature: &str, image: Option<&str>) -> String {
    let what = match feature {
        FEATURE_EGRESS => "spec.endpoint.proxy and ca, and dials directly",
        FEATURE_EVENTS => "spec.events and spec.publish.events, and publishes all events",
        FEATURE_REFERENCES => {
            "strikes around the money, and reports no price: the money stands still"
        }
        FEATURE_STANDBY => {
            "failover, and does not find out whether this account works again before instruments come"
        }
        other => other,
    };
    let (image, field) = match image {
        Some(image) => (format!("the image {image}"), "spec.pod.image"),
        None => (
            "the image of the chart's ingestor.image".to_owned(),
            "that value",
        ),
    };
    format!("{image} is older than {what}: set {field} to one as new as the operator")
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
        let why = unknown_packets(report);
        let why = why.unwrap_or_else(|| "no packet has arrived yet".to_owned());
        return format!("all sockets are up, but {why}");
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

/// What Kite sends that the process cannot read, if that is more than a few packets.
pub(crate) fn unknown_packets(report: &Report) -> Option<String> {
    let unknown = report.unknown_packets.as_ref()?;
    let judged = unknown.minute_packets >= FEWEST_PACKETS;
    if !judged || unknown.minute_unknown.saturating_mul(UNKNOWN_SHARE) < unknown.minute_packets {
        return None;
    }
    let lengths = unknown.samples.iter();
    let lengths: Vec<String> = lengths.map(|sample| sample.length.to_string()).collect();
    Some(format!(
        "Kite sends packets that this version does not know, of {} bytes, which are skipped: use a newer ingest image, \
         or report unknown_packets of the pod's /v1/report",
        lengths.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use contract::report::{PacketSample, UnknownPackets};

    use super::*;

    #[test]
    fn unknown_packets_are_told_from_one_in_a_hundred_on() {
        let mut report = Report::default();
        assert_eq!(unknown_packets(&report), None);
        let mut told = |packets, unknown| {
            report.unknown_packets = Some(UnknownPackets {
                total: 1_000,
                minute_packets: packets,
                minute_unknown: unknown,
                samples: [192, 9]
                    .map(|length| PacketSample {
                        length,
                        bytes: String::new(),
                    })
                    .into(),
            });
            unknown_packets(&report)
        };
        assert_eq!(told(99, 99), None, "too few to judge");
        assert_eq!(told(1_000, 9), None, "less than one percent");
        let text = told(1_000, 10).unwrap();
        assert!(text.contains("does not know, of 192, 9 bytes"), "{text}");
        assert!(told(100, 1).is_some());
        assert_eq!(told(0, 0), None);
    }

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
