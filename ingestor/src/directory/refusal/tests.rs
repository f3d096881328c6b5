//! What is refused, for how long it is told, and with which cure.

use super::*;

fn refused(text: &str) -> Option<String> {
    let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
    super::text(&value.extract_error().unwrap_err())
}

#[test]
fn what_another_connection_may_mend_is_no_refusal() {
    for passing in [
        "READONLY You can't write against a read only replica.",
        "LOADING Redis is loading the dataset in memory",
        "MOVED 1 127.0.0.1:7",
        "CLUSTERDOWN The cluster is down",
        "BUSY Redis is busy running a script.",
    ] {
        assert_eq!(refused(passing), None, "{passing}");
    }
    for refused_here in [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR syntax error",
        "NOPERM this user has no permissions to run the 'xadd' command",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Redis is configured to save RDB snapshots",
        "NOREPLICAS Not enough good replicas to write.",
    ] {
        assert_eq!(refused(refused_here).as_deref(), Some(refused_here));
    }
    let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    assert_eq!(super::text(&broken.into()), None);
}

#[test]
fn a_channel_is_refused_until_it_accepts() {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let start = Instant::now();
    let mut refusals = Refusals::default();
    let mut event = |published: &[&str], refused: &[&str]| {
        let channel = |name: &&str| Part::Channel((*name).to_owned());
        for part in published.iter().map(channel) {
            assert!(!refusals.set(part, None, start));
        }
        let refused = refused.iter().map(channel);
        let news = refused.filter(|part| refusals.set(part.clone(), Some("NOPERM"), start));
        (news.count() > 0, refusals.remarks().len())
    };
    assert_eq!(event(&["b"], &["a"]), (true, 1));
    assert_eq!(event(&["b"], &[]), (false, 1));
    assert_eq!(event(&["b", "a"], &[]), (false, 0));
}

#[test]
fn what_is_refused_is_told_once_and_tried_at_intervals() {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let start = Instant::now();
    let mut refusals = Refusals::default();
    let log = || Part::Log("ticker:events:log".to_owned());
    assert!(refusals.set(log(), Some("NOPERM"), start));
    assert!(!refusals.set(log(), Some("NOPERM"), start));
    assert!(refusals.is_log_left_out(start + AGAIN_AFTER / 2));
    assert!(!refusals.is_log_left_out(start + AGAIN_AFTER));
    assert!(refusals.set(Part::Directory, Some("WRONGTYPE"), start));
    assert!(!refusals.set(Part::Directory, Some("WRONGTYPE"), start + AGAIN_AFTER));
    assert_eq!(refusals.directory_again(), Some(start + 2 * AGAIN_AFTER));
    assert_eq!(refusals.remarks().len(), 2);
    assert!(!refusals.set(log(), None, start));
    refusals.set(Part::Directory, None, start);
    assert!(refusals.remarks().is_empty() && refusals.directory_again().is_none());
}

#[test]
fn a_server_without_writes_gets_its_own_cure_and_is_tried_with_every_event() {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let start = Instant::now();
    for (text, cure) in [
        ("OOM command not allowed", "maxmemory"),
        ("MISCONF Redis is configured to save", "disk"),
        ("NOREPLICAS Not enough good replicas", "replicas"),
    ] {
        let mut refusals = Refusals::default();
        let log = Part::Log("ticker:events:log".to_owned());
        refusals.set(log, Some(text), start);
        refusals.set(Part::Directory, Some(text), start);
        refusals.set(Part::Alive, Some(text), start);
        assert!(!refusals.is_log_left_out(start));
        let remarks = refusals.remarks();
        assert_eq!(remarks.len(), 3);
        for remark in remarks {
            assert!(remark.contains(text) && remark.contains(cure), "{remark}");
            assert!(!remark.contains("allow its user"), "{remark}");
        }
    }
}

#[test]
fn remarks_do_not_outlive_what_was_written() {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let start = Instant::now();
    let mut assignment = crate::pipeline::instruments::tests::sample();
    let listing = |assignment: &contract::Assignment| {
        let target = redis_link::target::Target::parse("redis://127.0.0.1").unwrap();
        DirectoryListing::new(assignment, target)
    };
    let mut refusals = Refusals::default();
    for part in [
        Part::Channel("ticker:events".to_owned()),
        Part::Channel("ticker:gone:events".to_owned()),
        Part::Log("ticker:events:log".to_owned()),
    ] {
        refusals.set(part, Some("NOPERM"), start);
    }
    refusals.retain(&listing(&assignment));
    let [channel, log] = refusals.remarks().try_into().unwrap();
    assert!(channel.contains("on ticker:events,"), "{channel}");
    assert!(log.contains("ticker:events:log"), "{log}");
    assignment.events = false;
    refusals.retain(&listing(&assignment));
    assert!(refusals.remarks().is_empty());
}

#[test]
fn many_channels_make_one_remark() {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let start = Instant::now();
    let mut refusals = Refusals::default();
    for number in 0..5 {
        let channel = Part::Channel(format!("c{number}"));
        refusals.set(channel, Some("NOPERM"), start);
    }
    let remarks = refusals.remarks();
    assert!(remarks[0].contains(" and 4 more,"), "{remarks:?}");
    assert_eq!(remarks.len(), 1);
}
