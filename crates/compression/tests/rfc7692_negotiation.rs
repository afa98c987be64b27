//! RFC 7692 §7.1, a line for each rule: the section stands first in it.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use ws_compression::{
    CompressionConfig, CompressionManager, NegotiationError, ParameterError, WindowBits,
    accept_offer, accept_response, check_header, offer,
};

const EVERYTHING: usize = usize::MAX;

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

/// Grants takeover both ways, so that a refusal in an answer comes from the offer.
fn willing() -> CompressionConfig {
    CompressionConfig::default()
        .with_server_context_takeover(true)
        .with_client_context_takeover(true)
}

fn answer(config: &CompressionConfig, offer: &str) -> Option<String> {
    accept_offer(config, EVERYTHING, [offer]).map(|accepted| accepted.response)
}

/// Section and rule, offer, answer of a willing server.
const OFFERS: &[(&str, &str, Option<&str>)] = &[
    ("7.1.3 the simplest offer", "permessage-deflate", Some("permessage-deflate")),
    ("7.1 decline a parameter not defined for an offer", "permessage-deflate; mystery", None),
    (
        "7.1 decline a parameter with an invalid value",
        "permessage-deflate; server_max_window_bits=16",
        None,
    ),
    (
        "7.1 decline several parameters of one name",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        None,
    ),
    (
        "7.1 decline several parameters of one name, flags as well",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        None,
    ),
    (
        "7.1.1.1 the parameter has no value",
        "permessage-deflate; server_no_context_takeover=1",
        None,
    ),
    (
        "7.1.1.1 accept by including it",
        "permessage-deflate; server_no_context_takeover",
        Some("permessage-deflate; server_no_context_takeover"),
    ),
    (
        "7.1.1.2 the parameter has no value",
        "permessage-deflate; client_no_context_takeover=true",
        None,
    ),
    (
        "7.1.1.2 the hint may be taken up",
        "permessage-deflate; client_no_context_takeover",
        Some("permessage-deflate; client_no_context_takeover"),
    ),
    ("7.1.2.1 the value is not optional", "permessage-deflate; server_max_window_bits", None),
    ("7.1.2.1 at least 8", "permessage-deflate; server_max_window_bits=7", None),
    ("7.1.2.1 no leading zeroes", "permessage-deflate; server_max_window_bits=09", None),
    ("7.1.2.1 a decimal integer", "permessage-deflate; server_max_window_bits=0xA", None),
    (
        "7.1.2.1 accept by including it with the same value",
        "permessage-deflate; server_max_window_bits=9",
        Some("permessage-deflate; server_max_window_bits=9"),
    ),
    (
        "7.1.2.1 accept the smallest",
        "permessage-deflate; server_max_window_bits=8",
        Some("permessage-deflate; server_max_window_bits=8"),
    ),
    (
        "7.1.2.1 accept the largest by including it",
        "permessage-deflate; server_max_window_bits=15",
        Some("permessage-deflate; server_max_window_bits=15"),
    ),
    (
        "7.1.2.2 a value is optional",
        "permessage-deflate; client_max_window_bits",
        Some("permessage-deflate"),
    ),
    (
        "7.1.2.2 the same value or a smaller one",
        "permessage-deflate; client_max_window_bits=10",
        Some("permessage-deflate; client_max_window_bits=10"),
    ),
    ("7.1.2.2 at most 15", "permessage-deflate; client_max_window_bits=16", None),
    ("7.1.2.2 no leading zeroes", "permessage-deflate; client_max_window_bits=010", None),
    (
        "5.2, RFC 6455 9.1: a value may be quoted",
        r#"permessage-deflate; server_max_window_bits="10"; client_max_window_bits="1\2""#,
        Some("permessage-deflate; server_max_window_bits=10; client_max_window_bits=12"),
    ),
    (
        "5 the first sound offer wins",
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        Some("permessage-deflate; server_max_window_bits=10"),
    ),
    (
        "5 the next one is tried after a declined one",
        "permessage-deflate; server_max_window_bits=99, permessage-deflate; x=y, permessage-deflate; server_no_context_takeover",
        Some("permessage-deflate; server_no_context_takeover"),
    ),
    (
        "5 other extensions are passed over",
        "permessage-bzip2; x=1, x-webkit-deflate-frame, permessage-deflate",
        Some("permessage-deflate"),
    ),
    ("5 nothing of ours offered", "permessage-bzip2", None),
    ("5 no offer", "", None),
    ("RFC 6455 9.1 a malformed header offers nothing", "permessage-deflate, =", None),
];

#[test]
fn a_willing_server_answers_each_offer_as_the_rfc_says() {
    for (rule, offer, expected) in OFFERS {
        assert_eq!(answer(&willing(), offer).as_deref(), *expected, "{rule}");
    }
}

