use super::*;

#[tokio::test]
async fn the_last_error_of_a_child_is_kept_and_no_other_line() {
    let log = "2026-11-26T03:40:32Z  INFO ingestor: open\n2026-11-26T03:40:33Z ERROR ingestor: one\n\
               error: frames cannot be recorded: no space\n2026-11-26T03:40:34Z  WARN x: two\n";
    let last = forward_log(log.as_bytes(), "demo".to_owned()).await;
    assert_eq!(last.as_deref(), Some("frames cannot be recorded: no space"));
    let last = forward_log("INFO fine\n".as_bytes(), "demo".to_owned()).await;
    assert_eq!(last, None);
}

#[tokio::test(start_paused = true)]
async fn a_child_without_an_address_has_ten_seconds_and_one_with_an_address_all_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let port_file = folder.path().join("port");
    let start = tokio::time::Instant::now();
    let (state, _watched) = watch::channel(ChildState::default());
    stays_without_address(&port_file, &state).await;
    assert_eq!(start.elapsed(), ADDRESS_TIMEOUT);
    assert_eq!(state.borrow().address, None);

    let late = async {
        tokio::time::sleep(ADDRESS_TIMEOUT.mul_f64(0.9)).await;
        std::fs::write(&port_file, "127.0.0.1:9400\n").unwrap();
        tokio::time::sleep(2 * ADDRESS_INTERVAL).await;
        std::fs::remove_file(&port_file).unwrap();
        tokio::time::sleep(100 * ADDRESS_TIMEOUT).await;
    };
    tokio::select! {
        () = stays_without_address(&port_file, &state) => panic!("it had an address"),
        () = late => {}
    }
    let address = state.borrow().address;
    assert_eq!(address, Some(([127, 0, 0, 1], 9400).into()));
}

#[test]
fn a_child_that_keeps_dying_is_started_ever_more_rarely() {
    let waits: Vec<u128> = (0..9)
        .map(|failures| restart_delay(failures).as_millis())
        .collect();
    assert_eq!(
        waits,
        [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    );
    assert_eq!(restart_delay(u32::MAX), Duration::from_secs(10));
}

/// A child that a test can recognise: it writes an address and ends with its standard input.
const CHILD: &str =
    "#!/bin/sh\nfor last; do :; done\necho 127.0.0.1:9400 > \"$last\"\nexec cat > /dev/null\n";

#[tokio::test]
async fn a_child_that_hangs_is_ended_and_started_again() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("child"), CHILD).unwrap();
    std::fs::set_permissions(path("child"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let (hung, hangs) = watch::channel(None);
    let spec = ChildSpec {
        account: "demo".to_owned(),
        binary: path("child"),
        record: None,
        assignment: path("a"),
        credentials: path("c"),
        redis: path("r"),
        port_file: path("port"),
        log_level: "info".to_owned(),
        wall_clock: None,
    };
    let child = Supervised::start(spec, hangs);
    let mut state = child.state();
    let runs = |state: &ChildState| state.pid.filter(|_| state.address.is_some());
    let first = runs(&state.wait_for(|it| runs(it).is_some()).await.unwrap());
    // Another process is not meant.
    hung.send_replace(Some(1));
    hung.send_replace(first);
    let ended = state.wait_for(|it| it.trouble.is_some()).await.unwrap();
    let trouble = ended.trouble.clone().unwrap();
    assert!(trouble.contains("does not answer"), "{trouble}");
    drop(ended);
    let anew = |it: &ChildState| runs(it).is_some_and(|pid| Some(pid) != first);
    state.wait_for(anew).await.unwrap();
    child.stop().await;
}
