//! Whether what was seen is what was accepted: nothing lost, nothing doubled, nothing out of its order.

use std::{collections::BTreeMap, fmt};

use super::ledger::{Accepted, Seen, Sighting, Step};

/// Of each kind, so many differences are told in words.
const TOLD_MAX: usize = 5;

/// What went wrong, if anything did.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// How often, and the first ones in words.
    pub(crate) differences: BTreeMap<Difference, (u64, Vec<String>)>,
    /// How many gaps were told that could not be filled.
    pub(crate) told_gaps: u64,
    /// How many accepted messages lie in such gaps.
    pub(crate) told_missing: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// Accepted, not seen, and nothing was said.
    Lost,
    Doubled,
    /// Behind a later one of the same publisher.
    Reordered,
    /// Two subscribers saw two messages in different orders.
    Disagreed,
    /// Seen, though nobody was told that it was accepted.
    Unknown,
    /// Not at the offset that its publisher was told.
    Misplaced,
    /// At an offset that is not behind the one before.
    OffsetBack,
    /// A gap was told where the engine promises that there is none.
    ToldGap,
    /// It did not come to an end: something was not accepted, or not delivered, long after all was healed.
    Unfinished,
}

/// Compares. `gaps_allowed`: what a subscriber was told to have missed may be missing, and what it saw before that
/// may come again behind it.
pub(crate) fn judge(accepted: &Accepted, all: &[Seen], gaps_allowed: bool) -> Verdict {
    let mut verdict = Verdict::default();
    for (channel, publishers) in accepted.channels.iter().enumerate() {
        let mut first: Option<(usize, Places)> = None;
        for (subscriber, seen) in all.iter().enumerate() {
            let steps = &seen.channels[channel];
            let mut reading = Reading {
                subscriber,
                channel,
                publishers,
                steps,
                gaps_allowed,
                verdict: &mut verdict,
            };
            let places = reading.each_step();
            reading.each_missing(&places);
            match &first {
                Some((other, order)) => reading.compare(*other, order),
                None => first = Some((subscriber, places)),
            }
        }
    }
    verdict
}

/// Where each message of each publisher was seen first: the index of its step and 1; 0 for nowhere.
type Places = Vec<Vec<u32>>;

/// One subscriber in one channel.
struct Reading<'a> {
    subscriber: usize,
    channel: usize,
    publishers: &'a [Vec<u64>],
    steps: &'a [Step],
    gaps_allowed: bool,
    verdict: &'a mut Verdict,
}

impl Reading<'_> {
    fn each_step(&mut self) -> Places {
        let mut places: Places = self.publishers.iter().map(|it| vec![0; it.len()]).collect();
        let mut highest = vec![0_u32; self.publishers.len()];
        let (mut last_offset, mut last_gap) = (None, 0_u32);
        for (index, step) in (1_u32..).zip(self.steps) {
            let Step::Message(it) = *step else {
                last_offset = None;
                last_gap = index;
                self.verdict.told_gaps += 1;
                if !self.gaps_allowed {
                    self.tell(Difference::ToldGap, index, "was told of a gap");
                }
                continue;
            };
            if last_offset.is_some_and(|last| last >= it.offset) {
                let last = last_offset.unwrap_or_default();
                self.tell(
                    Difference::OffsetBack,
                    index,
                    &format!("{it} comes behind offset {last}"),
                );
            }
            last_offset = Some(it.offset);
            let Some((place, told)) = find(self.publishers, &mut places, it) else {
                self.tell(Difference::Unknown, index, &format!("{it} was never accepted"));
                continue;
            };
            let before = std::mem::replace(place, if *place == 0 { index } else { *place });
            if before > 0 {
                // What a new life of the log is given again was not remembered by it.
                if !(self.gaps_allowed && last_gap > before) {
                    self.tell(
                        Difference::Doubled,
                        index,
                        &format!("{it} came before, at {before}"),
                    );
                }
                continue;
            }
            if told > 0 && told != it.offset && last_gap == 0 {
                let what = format!("{it} was acknowledged at offset {told}");
                self.tell(Difference::Misplaced, index, &what);
            }
            let highest = &mut highest[it.publisher as usize];
            if it.number < *highest {
                let what = format!("{it} comes behind the publisher's {highest}");
                self.tell(Difference::Reordered, index, &what);
            }
            *highest = it.number.max(*highest);
        }
        places
    }

    fn each_missing(&mut self, places: &Places) {
        let gaps: Vec<u32> = (1_u32..)
            .zip(self.steps)
            .filter_map(|(index, step)| (*step == Step::Gap).then_some(index))
            .collect();
        for (publisher, places) in places.iter().enumerate() {
            let mut behind = 0;
            for (index, place) in places.iter().enumerate() {
                if *place > 0 {
                    behind = *place;
                    continue;
                }
                let next = places[index..].iter().copied().find(|place| *place > 0);
                let before = next.unwrap_or(u32::MAX);
                if self.gaps_allowed && gaps.iter().any(|gap| (behind..=before).contains(gap)) {
                    self.verdict.told_missing += 1;
                    continue;
                }
                let number = index + 1;
                let what = format!("never saw p{publisher}#{number}");
                self.tell(Difference::Lost, behind, &what);
            }
        }
    }

    /// The messages that both saw, in the order of both.
    fn compare(&mut self, other: usize, order: &Places) {
        let mut last: Option<(u32, Sighting)> = None;
        for (index, step) in (1_u32..).zip(self.steps) {
            let Step::Message(it) = *step else { continue };
            let place = order
                .get(it.publisher as usize)
                .and_then(|numbers| numbers.get((it.number as usize).checked_sub(1)?).copied());
            let Some(place @ 1..) = place else { continue };
            if let Some((before, earlier)) = last
                && place < before
                && !self.gaps_allowed
            {
                let what = format!("{it} comes behind {earlier}; subscriber {other} saw it before");
                self.tell(Difference::Disagreed, index, &what);
                // One exchange would make all that follows another difference.
                return;
            }
            last = Some((place, it));
        }
    }

    fn tell(&mut self, difference: Difference, index: u32, what: &str) {
        let (subscriber, channel) = (self.subscriber, self.channel);
        self.verdict.add(
            difference,
            format!("subscriber {subscriber}, channel {channel}, place {index}: {what}"),
        );
    }
}