#[test]
fn a_server_with_wishes_says_them_as_the_rfc_allows() {
    let small =
        willing().with_server_max_window_bits(bits(11)).with_client_max_window_bits(bits(10));
    let table: &[(&str, &CompressionConfig, &str, &str)] = &[
        (
            "7.1.1.1 may be included though not offered; 7.1.1.2 likewise",
            &CompressionConfig::default(),
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            "7.1.2.1 may be included though not offered; 7.1.2.2 must not",
            &small,
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=11",
        ),
        (
            "7.1.2.1 smaller than offered",
            &small,
            "permessage-deflate; server_max_window_bits=14",
            "permessage-deflate; server_max_window_bits=11",
        ),
        (
            "7.1.2.1 never larger than offered",
            &small,
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9",
        ),
        (
            "7.1.2.2 asked of a client that names it",
            &small,
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=11; client_max_window_bits=10",
        ),
        (
            "7.1.2.2 never larger than offered",
            &small,
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=11; client_max_window_bits=8",
        ),
    ];
    for (rule, config, offer, expected) in table {
        assert_eq!(answer(config, offer).as_deref(), Some(*expected), "{rule}");
    }
}

#[test]
fn accepted_params_say_what_was_answered() {
    let offer = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=9; client_no_context_takeover";
    let params = accept_offer(&willing(), EVERYTHING, [offer]).unwrap().params;
    assert!(!params.server_no_context_takeover && params.client_no_context_takeover);
    assert_eq!((params.server_max_window_bits, params.client_max_window_bits), (bits(12), bits(9)));

    // A client that does not name its window may use all of it, whatever the server wishes.
    let wishing = willing().with_client_max_window_bits(bits(9));
    let params = accept_offer(&wishing, EVERYTHING, ["permessage-deflate"]).unwrap().params;
    assert_eq!(params.client_max_window_bits, WindowBits::MAX);
}

#[test]
fn offers_may_be_spread_over_several_headers() {
    let headers = [
        "other, permessage-deflate; bad",
        "permessage-deflate, malformed header",
        "permessage-deflate; server_max_window_bits=9",
    ];
    let accepted = accept_offer(&willing(), EVERYTHING, headers).unwrap();
    assert_eq!(accepted.response, "permessage-deflate; server_max_window_bits=9");
}

#[test]
fn a_disabled_server_accepts_nothing() {
    assert_eq!(answer(&CompressionConfig::disabled(), "permessage-deflate"), None);
}

#[test]
fn takeover_is_granted_only_as_far_as_memory_is_left() {
    let window = WindowBits::MAX.bytes();
    for (left, expected) in [
        (4096 + window, "permessage-deflate"),
        (4096 + window - 1, "permessage-deflate; client_no_context_takeover"),
        (4096, "permessage-deflate; client_no_context_takeover"),
        (0, "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    ] {
        let accepted = accept_offer(&willing(), left, ["permessage-deflate"]).unwrap();
        assert_eq!(accepted.response, expected, "{left} bytes left");
    }
}

#[test]
fn a_malformed_header_can_be_told_from_a_strange_one() {
    assert_eq!(check_header(["permessage-deflate; what=ever", "foo, bar"]), Ok(()));
    assert_eq!(check_header(["foo", "bar baz"]), Err(NegotiationError::Malformed));
}

#[test]
fn the_clients_offer_demands_first_and_falls_back_second() {
    let demanding = CompressionConfig::default()
        .with_server_max_window_bits(bits(10))
        .with_client_max_window_bits(bits(9));
    let without_memory = CompressionConfig::default().with_takeover_budget_bytes(0);
    let table: &[(&CompressionConfig, Option<&str>)] = &[
        (&CompressionConfig::disabled(), None),
        (&willing(), Some("permessage-deflate; client_max_window_bits")),
        (
            &CompressionConfig::default(),
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits, \
                 permessage-deflate; client_no_context_takeover; client_max_window_bits",
            ),
        ),
        (
            &demanding,
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9, \
                 permessage-deflate; client_no_context_takeover; client_max_window_bits=9",
            ),
        ),
        (
            &without_memory,
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
            ),
        ),
    ];
    for (config, expected) in table {
        assert_eq!(offer(config).as_deref(), *expected);
    }
}

/// Demands no takeover and ten bits, and has no memory to fall back on.
fn strict() -> CompressionConfig {
    CompressionConfig::default()
        .with_server_max_window_bits(bits(10))
        .with_client_max_window_bits(bits(12))
        .with_takeover_budget_bytes(0)
}

