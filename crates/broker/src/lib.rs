#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "disk")]
mod disk;
mod engine;
#[cfg(feature = "cluster")]
mod inbox;
#[cfg(feature = "cluster")]
mod members;
mod memory;
mod node_id;
#[cfg(all(test, feature = "cluster"))]
mod stage;
#[cfg(all(test, feature = "cluster"))]
mod unsteady;
#[cfg(feature = "cluster")]
mod users;

#[cfg(feature = "disk")]
pub use disk::{Damage, Disk, DiskConfig, DiskUsage, OpenError, Recovery};
pub use engine::{
    Answer, Appended, Conflict, Engine, EngineError, Entry, Keep, Listener, Log, Page, Position,
    ReadLimits, Record, Revision, Status, WhenFull,
};
#[cfg(feature = "cluster")]
pub use inbox::{Inbox, InboxConfig, InboxError, Letter, Mailbox};
#[cfg(feature = "cluster")]
pub use members::{Life, Members, MembersConfig, MembersListener};
pub use memory::{LogStats, Memory, MemoryCluster, MemoryConfig, MemoryStats};
pub use node_id::{NodeId, NodeIdError};
#[cfg(feature = "cluster")]
pub use users::{Entered, OfflineCause, Settled, TooMany, Users, UsersConfig, UsersListener};
