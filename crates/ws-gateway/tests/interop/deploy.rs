//! What `docs/deploy` holds, read by those for whom it is meant: Kubernetes' own schemas, systemd, and the gateway.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ws_gateway::config::{self, Loaded, load};

use crate::process::{Process, run};

/// What `systemd-analyze security` may find at most: 10.0 is a service without any fence, 2.0 still "OK".
const EXPOSURE_MAX: &str = "15";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn program(variable: &str) -> Command {
    let program = std::env::var_os(variable);
    Command::new(program.unwrap_or_else(|| panic!("{variable} is not set: cargo xtask provision")))
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(status.success(), "{command:?}\n{said}");
    said
}

fn validate(arguments: &[OsString]) -> Command {
    let mut command = program("WS_TEST_PYTHON");
    command.args(["-m", "kubernetes_validate", "--strict"]).args(arguments);
    command
}

#[test]
fn each_manifest_is_what_kubernetes_reads_and_a_wrong_word_would_be_found() {
    let names = ["gateway.yaml", "scaling.yaml", "network.yaml"];
    let files = names.map(|name| folder().join("kubernetes").join(name).into_os_string());
    let said = succeeds(&mut validate(&files));
    for kind in [
        "configmap",
        "deployment",
        "service",
        "horizontalpodautoscaler",
        "poddisruptionbudget",
        "networkpolicy",
    ] {
        assert!(said.contains(&format!("passed for resource {kind}/ws-gateway")), "{kind}\n{said}");
    }
    let wrong = read("kubernetes/gateway.yaml").replace("readinessProbe", "readynessProbe");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong.yaml");
    std::fs::write(&path, wrong).expect("the folder for temporary files takes one");
    assert!(!validate(&[path.into()]).output().expect("it starts").status.success());
    // What is applied is what was read, and the one kind that is no part of Kubernetes.
    let kustomization = read("kubernetes/kustomization.yaml");
    for name in names.iter().chain(&["monitoring.yaml"]) {
        assert!(kustomization.contains(&format!("- {name}\n")), "{name}");
    }
}

#[test]
fn the_manifests_of_tls_are_read_too_and_mount_what_the_gateway_is_told_to_read() {
    let names = ["gateway.yaml", "clients.yaml"];
    let files = names.map(|name| folder().join("kubernetes-tls").join(name).into_os_string());
    let said = succeeds(&mut validate(&files));
    for kind in ["deployment/ws-gateway", "service/ws-gateway-clients"] {
        assert!(said.contains(&format!("passed for resource {kind}")), "{kind}\n{said}");
    }
    let kustomization = read("kubernetes-tls/kustomization.yaml");
    for name in ["../kubernetes", "certificate.yaml", "path: monitoring.yaml", "path: gateway.yaml"]
    {
        assert!(kustomization.contains(&format!("- {name}\n")), "{name}");
    }
    let (patch, whole) = (read("kubernetes-tls/gateway.yaml"), read("kubernetes/gateway.yaml"));
    // What is merged goes by these names.
    for name in ["- name: gateway\n", "httpGet: { path: /ready, port: http"] {
        assert!(patch.contains(name) && whole.contains(name), "{name}");
    }
    let mounted = patch.split("mountPath: ").nth(1).and_then(|rest| rest.split(',').next());
    let mounted = mounted.expect("a folder");
    for file in ["tls.crt", "tls.key"] {
        assert!(patch.contains(&format!("value: {mounted}/{file} ")), "{mounted}/{file}");
    }
}

