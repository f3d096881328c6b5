//! Sets whose options have Greeks.

mod chains;

use super::*;

/// Whether ticks carry Greeks on the channels of an instrument.
fn outputs(world: &Observed, token: u32) -> Vec<bool> {
    let assignment = world.accounts[0].assignment.readable().unwrap().0;
    let mut rows = assignment.instruments.iter();
    let row = rows.find(|row| row.token.0 == token).unwrap();
    row.outputs.iter().map(|it| it.greeks).collect()
}

const CALL: u32 = 12_192_002;
const FUTURE: u32 = 12_192_258;
const INDEX: u32 = 256_265;

/// A set that publishes on channels of its own.
fn publishing(name: &str, prefix: &str, greeks: bool) -> ObservedSet {
    let mut set = set(name, &[CALL, FUTURE, INDEX], &[]);
    edit(&mut set, |spec| {
        spec.publish.greeks = greeks;
        spec.publish.channel_prefix = Some(prefix.to_owned());
    });
    set
}

#[test]
fn ticks_of_options_carry_greeks_on_channels_that_want_them() {
    let sets = vec![
        publishing("a", "x", false),
        publishing("b", "x", true),
        publishing("c", "y", false),
    ];
    let mut world = observed(vec![account("a")], sets);
    run(&mut world, start());
    assert_eq!(outputs(&world, CALL), [true, false]);
    for other in [FUTURE, INDEX] {
        assert_eq!(outputs(&world, other), [false, false]);
    }
}
