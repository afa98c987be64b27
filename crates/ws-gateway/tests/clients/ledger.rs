//! What was accepted, what was seen, and whether that is the same.

use std::collections::HashMap;

/// A numbered message, as its subscriber saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) channel: usize,
    pub(crate) publisher: usize,
    pub(crate) number: u64,
    pub(crate) offset: u64,
}

/// What publishers were told: the offset of each message by channel, publisher and number.
pub(crate) type Accepted = HashMap<(usize, usize, u64), u64>;

/// Everything accepted was seen, at its place, once, and nothing else; each channel in its order. Otherwise
/// says the first thing that is wrong.
pub(crate) fn judge(accepted: &Accepted, seen: &[Sighting]) -> Result<(), String> {
    let mut offsets: HashMap<usize, u64> = HashMap::new();
    let mut numbers: HashMap<(usize, usize), u64> = HashMap::new();
    for (index, sighting) in seen.iter().enumerate() {
        let Sighting { channel, publisher, number, offset } = *sighting;
        let complaint = |what: &str| Err(format!("the {index}th, {sighting:?}: {what}"));
        let Some(told) = accepted.get(&(channel, publisher, number)) else {
            return complaint("nobody was told that it is published");
        };
        if *told != offset {
            return complaint(&format!("its publisher was told {told}"));
        }
        let last = offsets.entry(channel).or_default();
        if offset != *last + 1 {
            return complaint(&format!("it comes behind {last}"));
        }
        *last = offset;
        let before = numbers.entry((channel, publisher)).or_default();
        if number != *before + 1 {
            return complaint(&format!("of its publisher it comes behind {before}"));
        }
        *before = number;
    }
    if seen.len() != accepted.len() {
        return Err(format!("{} were accepted and {} seen", accepted.len(), seen.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> (Accepted, Vec<Sighting>) {
        let seen: Vec<_> = (0..40)
            .map(|n| Sighting {
                channel: n % 2,
                publisher: n / 2 % 2,
                number: n as u64 / 4 + 1,
                offset: n as u64 / 2 + 1,
            })
            .collect();
        let accepted =
            seen.iter().map(|it| ((it.channel, it.publisher, it.number), it.offset)).collect();
        (accepted, seen)
    }

    #[test]
    fn what_is_complete_in_order_and_once_is_good() {
        let (accepted, seen) = story();
        assert_eq!(judge(&accepted, &seen), Ok(()));
    }

    #[test]
    fn whatever_is_lost_doubled_swapped_or_made_up_is_noticed() {
        type Change = fn(&mut Vec<Sighting>);
        let changes: [(&str, Change); 7] = [
            ("lost", |seen| {
                seen.remove(7);
            }),
            ("lost at the end", |seen| seen.truncate(39)),
            ("doubled", |seen| seen.insert(7, seen[7])),
            ("again, later", |seen| seen.push(seen[7])),
            ("swapped", |seen| seen.swap(6, 8)),
            ("at another place", |seen| seen[7].offset += 1),
            ("made up", |seen| seen[39].number = 1_000),
        ];
        for (what, change) in changes {
            let (accepted, mut seen) = story();
            change(&mut seen);
            assert!(judge(&accepted, &seen).is_err(), "{what}");
        }
    }
}
