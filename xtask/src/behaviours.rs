//! `cargo xtask behaviours`: what the two clients promise, and the test that shows each promise for each.
//!
//! `crates/client/behaviours.txt` is the list. A sentence of it is the name of a test: in Rust with `_`
//! for everything that is no letter or digit, in JavaScript as it stands. From both comes one table in
//! `docs/clients.md`, so that the clients cannot drift apart unnoticed.

use std::fs;

use anyhow::Context;

use self::list::Behaviour;
use self::shown::Shown;
use crate::measure::page;
use crate::workspace::root;

mod list;
mod shown;

const LIST: &str = "crates/client/behaviours.txt";
const PAGE: &str = "docs/clients.md";
/// What stands in the markers of the page.
const MARKER: &str = "behaviours";
/// Where tests of each client may be.
const RUST_FOLDERS: [&str; 3] =
    ["crates/client/src", "crates/client/tests", "crates/ws-gateway/tests/clients"];
const JAVASCRIPT_FOLDERS: [&str; 2] = ["crates/client/js/tests", "crates/ws-gateway/tests/clients"];

/// One of the two clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Rust,
    JavaScript,
}

/// What was asked for on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// The docs' table is written, with its gaps if there are any.
    pub(crate) write: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        match arguments {
            [] => Ok(Self { write: false }),
            [flag] if flag == "--write" => Ok(Self { write: true }),
            [flag, ..] => Err(format!("`behaviours` knows no `{flag}`")),
        }
    }
}

/// Prints what nothing shows; whether that was nothing, and the page says so.
pub(crate) fn run(options: Options) -> anyhow::Result<bool> {
    let (behaviours, shown) = read()?;
    if options.write {
        page::write(&root().join(PAGE), MARKER, &table(&behaviours, &shown))?;
    }
    let mut faults = faults(&behaviours, &shown);
    faults.extend(staleness(&behaviours, &shown)?);
    for fault in &faults {
        println!("{fault}");
    }
    let count = |side| behaviours.iter().filter(|it| !shown.of(side, it).is_empty()).count();
    let (rust, javascript) = (count(Side::Rust), count(Side::JavaScript));
    println!("behaviours: {}, shown in Rust {rust}, in JavaScript {javascript}", behaviours.len());
    Ok(faults.is_empty())
}

fn read() -> anyhow::Result<(Vec<Behaviour>, Shown)> {
    let text = fs::read_to_string(root().join(LIST)).with_context(|| format!("read {LIST}"))?;
    let behaviours = list::parse(&text).map_err(|fault| anyhow::anyhow!("{LIST}:{fault}"))?;
    Ok((behaviours, Shown::read()?))
}

/// A line for each cell without a test, and for each test where the list says that there is none.
fn faults(behaviours: &[Behaviour], shown: &Shown) -> Vec<String> {
    let mut faults = Vec::new();
    for behaviour in behaviours {
        let mut complain = |what: String| faults.push(format!("{LIST}:{}: {what}", behaviour.line));
        for side in [Side::Rust, Side::JavaScript] {
            let is_shown = !shown.of(side, behaviour).is_empty();
            match (behaviour.reason_against(side), is_shown) {
                (None, false) => complain(format!("no {} {}", side.test(), behaviour.name(side))),
                (Some(_), true) => {
                    complain(format!("a {} shows what it is said not to do", side.test()));
                }
                (None, true) | (Some(_), false) => {}
            }
        }
    }
    faults
}

/// What to do if the page has another table.
fn staleness(behaviours: &[Behaviour], shown: &Shown) -> anyhow::Result<Option<String>> {
    let text = fs::read_to_string(root().join(PAGE)).with_context(|| format!("read {PAGE}"))?;
    let (begin, end) = (format!("<!-- {MARKER}:begin -->"), format!("<!-- {MARKER}:end -->"));
    let written = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    let (written, _) = written.with_context(|| format!("{PAGE} has no {begin} … {end}"))?;
    let is_current = written.trim() == table(behaviours, shown).trim();
    Ok((!is_current).then(|| format!("{PAGE}: run `cargo xtask behaviours --write`")))
}

/// The rows of the page, a table for each group.
fn table(behaviours: &[Behaviour], shown: &Shown) -> String {
    let mut lines = Vec::new();
    let mut group = "";
    for behaviour in behaviours {
        if behaviour.group != group {
            group = &behaviour.group;
            lines.extend([String::new(), format!("| {group} | Rust | JavaScript |")]);
            lines.push("|---|---|---|".to_owned());
        }
        let cell = |side| match behaviour.reason_against(side) {
            Some(reason) => format!("– {reason}"),
            None => links(shown.of(side, behaviour)),
        };
        let (rust, javascript) = (cell(Side::Rust), cell(Side::JavaScript));
        lines.push(format!("| {} | {rust} | {javascript} |", behaviour.sentence));
    }
    lines.join("\n").trim().to_owned()
}

fn links(files: &[String]) -> String {
    if files.is_empty() {
        return "**not shown**".to_owned();
    }
    let link = |file: &String| {
        // The folder says whether it is a unit test or one with a real gateway.
        let mut parts = file.rsplit('/');
        let (name, folder) = (parts.next().unwrap_or(file), parts.next().unwrap_or_default());
        format!("[{folder}/{name}](../{file})")
    };
    files.iter().map(link).collect::<Vec<_>>().join("<br>")
}

impl Side {
    fn test(self) -> &'static str {
        match self {
            Self::Rust => "Rust test",
            Self::JavaScript => "JavaScript test",
        }
    }
}

#[cfg(test)]
mod tests;
