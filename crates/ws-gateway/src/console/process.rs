//! What the operating system says of this process.

/// Memory that the process has in use, in bytes. `None` where the system does not say it in this way.
pub(crate) fn resident_bytes() -> Option<u64> {
    // In kilobytes whatever the size of a page is, which `statm` counts in.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The time that all processors have spent on the process, in microseconds.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(crate) fn processor_micros() -> Option<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u64::try_from(time.tv_nsec).ok()?;
    Some(seconds * 1_000_000 + nanos / 1000)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) fn processor_micros() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_what_is_touched_and_time_with_what_is_done() {
        let before = (resident_bytes().unwrap(), processor_micros().unwrap());
        let touched = std::hint::black_box(vec![1_u8; 32 << 20]);
        let sum: u64 = touched.iter().map(|byte| u64::from(*byte)).sum();
        assert_eq!(sum, 32 << 20);
        let after = (resident_bytes().unwrap(), processor_micros().unwrap());
        assert!(after.0 >= before.0 + (24 << 20), "{before:?} {after:?}");
        assert!(after.1 > before.1, "{before:?} {after:?}");
    }
}