/// Its place, and the offset that its publisher was told.
fn find<'a>(
    publishers: &[Vec<u64>],
    places: &'a mut Places,
    it: Sighting,
) -> Option<(&'a mut u32, u64)> {
    let index = (it.number as usize).checked_sub(1)?;
    let told = *publishers.get(it.publisher as usize)?.get(index)?;
    Some((&mut places[it.publisher as usize][index], told))
}

impl Verdict {
    pub(crate) fn add(&mut self, difference: Difference, what: String) {
        let (count, told) = self.differences.entry(difference).or_default();
        *count += 1;
        if told.len() < TOLD_MAX {
            told.push(what);
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.differences.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn count(&self, difference: Difference) -> u64 {
        self.differences.get(&difference).map_or(0, |(count, _)| *count)
    }
}

impl Difference {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Reordered => "reordered",
            Self::Disagreed => "seen in another order",
            Self::Unknown => "never accepted",
            Self::Misplaced => "at another offset",
            Self::OffsetBack => "offset back",
            Self::ToldGap => "told gap",
            Self::Unfinished => "unfinished",
        }
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}#{} (offset {})", self.publisher, self.number, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: (u32, u32, u64) = (u32::MAX, 0, 0);

    /// Publisher, number, offset.
    fn seen(steps: &[(u32, u32, u64)]) -> Seen {
        let step = |&(publisher, number, offset): &(u32, u32, u64)| match publisher {
            u32::MAX => Step::Gap,
            _ => Step::Message(Sighting { publisher, number, offset }),
        };
        Seen { channels: vec![steps.iter().map(step).collect()] }
    }

    /// Two publishers with two messages each, at the offsets 1, 3 and 2, 4.
    fn accepted() -> Accepted {
        Accepted { channels: vec![vec![vec![1, 3], vec![2, 4]]] }
    }

    const GOOD: [(u32, u32, u64); 4] = [(0, 1, 1), (1, 1, 2), (0, 2, 3), (1, 2, 4)];

    #[test]
    fn what_was_accepted_seen_by_all_in_one_order_is_good() {
        let verdict = judge(&accepted(), &[seen(&GOOD), seen(&GOOD)], false);
        assert!(verdict.is_good(), "{verdict:?}");
    }

    #[test]
    fn each_difference_is_found_and_named() {
        let [a, b, c, d] = GOOD;
        for (steps, difference) in [
            (vec![a, b, d], Difference::Lost),
            (vec![a, b, c], Difference::Lost),
            (vec![], Difference::Lost),
            (vec![a, b, b, c, d], Difference::Doubled),
            (vec![a, b, c, d, (0, 1, 5)], Difference::Doubled),
            (vec![b, c, a, d], Difference::Reordered),
            (vec![b, a, c, d], Difference::Disagreed),
            (vec![a, b, c, d, (0, 3, 5)], Difference::Unknown),
            (vec![a, b, c, d, (7, 1, 5)], Difference::Unknown),
            (vec![a, b, c, (1, 2, 9)], Difference::Misplaced),
            (vec![a, b, d, c], Difference::OffsetBack),
            (vec![a, b, GAP, c, d], Difference::ToldGap),
            (vec![a, b, GAP, d], Difference::Lost),
        ] {
            let verdict = judge(&accepted(), &[seen(&GOOD), seen(&steps)], false);
            assert!(verdict.count(difference) > 0, "{steps:?}: {verdict:?}");
        }
    }

    #[test]
    fn a_gap_that_was_told_covers_what_is_missing_there_and_nothing_else() {
        let [a, b, c, d] = GOOD;
        for (steps, missing, difference) in [
            (vec![a, GAP, d], 2, None),
            (vec![a, b, GAP], 2, None),
            (vec![GAP, c, d], 2, None),
            // In a new life of the log the same message may be there once more, and at another offset.
            (vec![a, b, GAP, (1, 1, 1), (0, 2, 2), (1, 2, 3)], 0, None),
            (vec![a, GAP, b, c, c, d], 0, Some(Difference::Doubled)),
            (vec![a, c, GAP, d], 1, None),
            (vec![GAP, a, b, c], 0, Some(Difference::Lost)),
        ] {
            let verdict = judge(&accepted(), &[seen(&steps)], true);
            assert_eq!(verdict.told_missing, missing, "{steps:?}: {verdict:?}");
            assert_eq!(verdict.told_gaps, 1);
            let found = difference.map_or(0, |it| verdict.count(it));
            assert_eq!(verdict.is_good(), found == 0, "{steps:?}: {verdict:?}");
        }
    }

    #[test]
    fn a_thousand_differences_are_counted_and_some_are_told() {
        let accepted = Accepted { channels: vec![vec![(1..=1_000).collect()]] };
        let verdict = judge(&accepted, &[seen(&[])], false);
        let (count, told) = &verdict.differences[&Difference::Lost];
        assert_eq!((*count, told.len()), (1_000, TOLD_MAX));
        assert_eq!(told[0], "subscriber 0, channel 0, place 0: never saw p0#1");
    }
}
