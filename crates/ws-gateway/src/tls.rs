//! Certificates and keys in files: read, judged, and read again when they change.

mod files;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use parking_lot::Mutex;
use ws_transport::tls::{ReadyTls, TlsAcceptor, TlsConfig, TlsConfigError};

pub(crate) use self::files::read;
use self::watch::Stamp;
use crate::config::TlsSettings;

/// What a client that speaks HTTP/2 asks for (RFC 9113 §3.2), and one that does not (RFC 7301 §6).
pub(crate) const HTTP_2: &str = "h2";
const HTTP_1: &str = "http/1.1";

/// How long before its end a certificate is worth a warning.
const SOON: std::time::Duration = std::time::Duration::from_secs(14 * 24 * 3600);

/// The certificates of a gateway that runs. Others take their place in two steps, both without a connection
/// being lost: what is wrong is found out by the first, and the second cannot fail.
#[derive(Debug)]
pub struct Certificates {
    acceptor: TlsAcceptor,
    current: Mutex<Arc<Current>>,
    /// Whether the files hold something by now that cannot be used.
    are_files_bad: AtomicBool,
}

/// Which files they are from, and how those looked before they were read.
#[derive(Debug)]
struct Current {
    settings: TlsSettings,
    stamps: Vec<Stamp>,
}

/// Certificates that were found good and are not in use yet.
#[derive(Debug)]
pub struct LoadedCertificates {
    ready: ReadyTls,
    current: Current,
    pairs: Vec<ws_transport::tls::KeyPair>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// What is in a file, or that there is none.
    #[error("{setting} = {file:?}: {reason}", file = file.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// Where it is.
        file: PathBuf,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// All of it together.
    #[error(transparent)]
    Config(#[from] TlsConfigError),
    /// TLS is on or off from the start.
    #[error(
        "TLS_CERT was set when the gateway was started, and is not now: only a restart turns TLS off"
    )]
    Gone,
}

impl Certificates {
    /// Reads the files; none where no certificate is set.
    pub fn open(settings: &TlsSettings) -> Result<Option<Self>, CertificatesError> {
        if settings.certificates.is_empty() {
            return Ok(None);
        }
        let (config, stamps) = read_now(settings)?;
        let acceptor = TlsAcceptor::new(config, settings.handshakes_max as usize)?;
        for pair in acceptor.config().pairs() {
            announce(pair);
        }
        let current = Arc::new(Current { settings: settings.clone(), stamps });
        Ok(Some(Self {
            acceptor,
            current: Mutex::new(current),
            are_files_bad: AtomicBool::new(false),
        }))
    }

    /// The first step: reads the files that these settings name, and changes nothing.
    pub fn load(&self, settings: &TlsSettings) -> Result<LoadedCertificates, CertificatesError> {
        if settings.certificates.is_empty() {
            return Err(CertificatesError::Gone);
        }
        let (config, stamps) = read_now(settings)?;
        let pairs = config.pairs().to_vec();
        let ready = self.acceptor.prepare(config)?;
        Ok(LoadedCertificates {
            ready,
            current: Current { settings: settings.clone(), stamps },
            pairs,
        })
    }

    /// The second step: from now on clients are shown these. Whoever is connected stays so.
    pub fn install(&self, loaded: LoadedCertificates) {
        {
            // One after the other, so that what is in use and what is known of it belong together.
            let mut current = self.current.lock();
            self.acceptor.install(loaded.ready);
            *current = Arc::new(loaded.current);
        }
        self.are_files_bad.store(false, Ordering::Relaxed);
        loaded.pairs.iter().for_each(announce);
    }

    /// The second step, where nothing else was installed since `before` was looked at; whether it was done.
    fn install_over(&self, before: &Arc<Current>, loaded: LoadedCertificates) -> bool {
        {
            let mut current = self.current.lock();
            if !Arc::ptr_eq(&current, before) {
                return false;
            }
            self.acceptor.install(loaded.ready);
            *current = Arc::new(loaded.current);
        }
        self.are_files_bad.store(false, Ordering::Relaxed);
        loaded.pairs.iter().for_each(announce);
        true
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Whether the files hold something by now that cannot be used, so that what was in use stays so.
    pub(crate) fn are_files_bad(&self) -> bool {
        self.are_files_bad.load(Ordering::Relaxed)
    }

    /// Each certificate's file, and when it ends, in seconds since 1970.
    pub(crate) fn ends(&self) -> Vec<(String, f64)> {
        let current = self.current.lock().clone();
        let config = self.acceptor.config();
        let files = current.settings.certificates.iter().map(|file| file.display().to_string());
        let since_1970 = |end: SystemTime| end.duration_since(SystemTime::UNIX_EPOCH);
        let ends = config.pairs().iter().map(|pair| {
            since_1970(pair.not_after()).map(|since| since.as_secs_f64()).unwrap_or_default()
        });
        files.zip(ends).collect()
    }
}

fn read_now(settings: &TlsSettings) -> Result<(TlsConfig, Vec<Stamp>), CertificatesError> {
    // Before the files are read: what is written meanwhile is noticed with the next look.
    let stamps = watch::stamps(settings);
    Ok((read(settings, |path| std::fs::read_to_string(path))?, stamps))
}

/// A line for each pair that comes into use.
fn announce(pair: &ws_transport::tls::KeyPair) {
    let names = pair.names().join(", ");
    #[expect(
        clippy::disallowed_methods,
        reason = "the binary's edge: certificates end by the world's clock"
    )]
    let now = SystemTime::now();
    let left = pair.not_after().duration_since(now).unwrap_or_default();
    let days = left.as_secs() / (24 * 3600);
    if left.is_zero() {
        tracing::error!(names, "a certificate has ended: clients refuse it");
    } else if pair.not_before() > now {
        tracing::error!(names, "a certificate is not good yet: clients refuse it");
    } else if left < SOON {
        tracing::warn!(names, days, "a certificate ends soon");
    } else {
        tracing::info!(names, days, "a certificate is in use");
    }
}

/// What a file holds, or what is to be said about it.
fn of_file<T>(
    setting: &'static str,
    file: &std::path::Path,
    value: Result<T, impl ToString>,
) -> Result<T, CertificatesError> {
    value.map_err(|reason| CertificatesError::File {
        setting,
        file: file.to_owned(),
        reason: reason.to_string(),
    })
}

fn readable(read: io::Result<String>) -> Result<String, String> {
    read.map_err(|error| format!("a file that can be read ({error})"))
}
