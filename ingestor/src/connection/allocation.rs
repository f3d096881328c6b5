//! Which connection carries which token. Pure.
//!
//! Connections fill up one after the other, and a token stays where it is.

use std::collections::BTreeMap;

use kite::Token;

/// Allocates `wanted` to `connections` connections of `capacity` tokens. Tokens stay where
/// `current` has them; others go to the first connection with room, so that connection n+1 opens
/// only when n is full. A token moves only if its connection is no longer allowed or is over its
/// capacity.
///
/// `wanted` has to fit; tokens without room are left out.
#[must_use]
pub(crate) fn allocate(
    current: &BTreeMap<Token, u8>,
    wanted: impl IntoIterator<Item = Token>,
    connections: u8,
    capacity: u16,
) -> BTreeMap<Token, u8> {
    let mut room = vec![usize::from(capacity); usize::from(connections)];
    let mut allocated = BTreeMap::new();
    let mut unallocated = Vec::new();
    for token in wanted {
        let index = current.get(&token).copied();
        match index.and_then(|index| Some((index, room.get_mut(usize::from(index))?))) {
            Some((index, room)) if *room > 0 => {
                *room -= 1;
                allocated.insert(token, index);
            }
            _ => unallocated.push(token),
        }
    }
    for token in unallocated {
        let Some(free) = room.iter().position(|room| *room > 0) else {
            break;
        };
        room[free] -= 1;
        allocated.insert(token, free as u8);
    }
    allocated
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn tokens(range: std::ops::Range<u32>) -> impl Iterator<Item = Token> {
        range.map(Token)
    }

    fn loads(allocated: &BTreeMap<Token, u8>) -> Vec<usize> {
        let load = |index| allocated.values().filter(|other| **other == index).count();
        (0..3).map(load).collect()
    }

    #[test]
    fn a_connection_opens_when_the_one_before_is_full() {
        let none = BTreeMap::new();
        assert_eq!(loads(&allocate(&none, tokens(0..10), 3, 10)), [10, 0, 0]);
        assert_eq!(loads(&allocate(&none, tokens(0..11), 3, 10)), [10, 1, 0]);
        assert_eq!(loads(&allocate(&none, tokens(0..30), 3, 10)), [10, 10, 10]);
    }

    #[test]
    fn freed_room_is_taken_before_a_new_connection_opens() {
        let before = allocate(&BTreeMap::new(), tokens(0..11), 3, 10);
        let after = allocate(&before, tokens(1..12), 3, 10);
        assert_eq!(after[&Token(10)], 1, "it stays although the first has room");
        assert_eq!(after[&Token(11)], 0);
    }

    proptest! {
        #[test]
        fn all_fit_and_none_moves_without_cause(
            steps in proptest::collection::vec(
                (proptest::collection::btree_set(0_u32..40, 0..30), 1_u8..=3, 10_u16..=14), 1..6)
        ) {
            let mut current = BTreeMap::new();
            for (wanted, connections, capacity) in steps {
                let wanted: BTreeSet<Token> = wanted.into_iter().map(Token)
                    .take(usize::from(connections) * usize::from(capacity)).collect();
                let allocated = allocate(&current, wanted.iter().copied(), connections, capacity);
                prop_assert!(allocated.keys().eq(wanted.iter()));
                let loads = loads(&allocated);
                prop_assert!(loads.iter().all(|load| *load <= usize::from(capacity)));
                prop_assert!(loads[usize::from(connections)..].iter().all(|load| *load == 0));
                for (token, index) in &allocated {
                    let Some(before) = current.get(token) else { continue };
                    let still = *before < connections
                        && wanted.iter().filter(|other| current.get(other) == Some(before)).count()
                            <= usize::from(capacity);
                    prop_assert!(index == before || !still);
                }
                // A newcomer opens a connection only when those before it are full.
                for (token, index) in allocated.iter().filter(|(token, _)| !current.contains_key(token)) {
                    let full = loads[..usize::from(*index)].iter().all(|load| *load == usize::from(capacity));
                    prop_assert!(full, "{token} on {index}");
                }
                current = allocated;
            }
        }
    }
}
