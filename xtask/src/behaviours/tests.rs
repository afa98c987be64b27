use super::*;

const SENTENCES: &str = "# States\none's own close ends it\nit comes back\n
# Pages\na page that is left says goodbye | js only: a page is a browser's\n";

fn shown(rust: &[&str], javascript: &[&str]) -> Shown {
    let mut shown = Shown::default();
    for name in rust {
        shown.add_rust("crates/client/src/link.rs", &format!("#[test]\nfn {name}() {{}}\n"));
    }
    for name in javascript {
        shown
            .add_javascript("crates/client/js/tests/link.test.mjs", &format!("test({name:?}, 1);"));
    }
    shown
}

#[test]
fn the_table_of_the_page_is_what_the_tests_show() {
    let (behaviours, shown) = read().unwrap();
    let mut faults = faults(&behaviours, &shown);
    faults.extend(staleness(&behaviours, &shown).unwrap());
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_promise_that_a_client_does_not_show_is_named_with_the_test_that_it_wants() {
    let behaviours = list::parse(SENTENCES).unwrap();
    let all = shown(
        &["ones_own_close_ends_it", "it_comes_back"],
        &["one's own close ends it", "it comes back", "a page that is left says goodbye"],
    );
    assert_eq!(faults(&behaviours, &all), [""; 0]);
    let some = shown(&["it_comes_back", "a_page_that_is_left_says_goodbye"], &["it comes  back"]);
    let expected = [
        "crates/client/behaviours.txt:2: no Rust test ones_own_close_ends_it",
        "crates/client/behaviours.txt:2: no JavaScript test \"one's own close ends it\"",
        "crates/client/behaviours.txt:3: no JavaScript test \"it comes back\"",
        "crates/client/behaviours.txt:6: a Rust test shows what it is said not to do",
        "crates/client/behaviours.txt:6: no JavaScript test \"a page that is left says goodbye\"",
    ];
    assert_eq!(faults(&behaviours, &some), expected);
}

#[test]
fn the_table_has_a_cell_for_each_client_with_a_link_or_a_reason() {
    let behaviours = list::parse(SENTENCES).unwrap();
    let some = shown(&["it_comes_back"], &["it comes back"]);
    let rust = "[src/link.rs](../crates/client/src/link.rs)";
    let javascript = "[tests/link.test.mjs](../crates/client/js/tests/link.test.mjs)";
    let expected = format!(
        "| States | Rust | JavaScript |\n|---|---|---|\n\
         | one's own close ends it | **not shown** | **not shown** |\n\
         | it comes back | {rust} | {javascript} |\n\n\
         | Pages | Rust | JavaScript |\n|---|---|---|\n\
         | a page that is left says goodbye | – a page is a browser's | **not shown** |"
    );
    assert_eq!(table(&behaviours, &some), expected);
}

#[test]
fn only_what_is_a_test_shows_something() {
    let mut shown = Shown::default();
    let rust = "#[tokio::test(start_paused = true)]\nasync fn it_comes_back() {}\n\
                // #[test]\nfn ones_own_close_ends_it() {}\n";
    shown.add_rust("a.rs", rust);
    let javascript = "test(\n  \"it comes back\",\n);\n// test(\"one's own close ends it\")\n\
                      contest(\"one's own close ends it\");\nit.test(\"one's own close ends it\");\n";
    shown.add_javascript("a.mjs", javascript);
    let behaviours = list::parse(SENTENCES).unwrap();
    for side in [Side::Rust, Side::JavaScript] {
        assert_eq!(shown.of(side, &behaviours[1]).len(), 1, "{side:?}");
        assert_eq!(shown.of(side, &behaviours[0]).len(), 0, "{side:?}");
    }
}

#[test]
fn a_list_that_cannot_be_read_is_told_with_its_line() {
    for (text, fault) in [
        ("a sentence", "1: no heading above it"),
        ("# A\na b\n\na-b", "4: it is on line 2 as well"),
        ("# A\na b | later", "2: `later` is neither `rust only: why` nor `js only: why`"),
        ("# A\na b | js only: ", "2: `js only:` is neither `rust only: why` nor `js only: why`"),
    ] {
        assert_eq!(list::parse(text).unwrap_err(), fault);
    }
}

#[test]
fn it_is_written_only_when_that_is_asked_for() {
    let parse = |line: &str| {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(parse(""), Ok(Options { write: false }));
    assert_eq!(parse("--write"), Ok(Options { write: true }));
    assert_eq!(parse("--wrtie").unwrap_err(), "`behaviours` knows no `--wrtie`");
}
