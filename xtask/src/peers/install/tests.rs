use serde_json::Value;

use super::*;

fn read(path: &str) -> String {
    let path = folder().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

/// Three numbers and nothing that could move.
fn is_exact(version: &str) -> bool {
    let parts: Vec<&str> = version.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
}

#[test]
fn each_peer_has_a_name_of_its_own_and_something_to_do() {
    let mut ids: Vec<&str> = all().iter().map(|peer| peer.id).collect();
    assert!(all().iter().all(|peer| !peer.modes.is_empty()));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all().len());
}

#[test]
fn what_comes_from_npm_is_pinned_exactly_and_locked_as_it_is_pinned() {
    for folder in ["bun", "node", "socket.io"] {
        let manifest = json(&format!("{folder}/package.json"));
        let lock = json(&format!("{folder}/package-lock.json"));
        for (name, version) in manifest["dependencies"].as_object().unwrap() {
            let version = version.as_str().unwrap();
            assert!(is_exact(version), "{folder}: {name} {version}");
            let locked = &lock["packages"][format!("node_modules/{name}")]["version"];
            assert_eq!(locked, version, "{folder}: {name}");
        }
    }
}

#[test]
fn each_library_is_pinned_exactly_and_locked_as_it_is_pinned() {
    let manifest: toml::Table = read("rust/Cargo.toml").parse().unwrap();
    let lock = folder().join("rust").join("Cargo.lock");
    for peer in all() {
        let Source::Rust { package } = peer.source else { continue };
        let dependency = &manifest["dependencies"][package];
        let version = dependency.get("version").unwrap_or(dependency).as_str().unwrap();
        let pinned = version.strip_prefix('=').unwrap();
        assert!(is_exact(pinned), "{package} {pinned}");
        assert_eq!(locked(&lock, package).unwrap(), pinned, "{package}");
        let programs = manifest["bin"].as_array().unwrap();
        let name = format!("peer-{package}");
        assert!(programs.iter().any(|program| program["name"].as_str() == Some(&name)), "{name}");
    }
}

#[test]
fn the_release_profile_of_the_libraries_is_ours() {
    let profile = |text: String| text.parse::<toml::Table>().unwrap()["profile"]["release"].clone();
    let ours = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert_eq!(profile(read("rust/Cargo.toml")), profile(ours));
}

#[test]
fn the_product_of_a_registry_is_pinned_exactly() {
    assert!(is_exact(registry::sockudo_version()), "{}", registry::SOCKUDO);
}

#[test]
fn a_command_says_port_and_mode_after_what_the_peer_needs() {
    let installed = Installed::new("1.0.0", "node").with_argument("server.js");
    let command = installed.command(Mode::Topic, 9_001);
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    assert_eq!(words, ["server.js", "--port", "9001", "--mode", "topic"]);
}

#[test]
fn a_product_is_driven_by_options_that_a_split_at_spaces_leaves_whole() {
    for full_server in all().iter().filter_map(|peer| peer.full_server) {
        let words: Vec<&str> = full_server.options.split_whitespace().collect();
        let (flags, values): (Vec<_>, Vec<_>) =
            words.iter().enumerate().partition(|(index, _)| index % 2 == 0);
        assert!(flags.iter().all(|(_, flag)| flag.starts_with("--")), "{words:?}");
        assert!(values.iter().all(|(_, value)| !value.starts_with("--")), "{words:?}");
    }
}

#[test]
fn a_lock_file_without_the_package_is_an_error() {
    let error = locked(&root().join("Cargo.lock"), "no-such-package").unwrap_err().to_string();
    assert!(error.ends_with("has no `no-such-package`"), "{error}");
}
