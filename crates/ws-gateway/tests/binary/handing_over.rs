//! Restarts during which nobody who connects is refused.

use std::{
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpStream,
    process::Command,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::process::{Client, Process, SECRET, answer_to, upgrade};

/// Clients that connect one after the other, upgrade, and go.
struct Crowd {
    is_over: Arc<AtomicBool>,
    came: Arc<AtomicUsize>,
    tasks: JoinSet<Vec<String>>,
}

impl Crowd {
    fn at(address: SocketAddr) -> Self {
        let (is_over, came) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (is_over, came) = (is_over.clone(), came.clone());
            tasks.spawn(async move {
                let mut refused = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    match TcpStream::connect(address).await {
                        Err(error) => refused.push(error.to_string()),
                        Ok(mut socket) => {
                            let answer = answer_to(&mut socket, &upgrade("/ws")).await;
                            if !answer.starts_with("HTTP/1.1 101 ") {
                                refused.push(answer);
                            }
                        }
                    }
                    came.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(1)).await;
                }
                refused
            });
        }
        Self { is_over, came, tasks }
    }

    /// Waits until so many more have come.
    async fn brings(&self, more: usize) {
        let wanted = self.came.load(Ordering::Relaxed) + more;
        while self.came.load(Ordering::Relaxed) < wanted {
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn refused(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.concat()
    }
}

/// A client that is told to come back and closed; it must be there to answer.
fn sent_away(mut client: Client) -> JoinHandle<()> {
    tokio::spawn(async move {
        client.goodbye().await;
        assert_eq!(client.closed().await.0, 1012);
    })
}

async fn stopped(process: Process) {
    process.signal("TERM").await;
    let ended = process.ended().await;
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}

#[tokio::test]
async fn with_reuse_port_the_next_one_starts_first_and_nobody_is_refused() {
    let first = Process::start(&[], &[("REUSE_PORT", "true")]).await;
    let address = first.address;
    let port = address.port().to_string();
    let beside = [("REUSE_PORT", "true"), ("WEBSOCKET_PORT", &*port)];
    let crowd = Crowd::at(address);
    let mut running = first;
    for _ in 0..2 {
        let established = sent_away(running.visit("ada").await);
        let next = Process::start(&[], &beside).await;
        crowd.brings(50).await;
        stopped(std::mem::replace(&mut running, next)).await;
        established.await.expect("it is told");
        crowd.brings(50).await;
    }
    let refused = crowd.refused().await;
    assert!(refused.is_empty(), "{} were refused: {:?}", refused.len(), refused[0]);
}

/// A gateway that is given its socket as systemd does it.
async fn activated(socket: &TcpListener) -> Process {
    let binary = env!("CARGO_BIN_EXE_ws-gateway");
    let hand_over = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", hand_over, binary]).env_clear().envs([
        ("WEBSOCKET_HOST", "127.0.0.1"),
        // Not what it listens on.
        ("WEBSOCKET_PORT", "1"),
        ("JWT_SECRET_KEY", SECRET),
    ]);
    let socket = OwnedFd::from(socket.try_clone().expect("a file more"));
    command.stdin(socket).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let process = Process::of(command).await;
    assert!(!process.log().contains("LISTEN_FDS"), "{}", process.log());
    process
}

#[tokio::test]
async fn a_socket_that_is_handed_over_keeps_who_connects_while_no_gateway_runs() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("bound");
    let first = activated(&socket).await;
    assert_eq!(first.address, address);
    let crowd = Crowd::at(address);
    crowd.brings(50).await;
    let established = sent_away(first.visit("ada").await);
    stopped(first).await;
    established.await.expect("it is told");
    // Nobody listens; who connects now waits for whoever comes next.
    let _second = activated(&socket).await;
    crowd.brings(50).await;
    let refused = crowd.refused().await;
    assert!(refused.is_empty(), "{} were refused: {:?}", refused.len(), refused[0]);
}

#[tokio::test]
async fn what_is_handed_over_and_is_no_socket_is_refused_with_a_sentence() {
    let hand_over = "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", hand_over, env!("CARGO_BIN_EXE_ws-gateway")]).env_clear();
    let ended = command.env("JWT_SECRET_KEY", SECRET).output().await.expect("it starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("LISTEN_FDS: what was handed over is no TCP socket to listen on"),
        "{said}"
    );
}

#[tokio::test]
async fn a_service_manager_is_told_when_it_is_ready_and_when_it_goes() {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/notify");
    // Of a run that was killed.
    let _ = std::fs::remove_file(path);
    let manager = UnixDatagram::bind(path).expect("a path to bind to");
    manager.set_read_timeout(Some(Duration::from_secs(20))).expect("some time");
    let heard = || {
        let mut text = [0; 64];
        let read = manager.recv(&mut text).expect("something is said in time");
        String::from_utf8_lossy(&text[..read]).into_owned()
    };
    let process = Process::start(&[], &[("NOTIFY_SOCKET", path)]).await;
    assert_eq!(heard(), "READY=1");
    stopped(process).await;
    assert_eq!(heard(), "STOPPING=1");
}
