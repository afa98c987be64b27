//! A client that comes back: reconnects, recovers what it missed, keeps what it could not send.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod backoff;
mod dial;
mod duplicates;
mod liveness;
mod network;
mod pool;
mod probe;
mod queue;

pub use backoff::{Backoff, BackoffConfig, Jitter};
pub use dial::{Connect, Connecting, Credential, DialError, Dialer, DialerConfig, Socket, Wire};
pub use duplicates::Duplicates;
pub use liveness::{Liveness, Verdict};
pub use network::{NetworkSource, NetworkStatus, NextAttempt};
pub use queue::{Confirm, Key, Next, Priority, Queue, QueueConfig, Refused};
