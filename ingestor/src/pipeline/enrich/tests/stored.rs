//! What is renewed in last values, and the hashes of chains.

use super::*;

/// The strikes that are renewed when everything that is due is.
fn renewed(world: &mut World) -> Vec<Token> {
    let mut rows = Vec::new();
    while let Some(due) = world.instruments.greeks_deadline() {
        let wait = due.saturating_duration_since(world.now()).as_millis();
        world.millis += wait as u64;
        let (now, second) = (world.now(), world.second());
        world
            .instruments
            .renew_greeks(now, second, |row| rows.push(row));
    }
    let rows = rows.into_iter();
    rows.map(|row| world.instruments.row(row).token).collect()
}

#[test]
fn a_move_of_the_forward_renews_what_is_stored_and_holds_its_volatility() {
    let mut assignment = assignment();
    let last = Some(contract::LastValuePersistence {
        interval_ms: 250,
        ttl_s: 60,
        until_session: false,
    });
    assignment.keeps = vec![contract::Persistence { last, stream: None }];
    let stored = [call(2), put(2), call(3)];
    let rows = assignment.instruments.iter_mut();
    for row in rows.filter(|row| stored.contains(&row.token)) {
        row.outputs[0].keep = Some(0);
    }
    let mut world = World::of(&assignment);
    world.book(FUTURE, 23_658.0, 23_660.0);
    let before = world.book(call(2), 190.0, 190.1);
    world.book(put(2), 0.0, 0.05);
    world.book(call(1), 210.0, 210.1);
    assert_eq!(renewed(&mut world), [], "nothing moved");
    world.wait(2);
    world.book(FUTURE, 23_668.0, 23_670.0);
    world.forward();
    // One has no volatility, one was never computed, one is not stored.
    assert_eq!(renewed(&mut world), [call(2)]);
    let option = world
        .instruments
        .row(world.instruments.find(call(2)).unwrap());
    let newest = *world
        .instruments
        .chains
        .option(option.option.unwrap())
        .newest();
    let values = newest.evaluation.values.unwrap();
    assert_eq!(values.volatility, before["iv"].as_f64().unwrap());
    assert_eq!(newest.forward, Some((23_669.0, "future")));
    assert!(newest.at > before["greeks_ts"].as_i64());
    assert!(values.greeks.delta > before["delta"].as_f64().unwrap());
    // What has ticked since is not renewed, and its price is looked at again.
    world.wait(2);
    world.book(FUTURE, 23_678.0, 23_680.0);
    let tick = world.book(call(2), 190.0, 190.1);
    assert!(tick["iv"].as_f64() < before["iv"].as_f64());
    assert_eq!(renewed(&mut world), []);
}

#[test]
fn a_chain_has_a_hash_under_each_prefix_that_is_written_as_it_changes() {
    let mut assignment = assignment();
    assignment.channels = vec!["ticker:nifty:options".to_owned(), "mine:options".to_owned()];
    assignment.keeps = vec![contract::Persistence {
        last: None,
        stream: None,
    }];
    for row in &mut assignment.instruments {
        row.outputs[0].keep = Some(0);
    }
    let other = Output {
        channel: 1,
        ..assignment.instruments[3].outputs[0]
    };
    assignment.instruments[3].outputs.push(other);
    let mut world = World::of(&assignment);
    let written = |world: &mut World| {
        let (now, second) = (world.now(), world.second());
        let mut written = Vec::new();
        world.instruments.look_at_chains(now, second);
        world
            .instruments
            .write_chain_hashes(now, second, |hash, fields| {
                let mut out = Vec::new();
                hash.write(&mut out, fields);
                let text = String::from_utf8(out).unwrap();
                written.push((
                    text.contains("mine:chain:NFO:NIFTY:2026-12-01"),
                    fields.summary,
                ));
                true
            });
        written
    };
    assert_eq!(written(&mut world), [], "no forward");
    world.book(FUTURE, 23_658.0, 23_660.0);
    let both = written(&mut world);
    assert_eq!((both.len(), both[0].0, both[1].0), (2, false, true));
    let summary = both[0].1.unwrap();
    assert_eq!((summary.atm, summary.atm_iv), (23_650.0, None));
    let call = world.book(call(1), 214.0, 214.1);
    world.book(put(1), 205.0, 205.1);
    world.wait(5);
    assert_eq!(written(&mut world), [], "the same forward");
    world.book(FUTURE, 23_658.0, 23_661.0);
    let summary = written(&mut world)[0].1.unwrap();
    assert_eq!(summary.straddle, Some(419.1));
    let iv = call["iv"].as_f64().unwrap();
    assert!((summary.atm_iv.unwrap() / iv - 1.0).abs() < 0.1);
    world.wait(9);
    assert_eq!(written(&mut world).len(), 0);
    world.wait(1);
    world.book(FUTURE, 23_658.0, 23_661.0);
    assert_eq!(written(&mut world).len(), 2, "whatever Redis has forgotten");
}

