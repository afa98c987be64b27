//! A timer that an event loop waits for, to less than a millisecond: `epoll_wait` rounds up to one.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use mio::{Interest, Registry, Token, unix::SourceFd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::clock::Nanos;

/// One timer of a loop.
#[derive(Debug)]
pub(super) struct Timer {
    file: OwnedFd,
    armed: Option<Nanos>,
}

impl Timer {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let file = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&file.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { file, armed: None })
    }

    /// Makes the loop wake at `due`. Nothing is done when it is armed for that already.
    pub(super) fn arm(&mut self, due: Option<Nanos>, now: Nanos) -> io::Result<()> {
        // What has passed has fired: the same time again would never fire.
        if self.armed == due && due.is_none_or(|due| due > now) {
            return Ok(());
        }
        self.armed = due;
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = due.map_or(zero, |due| {
            // Zero would disarm it.
            let wait = Duration::from_nanos(due.saturating_sub(now).max(1));
            Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: wait.subsec_nanos().into(),
            }
        });
        let timer = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(&self.file, TimerfdTimerFlags::empty(), &timer)?;
        Ok(())
    }
}
