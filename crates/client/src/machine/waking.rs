//! What is due and cannot be written, because the socket takes nothing, wakes nobody: a driver that sleeps until the
//! machine's deadline would not sleep at all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Machine, MachineConfig, Manner, Wanted};
use crate::{
    backoff::BackoffConfig,
    book::Following,
    calls::{Call, Naming},
    mailbox::{Bounds, Mailbox},
    queue::{Confirm, Priority, QueueConfig},
};

const RETRY: Duration = Duration::from_secs(1);

/// A machine with a greeted connection, and the time it has.
fn live() -> (Machine, Instant) {
    #[expect(clippy::disallowed_methods, reason = "an origin for the test's own time")]
    let now = Instant::now();
    let mut machine = Machine::new(MachineConfig {
        backoff: BackoffConfig::default(),
        queue: QueueConfig::default(),
        connect_timeout: Duration::from_secs(10),
        ack_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(10),
        grace: Duration::from_secs(5),
        has_token: false,
        session_id: None,
        random: || 0.5,
    });
    machine.start(now);
    assert!(matches!(machine.wanted(), Wanted::Attempt(_)));
    machine.handle_open(None);
    machine.handle_text(r#"{"type":"connected","heartbeatMs":30000}"#, now);
    (machine, now)
}

/// What it says, until it says nothing more; each is refused for a second.
fn refuse_all(machine: &mut Machine, now: Instant) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(text) = machine.poll_text(now) {
        let message: Value = serde_json::from_str(&text).unwrap();
        said.push(message["type"].as_str().unwrap().to_owned());
        let refusal = json!({
            "type": "error", "code": "broker_unavailable", "message": "", "id": message["id"],
            "retryAfterMs": RETRY.as_millis() as u64,
        });
        machine.handle_text(&refusal.to_string(), now);
    }
    said
}

#[test]
fn a_socket_that_takes_nothing_keeps_nobody_awake() {
    let (mut machine, now) = live();
    let mailbox = Arc::new(Mailbox::new(Bounds { items_max: 4, bytes_max: usize::MAX }));
    let (answer, _waits) = oneshot::channel();
    let following = Following { mailbox, since: None, wants_presence: false, answer };
    machine.book.follow(&"orders".into(), following, now);
    let manner = Manner {
        priority: Priority::Normal,
        confirm: Confirm::Answered,
        is_repeatable: true,
        timeout: None,
    };
    let fields = r#""type":"publish","channel":"orders","data":1"#.to_owned();
    machine.call(Call::new(fields, Naming::Id, None), manner, now);

    assert_eq!(refuse_all(&mut machine, now), ["subscribe", "publish"]);
    assert_eq!(machine.poll_timeout(), Some(now + RETRY));
    let due = now + RETRY;
    machine.handle_timeout(due);
    let next = machine.poll_timeout().unwrap();
    assert!(next > due, "it would be woken again at once");
    assert_eq!(refuse_all(&mut machine, due), ["subscribe", "publish"], "once it can be written");
}
