//! Tunnels, their list, and who may have one.

use super::*;

/// The faults, or the warnings that are about tunnels, of a file with a tunnel to this address.
fn findings_of(variables: &[(&str, &str)], path: &str, tunnel: &str) -> Vec<String> {
    let text = format!("[[connection_types]]\npath = \"{path}\"\ntunnel = \"{tunnel}\"\n");
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let arguments = ["ws-gateway", "--config=f"].map(OsString::from);
    match load(arguments, variables, |_| Ok(text.clone())) {
        Ok(Command::Serve(mut loaded)) => {
            loaded.warnings.retain(|line| line.contains("tunnel"));
            loaded.warnings
        }
        Err(LoadError::Faults(faults)) => faults.0.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tunnel_leads_to_an_address_of_the_list_or_nothing_starts() {
    let listed = |targets| [SECRET, ("TUNNEL_TARGETS", targets)];
    for (path, tunnel) in [("/a", "127.0.0.1:22"), ("/a", "DB:5432"), ("/t/{host}", "{host}:22")] {
        let good = findings_of(&listed("127.0.0.1:22, db:5432"), path, tunnel);
        assert_eq!(good, Vec::<String>::new(), "{tunnel}");
    }
    for (targets, path, tunnel) in
        [("127.0.0.1:22", "/a", "127.0.0.1:23"), ("", "/a", "a:22"), ("", "/t/{host}", "{host}:22")]
    {
        let faults = findings_of(&listed(targets), path, tunnel);
        let accepted = format!("{tunnel} among others: {path} is a tunnel to it");
        assert!(faults.len() == 1 && faults[0].ends_with(&accepted), "{faults:?}");
        assert!(faults[0].starts_with("TUNNEL_TARGETS"), "{faults:?}");
    }
}

#[test]
fn what_is_no_address_is_told_with_its_line() {
    let faults = findings_of(&[SECRET], "/a", "ssh");
    assert!(faults[0].starts_with("connection_types[1].tunnel = \"ssh\" (f:3): an address of"));
    let faults = findings_of(&[SECRET], "/a", "{host}:22");
    assert!(faults[0].starts_with("connection_types[1].tunnel = \"{host}:22\" (f:3): parameters"));
    check_refused(
        &[],
        &[SECRET, ("TUNNEL_TARGETS", "a:22,b")],
        "TUNNEL_TARGETS",
        "a host and a port",
    );
}

#[test]
fn tunnels_for_anybody_and_a_list_for_nobody_are_warned_about() {
    let anybody = [("AUTH_MODE", "none"), ("TUNNEL_TARGETS", "a:22")];
    let warnings = findings_of(&anybody, "/a", "a:22");
    assert!(warnings.len() == 1 && warnings[0].starts_with("AUTH_MODE=none with tunnels"));
    check_accepted(&[], &[SECRET, ("TUNNEL_TARGETS", "a:22")], "there are no tunnels");
}
