//! A listening socket that was opened before this process started: socket activation, as systemd does it.

use std::net::TcpListener;

/// What was handed over cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// It is something else than one listening TCP socket.
    #[error(
        "LISTEN_FDS: what was handed over is no TCP socket to listen on ({0}); a unit's socket needs \
         ListenStream= with a port"
    )]
    Unusable(#[from] std::io::Error),
    /// One is listened on, and more were handed over.
    #[error(
        "LISTEN_FDS is {0}: one socket is expected; one that listens on [::] with BindIPv6Only=both is for \
         both families"
    )]
    Several(usize),
}

/// Takes the listening socket that `LISTEN_FDS` and `LISTEN_PID` announce to this process, if they do, and
/// removes both variables, as they are not meant for children. To be called before the process has
/// threads.
pub fn take_listener() -> Result<Option<TcpListener>, InheritedError> {
    let mut handed_over = listenfd::ListenFd::from_env();
    match handed_over.len() {
        0 => Ok(None),
        1 => Ok(handed_over.take_tcp_listener(0)?),
        several => Err(InheritedError::Several(several)),
    }
}