/// Each process has half of the options, and the references of the chain.
#[test]
fn two_processes_of_one_chain_have_the_same_forward() {
    let halves = [OptionRight::Call, OptionRight::Put].map(|right| {
        let mut half = assignment();
        for row in &mut half.instruments {
            let reference = row.strike.is_some_and(|it| it > 20_000.0);
            let is_own = row.token.0 % 512 == option_token(0, right).0 % 512;
            if reference && !is_own {
                // Known for its price alone.
                (row.chain, row.outputs) = (None, Vec::new());
            }
        }
        half
    });
    let mut worlds = halves.map(|half| World::of(&half));
    for world in &mut worlds {
        world.pairs(23_660.0);
    }
    let [one, other] = &mut worlds;
    let forward = one.forward();
    assert_eq!(forward.unwrap().1, "parity");
    assert_eq!(forward, other.forward());
}

fn stored() -> contract::Assignment {
    let mut assignment = assignment();
    let last = Some(contract::LastValuePersistence {
        interval_ms: 250,
        ttl_s: 60,
        until_session: false,
    });
    assignment.keeps = vec![contract::Persistence { last, stream: None }];
    let options = assignment.instruments.iter_mut();
    for row in options.filter(|row| !row.outputs.is_empty()) {
        row.outputs[0].keep = Some(0);
    }
    assignment
}

/// A renewal solves nothing: it makes no old volatility young.
#[test]
fn what_was_renewed_is_no_twin_of_now() {
    let mut world = World::of(&stored());
    world.book(FUTURE, 23_658.0, 23_660.0);
    assert_eq!(world.book(put(4), 1.30, 1.40)["greeks"], "ok");
    for step in 1..=31 {
        world.wait(2);
        let forward = 23_658.0 + f64::from(step % 2) * 5.0;
        world.book(FUTURE, forward, forward + 2.0);
        world.forward();
        assert_eq!(renewed(&mut world), [put(4)], "{step}");
    }
    world.book(FUTURE, 23_658.0, 23_660.0);
    let deep = world.book(call(4), 3_655.70, 3_655.80);
    assert_eq!(deep["greeks"], "no_time_value");
}

/// The last prices of a day keep the Greeks that they had.
#[test]
fn a_renewal_after_the_close_takes_nothing_away() {
    let mut world = World::of(&stored());
    world.wait((SETTLES - 2 - NOW) as u64);
    world.book(FUTURE, 23_658.0, 23_660.0);
    assert_eq!(world.book(call(2), 190.0, 190.1)["greeks"], "ok");
    world.book(FUTURE, 23_668.0, 23_670.0);
    world.forward();
    world.wait(3);
    assert_eq!(renewed(&mut world), []);
    let row = world
        .instruments
        .row(world.instruments.find(call(2)).unwrap());
    let option = world.instruments.chains.option(row.option.unwrap());
    assert!(option.newest().evaluation.values.is_some());
}
