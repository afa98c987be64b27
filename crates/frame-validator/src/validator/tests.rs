use super::*;

#[test]
fn profiles_of_the_validator_are_those_of_the_limits() {
    for (validator, limits) in [
        (FrameSizeValidator::default(), SizeLimits::default()),
        (FrameSizeValidator::strict(), SizeLimits::strict()),
        (FrameSizeValidator::lenient(), SizeLimits::lenient()),
    ] {
        assert_eq!(validator.limits(), limits);
    }
}

#[test]
fn validation_carries_size_and_maximum() {
    let validator = FrameSizeValidator::new(SizeLimits::new(100, 50).unwrap());
    for (size, valid, warning) in [
        (0, true, false),
        (50, true, false),
        (51, true, true),
        (100, true, true),
        (101, false, false),
        (u64::MAX, false, false),
    ] {
        let expect = Validation { valid, frame_size: size, max_size: 100, warning };
        assert_eq!(validator.validate_frame_size(size, Some("user"), "conn"), expect);
    }
}

#[test]
fn books_hold_what_was_permitted_and_what_was_refused_apart() {
    let validator = FrameSizeValidator::new(SizeLimits::new(100, 50).unwrap());
    for size in [10, 60, 100, 101, 5000] {
        validator.validate_frame_size(size, Some("user-1"), "conn-1");
    }
    validator.validate_frame_size(200, None, "conn-2");
    let expect = SizeStats {
        frames: 3,
        bytes: 170,
        largest: 100,
        warnings: 2,
        violations: 3,
        largest_refused: 5000,
    };
    assert_eq!(validator.stats(), expect);
    assert_eq!(validator.violations_by_user("user-1"), 2);
    assert_eq!(validator.violations_by_user("user-2"), 0);
    assert_eq!(validator.violations_by_connection("conn-1"), 2);
    assert_eq!(validator.violations_by_connection("conn-2"), 1);
    let recent = validator.recent_violations();
    assert_eq!(recent.len(), 3);
    let newest = Violation {
        number: 3,
        too_large: TooLarge { size: 200, max: 100 },
        user_id: None,
        connection_id: "conn-2".into(),
    };
    assert_eq!(recent[0], newest);
}

#[test]
fn forgotten_connection_starts_anew_and_its_user_does_not() {
    let validator = FrameSizeValidator::strict();
    validator.validate_frame_size(u64::MAX, Some("user"), "conn");
    validator.forget_connection("conn");
    assert_eq!(validator.violations_by_connection("conn"), 0);
    assert_eq!(validator.violations_by_user("user"), 1);
}

#[test]
fn absorbing_a_tally_counts_it_once() {
    let validator = FrameSizeValidator::default();
    let mut tally = SizeTally::default();
    for size in [100, 600 * 1024] {
        let verdict = validator.limits().check(size, 0).unwrap();
        tally.record(size, verdict);
    }
    validator.absorb(&mut tally);
    validator.absorb(&mut tally);
    assert_eq!(tally, SizeTally::default());
    let stats = validator.stats();
    assert_eq!((stats.frames, stats.bytes, stats.warnings), (2, 614_500, 1));
    assert_eq!(stats.largest, 600 * 1024);
}

#[test]
fn memory_of_violations_stays_bounded_under_a_spray_of_offenders() {
    let validator = FrameSizeValidator::new(ValidatorConfig {
        limits: SizeLimits::strict(),
        recent_max: 16,
        offenders_max: 32,
    });
    for n in 0..10_000 {
        let (user, connection) = (format!("user-{n}"), format!("conn-{n}"));
        validator.validate_frame_size(u64::MAX, Some(&user), &connection);
    }
    assert_eq!(validator.stats().violations, 10_000);
    assert_eq!(validator.recent_violations().len(), 16);
    let remembered =
        (0..10_000).filter(|n| validator.violations_by_user(&format!("user-{n}")) > 0).count();
    assert_eq!(remembered, 32);
}

#[test]
fn summary_is_one_line_for_people() {
    let validator = FrameSizeValidator::new(SizeLimits::new(100, 50).unwrap());
    for size in [10, 60, 101] {
        validator.validate_frame_size(size, None, "conn");
    }
    assert_eq!(
        validator.summary().to_string(),
        "2 frames, 70 bytes (average 35, largest 60), 1 above 50, 1 refused above 100"
    );
}
