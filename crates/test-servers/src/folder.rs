//! A folder of a server's own.

use std::path::{Path, PathBuf};

use crate::ServerError;

/// Removed with all that is in it when it is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn create(name: &str) -> Result<Self, ServerError> {
        let unique = format!("ws-test-{name}-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&path)
            .map_err(ServerError::system(format!("create {}", path.display())))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf, ServerError> {
        let path = self.path.join(name);
        std::fs::write(&path, content)
            .map_err(ServerError::system(format!("write {}", path.display())))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
