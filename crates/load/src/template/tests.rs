use proptest::prelude::*;

use super::*;

fn rendered(text: &str) -> String {
    let values = Values {
        payload: b"xyz",
        seq: 7,
        conn: 1200,
        user: "user-1200",
        epoch_millis: 1_700_000_000_123,
        token: "t0k",
    };
    Template::parse(text).unwrap().render_text(&values)
}

#[test]
fn places_are_filled_and_other_braces_stay() {
    for (text, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("{payload}", "xyz"),
        ("{seq}{conn}", "71200"),
        ("{user}@{time}", "user-1200@1700000000123"),
        (r#"{"id":"{seq}","data":{"a":"{payload}"}}"#, r#"{"id":"7","data":{"a":"xyz"}}"#),
        (r#"{"n":{seq}}"#, r#"{"n":7}"#),
        ("{}", "{}"),
        ("{ seq }", "{ seq }"),
        ("{{seq}}", "{7}"),
        ("{\"token\":\"{token}\"}", "{\"token\":\"t0k\"}"),
        ("unfinished {seq", "unfinished {seq"),
        ("{SEQ}", "{SEQ}"),
    ] {
        assert_eq!(rendered(text), expected, "{text}");
    }
}

#[test]
fn an_unknown_place_is_named_with_those_that_exist() {
    let error = Template::parse("{\"a\":{sequence}}").unwrap_err().to_string();
    assert!(
        error.starts_with("`{sequence}` is no place; there are `{payload}`, `{seq}`"),
        "{error}"
    );
}

#[test]
fn only_text_and_payload_are_constant() {
    for (text, constant) in [
        ("{payload}", true),
        ("a {payload} b", true),
        ("", true),
        ("{seq}", false),
        ("{payload}{time}", false),
        ("{user}", false),
        ("{random}", false),
    ] {
        assert_eq!(Template::parse(text).unwrap().is_constant(), constant, "{text}");
    }
}

#[test]
fn random_digits_differ_from_message_to_message() {
    let template = Template::parse("{random}").unwrap();
    let one = template.render_text(&Values::default());
    assert_eq!(one.len(), 16);
    assert_ne!(one, template.render_text(&Values::default()));
}

proptest! {
    #[test]
    fn text_without_braces_comes_out_as_it_is(text in "[^{}]*") {
        prop_assert_eq!(rendered(&text), text);
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them(number: u64) {
        let mut out = Vec::new();
        push_number(number, &mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text: String) {
        let _ = Template::parse(&text);
    }
}
