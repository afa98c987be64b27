//! The control group of this process, as Linux has them: what containers are limited by.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Above this there is no limit: the first version writes what a signed number of pages can say.
const NO_LIMIT: u64 = 1 << 60;

/// A group of processes whose memory is limited together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    folder: PathBuf,
    version: Version,
    max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    First,
    Second,
}

impl Group {
    /// The one with the lowest limit of those in which this process is, if any has one. `root` is that of the
    /// file system.
    pub(super) fn of_this_process(root: &Path) -> Option<Self> {
        let membership = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
        // Lines `number:controllers:path`; the second version is number zero and has no controllers.
        let lines = membership.lines().filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.split_once(':')
        });
        let groups = lines.filter_map(|(controllers, path)| match controllers {
            "" => Self::lowest(&root.join("sys/fs/cgroup"), path, Version::Second),
            _ if controllers.split(',').any(|it| it == "memory") => {
                Self::lowest(&root.join("sys/fs/cgroup/memory"), path, Version::First)
            }
            _ => None,
        });
        groups.min_by_key(|group| group.max)
    }

    /// A group is limited by those around it as well. What is named may be outside of what can be seen here, as
    /// in a container that has a file system of its own: then the top is this process' group.
    fn lowest(top: &Path, path: &str, version: Version) -> Option<Self> {
        let inner = top.join(path.trim_start_matches('/'));
        let around = inner.ancestors().take_while(|folder| folder.starts_with(top));
        let groups = around.filter_map(|folder| {
            let max = match version {
                Version::First => number(&folder.join("memory.limit_in_bytes")),
                Version::Second => number(&folder.join("memory.max")),
            };
            let max = max.filter(|max| *max < NO_LIMIT)?;
            Some(Self { folder: folder.to_owned(), version, max })
        });
        groups.min_by_key(|group| group.max)
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// Bytes that the kernel cannot take back: without what it keeps of files that nobody has asked for
    /// lately, and with the buffers of sockets.
    pub(super) fn used(&self) -> Option<u64> {
        let (current, idle) = match self.version {
            Version::First => ("memory.usage_in_bytes", "total_inactive_file "),
            Version::Second => ("memory.current", "inactive_file "),
        };
        let current = number(&self.folder.join(current))?;
        let stat = fs::read_to_string(self.folder.join("memory.stat")).ok()?;
        let idle = stat.lines().find_map(|line| line.strip_prefix(idle)?.parse().ok());
        Some(current.saturating_sub(idle.unwrap_or(0)))
    }
}

/// What a file says that holds a number; `max` is none.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system with these files, gone with the test.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("ws-group-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }

        fn group(&self) -> Option<Group> {
            Group::of_this_process(&self.0)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_lowest_limit_of_the_groups_around_the_process_counts() {
        let root = Root::new(
            "second",
            &[
                ("proc/self/cgroup", "0::/system.slice/gateway.service\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "1000000\n"),
                ("sys/fs/cgroup/system.slice/memory.current", "800000\n"),
                ("sys/fs/cgroup/system.slice/memory.stat", "anon 1\ninactive_file 100000\n"),
                ("sys/fs/cgroup/system.slice/gateway.service/memory.max", "max\n"),
            ],
        );
        let group = root.group().unwrap();
        assert_eq!((group.max(), group.used()), (1_000_000, Some(700_000)));
    }

    #[test]
    fn in_a_container_the_top_is_the_group() {
        let root = Root::new(
            "container",
            &[
                ("proc/self/cgroup", "0::/../../outside\n"),
                ("sys/fs/cgroup/memory.max", "5000\n"),
                ("sys/fs/cgroup/memory.current", "4000\n"),
                ("sys/fs/cgroup/memory.stat", "inactive_file 9000\n"),
            ],
        );
        let group = root.group().unwrap();
        assert_eq!((group.max(), group.used()), (5000, Some(0)));
    }

    #[test]
    fn the_first_version_is_read_as_well() {
        let root = Root::new(
            "first",
            &[
                ("proc/self/cgroup", "4:cpu,cpuacct:/x\n3:memory:/docker/abc\n0::/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "2000\n"),
                ("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "1500\n"),
                ("sys/fs/cgroup/memory/docker/abc/memory.stat", "total_inactive_file 500\n"),
            ],
        );
        let group = root.group().unwrap();
        assert_eq!((group.max(), group.used()), (2000, Some(1000)));
    }

    #[test]
    fn where_nothing_is_limited_there_is_no_group() {
        let unlimited = [("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")];
        assert_eq!(Root::new("unlimited", &unlimited).group(), None);
        assert_eq!(Root::new("none", &[("proc/x", "")]).group(), None);
    }
}
