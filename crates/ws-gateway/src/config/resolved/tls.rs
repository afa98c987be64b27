//! The settings of TLS, and of what only TLS makes possible.

use std::path::PathBuf;
use std::time::Duration;

use ws_transport::tls::TlsVersion;

/// Which certificates are shown, and whose are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificate chains. Default: none, and TLS is not spoken.
    pub certificates: Vec<PathBuf>,
    /// Their keys, as many.
    pub keys: Vec<PathBuf>,
    /// How often the files are looked at. Default 10 s; `None`, written as zero: never.
    pub poll_interval: Option<Duration>,
    /// Who signs the certificates of clients. Default `None`.
    pub client_ca: Option<PathBuf>,
    /// Default [`ClientCertificates::Off`].
    pub clients: ClientCertificates,
    /// Default TLS 1.2.
    pub oldest: TlsVersion,
    /// How many handshakes may be under way. Default 4096, never zero. Worst case of memory: 64 KiB for
    /// each, of clients that send a beginning that has no end.
    pub handshakes_max: u32,
    /// Whether HTTP/2 is offered. Default yes.
    pub http2: bool,
    /// How many streams one connection of it may have. Default 100, never zero. Worst case of memory of one
    /// connection: 1 MiB of what its client sends, and streams × 128 KiB of what it does not take.
    pub http2_streams_max: u32,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked; one that is shown has to be good.
    Optional,
    /// Who has none is not let in.
    Required,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            keys: Vec::new(),
            poll_interval: Some(Duration::from_secs(10)),
            client_ca: None,
            clients: ClientCertificates::default(),
            oldest: TlsVersion::default(),
            handshakes_max: 4096,
            http2: true,
            http2_streams_max: 100,
        }
    }
}
