//! What the server costs, as /proc tells it: processor time and memory of its processes.

use std::{collections::HashMap, fs, net::SocketAddr, path::Path};

/// The processes that are watched, or why there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Watched(Vec<u32>),
    Unknown(String),
}

/// Processor time so far, by process and thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuTimes {
    by_thread: HashMap<(u32, u32), u64>,
}

/// Resident bytes, now and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Server {
    /// The owners of the listening socket at `address`, if it is on this machine and visible to us.
    pub(crate) fn find(address: SocketAddr) -> Self {
        if !address.ip().to_canonical().is_loopback() {
            return Self::Unknown(format!(
                "{} is not a loopback address; --server-pid says which process to watch",
                address.ip()
            ));
        }
        let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| listening_inodes(&table, address.port()))
            .collect();
        let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
        let mut pids: Vec<u32> =
            numbered("/proc").filter(|pid| holds_any(*pid, &sockets)).collect();
        pids.sort_unstable();
        if pids.is_empty() {
            return Self::Unknown(format!(
                "no process was found that listens on port {}; --server-pid says which to watch",
                address.port()
            ));
        }
        Self::Watched(pids)
    }

    pub(crate) fn pids(&self) -> &[u32] {
        match self {
            Self::Watched(pids) => pids,
            Self::Unknown(_) => &[],
        }
    }

    pub(crate) fn cpu(&self) -> Option<CpuTimes> {
        CpuTimes::of(self.pids())
    }

    pub(crate) fn memory(&self) -> Option<Memory> {
        let mut sum = None;
        for memory in self
            .pids()
            .iter()
            .filter_map(|pid| memory_of(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?))
        {
            let sum = sum.get_or_insert(Memory::default());
            sum.resident += memory.resident;
            sum.peak += memory.peak;
        }
        sum
    }
}

impl CpuTimes {
    /// `None` when no process could be read.
    pub(crate) fn of(pids: &[u32]) -> Option<Self> {
        let mut by_thread = HashMap::new();
        for pid in pids {
            for thread in numbered(format!("/proc/{pid}/task")) {
                let path = format!("/proc/{pid}/task/{thread}/schedstat");
                if let Some(spent) = fs::read_to_string(path).ok().and_then(|it| on_cpu(&it)) {
                    by_thread.insert((*pid, thread), spent);
                }
            }
        }
        (!by_thread.is_empty()).then_some(Self { by_thread })
    }

    /// Nanoseconds spent since `before`. A thread that ended in between is not counted: nobody knows
    /// what it spent last, and it must not make the sum shrink.
    pub(crate) fn since(&self, before: &Self) -> u64 {
        let spent = self.by_thread.iter().map(|(thread, now)| {
            now.saturating_sub(before.by_thread.get(thread).copied().unwrap_or(0))
        });
        spent.sum()
    }
}

/// The first field of a `schedstat`: nanoseconds on a processor.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

fn memory_of(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory { resident: bytes("VmRSS")?, peak: bytes("VmHWM")? })
}

/// The inodes of sockets that listen on `port`, from a table of /proc/net.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (_, local_port) = local.rsplit_once(':')?;
        let listens = *state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port);
        listens.then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// The entries of a folder that are numbers: processes, threads.
fn numbered(folder: impl AsRef<Path>) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn holds_any(pid: u32, sockets: &[String]) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1
   1: 0100007F:0BB9 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1
";

    #[test]
    fn only_listening_sockets_of_the_port_are_owners() {
        for (port, inodes) in [(3001, vec!["4711"]), (80, vec!["4713"]), (81, vec![])] {
            assert_eq!(listening_inodes(TABLE, port), inodes, "{port}");
        }
    }

    #[test]
    fn the_owner_of_a_loopback_port_is_found_and_watched() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::find(listener.local_addr().unwrap());
        assert_eq!(server, Server::Watched(vec![std::process::id()]));
        let memory = server.memory().unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident, "{memory:?}");
        let before = server.cpu().unwrap();
        assert!(server.cpu().unwrap().since(&before) < 60_000_000_000);
    }

    #[test]
    fn whoever_is_not_found_is_told_why() {
        let Server::Unknown(reason) = Server::find("192.0.2.1:80".parse().unwrap()) else {
            panic!("nobody here has this address");
        };
        assert!(reason.contains("--server-pid"), "{reason}");
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(Server::find(address), Server::Unknown(_)));
        assert_eq!(Server::Unknown(reason).memory(), None);
    }

    #[test]
    fn a_thread_that_ended_does_not_make_the_sum_shrink() {
        let times = |threads: &[(u32, u64)]| CpuTimes {
            by_thread: threads.iter().map(|(thread, spent)| ((1, *thread), *spent)).collect(),
        };
        let before = times(&[(1, 100), (2, 900)]);
        let after = times(&[(1, 150), (3, 20)]);
        assert_eq!(after.since(&before), 70);
        assert_eq!(times(&[]).since(&before), 0);
    }

    #[test]
    fn fields_of_proc_are_read() {
        assert_eq!(on_cpu("123 45 6\n"), Some(123));
        assert_eq!(on_cpu(""), None);
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(memory_of(status), Some(Memory { resident: 1 << 20, peak: 2 << 20 }));
        assert_eq!(memory_of("Name:\tzombie\n"), None);
    }
}
