//! Whether the files have changed, looked at now and then.
//!
//! Whatever renews certificates replaces files in its own way: it writes them anew, renames others over them,
//! or moves a link as Kubernetes does. Each of those shows in what `stat` says, on every kind of file system,
//! and a look costs a few system calls.

use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use super::{Certificates, CertificatesError};
use crate::config::TlsSettings;

/// How a file looks from outside; none if it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(Option<[i64; 5]>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let look = |file: std::fs::Metadata| {
            [
                file.dev() as i64,
                file.ino() as i64,
                file.size() as i64,
                file.mtime(),
                file.mtime_nsec(),
            ]
        };
        Self(std::fs::metadata(path).ok().map(look))
    }
}

/// Of all files that the settings name.
pub(super) fn stamps(settings: &TlsSettings) -> Vec<Stamp> {
    let files = settings.certificates.iter().chain(&settings.keys).chain(&settings.client_ca);
    files.map(|file| Stamp::of(file)).collect()
}

impl Certificates {
    /// Installs what the files hold whenever they have changed, for as long as it is polled. What is not good
    /// is told once, and what was in use stays so.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut refused = Vec::new();
        loop {
            let interval = self.current.lock().settings.poll_interval;
            // Another interval, or any at all, comes with a reload.
            let pause = interval.unwrap_or(std::time::Duration::from_secs(60));
            tokio::time::sleep(pause).await;
            if interval.is_none() {
                continue;
            }
            let (certificates, known) = (self.clone(), refused.clone());
            let looked = tokio::task::spawn_blocking(move || certificates.look(&known)).await;
            match looked {
                Ok(Some((stamps, Err(error)))) => {
                    tracing::error!(%error, "certificates have changed and cannot be used: those from before stay");
                    refused = stamps;
                }
                Ok(Some((_, Ok(())))) => refused = Vec::new(),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "certificates could not be looked at"),
            }
        }
    }

    /// What became of a change, if there was one that was not refused already.
    fn look(&self, refused: &[Stamp]) -> Option<(Vec<Stamp>, Result<(), CertificatesError>)> {
        let current = self.current.lock().clone();
        let stamps = stamps(&current.settings);
        if stamps == current.stamps || stamps == refused {
            return None;
        }
        let loaded = match self.load(&current.settings) {
            Ok(loaded) => loaded,
            Err(error) => {
                self.are_files_bad.store(true, Ordering::Relaxed);
                return Some((stamps, Err(error)));
            }
        };
        // A reload may have been quicker, with other settings: these are of yesterday then.
        self.install_over(&current, loaded).then_some((stamps, Ok(())))
    }
}
