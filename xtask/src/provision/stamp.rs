//! A note of what was installed into a folder, so that it is not installed again.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Written last: a folder with a current stamp was installed to the end, from the same pins.
#[derive(Debug)]
pub(crate) struct Stamp {
    path: PathBuf,
    content: String,
}

impl Stamp {
    /// `content` is everything that the result depends on.
    pub(crate) fn new(folder: &Path, content: String) -> Self {
        Self { path: folder.join("installed-from"), content }
    }

    pub(crate) fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|found| found == self.content)
    }

    pub(crate) fn write(&self) -> anyhow::Result<()> {
        std::fs::write(&self.path, &self.content)
            .with_context(|| format!("write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_current_until_a_pin_changes() {
        let folder = std::env::temp_dir().join(format!("ws-xtask-stamp-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let stamp = Stamp::new(&folder, "websockets 1".to_owned());
        assert!(!stamp.is_current());
        stamp.write().unwrap();
        assert!(stamp.is_current());
        assert!(!Stamp::new(&folder, "websockets 2".to_owned()).is_current());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
