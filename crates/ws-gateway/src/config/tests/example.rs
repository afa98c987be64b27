//! The example is complete, means what it says, and is the one in `docs`.

use ws_protocol::ClientType;

use super::*;
use crate::config::sources::file;

const COMMITTED: &str = include_str!("../../../../../docs/gateway.example.toml");

/// The example with every setting that has a value said aloud, and with the sections behind the table.
fn said_aloud(example: &str) -> String {
    let is_unset = |line: &str| line.ends_with(" = \"\"") || line.ends_with(" = []");
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(said) if !said.is_empty() && !said.starts_with(' ') && !is_unset(said) => said,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What this file means beside a secret.
#[track_caller]
fn meaning(file: &str) -> Config {
    let variables = [("JWT_SECRET_KEY", SECRET)];
    let files = [("gateway.toml", file)];
    let flags = ["--config", "gateway.toml"];
    Given { flags: &flags, variables: &variables, files: &files }.config()
}

#[test]
fn the_committed_example_is_the_one_that_is_printed() {
    assert!(
        example() == COMMITTED,
        "write it anew: ws-gateway config --example > docs/gateway.example.toml"
    );
}

#[test]
fn the_example_as_it_stands_changes_nothing() {
    assert_eq!(meaning(COMMITTED), meaning(""));
}

#[test]
fn every_default_that_is_said_aloud_is_the_default() {
    let text = said_aloud(COMMITTED);
    let table = text.split("[tiers.free]").next().expect("it has a table");
    let mut lines: Vec<&str> = table.lines().collect();
    // These two say which engine there is; without a server there is none.
    lines.retain(|line| !line.starts_with("redis_port") && !line.starts_with("port = "));
    assert_eq!(meaning(&lines.join("\n")), meaning(""));
}

#[test]
fn what_stands_in_no_table_is_there_with_each_of_its_keys_and_is_sound() {
    let text = said_aloud(COMMITTED);
    let behind = &text[text.find("[tiers.free]").expect("there")..];
    let nats = "[nats]\nurl = \"nats://127.0.0.1:4222\"\n[tunnel]\ntargets = [\"127.0.0.1:22\"]\n";
    let given = format!("{nats}{behind}");
    let config = meaning(&given);
    assert_eq!(config.limits.tiers.len(), 2);
    assert_eq!((config.channels.rules.len(), config.channels.types.len()), (1, 2));
    assert_eq!(config.nats.bridges.len(), 1);
    let tiers = ("tiers.NAME", &file::TIER_KEYS[..]);
    let costs: Vec<_> = ClientType::ALL.iter().map(|kind| kind.name()).collect();
    let sections = file::ARRAY_KEYS.into_iter().chain([tiers, ("costs", &costs)]);
    for (section, keys) in sections {
        for key in keys {
            let line = format!("\n#{key} = ");
            assert!(COMMITTED.contains(&line), "[{section}] has a key {key} that is not there");
        }
    }
}
