//! Channels, hooks and the API for back-ends.

use super::*;

const KEY: &str = "a-key-of-more-than-sixteen-bytes";

/// The warnings of a file, with a secret, besides that there is no upstream.
#[track_caller]
fn warnings_of(text: &str) -> Vec<String> {
    let arguments = ["ws-gateway", "--config=f"].map(OsString::from);
    let variables = [(SECRET.0.into(), SECRET.1.into())];
    match load(arguments, variables, |_| Ok(text.to_owned())) {
        Ok(Command::Serve(loaded)) => {
            let mut warnings = loaded.warnings;
            warnings.retain(|line| !line.starts_with("UPSTREAM is not set"));
            warnings
        }
        other => panic!("{text}\n{other:?}"),
    }
}

#[test]
fn a_key_for_back_ends_is_long_fits_into_a_header_and_is_no_other_key() {
    let key = |text| [SECRET, ("API_KEY", text)];
    let name = "API_KEY = \"***\"";
    check_refused(&[], &key("fifteen-bytes.."), name, "at least 16 bytes outside --dev");
    check_accepted(&[], &key("sixteen-bytes-16"), "");
    check_accepted(&["--dev"], &key("short"), "");
    check_refused(&["--dev"], &key("sho rt"), name, "visible ASCII");
    check_refused(&[], &key("sixteen-bytes-16\n"), name, "visible ASCII");
    check_refused(&[], &key("schlüssel-schlüssel"), name, "visible ASCII");
    check_accepted(&[], &[SECRET, ("API_KEY", KEY), ("ADMIN_KEY", KEY)], "API_KEY is ADMIN_KEY");
    check_accepted(&[], &[SECRET, ("API_KEY", KEY), ("ADMIN_KEY", "another-of-sixteen")], "");
}

#[test]
fn a_short_key_of_the_console_is_warned_about() {
    let warning = "ADMIN_KEY has 15 bytes: it opens the console";
    check_accepted(&[], &[SECRET, ("ADMIN_KEY", "fifteen-bytes..")], warning);
    check_accepted(&[], &[SECRET, ("ADMIN_KEY", "sixteen-bytes-16")], "");
    check_accepted(&["--dev"], &[("ADMIN_KEY", "short")], "");
}

#[test]
fn a_hook_in_the_clear_is_warned_about_unless_it_stays_here() {
    for env in ["HOOK_CONNECT", "HOOK_SUBSCRIBE", "HOOK_PUBLISH", "HOOK_DISCONNECTED"] {
        let hook = |address| [SECRET, (env, address)];
        let warning = format!("{env} is plain http to backend: whoever is on the way");
        check_accepted(&[], &hook("http://backend:8080/hook"), &warning);
        for address in ["https://backend/hook", "http://127.0.0.1:8080/", "http://[::1]/", ""] {
            check_accepted(&[], &hook(address), "");
        }
    }
}

#[test]
fn to_let_everybody_through_while_the_back_end_is_down_is_warned_about() {
    let allow = ("HOOK_FAILURE", "allow");
    let connect = ("HOOK_CONNECT", "https://backend/connect");
    let publish = ("HOOK_PUBLISH", "https://backend/publish");
    check_accepted(&[], &[SECRET, allow, connect, publish], "with HOOK_CONNECT, HOOK_PUBLISH: ");
    // Nothing hangs on its answer.
    check_accepted(&[], &[SECRET, allow, ("HOOK_DISCONNECTED", "https://backend/gone")], "");
    check_accepted(&[], &[SECRET, allow], "");
    check_accepted(&[], &[SECRET, connect], "");
}

#[test]
fn without_rules_the_log_says_that_channels_are_open() {
    let open = "may use any channel but the reserved ones";
    for (flags, variables, who) in [
        (&[][..], &[SECRET][..], "no [[channels]]: whoever has authenticated "),
        (&["--dev"], &[], "no [[channels]]: whoever has authenticated "),
        (&[], &[("AUTH_MODE", "none")], "no [[channels]]: anybody "),
    ] {
        let (_, warnings) = findings(flags, variables);
        let line = format!("{who}{open}");
        assert_eq!(warnings.iter().filter(|warning| **warning == line).count(), 1, "{warnings:?}");
    }
    let rules = warnings_of("[[channels]]\npattern = \"a\"\nsubscribe = true\n");
    assert_eq!(rules, Vec::<String>::new());
}

#[test]
fn rules_that_allow_nothing_are_warned_about() {
    let closed = "[[channels]]\npattern = \"*\"\n[[channels]]\npattern = \"a\"\npresence = true\n";
    let warnings = warnings_of(closed);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("[[channels]]: no rule allows to subscribe or to publish"));
    for action in ["subscribe", "publish"] {
        let text = format!("{closed}[[channels]]\npattern = \"b\"\n{action} = true\n");
        assert_eq!(warnings_of(&text), Vec::<String>::new());
    }
}

#[test]
fn events_where_nobody_may_publish_are_warned_about() {
    let text = "[[channels]]\npattern = \"agent:*\"\nsubscribe = true\nallowed_events = [\"task_start\"]\n";
    let [warning] = &warnings_of(text)[..] else { panic!("{:?}", warnings_of(text)) };
    assert!(warning.starts_with("[[channels]] agent:*: allowed_events is about"), "{warning}");
    assert_eq!(warnings_of(&text.replace("subscribe", "publish")), Vec::<String>::new());
}

#[test]
fn a_connection_type_whose_channel_no_rule_can_open_is_warned_about() {
    let kind = "[[connection_types]]\npath = \"/u/{id}\"\nchannels = [\"CHANNEL\"]\n";
    for (rule, channel, is_warned) in [
        ("chat:*", "chat:{id}", false),
        ("chat:vip:*", "chat:{id}", false),
        ("chat:vip:*", "chat:{id}:x", false),
        ("*", "chat:{id}", false),
        ("*", "{id}", false),
        ("orders", "chat:{id}", true),
        ("chats:*", "chat:{id}", true),
        ("user:{user_id}:*", "user:{id}:inbox", false),
        ("user:{user_id}:*", "users:{id}", true),
        // A reserved prefix is opened by who spells it.
        ("*", "user:{id}", true),
    ] {
        let rule = format!("[[channels]]\npattern = \"{rule}\"\nsubscribe = true\n");
        let warnings = warnings_of(&(rule.clone() + &kind.replace("CHANNEL", channel)));
        assert_eq!(warnings.len(), usize::from(is_warned), "{rule} {channel}: {warnings:?}");
        assert!(warnings.iter().all(|line| line.contains("every connection to /u/{id} is closed")));
    }
    let publish_only = "[[channels]]\npattern = \"*\"\npublish = true\n";
    assert_eq!(warnings_of(&(publish_only.to_owned() + &kind.replace("CHANNEL", "x"))).len(), 1);
    // Without rules all is open but what is reserved.
    for (channel, expect) in [("chat:{id}", 1), ("user:{id}", 2)] {
        let warnings = warnings_of(&kind.replace("CHANNEL", channel));
        assert_eq!(warnings.len(), expect, "{channel}: {warnings:?}");
    }
    // Rules alone say nothing about the types that there are by default.
    assert_eq!(
        warnings_of("[[channels]]\npattern = \"a\"\nsubscribe = true\n"),
        Vec::<String>::new()
    );
}
