//! The engine on disk: what every engine must do, and what its folder goes through.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

#[path = "disk/bounds.rs"]
mod bounds;
#[path = "disk/crash.rs"]
mod crash;
#[path = "disk/damage.rs"]
mod damage;
#[path = "disk/folder.rs"]
mod folder;
#[path = "disk/full.rs"]
mod full;
#[path = "disk/model.rs"]
mod model;
#[path = "disk/reopening.rs"]
mod reopening;

mod conformance {
    //! One node, on a folder of its own.

    use std::{collections::HashMap, future::ready, sync::Arc, time::Duration};

    use parking_lot::Mutex;
    use ws_broker::{
        Disk, DiskConfig, Engine,
        conformance::{Fixture, Needs, Wait},
    };

    use super::folder::Folder;

    /// A folder for each prefix.
    #[derive(Default)]
    struct Disks {
        by_prefix: Mutex<HashMap<String, (Arc<Disk>, Folder)>>,
    }

    impl Fixture for Disks {
        fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
            let folder = Folder::new();
            let disk = Arc::new(Disk::open(folder.path(), DiskConfig::default()).unwrap());
            self.by_prefix.lock().insert(prefix.to_owned(), (Arc::clone(&disk), folder));
            Box::pin(ready(disk as _))
        }

        fn pass(&self, time: Duration) -> Wait<'_, ()> {
            self.by_prefix.lock().values().for_each(|(disk, _)| disk.advance(time));
            Box::pin(ready(()))
        }
    }

    async fn open(_needs: Needs) -> Disks {
        Disks::default()
    }

    ws_broker::conformance_suite!(one node, open);
}
