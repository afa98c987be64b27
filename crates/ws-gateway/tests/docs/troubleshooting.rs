//! The page of causes and cures has a row for each word and number that the gateway says, and each row names
//! the test that provokes it.

use std::collections::BTreeSet;

use ws_close_manager::CODES;
use ws_handler::EndReason;
use ws_protocol::ErrorCode;

use crate::page::{BACK_ENDS, PROTOCOL, TROUBLESHOOTING, table};

/// The first cells of a table, each once, in their order.
fn firsts(heading: &str) -> Vec<&'static str> {
    let mut firsts: Vec<_> = table(TROUBLESHOOTING, heading).iter().map(|row| row[0]).collect();
    firsts.dedup();
    firsts
}

#[test]
fn each_reason_for_an_end_has_its_row() {
    assert_eq!(firsts("## Reasons"), EndReason::ALL.map(EndReason::label));
}

#[test]
fn each_close_code_has_its_row() {
    let codes = CODES.iter().map(|info| {
        let (first, last) = (*info.codes().start(), *info.codes().end());
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    });
    assert_eq!(firsts("## Close codes"), codes.collect::<Vec<_>>());
}

#[test]
fn each_error_code_has_its_row() {
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(firsts("## Error codes"), codes);
}

#[test]
fn each_status_has_its_row() {
    let pairs = |page: &'static str, heading: &str| -> Vec<_> {
        table(page, heading).iter().map(|row| (row[0], row[1])).collect()
    };
    let upgrades = pairs(TROUBLESHOOTING, "## HTTP statuses of upgrades");
    assert_eq!(upgrades, pairs(PROTOCOL, "### Refusals"));
    let api = pairs(TROUBLESHOOTING, "## HTTP statuses of the API");
    assert_eq!(api, pairs(BACK_ENDS, "### Faults"));
}

#[test]
fn each_refusal_of_the_console_has_its_row() {
    let told = table(TROUBLESHOOTING, "## The console");
    let statuses = told.iter().map(|row| row[0]).filter(|told| told.starts_with(char::is_numeric));
    let refused = table(PROTOCOL, "### The console's WebSocket");
    assert_eq!(statuses.collect::<BTreeSet<_>>(), refused.iter().map(|row| row[0]).collect());
}

#[test]
fn each_row_has_a_cause_and_a_test_or_says_that_others_say_it() {
    for heading in [
        "## Reasons",
        "## Close codes",
        "## Error codes",
        "## HTTP statuses of upgrades",
        "## HTTP statuses of the API",
        "## The console",
    ] {
        for row in table(TROUBLESHOOTING, heading) {
            let (cause, test) = (row[row.len() - 3], row[row.len() - 1]);
            assert!(cause.len() > 3, "{heading}: {row:?} has no cause");
            let is_of_others = ["never sent", "reported by"].iter().any(|it| cause.starts_with(it));
            assert_eq!(test.contains("::"), !is_of_others, "{heading}: {row:?}");
        }
    }
}