#[test]
fn a_client_fails_the_handshake_on_each_answer_that_the_rfc_forbids() {
    let unknown =
        |name: &str| NegotiationError::from(ParameterError::Unknown { name: name.to_owned() });
    let repeated = |name| NegotiationError::from(ParameterError::Repeated { name });
    let bad = |name| NegotiationError::from(ParameterError::BadValue { name });
    let not_granted = |parameter| NegotiationError::NotGranted { parameter };
    let not_offered = |name: &str| NegotiationError::NotOffered { extension: name.to_owned() };
    let good = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10";
    let table: &[(&str, String, NegotiationError)] = &[
        ("7.1 a parameter not defined for an answer", format!("{good}; x"), unknown("x")),
        (
            "7.1 an invalid value",
            "permessage-deflate; server_max_window_bits=7".to_owned(),
            bad("server_max_window_bits"),
        ),
        (
            "7.1 several parameters of one name",
            format!("{good}; server_max_window_bits=10"),
            repeated("server_max_window_bits"),
        ),
        (
            "7.1.1.1 the flag has no value",
            "permessage-deflate; server_no_context_takeover=0".to_owned(),
            bad("server_no_context_takeover"),
        ),
        (
            "7.1.1.1 what was demanded must be granted",
            "permessage-deflate; server_max_window_bits=10".to_owned(),
            not_granted("server_no_context_takeover"),
        ),
        (
            "7.1.2.1 what was demanded must be granted",
            "permessage-deflate; server_no_context_takeover".to_owned(),
            not_granted("server_max_window_bits"),
        ),
        (
            "7.1.2.1 the same value or a smaller one",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=11".to_owned(),
            not_granted("server_max_window_bits"),
        ),
        (
            "7.1.2.2 in an answer the value is not optional",
            format!("{good}; client_max_window_bits"),
            bad("client_max_window_bits"),
        ),
        (
            "7.1.2.2 the same value or a smaller one",
            format!("{good}; client_max_window_bits=13"),
            not_granted("client_max_window_bits"),
        ),
        ("5.1 accepted twice", format!("{good}, {good}"), NegotiationError::AcceptedTwice),
        (
            "RFC 6455 9.1 not offered",
            "permessage-bzip2".to_owned(),
            not_offered("permessage-bzip2"),
        ),
        ("RFC 6455 9.1 not offered, beside ours", format!("{good}, x"), not_offered("x")),
        ("RFC 6455 9.1 malformed", format!("{good};"), NegotiationError::Malformed),
    ];
    assert!(accept_response(&strict(), [good]).is_ok());
    for (rule, header, expected) in table {
        let result = accept_response(&strict(), [header.as_str()]);
        assert_eq!(result.as_ref(), Err(expected), "{rule}");
    }
    let disabled = accept_response(&CompressionConfig::disabled(), ["permessage-deflate"]);
    assert_eq!(disabled, Err(not_offered("permessage-deflate")), "not offered at all");
}

#[test]
fn a_client_takes_each_answer_that_the_rfc_allows() {
    /// Server alone, client alone, server bits, client bits.
    type Agreed = (bool, bool, u8, u8);
    let table: &[(&str, &str, Agreed)] = &[
        ("7.1.3 the simplest", "permessage-deflate", (false, false, 15, 15)),
        (
            "7.1.1.1 unasked for",
            "permessage-deflate; server_no_context_takeover",
            (true, false, 15, 15),
        ),
        (
            "7.1.1.2 must be supported by any client",
            "permessage-deflate; client_no_context_takeover",
            (false, true, 15, 15),
        ),
        (
            "7.1.2.1 unasked for",
            "permessage-deflate; server_max_window_bits=8",
            (false, false, 8, 15),
        ),
        (
            "7.1.2.2 the client does as it is asked",
            "permessage-deflate; client_max_window_bits=8",
            (false, false, 15, 8),
        ),
    ];
    for (rule, header, expected) in table {
        let params = accept_response(&willing(), [*header]).unwrap().unwrap();
        let got = (
            params.server_no_context_takeover,
            params.client_no_context_takeover,
            params.server_max_window_bits.get(),
            params.client_max_window_bits.get(),
        );
        assert_eq!(got, *expected, "{rule}");
    }
    assert_eq!(accept_response(&willing(), []), Ok(None), "5 the server does without");
    assert_eq!(accept_response(&willing(), [""]), Ok(None), "an empty list names nothing");
}

#[test]
fn an_answer_to_the_fallback_is_an_answer() {
    let config = CompressionConfig::default().with_server_max_window_bits(bits(10));
    let params = accept_response(&config, ["permessage-deflate"]).unwrap().unwrap();
    assert!(!params.server_no_context_takeover, "the server remembers, so do we");
    assert!(params.client_no_context_takeover, "our own wish needs nobody's leave");
    assert_eq!(params.server_max_window_bits, WindowBits::MAX);
}

/// Every pair of our own configurations comes to terms, and both ends to the same.
#[test]
fn our_client_and_our_server_always_agree() {
    let flags = [false, true];
    let widths = [8, 9, 12, 15];
    let budgets = [0, 1 << 20];
    let mut configs = Vec::new();
    for server_takeover in flags {
        for client_takeover in flags {
            for server_bits in widths {
                for client_bits in widths {
                    for budget in budgets {
                        configs.push(
                            CompressionConfig::default()
                                .with_server_context_takeover(server_takeover)
                                .with_client_context_takeover(client_takeover)
                                .with_server_max_window_bits(bits(server_bits))
                                .with_client_max_window_bits(bits(client_bits))
                                .with_takeover_budget_bytes(budget),
                        );
                    }
                }
            }
        }
    }
    for client in &configs {
        let offered = offer(client).unwrap();
        for server in &configs {
            let server = CompressionManager::new(server.clone());
            let accepted = server.accept_offer([offered.as_str()]).unwrap();
            let params = accept_response(client, [accepted.response.as_str()]).unwrap();
            assert_eq!(params, Some(accepted.params), "{offered} -> {}", accepted.response);
        }
    }
}
