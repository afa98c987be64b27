//! `docs/configuration.md` says of each setting what the table of settings says, and beside it what
//! no table knows: what zero means, what it costs, and where one sees that.

use std::fmt::Write as _;

use super::*;

const DOCS: &str = include_str!("../../../../../docs/configuration.md");

/// The table of a section as it must stand in the document.
fn table(section: Section) -> String {
    let mut table =
        "| Variable | Default | Accepted | What it is for |\n|---|---|---|---|\n".to_owned();
    for setting in SETTINGS.iter().filter(|setting| setting.section == section) {
        let default = match setting.default {
            "" => "–".to_owned(),
            default => format!("`{default}`"),
        };
        let accepted = match &setting.kind {
            Kind::Duration(..) | Kind::Size(..) | Kind::Integer(..) => {
                setting.accepted().split(", as").next().unwrap_or_default().to_owned()
            }
            Kind::Switch(_) => "on or off".to_owned(),
            Kind::Word(words) => {
                words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            _ => setting.accepted(),
        };
        let accepted = accepted.trim_start_matches("a whole number from ");
        let _ = writeln!(table, "| `{}` | {default} | {accepted} | {} |", setting.env, setting.doc);
    }
    table
}

#[test]
fn each_section_has_its_table_word_for_word() {
    for section in Section::ALL {
        let heading = format!("\n## {}: `[{}]`\n", section.title(), section.name());
        assert!(DOCS.contains(&heading), "there is no heading {heading}");
        let table = table(section);
        assert!(DOCS.contains(&table), "under {heading}there must stand\n\n{table}");
    }
}

/// The three cells of a row `| name | zero | cost | shown by |`.
fn costs(env: &str) -> Option<[&str; 3]> {
    let mut rows = DOCS.lines().filter(|line| line.starts_with(&format!("| `{env}` |")));
    let cells: Vec<&str> = rows.nth(1)?.trim_matches('|').split(" | ").map(str::trim).collect();
    match cells.as_slice() {
        [_, zero, cost, shown_by] => Some([zero, cost, shown_by]),
        _ => None,
    }
}

#[test]
fn each_setting_says_what_zero_means_what_it_costs_and_what_shows_it() {
    for Setting { env, kind, .. } in SETTINGS {
        let Some([zero, cost, shown_by]) = costs(env) else {
            panic!("{env} has no row `| name | zero | cost | shown by |` of its own")
        };
        assert!(cost.len() > 3 && !shown_by.is_empty(), "{env}: {cost} / {shown_by}");
        let may_be_zero = match kind {
            Kind::Duration(bounds, _) => Some(*bounds.start() == 0),
            Kind::Size(bounds, _) => Some(*bounds.start() == 0),
            Kind::Integer(bounds, _) => Some(*bounds.start() == 0),
            _ => None,
        };
        match may_be_zero {
            Some(true) => assert!(zero.len() > 3 && zero != "refused", "{env}: {zero}"),
            Some(false) => assert_eq!(zero, "refused", "{env}"),
            None => assert_eq!(zero, "–", "{env}"),
        }
    }
}

#[test]
fn the_example_file_loads() {
    let (_, after) = DOCS.split_once("```toml\n").unwrap();
    let (file, _) = after.split_once("```").unwrap();
    let given = Given {
        flags: &["--config=gateway.toml"],
        files: &[("gateway.toml", file)],
        ..Given::default()
    };
    let config = given.config();
    assert_eq!(config.limits.tiers.len(), 2);
    assert_eq!(config.limits.default_tier.as_deref(), Some("free"));
}

/// Every file that the document shows is complete: whoever copies it has one that loads.
#[test]
fn each_file_of_the_document_loads_without_a_warning() {
    let files = DOCS.split("```toml\n").skip(1).filter_map(|after| after.split("```").next());
    let variables = &[("JWT_SECRET_KEY", SECRET), ("UPSTREAM", "echo")];
    let mut count = 0;
    for file in files {
        let files = &[
            ("gateway.toml", file),
            ("/run/secrets/redis", "word"),
            ("/run/secrets/gateway.creds", "-----BEGIN USER NKEY SEED-----"),
        ];
        let loaded = Given { flags: &["--config=gateway.toml"], variables, files }.loaded();
        let warnings = loaded.warnings.iter().filter(|line| !line.starts_with("no [[channels]]"));
        assert_eq!(warnings.collect::<Vec<_>>(), Vec::<&String>::new(), "{file}");
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn the_connection_types_of_the_document_are_the_default_table() {
    let types = ws_channels::ConnectionTypeSpec::default_table();
    for kind in &types {
        let (path, per) = (&kind.path, kind.per.as_deref().unwrap_or_default());
        let row = format!(
            "| `{path}` | {} | `{per}` | `{}` | `{}` | `{}` |\n",
            kind.max.unwrap_or_default(),
            kind.owner,
            kind.channels.join("`, `"),
            kind.on_limit.name()
        );
        assert!(DOCS.contains(&row), "there is no row {row}");
    }
    let rows = DOCS.lines().filter(|line| line.starts_with("| `/ws/") && line.contains("`reject`"));
    assert_eq!(rows.count(), types.len());
}

#[test]
fn each_key_of_a_rule_of_a_type_and_of_a_bridge_has_its_row() {
    for (heading, text) in [
        ("## Channel rules", "[[channels]]\npattern = \"a\"\nx = 1"),
        ("## Connection types", "[[connection_types]]\npath = \"/a\"\nx = 1"),
        ("## Bridges", "[[bridges]]\nsubject = \"a\"\nchannel = \"a\"\nx = 1"),
    ] {
        let files = &[("f", text)];
        let faults = Given { flags: &["--dev", "--config=f"], files, ..Given::default() }.faults();
        let (_, known) = faults[0].split_once("not a setting here; there are ").unwrap();
        let (_, section) = DOCS.split_once(&format!("\n{heading}")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let (_, table) = section.split_once("| Key | Unless it is written |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let keys: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        assert_eq!(keys.join(", "), known);
    }
}

/// What the document shows as printed after the command that begins so.
fn transcript(command: &str) -> Vec<&'static str> {
    let (_, after) = DOCS.split_once(&format!("```console\n$ {command}")).unwrap();
    let (lines, _) = after.split_once("```").unwrap();
    lines.lines().skip(1).collect()
}

#[test]
fn what_the_document_shows_is_what_is_printed() {
    let variables = &[("PING_INTERVAL", "soon"), ("MAX_FRAME_SIZE", "1MB")];
    let faults = Given { variables, ..Given::default() }.faults();
    assert_eq!(transcript("PING_INTERVAL=soon"), faults);

    let rules = "[[channels]]\npattern = \"news\"\nsubscibe = true\n\n[[channels]]\n\
                 pattern = \"chat:*:admin\"\npublish = true\nrate_limit = 0\n";
    let flags = &["--dev", "check-config", "--config", "rules.toml"];
    let faults = Given { flags, variables: &[], files: &[("rules.toml", rules)] }.faults();
    assert_eq!(transcript("ws-gateway check-config --config rules.toml"), faults);

    let (_, after) = DOCS.split_once("```toml\n").unwrap();
    let given = Given {
        flags: &["config", "--config", "gateway.toml", "--max-missed-pongs", "4"],
        variables: &[("PONG_TIMEOUT", "2s")],
        files: &[("gateway.toml", after.split_once("```").unwrap().0)],
    };
    let Ok(Command::ShowConfig(loaded)) = given.load() else { panic!("it is good") };
    let printed = loaded.to_string();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let shown = transcript("PONG_TIMEOUT=2s");
    for line in shown.iter().filter(|line| **line != "…") {
        assert!(printed.lines().any(|printed| words(printed) == words(line)), "{line}\n{printed}");
    }
}

#[test]
fn the_variables_of_the_source_documents_are_all_known() {
    let given = [
        ("WEBSOCKET_PORT", "3001"),
        ("WEBSOCKET_PATH", "/ws"),
        ("PING_INTERVAL", "30000"),
        ("PONG_TIMEOUT", "5000"),
        ("MAX_MISSED_PONGS", "3"),
        ("COMPRESSION_ENABLED", "true"),
        ("COMPRESSION_LEVEL", "6"),
        ("COMPRESSION_THRESHOLD", "1024"),
        ("MAX_FRAME_SIZE", "1048576"),
        ("FRAME_WARN_THRESHOLD", "524288"),
        ("CLOSE_TIMEOUT", "5000"),
        ("SUPABASE_AUTH_DOMAIN", "abc.supabase.co"),
        ("SUPABASE_AUTH_AUDIENCE", "authenticated"),
        ("SUPABASE_AUTH_ISSUER", "https://abc.supabase.co/auth/v1"),
        ("MAX_CONNECTIONS_PER_USER", "5"),
        ("MESSAGE_RATE_LIMIT", "100"),
        ("CONNECTION_RATE_LIMIT", "10"),
        ("ALLOWED_ORIGINS", "http://localhost:3000,https://yourdomain.com"),
        ("REDIS_HOST", "localhost"),
        ("REDIS_PORT", "6379"),
    ];
    let loaded = with_variables(&given);
    for (env, value) in given {
        let effective = loaded.effective(env).unwrap();
        assert_eq!(
            (effective.value.as_str(), effective.origin.is_written()),
            (value, true),
            "{env}"
        );
    }
}
