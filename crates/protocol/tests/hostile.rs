//! Texts that are meant to hurt.

use ws_protocol::{ClientMessage, ErrorCode, NESTING_MAX, ParseErrorKind};

const MIB: usize = 1024 * 1024;

/// Whether `work` succeeds on a stack of 256 KiB; a parser that recurses would not get away with it.
fn succeeds_on_a_small_stack(work: impl FnOnce() + Send + 'static) -> bool {
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(work);
    thread.is_ok_and(|thread| thread.join().is_ok())
}

#[test]
fn a_mebibyte_of_brackets_is_refused_and_does_not_overflow_the_stack() {
    assert!(succeeds_on_a_small_stack(|| {
        for opening in ["[", "{\"a\":", "[{\"a\":"] {
            let bomb = opening.repeat(MIB / opening.len());
            for text in [
                bomb.clone(),
                format!("{{\"type\":\"request\",\"requestId\":1,\"payload\":{bomb}"),
                format!("{{\"ignored\":{bomb}"),
                format!("{{\"type\":{bomb}"),
                format!("{{\"type\":\"join_room\",\"payload\":{bomb}"),
                format!("{{\"token\":\"t\",\"channels\":{bomb}"),
            ] {
                let kind = ClientMessage::parse(&text).unwrap_err().kind;
                assert!(matches!(kind, ParseErrorKind::BadJson { .. }));
            }
        }
    }));
}

#[test]
fn a_bomb_that_is_well_formed_is_refused_for_its_depth_wherever_it_lies() {
    assert!(succeeds_on_a_small_stack(|| {
        for levels in [NESTING_MAX, MIB / 2] {
            let bomb = "[".repeat(levels) + &"]".repeat(levels);
            for text in [
                format!("{{\"id\":7,\"type\":\"request\",\"requestId\":1,\"payload\":{bomb}}}"),
                format!("{{\"id\":7,\"type\":\"publish\",\"channel\":\"c\",\"data\":{bomb}}}"),
                format!("{{\"id\":7,\"type\":\"ping\",\"ignored\":{bomb}}}"),
                format!("{{\"id\":7,\"type\":\"join_room\",\"payload\":{{\"room_id\":{bomb}}}}}"),
            ] {
                let error = ClientMessage::parse(&text).unwrap_err();
                assert_eq!(
                    (error.kind, error.code()),
                    (ParseErrorKind::TooDeep, ErrorCode::BadJson)
                );
                assert_eq!(error.correlation.id.unwrap().as_str(), "7");
            }
        }
    }));
}

#[test]
fn a_payload_may_use_all_the_levels_but_the_one_of_the_frame() {
    let levels = NESTING_MAX - 1;
    let deep = "[".repeat(levels) + &"]".repeat(levels);
    let text = format!("{{\"type\":\"request\",\"requestId\":1,\"payload\":{deep}}}");
    let incoming = ClientMessage::parse(&text).unwrap();
    let ClientMessage::Request { payload, .. } = incoming.message else {
        panic!("expected a request");
    };
    assert_eq!(payload.get(), deep);
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
}

#[test]
fn a_mebibyte_of_small_pieces_is_understood() {
    for text in [
        format!("{{\"type\":\"ping\",{}\"z\":1}}", "\"a\":1,".repeat(MIB / 6)),
        format!("{{\"type\":\"presence\",\"channel\":\"{}\"}}", "\\u0041".repeat(MIB / 6)),
        format!(
            "{{\"type\":\"request\",\"requestId\":1,\"payload\":[{}0]}}",
            "[],".repeat(MIB / 3)
        ),
        format!(
            "{{\"type\":\"request\",\"requestId\":1,\"payload\":\"{}\"}}",
            "\\\\".repeat(MIB / 2)
        ),
    ] {
        assert!(ClientMessage::parse(&text).is_ok());
    }
}
