use proptest::prelude::*;

use super::*;

#[test]
fn profiles_are_the_documented_ones() {
    for (profile, max_kib, warn_kib) in [
        (SizeLimits::default(), 1024, 512),
        (SizeLimits::strict(), 256, 128),
        (SizeLimits::lenient(), 10 * 1024, 5 * 1024),
    ] {
        assert_eq!((profile.max(), profile.warn()), (max_kib * 1024, warn_kib * 1024));
    }
}

#[test]
fn contradictory_limits_are_refused_at_the_door() {
    for (max, warn, expect) in [
        (0, 0, Err(ConfigError::ZeroMax)),
        (0, 1, Err(ConfigError::ZeroMax)),
        (10, 11, Err(ConfigError::WarnAboveMax { warn: 11, max: 10 })),
        (10, 10, Ok((10, 10))),
        (10, 0, Ok((10, 10))),
        (1, 1, Ok((1, 1))),
        (u64::MAX, 5, Ok((u64::MAX, 5))),
    ] {
        let limits = SizeLimits::new(max, warn).map(|limits| (limits.max(), limits.warn()));
        assert_eq!(limits, expect, "max {max}, warn {warn}");
    }
}

#[test]
fn a_maximum_alone_warns_from_half_of_it() {
    for (max, warn) in [(1000, 500), (3, 1), (1, 1)] {
        let limits = SizeLimits::with_max(max).unwrap();
        assert_eq!((limits.max(), limits.warn()), (max, warn));
    }
    assert_eq!(SizeLimits::with_max(0), Err(ConfigError::ZeroMax));
}

#[test]
fn every_edge_of_a_limit_is_judged_as_documented() {
    let limits = SizeLimits::new(1000, 500).unwrap();
    let too_large = |size| Err(TooLarge { size, max: 1000 });
    for (declared, before, expect) in [
        (0, 0, Ok(SizeVerdict::Fine)),
        (500, 0, Ok(SizeVerdict::Fine)),
        (501, 0, Ok(SizeVerdict::Large)),
        (1000, 0, Ok(SizeVerdict::Large)),
        (1001, 0, too_large(1001)),
        // The sum of fragments.
        (1, 500, Ok(SizeVerdict::Large)),
        (0, 1000, Ok(SizeVerdict::Large)),
        (1, 1000, too_large(1001)),
        // The longest length that a header can declare, and what would overflow.
        (i64::MAX as u64, 0, too_large(i64::MAX as u64)),
        (u64::MAX, 1, too_large(u64::MAX)),
        (u64::MAX, u64::MAX, too_large(u64::MAX)),
    ] {
        assert_eq!(limits.check(declared, before), expect, "{declared} after {before}");
    }
}

#[test]
fn incompressible_message_at_the_limit_fits_when_deflated_badly() {
    let limits = SizeLimits::default();
    // Stored blocks of 16,383 bytes cost five bytes each: what zlib makes of random data.
    let stored = limits.max() + 5 * limits.max().div_ceil(16_383) + 6;
    assert!(limits.check(stored, 0).is_err());
    assert_eq!(limits.check_compressed(stored, 0), Ok(()));
    // Fixed Huffman codes cost nine bits for half of the bytes.
    assert_eq!(limits.check_compressed(limits.max() + limits.max() / 8, 0), Ok(()));
    let absurd = 2 * limits.max();
    assert_eq!(
        limits.check_compressed(absurd, 0),
        Err(TooLarge { size: absurd, max: limits.max() })
    );
    assert!(limits.check_compressed(absurd - 10, 10).is_err());
    assert!(limits.check_compressed(u64::MAX, u64::MAX).is_err());
}

#[test]
fn remaining_is_what_check_still_admits() {
    let limits = SizeLimits::new(1000, 500).unwrap();
    for (before, remaining) in [(0, 1000), (999, 1), (1000, 0), (2000, 0)] {
        assert_eq!(limits.remaining(before), remaining);
    }
}

proptest! {
    #[test]
    fn verdict_is_that_of_exact_arithmetic(
        (max, warn) in (1u64.., any::<u64>()).prop_map(|(max, warn)| (max, warn % max + 1)),
        declared: u64,
        before: u64,
    ) {
        let limits = SizeLimits::new(max, warn).unwrap();
        let exact = u128::from(declared) + u128::from(before);
        // The one size that 64 bits cannot tell from a larger one is u64::MAX itself.
        prop_assume!(max < u64::MAX);
        match limits.check(declared, before) {
            Ok(SizeVerdict::Fine) => prop_assert!(exact <= u128::from(warn)),
            Ok(SizeVerdict::Large) => {
                prop_assert!(exact > u128::from(warn) && exact <= u128::from(max));
            }
            Err(error) => {
                prop_assert!(exact > u128::from(max));
                prop_assert_eq!(u128::from(error.size), exact.min(u128::from(u64::MAX)));
                prop_assert_eq!(error.max, max);
            }
        }
    }

    #[test]
    fn any_fragmentation_of_a_message_ends_in_the_verdict_on_the_whole(
        fragments in prop::collection::vec(0u64..400, 1..12),
        max in 1u64..3000,
    ) {
        let limits = SizeLimits::with_max(max).unwrap();
        let whole = limits.check(fragments.iter().sum(), 0);
        let mut before = 0;
        let mut last = Ok(SizeVerdict::Fine);
        for declared in fragments {
            last = limits.check(declared, before);
            prop_assert_eq!(limits.remaining(before) >= declared, last.is_ok());
            if last.is_err() {
                break;
            }
            before += declared;
        }
        prop_assert_eq!(last.is_ok(), whole.is_ok());
        if whole.is_ok() {
            prop_assert_eq!(last, whole);
        }
    }
}