#[test]
fn the_units_are_what_systemd_reads_and_the_service_is_fenced_in() {
    // The program is not installed here: another that is there stands for it.
    let units = Path::new(env!("CARGO_TARGET_TMPDIR")).join("units");
    std::fs::create_dir_all(&units).expect("a folder");
    let paths = ["ws-gateway.service", "ws-gateway.socket"].map(|name| {
        let path = units.join(name);
        let text = read(name).replace("/usr/local/bin/ws-gateway", "/bin/true");
        std::fs::write(&path, text).expect("written");
        path
    });
    let verify = || succeeds(program("WS_TEST_SYSTEMD_ANALYZE").arg("verify").args(&paths));
    let drop_in = units.join("ws-gateway.service.d");
    let _ = std::fs::remove_dir_all(&drop_in);
    assert_eq!(verify().trim(), "", "systemd has something to say");
    std::fs::create_dir(&drop_in).expect("a folder");
    std::fs::write(drop_in.join("tls.conf"), read("ws-gateway-tls.conf")).expect("written");
    assert_eq!(verify().trim(), "", "systemd has something to say of TLS");
    succeeds(
        program("WS_TEST_SYSTEMD_ANALYZE")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={EXPOSURE_MAX}"))
            .arg(&paths[0]),
    );
}

#[tokio::test]
async fn what_certbot_has_renewed_is_served_and_nobody_has_to_tell_the_gateway() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certbot");
    let (live, tls) = (folder.join("live"), folder.join("tls"));
    for folder in [&live, &tls] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    // Who runs the tests need not be root, and there is no such user.
    let hook = read("certbot-hook").replace("-o root -g ws-gateway ", "");
    let hook = hook.replace("/etc/ws-gateway/tls", tls.to_str().expect("UTF-8"));
    let renew = |name: &str| {
        let key = rcgen::KeyPair::generate().expect("random");
        let params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("signs").pem();
        std::fs::write(live.join("privkey.pem"), key.serialize_pem()).expect("written");
        std::fs::write(live.join("fullchain.pem"), certificate).expect("written");
        succeeds(Command::new("sh").args(["-c", &hook]).env("RENEWED_LINEAGE", &live));
    };
    renew("first.test");
    // Where the unit is told to look.
    let unit =
        read("ws-gateway-tls.conf").replace("/etc/ws-gateway/tls", tls.to_str().expect("UTF-8"));
    let named = |name: &str| {
        let (_, behind) = unit.split_once(&format!("Environment={name}=")).expect("it is set");
        behind.lines().next().unwrap_or_default().to_owned()
    };
    let (certificate, key) = (named("TLS_CERT"), named("TLS_KEY"));
    let variables =
        [("TLS_CERT", &*certificate), ("TLS_KEY", &*key), ("TLS_POLL_INTERVAL", "10ms")];
    let gateway = Process::start(&[], &variables).await;
    gateway.logs("first.test").await;
    renew("second.test");
    gateway.logs("second.test").await;
}

/// A configuration of these files, with what the deployment gives in variables.
fn loaded(text: &str) -> Loaded {
    let variables = [
        ("JWT_SECRET_KEY", "a-secret-of-sixty-four-bytes-for-tests-and-for-nothing-else-ever"),
        ("REDIS_HOST", "redis"),
        ("UPSTREAM", "echo"),
    ];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let arguments = ["ws-gateway", "--config=f"].map(OsString::from);
    match load(arguments, variables, |_| Ok(text.to_owned())) {
        Ok(config::Command::Serve(loaded)) => loaded,
        other => panic!("{other:?}"),
    }
}

/// The value behind `key: ` or `key=`, in whole seconds.
fn seconds(text: &str, key: &str) -> u64 {
    let (_, behind) = text.split_once(key).unwrap_or_else(|| panic!("there is no {key}"));
    let digits = behind.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("{key} has no seconds"))
}

