//! ssh through a tunnel: the real sshd behind the gateway, the real ssh in front of `ws-gateway connect`.

use std::{
    path::PathBuf,
    process::{Command as Setup, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};
use ws_test_servers::{Process as Server, free_ports};

use crate::process::{Process, file, token};

const PATIENCE: Duration = Duration::from_secs(120);
/// What goes through in each direction.
const MUCH: usize = 100_000_000;
/// What the gateway may grow by meanwhile. Its buffers are a few hundred KiB; the rest is an allocator's.
const GROWTH_MAX_KIB: u64 = 16 * 1024;

/// An sshd for whoever runs the tests, a gateway with a tunnel to it, and keys for both ends.
struct Place {
    server: Server,
    gateway: Process,
}

fn program(variable: &str) -> PathBuf {
    let told = std::env::var_os(variable);
    told.unwrap_or_else(|| panic!("{variable} is not set: eval \"$(cargo xtask provision)\""))
        .into()
}

impl Place {
    async fn open(name: &str) -> Self {
        let [port] = free_ports().expect("a free port");
        let mut server = Server::new(name, program("WS_TEST_SSHD")).expect("a folder");
        for key in ["host", "user"] {
            let path = server.folder().join(key);
            let made = Setup::new(program("WS_TEST_SSH_KEYGEN"))
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(path)
                .status();
            assert!(made.expect("it starts").success());
        }
        let folder = server.folder().display().to_string();
        let read = |name: &str| std::fs::read_to_string(server.folder().join(name)).expect("made");
        server.write("known", &format!("build-machine {}", read("host.pub"))).expect("written");
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        );
        server.write("config", &config).expect("written");
        // Debian's sshd wants it when it is root, and its service makes it.
        let _ = std::fs::create_dir_all("/run/sshd");
        server.set_arguments(["-D", "-e", "-f", "config"].map(str::to_owned).into());
        server.start().expect("it starts");
        let is_there = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        server.wait_until(Duration::from_secs(20), "listening", is_there).expect("it listens");

        let target = format!("127.0.0.1:{port}");
        let types = format!("[[connection_types]]\npath = \"/ssh\"\ntunnel = \"{target}\"\n");
        let config = file(&format!("{name}.toml"), &types);
        let arguments = ["--config", config.to_str().expect("UTF-8")];
        let gateway = Process::start(&arguments, &[("TUNNEL_TARGETS", &target)]).await;
        Self { server, gateway }
    }

    fn ssh(&self, path: &str, token: &str, remote: &str) -> Child {
        let folder = self.server.folder().display();
        let connect = env!("CARGO_BIN_EXE_ws-gateway");
        let address = self.gateway.address;
        let options = [
            format!("ProxyCommand={connect} connect ws://{address}{path}"),
            format!("IdentityFile={folder}/user"),
            format!("UserKnownHostsFile={folder}/known"),
            "HostKeyAlias=build-machine".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "BatchMode=yes".to_owned(),
        ];
        let mut command = Command::new(program("WS_TEST_SSH"));
        command.args(["-F", "/dev/null"]);
        for option in &options {
            command.args(["-o", option]);
        }
        command.args(["build-machine", remote]).env("WS_GATEWAY_TOKEN", token).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("ssh starts")
    }

    /// The most memory that the gateway has had.
    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    async fn scrape(&self) -> String {
        let mut socket = TcpStream::connect(self.gateway.address).await.expect("it listens");
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        socket.write_all(request).await.expect("it reads");
        let mut page = String::new();
        socket.read_to_string(&mut page).await.expect("it answers");
        page
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// Whether the bytes that come are those, in their order and nothing besides.
async fn comes(mut from: impl AsyncReadExt + Unpin, expected: &[u8]) -> usize {
    let mut buffer = vec![0; 64 * 1024];
    let mut rest = expected;
    loop {
        let len = from.read(&mut buffer).await.expect("readable");
        if len == 0 || !rest.starts_with(&buffer[..len]) {
            return rest.len() + len;
        }
        rest = &rest[len..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ssh_carries_both_ways_is_whole_and_the_gateway_stays_small() {
    let place = Place::open("ssh-both").await;
    let mut ssh = place.ssh("/ssh", &token("ada"), "cat");
    let (mut input, output) = (ssh.stdin.take().expect("piped"), ssh.stdout.take().expect("piped"));
    let bytes = pattern(MUCH);
    // The first bytes have gone through: keys are exchanged, and what is measured is the stream.
    let before = place.peak_kib();
    let (sent, missing) = tokio::join!(
        async {
            let sent = input.write_all(&bytes).await;
            // Half-close: `cat` hears the end, and what it has still comes back.
            drop(input);
            sent
        },
        timeout(PATIENCE, comes(output, &bytes)),
    );
    let ended = timeout(PATIENCE, ssh.wait_with_output()).await.expect("it ends").expect("waited");
    assert!(sent.is_ok() && ended.status.success(), "{sent:?}, {ended:?}");
    assert_eq!(missing.expect("it comes in time"), 0, "bytes that did not come back, or others");
    let grown = place.peak_kib() - before;
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more for {MUCH} bytes each way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_holds_its_target_and_no_memory() {
    let place = Place::open("ssh-stalled").await;
    let mut ssh = place.ssh("/ssh", &token("ada"), "head -c 50000000 /dev/zero");
    let before = place.peak_kib();
    let mut output = ssh.stdout.take().expect("piped");
    // It has begun, and nobody reads on.
    output.read_exact(&mut [0; 1024]).await.expect("it begins");
    let opened = timeout(PATIENCE, async {
        // Until nothing moves any more: the same count twice.
        let mut last = String::new();
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let page = place.scrape().await;
            let moved = page.lines().find(|line| line.contains("direction=\"to_client\""));
            let moved = moved.expect("counted").to_owned();
            if moved == last {
                return moved;
            }
            last = moved;
        }
    });
    let moved = opened.await.expect("it stops");
    let bytes: u64 = moved.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a count");
    assert!(bytes < 40_000_000, "{bytes} went through, and nobody read");
    assert!(place.peak_kib() - before < GROWTH_MAX_KIB);
    let missing = timeout(PATIENCE, comes(output, &vec![0; 50_000_000 - 1024])).await;
    assert_eq!(missing.expect("it comes in time"), 0);
    assert!(ssh.wait().await.expect("waited").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_comes_through_and_what_is_refused_is_said() {
    let place = Place::open("ssh-codes").await;
    let ended = place.ssh("/ssh", &token("ada"), "exit 7").wait_with_output().await;
    let ended = timeout(PATIENCE, async { ended }).await.expect("it ends").expect("waited");
    assert_eq!(ended.status.code(), Some(7), "{ended:?}");
    for (path, token, sentence) in [
        ("/ssh", "", "the server refuses with 401: Authentication required"),
        ("/ssh", "nonsense", "the server refuses with 401: Invalid token"),
        ("/ws", &token("ada"), "there is no tunnel at this address"),
    ] {
        let refused = place.ssh(path, token, "true").wait_with_output().await.expect("waited");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(sentence), "{said}");
    }
    // A host that is stopped is away, and said to be.
    let Place { mut server, gateway } = place;
    server.stop().expect("it ends");
    let place = Place { server, gateway };
    let away = place.ssh("/ssh", &token("ada"), "true").wait_with_output().await.expect("waited");
    let said = String::from_utf8_lossy(&away.stderr);
    assert!(said.contains("closed with 1014: The target cannot be reached"), "{said}");
}
