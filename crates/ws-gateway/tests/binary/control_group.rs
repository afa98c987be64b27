//! A control group of the kernel with a limit on memory, as each container has one, and a gateway that is in
//! it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    time::{sleep, timeout},
};

use crate::process::{PATIENCE, Process, SECRET, answer_to, upgrade};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 96 * MIB;
/// Above which nobody is taken in, where nothing else is said.
const BOUND: u64 = LIMIT * 9 / 10;
/// What each of those holds who have sent all of a message but its end.
const HELD: usize = 512 * 1024;

/// Its files, by the version of control groups that there is.
struct Names {
    limit: &'static str,
    used: &'static str,
    idle: &'static str,
    /// Where it stands, behind `oom_kill`, how many processes the kernel has killed.
    events: &'static str,
}

const FIRST: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    idle: "total_inactive_file ",
    events: "memory.oom_control",
};
const SECOND: Names = Names {
    limit: "memory.max",
    used: "memory.current",
    idle: "inactive_file ",
    events: "memory.events",
};

/// A group that is gone with the test.
struct Group {
    folder: PathBuf,
    names: &'static Names,
}

impl Group {
    /// Below the group of this process, or at the top; none where neither may be.
    fn new(limit: u64) -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = |controller: &str| {
            let mut lines =
                membership.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
            let (_, path) = lines.find(|(names, _)| names.split(',').any(|it| it == controller))?;
            Some(path.trim_start_matches('/').to_owned())
        };
        let first = own("memory").map(|path| ("/sys/fs/cgroup/memory", path, &FIRST));
        let second = own("").map(|path| ("/sys/fs/cgroup", path, &SECOND));
        let tops = [first, second].into_iter().flatten();
        let mut places = tops.flat_map(|(top, path, names)| {
            [(Path::new(top).join(path), names), (PathBuf::from(top), names)]
        });
        places.find_map(|(above, names)| {
            let group =
                Self { folder: above.join(format!("ws-gateway-{}", std::process::id())), names };
            fs::create_dir(&group.folder).ok()?;
            // Where memory is not among what is limited here there is no such file.
            let limit = limit.to_string();
            fs::write(group.folder.join(names.limit), &limit).ok()?;
            (fs::read_to_string(group.folder.join(names.limit)).ok()?.trim() == limit)
                .then_some(group)
        })
    }

    /// A gateway that was in it from its first instruction on.
    async fn gateway(&self, variables: &[(&str, &str)]) -> Process {
        let mut command = Command::new("sh");
        let enter = "echo $$ > \"$0/cgroup.procs\" && exec \"$1\"";
        command.args(["-c", enter]).arg(&self.folder).arg(env!("CARGO_BIN_EXE_ws-gateway"));
        command.env_clear().envs(variables.iter().copied()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::of(command).await
    }

    fn figure(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(file)).expect("readable");
        let mut figures = text.lines().filter_map(|line| line.strip_prefix(name));
        figures.find_map(|figure| figure.trim().parse().ok()).expect("a figure")
    }

    /// What the kernel could not take back.
    fn used(&self) -> u64 {
        let idle = self.figure("memory.stat", self.names.idle);
        self.figure(self.names.used, "").saturating_sub(idle)
    }

    fn killed(&self) -> u64 {
        self.figure(self.names.events, "oom_kill ")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once the last process in it has ended; what stays behind otherwise is empty.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Somebody who has sent a message but for its end, which the gateway has to keep.
async fn holder(gateway: &Process, target: &str) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.address).await.expect("it listens");
    socket.write_all(upgrade(target).as_bytes()).await.expect("it reads");
    let mut greeted = Vec::new();
    while !greeted.windows(11).any(|bytes| bytes == b"\"connected\"") {
        let read = timeout(PATIENCE, socket.read_buf(&mut greeted)).await.expect("in time");
        assert!(read.expect("readable") > 0, "{}", String::from_utf8_lossy(&greeted));
    }
    let mut frame = vec![0x82, 0xff];
    frame.extend((HELD as u64 + 1).to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(frame.len() + HELD, b'x');
    timeout(PATIENCE, socket.write_all(&frame)).await.expect("in time").expect("it reads");
    socket
}

#[tokio::test]
async fn nine_tenths_of_a_control_groups_memory_are_enough_and_nobody_is_killed() {
    let Some(group) = Group::new(LIMIT) else {
        eprintln!("not shown: this process may make no control group with a limit on memory");
        return;
    };
    let variables = [
        ("WEBSOCKET_HOST", "127.0.0.1"),
        ("WEBSOCKET_PORT", "0"),
        ("JWT_SECRET_KEY", SECRET),
        ("UPSTREAM", "echo"),
        ("MAX_FRAME_SIZE", "1MiB"),
        ("MAX_CONNECTIONS_PER_USER", "0"),
        ("CONNECTION_RATE_LIMIT", "0"),
    ];
    let gateway = group.gateway(&variables).await;
    gateway.logs("its control group").await;
    gateway.logs(&format!("\"max\":{BOUND}")).await;
    let mut established = gateway.visit("ada").await;
    let target = format!("/ws?token={}", gateway.token("eve"));
    let mut holders = Vec::new();
    while group.used() <= BOUND + MIB {
        assert!(holders.len() < 1000, "{} of {LIMIT} bytes", group.used());
        holders.push(holder(&gateway, &target).await);
    }
    gateway.logs("no memory for new connections; they are refused").await;
    let mut late = TcpStream::connect(gateway.address).await.expect("it listens");
    let refusal = answer_to(&mut late, &upgrade(&target)).await;
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert!(refusal.to_lowercase().contains("\r\nretry-after: 5\r\n"), "{refusal}");
    assert!(refusal.contains("out_of_memory"), "{refusal}");
    assert_eq!(established.ask("still there?").await["payload"], "still there?");
    assert_eq!(group.killed(), 0);

    // Who comes once they have gone is let in again.
    let count = holders.len();
    drop(holders);
    let back = async {
        while !gateway.log().contains("there is memory for new connections again") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, back)
        .await
        .unwrap_or_else(|_| panic!("{} of {LIMIT} bytes after {count} holders", group.used()));
    let bob = gateway.visit("bob").await;
    assert_eq!(established.ask("and now?").await["payload"], "and now?");
    drop((bob, established, late));
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await.status, 0);
}
