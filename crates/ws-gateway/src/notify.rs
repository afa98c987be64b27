//! Telling a service manager how far we are: the protocol of systemd's `sd_notify(3)`, a line in a datagram.

use std::{
    ffi::OsString,
    io,
    os::unix::net::{SocketAddr, UnixDatagram},
};

/// The variable in which a service manager names its socket.
pub const VARIABLE: &str = "NOTIFY_SOCKET";

/// Who is told; nobody, where nobody wants to know.
#[derive(Debug, Default)]
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

/// How far we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Whoever connects is served.
    Ready,
    /// The configuration is being read again; [`Stage::Ready`] follows.
    Reloading,
    /// Everybody is being sent away.
    Stopping,
}

impl Notifier {
    /// Tells whoever the variable [`VARIABLE`] names, if anybody. An address that is none is an error.
    pub fn new(variable: Option<OsString>) -> io::Result<Self> {
        let Some(name) = variable.filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        Ok(Self(Some((UnixDatagram::unbound()?, address(&name)?))))
    }

    /// Tells it. Who cannot be told is missed by nobody but the log.
    pub fn tell(&self, stage: Stage) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(said(stage).as_bytes(), address) {
            tracing::warn!(%error, ?stage, "the service manager is not told");
        }
    }
}

fn said(stage: Stage) -> String {
    match stage {
        Stage::Ready => "READY=1".to_owned(),
        Stage::Stopping => "STOPPING=1".to_owned(),
        // The time is asked for by units of the type `notify-reload`.
        Stage::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()),
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn monotonic_micros() -> i64 {
    0
}

/// A path, or behind `@` a name of the abstract kind.
fn address(name: &OsString) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    {
        use std::os::{linux::net::SocketAddrExt, unix::ffi::OsStrExt};
        if let Some(name) = name.as_bytes().strip_prefix(b"@") {
            return SocketAddr::from_abstract_name(name);
        }
    }
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut text = [0; 256];
        let read = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..read].to_vec()).unwrap()
    }

    #[test]
    fn a_service_manager_hears_each_stage() {
        let folder = std::env::temp_dir().join(format!("ws-notify-{}", std::process::id()));
        let socket = UnixDatagram::bind(&folder).unwrap();
        let notifier = Notifier::new(Some(folder.clone().into())).unwrap();
        notifier.tell(Stage::Ready);
        assert_eq!(heard(&socket), "READY=1");
        notifier.tell(Stage::Stopping);
        assert_eq!(heard(&socket), "STOPPING=1");
        notifier.tell(Stage::Reloading);
        let (stage, time) =
            heard(&socket).split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(stage, "RELOADING=1");
        assert!(time.strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap() > 0);
        std::fs::remove_file(folder).unwrap();
        // It is gone: that is no reason to fail.
        notifier.tell(Stage::Ready);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_name_behind_an_at_sign_is_of_the_abstract_kind() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("ws-notify-{}", std::process::id());
        let socket =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::new(Some(format!("@{name}").into())).unwrap().tell(Stage::Ready);
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    fn nobody_is_told_where_nobody_is_named_and_what_is_no_address_is_an_error() {
        Notifier::new(None).unwrap().tell(Stage::Ready);
        Notifier::new(Some("".into())).unwrap().tell(Stage::Ready);
        assert!(Notifier::new(Some("x".repeat(500).into())).is_err());
    }
}
