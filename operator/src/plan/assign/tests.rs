use super::*;
use crate::plan::fixture::{self, edit, equities, observed, run, start};
use crate::plan::{LastAssignment, Observed};

fn there(observed: &Observed) -> Assignment {
    match &observed.accounts[0].assignment {
        LastAssignment::Readable { assignment, .. } => assignment.as_ref().clone(),
        other => panic!("must lie there: {other:?}"),
    }
}

#[test]
fn a_row_says_all_that_is_published() {
    let mut world = observed(
        vec![fixture::account("a")],
        vec![fixture::set(
            "s",
            &[],
            &["NSE:NIFTY 50", "NFO:NIFTY26DEC25000CE", "NSE:INFY"],
        )],
    );
    run(&mut world, start());
    insta::assert_json_snapshot!(there(&world));
}

#[test]
fn two_sets_share_a_row_in_the_richest_mode() {
    let mut poor = fixture::aged("b", 1, &equities([0]), &[]);
    edit(&mut poor, |spec| {
        spec.mode = crds::set::Mode::Ltp;
        spec.publish.channel_prefix = Some("x".to_owned());
    });
    let mut world = observed(
        vec![fixture::account("a")],
        vec![fixture::set("a", &equities([0]), &[]), poor],
    );
    run(&mut world, start());
    let assignment = there(&world);
    let row = &assignment.instruments[0];
    assert_eq!((row.mode, row.sets.as_slice()), (Mode::Full, &[0, 1][..]));
    let outputs: Vec<(&str, bool)> = row
        .outputs
        .iter()
        .map(|output| {
            (
                assignment.channels[usize::from(output.channel)].as_str(),
                output.depth,
            )
        })
        .collect();
    assert_eq!(outputs, [("ticker:equity", true), ("x:equity", false)]);
    // Once the richer set is gone, so is its mode.
    world.sets.remove(0);
    run(&mut world, start());
    assert_eq!(there(&world).instruments[0].mode, Mode::Ltp);
}
