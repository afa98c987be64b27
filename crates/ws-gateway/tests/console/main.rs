//! The console in a real browser, against the binary: what it shows, what can be done with it, who is let in.
//!
//! Each test is a story in one of the scripts beside this file, told to a gateway of its own.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

mod snippet;

const STORIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/console/stories.mjs");

/// A test for each story, and what its gateway is told beside `--dev`.
macro_rules! stories {
    ($($name:ident $arguments:expr;)*) => {
        $(#[test] fn $name() { tell(stringify!($name), &$arguments); })*
    };
}

stories! {
    the_page_loads_and_asks_nobody_else [];
    the_figures_follow_the_traffic [];
    rates_and_quantiles_are_right_and_memory_is_bounded [];
    long_frames_are_not_kept_whole [];
    two_panes_hear_each_other_and_weigh_each_frame ["--compression-enabled", "false"];
    two_clicks_make_one_connection [];
    what_is_deflated_is_told_as_about_so_much [];
    a_connection_is_found_and_closed [];
    what_passes_is_traced_and_who_does_most_is_shown [];
    a_slow_gateway_is_not_asked_again_meanwhile [];
    what_others_write_is_text_and_no_markup [];
    a_wrong_key_is_asked_for_again [];
    who_has_the_key_waits_for_the_end_of_guesses [];
    a_token_of_an_address_is_no_part_of_a_program [];
    a_proxy_that_passes_no_upgrade_on_is_named [];
    the_page_comes_back_with_the_gateway [];
    the_keyboard_reaches_everything [];
    each_text_stands_out_from_what_is_behind_it [];
    a_phone_shows_all_of_it [];
    a_thousand_reconnects_leave_nothing_behind [];
    the_snippets_run_as_they_are_copied [];
}

/// The one that no story can run: it is compiled, as `snippet.rs`.
#[test]
fn the_rust_snippet_is_the_program_that_compiles() {
    let page = include_str!("../../src/console/page/snippets.js");
    let program = include_str!("snippet.rs");
    let program = &program[program.find("use serde_json").unwrap()..];
    let without_spaces =
        |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
    assert!(without_spaces(page).contains(&without_spaces(program)), "{program}");
}

/// Starts a gateway, and has the story told to it.
fn tell(story: &str, arguments: &[&str]) {
    let mut gateway = Running::start(
        Command::new(env!("CARGO_BIN_EXE_ws-gateway"))
            .env("LOG_LEVEL", "error")
            .args(["--dev", "--websocket-port", "0"])
            .args(arguments),
    );
    let (address, console) = (gateway.line(), gateway.line());
    let told = Command::new(provisioned("WS_TEST_NODE"))
        .env("WS_TEST_NODE_MODULES", provisioned("WS_TEST_NODE_MODULES"))
        .env("WS_TEST_CHROMIUM", provisioned("WS_TEST_CHROMIUM"))
        .args([STORIES, story, &address, &console])
        .output()
        .expect("Node starts");
    assert!(
        told.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    );
}

fn provisioned(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask provision)\"` first"
        )
    })
}

/// A program that ends with the test.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        self.lines.next().expect("it says something more").unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Mostly it has ended by itself; a test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
