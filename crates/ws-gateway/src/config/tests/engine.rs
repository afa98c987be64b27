//! Which engine is meant, where its servers are, and what does not fit together about them.

use super::*;

#[test]
fn the_engine_is_the_one_for_which_something_is_written() {
    for (variables, engine, origin) in [
        (&[][..], EngineKind::Memory, "default"),
        (&[("DATA_DIR", "data")], EngineKind::Disk, "from DATA_DIR"),
        (&[("REDIS_HOST", "localhost")], EngineKind::Redis, "from REDIS_HOST"),
        (&[("REDIS_URL", "redis://localhost")], EngineKind::Redis, "from REDIS_URL"),
        (&[("NATS_URL", "nats://localhost")], EngineKind::Nats, "from NATS_URL"),
        (
            &[("REDIS_HOST", "localhost"), ("NATS_URL", "nats://localhost"), ("BROKER", "nats")],
            EngineKind::Nats,
            "variable BROKER",
        ),
        (&[("REDIS_HOST", ""), ("DATA_DIR", "")], EngineKind::Memory, "default"),
    ] {
        let loaded = with_variables(variables);
        assert_eq!(loaded.config.broker.engine, engine, "{variables:?}");
        let effective = loaded.effective("BROKER").unwrap();
        assert_eq!(
            (effective.value.as_str(), effective.origin.to_string().as_str()),
            (engine.name(), origin)
        );
    }
}

#[test]
fn contradictions_about_the_engine_are_told_all_at_once() {
    for (variables, expect) in [
        (
            &[("REDIS_HOST", "a"), ("NATS_URL", "nats://a")][..],
            &["BROKER is not set: REDIS_HOST and NATS_URL are both set, and there is one engine: \
               BROKER has to say which, redis or nats"][..],
        ),
        (
            &[("DATA_DIR", "a"), ("REDIS_URL", "redis://a")],
            &["BROKER is not set: DATA_DIR and REDIS_URL are both set"],
        ),
        (&[("BROKER", "disk")], &["DATA_DIR is not set: BROKER is disk, which needs it"]),
        (
            &[("BROKER", "redis")],
            &["REDIS_HOST is not set: BROKER is redis, which needs it, or REDIS_URL"],
        ),
        (&[("BROKER", "nats")], &["NATS_URL is not set: BROKER is nats, which needs it"]),
        (
            &[("REDIS_HOST", "a"), ("REDIS_URL", "redis://a,redis://b"), ("REDIS_USER", "me")],
            &[
                "REDIS_HOST = \"a\" (variable REDIS_HOST): only without REDIS_URL",
                "REDIS_URL = \"redis://a,redis://b\" (variable REDIS_URL): one server; several with",
                "REDIS_USER = \"me\" (variable REDIS_USER): only with REDIS_PASSWORD",
            ],
        ),
        (
            &[("REDIS_URL", "redis://a/1"), ("REDIS_CLUSTER", "on"), ("REDIS_SENTINEL", "m")],
            &[
                "REDIS_CLUSTER = \"on\" (variable REDIS_CLUSTER): only with database 0",
                "REDIS_SENTINEL = \"m\" (variable REDIS_SENTINEL): only without REDIS_CLUSTER",
            ],
        ),
        (
            &[("REDIS_URL", "redis://a,rediss://b"), ("REDIS_CLUSTER", "on")],
            &["REDIS_URL = \"redis://a,rediss://b\" (variable REDIS_URL): addresses that all have"],
        ),
        (
            &[("NATS_URL", "nats://a"), ("NATS_USER", "me"), ("NATS_TOKEN", "t")],
            &["NATS_USER = \"me\" (variable NATS_USER): only without NATS_TOKEN"],
        ),
        (
            &[("NATS_URL", "nats://a"), ("NATS_USER", "me")],
            &["NATS_PASSWORD is not set: NATS_USER signs in with one"],
        ),
        (
            &[("NATS_URL", "nats://a"), ("NATS_REPLICAS", "2")],
            &["NATS_REPLICAS = \"2\" (variable NATS_REPLICAS): 1, 3 or 5"],
        ),
        (
            &[("REDIS_HOST", "a"), ("REDIS_PORT", "tcp://10.0.0.1:6379")],
            &[
                "REDIS_PORT = \"tcp://10.0.0.1:6379\" (variable REDIS_PORT): a whole number from 1 to \
               65535 (Kubernetes sets",
            ],
        ),
        (
            &[("REDIS_HOST", "a"), ("REDIS_CA_FILE", "ca"), ("REDIS_PASSWORD_FILE", "p")],
            &[
                "REDIS_PASSWORD_FILE = \"p\" (variable REDIS_PASSWORD_FILE): a file that can be read",
                "REDIS_CA_FILE = \"ca\" (variable REDIS_CA_FILE): a file that can be read",
            ],
        ),
    ] {
        let faults = faults_of(variables);
        assert_eq!(faults.len(), expect.len(), "{variables:?}: {faults:#?}");
        for (fault, expect) in faults.iter().zip(expect) {
            assert!(fault.starts_with(expect), "{fault}\n{expect}");
        }
    }
}

