use proptest::prelude::*;

use super::*;

const ALL: [bool; PRIORITIES] = [true; PRIORITIES];

/// Who has the turn, many times in a row, while the same can send.
fn turns(can_send: [bool; PRIORITIES], passes_max: u32, count: usize) -> Vec<usize> {
    let mut turns = Turns::default();
    (0..count).filter_map(|_| turns.take(can_send, passes_max)).collect()
}

#[test]
fn the_highest_goes_until_another_has_waited_for_long() {
    assert_eq!(turns([false, true, false, true], 3, 8), [1, 1, 1, 3, 1, 1, 1, 3]);
    assert_eq!(turns([false; PRIORITIES], 3, 8), [0_usize; 0]);
}

#[test]
fn those_who_run_out_of_patience_together_begin_in_time() {
    // The three lower ones may wait for eight turns, and the last of them has its turn after eight.
    assert_eq!(turns(ALL, 8, 10), [0, 0, 0, 0, 0, 0, 1, 2, 3, 0]);
}

#[test]
fn without_patience_they_take_turns() {
    assert_eq!(turns(ALL, 0, 8), [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn who_cannot_send_is_not_passed_over() {
    let mut turns = Turns::default();
    for _ in 0..100 {
        assert_eq!(turns.take([true, false, false, false], 3), Some(0));
    }
    for expected in [0, 0, 0, 1] {
        assert_eq!(turns.take([true, true, false, false], 3), Some(expected));
    }
}

proptest! {
    #[test]
    fn nobody_is_passed_over_more_often_than_it_bears(
        rounds in prop::collection::vec(any::<[bool; PRIORITIES]>(), 1..300),
        passes_max in 3..10u32,
        rarely in 0..5usize,
    ) {
        let mut turns = Turns::default();
        let mut passes = [0; PRIORITIES];
        for (round, mut can_send) in rounds.into_iter().enumerate() {
            if rarely > 0 && round % rarely != 0 {
                can_send = ALL;
            }
            let chosen = turns.take(can_send, passes_max);
            prop_assert_eq!(chosen.is_some(), can_send.contains(&true));
            let Some(chosen) = chosen else {
                passes = [0; PRIORITIES];
                continue;
            };
            prop_assert!(can_send[chosen]);
            let is_highest = !can_send[..chosen].contains(&true);
            let hurries = (0..PRIORITIES).any(|it| can_send[it] && passes[it] + 3 >= passes_max);
            prop_assert!(is_highest || hurries, "{chosen} had the turn without need");
            for index in 0..PRIORITIES {
                let is_passed_over = can_send[index] && index != chosen;
                passes[index] = if is_passed_over { passes[index] + 1 } else { 0 };
                prop_assert!(passes[index] <= passes_max, "{index} is passed over once too often");
            }
        }
    }
}