fn of_config_map() -> String {
    let manifest = read("kubernetes/gateway.yaml");
    let (_, behind) = manifest.split_once("gateway.toml: |\n").expect("a file in it");
    let lines = behind.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn both_files_load_and_each_grace_outlasts_its_drain() {
    let manifest = read("kubernetes/gateway.yaml");
    for (text, grace) in [
        (read("gateway.toml"), seconds(&read("ws-gateway.service"), "TimeoutStopSec=")),
        (
            of_config_map(),
            seconds(&manifest, "terminationGracePeriodSeconds: ")
                - seconds(&manifest, "sleep: { seconds: "),
        ),
    ] {
        let loaded = loaded(&text);
        let drain = loaded.config.drain.timeout.expect("it is set").as_secs();
        // What is said last takes a moment, and the process has to end.
        assert!(grace >= drain + 5, "{grace} s for a drain of {drain} s");
        let heartbeat = &loaded.config.heartbeat;
        let found = heartbeat.ping_interval + heartbeat.pong_timeout * heartbeat.missed_pongs_max;
        let (nginx, haproxy) = (read("nginx.conf"), read("haproxy.cfg"));
        for idle in [
            seconds(&nginx, "proxy_read_timeout "),
            seconds(&nginx, "proxy_send_timeout "),
            seconds(&haproxy, "timeout tunnel "),
        ] {
            assert!(
                idle > found.as_secs(),
                "{idle} s cut what the heartbeat finds after {found:?}"
            );
        }
        assert!(heartbeat.ping_interval.as_secs() < 60, "an ALB's default cuts it");
    }
}

#[test]
fn the_image_runs_as_nobody_special_and_asks_the_binary_how_it_is() {
    let file = read("Containerfile");
    for line in [
        "USER 65532:65532\n",
        "CMD [\"/usr/local/bin/ws-gateway\", \"health\"]\n",
        "ENTRYPOINT [\"/usr/local/bin/ws-gateway\"]\n",
        "STOPSIGNAL SIGTERM\n",
    ] {
        assert!(file.contains(line), "{line}");
    }
    let stages = file.lines().filter(|line| line.starts_with("FROM ")).count();
    assert_eq!(stages, 2, "one that builds, one that runs");
    let ignored = std::fs::read_to_string(folder().join("../../.dockerignore")).expect("readable");
    for folder in [".git", "**/target", "**/node_modules"] {
        assert!(ignored.lines().any(|line| line == folder), "{folder} would go along");
    }
    assert!(read("kubernetes/gateway.yaml").contains("runAsUser: 65532\n"));
}

#[tokio::test]
async fn the_binary_says_how_a_gateway_is_and_who_is_not_there() {
    let gateway = Process::start(&[], &[("CLOSE_TIMEOUT", "20s")]).await;
    let port = gateway.address.port().to_string();
    let asked = [("WEBSOCKET_PORT", port.as_str()), ("JWT_SECRET_KEY", crate::process::SECRET)];
    for arguments in [&["health"][..], &["health", "--ready"]] {
        let ended = run(arguments, &asked).await;
        assert_eq!(ended.status, 0, "{ended:?}");
    }
    // The same through TLS, whatever name the certificate is for.
    let [certificate, key] = [ws_test_servers::tls::certificate(), ws_test_servers::tls::key()];
    let files = [certificate, key].map(|path| path.to_str().expect("UTF-8").to_owned());
    let tls = [("TLS_CERT", files[0].as_str()), ("TLS_KEY", files[1].as_str())];
    let secured = Process::start(&[], &tls).await;
    let port = secured.address.port().to_string();
    let asked_there = [("WEBSOCKET_PORT", port.as_str()), asked[1], tls[0], tls[1]];
    let ended = run(&["health", "--ready"], &asked_there).await;
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{ended:?}");
    // While it drains it is well, and wants no connections. The one that is there does not let it end.
    let _client = gateway.visit("ada").await;
    gateway.signal("TERM").await;
    gateway.logs("closing all connections").await;
    assert_eq!(run(&["health"], &asked).await.status, 0);
    let ended = run(&["health", "--ready"], &asked).await;
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stderr.contains("503") && ended.stderr.contains("draining"), "{ended:?}");
    drop(gateway);
    let [free] = ws_test_servers::free_ports().expect("a free port");
    let free = free.to_string();
    let ended = run(&["health"], &[("WEBSOCKET_PORT", &free), asked[1]]).await;
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stderr.contains("nobody answers at 127.0.0.1:"), "{ended:?}");
}