#[test]
fn where_servers_are_and_who_signs_in_comes_together_from_addresses_and_settings() {
    let redis = |variables| with_variables(variables).config.redis;
    let one = redis(&[("REDIS_HOST", "cache"), ("REDIS_PORT", "7000"), ("REDIS_DB", "2")]);
    assert_eq!((one.servers[0].host.as_str(), one.servers[0].port), ("cache", 7000));
    assert_eq!((one.db, one.tls, one.password), (2, false, None));
    let one = redis(&[("REDIS_URL", "rediss://me:word@cache/3"), ("REDIS_USER", "other")]);
    assert_eq!((one.db, one.tls, one.user.as_deref()), (3, true, Some("other")));
    assert_eq!(one.password.unwrap().expose(), "word");
    let nats = |variables| with_variables(variables).config.nats;
    let one = nats(&[("NATS_URL", "tls://token@bus,tls://token@bus2:5222")]);
    assert_eq!((one.servers.len(), one.servers[1].port, one.tls), (2, 5222, true));
    assert_eq!((one.token.unwrap().expose(), one.user), ("token", None));
}

#[test]
fn a_password_may_be_in_a_file() {
    let given = Given {
        flags: &["--dev", "--redis-host=::1", "--redis-password-file=p"],
        files: &[("p", "word\nnot read\n")],
        ..Given::default()
    };
    assert_eq!(given.config().redis.password.unwrap().expose(), "word");
    let both = Given { variables: &[("REDIS_PASSWORD", "word")], ..given }.faults();
    assert!(both[0].ends_with("only without REDIS_PASSWORD, which says the same"), "{both:?}");
    let empty = Given { files: &[("p", "\nword")], ..given }.faults();
    assert!(empty[0].ends_with("a file whose first line is the password"), "{empty:?}");
}

#[test]
fn bridges_need_servers_and_can_be_beside_another_engine() {
    let files = &[("f", "[[bridges]]\nsubject = \"orders.*\"\nchannel = \"orders\"\n")];
    let given = Given { flags: &["--dev", "--config=f"], files, ..Given::default() };
    let faults = given.faults();
    assert_eq!(faults, ["NATS_URL is not set: [[bridges]] are between channels and its subjects"]);
    let variables =
        &[("NATS_URL", "nats://localhost"), ("BROKER", "redis"), ("REDIS_HOST", "localhost")];
    let loaded = Given { variables, ..given }.loaded();
    assert_eq!(loaded.config.broker.engine, EngineKind::Redis);
    assert!(
        loaded.warnings.iter().all(|line| line.starts_with("no [[ch")),
        "{:?}",
        loaded.warnings
    );
    assert!(loaded.to_string().ends_with("[[bridges]]\norders.*  orders  in  f:1\n\n"));
}

#[test]
fn what_is_written_for_an_engine_that_is_not_used_is_warned_about() {
    for (variables, expect) in [
        (
            &[("BROKER", "memory"), ("REDIS_HOST", "a"), ("REDIS_DB", "1")][..],
            "REDIS_HOST, REDIS_DB are not used: BROKER is memory",
        ),
        (&[("NATS_REPLICAS", "3")], "NATS_REPLICAS is not used: BROKER is memory"),
        (&[("BROKER", "memory"), ("DATA_DIR", "a")], "DATA_DIR is not used: BROKER is memory"),
        (
            &[("REDIS_HOST", "cache"), ("REDIS_PASSWORD", "word")],
            "REDIS_PASSWORD goes to cache without TLS: whoever is on the way reads it",
        ),
    ] {
        let warnings = with_variables(variables).warnings;
        assert!(warnings.iter().any(|line| line == expect), "{expect}\n{warnings:#?}");
    }
    let near = with_variables(&[("REDIS_HOST", "localhost"), ("REDIS_PASSWORD", "word")]).warnings;
    assert!(near.iter().all(|line| !line.contains("TLS")), "{near:?}");
}

#[test]
fn the_port_of_an_engine_alone_asks_for_nothing() {
    // Kubernetes sets REDIS_PORT in every pod beside a service named redis.
    let loaded = with_variables(&[("REDIS_PORT", "tcp://10.0.0.1:6379")]);
    assert_eq!(loaded.config.redis, RedisSettings::default());
    assert!(loaded.warnings.iter().all(|line| !line.contains("REDIS")), "{:?}", loaded.warnings);
}
