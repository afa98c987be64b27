//! What the scripts do, beside a model of it.

use std::{collections::BTreeMap, num::NonZeroU32};

use ws_broker::{Engine, EngineError, Keep, Log, WhenFull};
use ws_test_servers::RedisOptions;

use crate::scene::{ALL, KEEP, Scene, config, server};

#[derive(Debug, Default)]
struct Model {
    head: u64,
    /// The last that was dropped to make room.
    dropped: u64,
    entries: BTreeMap<u64, String>,
}

impl Model {
    fn append(&mut self, payload: &str, keep: &Keep) -> Option<u64> {
        let most = keep.entries_max.get() as usize;
        if keep.when_full == WhenFull::Refuse && self.entries.len() >= most {
            return None;
        }
        self.head += 1;
        self.entries.insert(self.head, payload.to_owned());
        while self.entries.len() > most {
            self.dropped = self.entries.pop_first().map_or(self.dropped, |(offset, _)| offset);
        }
        Some(self.head)
    }
}

/// Appends, removals and reads in any order, with as much kept as comes to mind.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_what_its_model_says() {
    let server = server(&RedisOptions::default());
    let scene = Scene::open(config(&server)).await;
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (name, mut model) = (format!("h:{seed}"), Model::default());
        let removes = seed % 4 != 0;
        for step in 0..80 {
            let context = format!("seed {seed}, step {step}, {model:?}");
            let when_full =
                if random.u8(..4) == 0 { WhenFull::Refuse } else { WhenFull::DropOldest };
            let entries_max = NonZeroU32::new(random.u32(1..8)).unwrap();
            let keep = Keep { entries_max, when_full, ..KEEP };
            let log = Log { name: &name, keep: &keep };
            match random.u8(..8) {
                0..4 => {
                    let payload = format!("{step}");
                    let appended = scene.engine.append(&log, payload.clone().into(), None).await;
                    let appended = match appended {
                        Err(EngineError::Full) => None,
                        appended => Some(appended.unwrap().position.offset),
                    };
                    assert_eq!(appended, model.append(&payload, &keep), "{context}");
                }
                4..6 if removes => {
                    let offsets = [random.u64(0..=model.head + 1), random.u64(0..=model.head)];
                    scene.engine.remove(&log, &offsets).await.unwrap();
                    model.entries.retain(|offset, _| !offsets.contains(offset));
                }
                _ => {
                    let after = random.u64(0..=model.head);
                    let page = scene.engine.read(&log, after, ALL).await.unwrap();
                    assert_eq!(page.head.offset, model.head, "{context}");
                    assert_eq!(
                        page.is_complete,
                        after >= model.dropped,
                        "after {after}, {context}"
                    );
                    let read = page.entries.into_iter().map(|entry| {
                        (
                            entry.position.offset,
                            String::from_utf8_lossy(&entry.payload).into_owned(),
                        )
                    });
                    let expected = model.entries.range(after + 1..);
                    let expected = expected.map(|(offset, payload)| (*offset, payload.clone()));
                    assert!(read.eq(expected), "after {after}, {context}");
                }
            }
        }
    }
}
