use std::{num::NonZeroU32, sync::Arc, time::Duration};

use serde_json::value::RawValue;

use crate::{
    Engine, Inbox, InboxConfig, InboxError, Letter, Mailbox, Memory, MemoryCluster, ReadLimits,
};

const ALL: ReadLimits = ReadLimits { entries_max: 1000, bytes_max: 1 << 20 };

pub(super) fn letter(number: usize) -> Letter {
    let message = RawValue::from_string(format!("{{\"n\":{number}}}")).unwrap();
    Letter {
        id: format!("m{number}").into(),
        from: Some("bob".into()),
        event: None,
        message,
        timestamp_ms: 17,
    }
}

fn inbox(engine: Arc<Memory>, change: impl FnOnce(&mut InboxConfig)) -> Arc<Inbox> {
    let mut config = InboxConfig::default();
    change(&mut config);
    Inbox::new(engine, config)
}

async fn read(mailbox: &Arc<Mailbox>) -> Vec<String> {
    let letters = mailbox.next(ALL).await.unwrap();
    letters.iter().map(|letter| letter.id.to_string()).collect()
}

async fn ack(mailbox: &Arc<Mailbox>, ids: &[&str]) {
    for id in ids {
        if mailbox.ack(id) {
            mailbox.flush().await.unwrap();
        }
    }
}

#[tokio::test]
async fn letters_are_handed_out_in_their_order_until_they_are_acknowledged() {
    let inbox = inbox(MemoryCluster::new().node(), |_| {});
    for number in 0..5 {
        inbox.keep("ada", &letter(number), None).await.unwrap();
    }
    let first = inbox.open("ada", "", 0);
    let letters = first.next(ReadLimits { entries_max: 2, ..ALL }).await.unwrap();
    assert_eq!(letters[1].message.get(), "{\"n\":1}");
    assert_eq!((letters[0].from.as_deref(), letters[0].timestamp_ms), (Some("bob"), 17));
    assert_eq!(read(&first).await, ["m2", "m3", "m4"], "each once");
    assert_eq!(read(&first).await, Vec::<String>::new());
    ack(&first, &["m3", "m0", "nonsense", "m3"]).await;
    inbox.keep("ada", &letter(5), None).await.unwrap();
    assert_eq!(read(&first).await, ["m5"], "what comes meanwhile");
    let second = inbox.open("ada", "", 0);
    assert_eq!(read(&second).await, ["m1", "m2", "m4", "m5"]);
    assert_eq!(read(&inbox.open("eve", "", 0)).await, Vec::<String>::new());
}

#[tokio::test]
async fn each_device_gets_each_letter_and_the_last_to_acknowledge_takes_it_out() {
    let cluster = MemoryCluster::new();
    let (here, there) = (inbox(cluster.node(), |_| {}), inbox(cluster.node(), |_| {}));
    for device in ["phone", "laptop"] {
        assert_eq!(read(&here.open("ada", device, 0)).await, Vec::<String>::new());
    }
    for number in 0..3 {
        there.keep("ada", &letter(number), None).await.unwrap();
    }
    let phone = here.open("ada", "phone", 0);
    assert_eq!(read(&phone).await, ["m0", "m1", "m2"]);
    ack(&phone, &["m0", "m2"]).await;
    let laptop = there.open("ada", "laptop", 0);
    assert_eq!(read(&laptop).await, ["m0", "m1", "m2"]);
    ack(&laptop, &["m0", "m1"]).await;
    assert_eq!(read(&here.open("ada", "phone", 0)).await, ["m1"]);
    assert_eq!(read(&here.open("ada", "laptop", 0)).await, ["m2"]);
    // A device that comes now gets what is still there.
    assert_eq!(read(&here.open("ada", "watch", 0)).await, ["m1", "m2"]);
    let without_name = here.open("ada", "", 0);
    assert_eq!(read(&without_name).await, ["m1", "m2"]);
    for device in ["phone", "laptop", "watch", ""] {
        let mailbox = there.open("ada", device, 0);
        read(&mailbox).await;
        ack(&mailbox, &["m1", "m2"]).await;
    }
    assert_eq!(read(&here.open("ada", "tablet", 0)).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_too_much_is_refused_by_count_and_by_bytes_until_there_is_room() {
    let engine = MemoryCluster::new().node();
    let few = inbox(engine.clone(), |config| config.entries_max = NonZeroU32::new(2).unwrap());
    few.keep("ada", &letter(0), None).await.unwrap();
    few.keep("ada", &letter(1), None).await.unwrap();
    assert_eq!(few.keep("ada", &letter(2), None).await, Err(InboxError::Full));
    few.keep("bob", &letter(2), None).await.unwrap();
    let mailbox = few.open("ada", "", 0);
    read(&mailbox).await;
    ack(&mailbox, &["m0"]).await;
    few.keep("ada", &letter(3), None).await.unwrap();

    let one = super::encode(&letter(0)).len();
    let small = inbox(MemoryCluster::new().node(), |config| config.bytes_max = 3 * one);
    for number in 0..3 {
        small.keep("ada", &letter(number), None).await.unwrap();
    }
    assert_eq!(small.keep("ada", &letter(3), None).await, Err(InboxError::Full));
    let mailbox = small.open("ada", "", 0);
    read(&mailbox).await;
    ack(&mailbox, &["m1"]).await;
    small.keep("ada", &letter(4), None).await.unwrap();
    assert_eq!(small.keep("ada", &letter(5), None).await, Err(InboxError::Full));
    let mut large = letter(0);
    large.id = "x".repeat(3 * one).into();
    assert_eq!(small.keep("bob", &large, None).await, Err(InboxError::Full), "in no inbox");
}

#[tokio::test]
async fn a_letter_is_gone_when_its_time_is_up_and_so_is_a_device() {
    let cluster = MemoryCluster::new();
    let inbox = inbox(cluster.node(), |config| config.ttl = Duration::from_secs(100));
    let old = inbox.open("ada", "old", 0);
    read(&old).await;
    inbox.keep("ada", &letter(0), None).await.unwrap();
    cluster.advance(Duration::from_secs(60));
    inbox.keep("ada", &letter(1), None).await.unwrap();
    cluster.advance(Duration::from_secs(60));
    let new = inbox.open("ada", "new", 120_000);
    assert_eq!(read(&new).await, ["m1"]);
    ack(&new, &["m1"]).await;
    assert_eq!(read(&inbox.open("ada", "late", 120_000)).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_event_is_kept_once() {
    let inbox = inbox(MemoryCluster::new().node(), |_| {});
    inbox.keep("ada", &letter(0), Some("e")).await.unwrap();
    inbox.keep("ada", &letter(1), Some("e")).await.unwrap();
    assert_eq!(read(&inbox.open("ada", "", 0)).await, ["m0"]);
}

#[tokio::test]
async fn what_could_not_be_written_down_is_written_with_the_next() {
    let engine = MemoryCluster::new().node();
    let inbox = inbox(engine.clone(), |_| {});
    for device in ["phone", "laptop"] {
        read(&inbox.open("ada", device, 0)).await;
    }
    for number in 0..3 {
        inbox.keep("ada", &letter(number), None).await.unwrap();
    }
    let phone = inbox.open("ada", "phone", 0);
    read(&phone).await;
    assert!(phone.ack("m0"));
    engine.set_down("gone");
    phone.flush().await.unwrap_err();
    engine.set_up();
    engine.lose_answers(1);
    assert!(phone.ack("m1"));
    phone.flush().await.unwrap_err();
    phone.flush().await.unwrap();
    assert_eq!(read(&inbox.open("ada", "phone", 0)).await, ["m2"]);
    assert_eq!(read(&inbox.open("ada", "laptop", 0)).await, ["m0", "m1", "m2"]);

    inbox.keep("bob", &letter(0), None).await.unwrap();
    let alone = inbox.open("bob", "", 0);
    read(&alone).await;
    assert!(alone.ack("m0"));
    engine.set_down("gone");
    alone.flush().await.unwrap_err();
    engine.set_up();
    alone.flush().await.unwrap();
    assert_eq!(read(&inbox.open("bob", "", 0)).await, Vec::<String>::new());
}

#[tokio::test]
async fn without_the_engine_nothing_is_kept_and_nothing_is_said_to_be() {
    let engine = MemoryCluster::new().node();
    let inbox = inbox(engine.clone(), |_| {});
    engine.set_down("gone");
    let error = inbox.keep("ada", &letter(0), None).await.unwrap_err();
    assert!(matches!(error, InboxError::Engine(_)), "{error}");
    let mailbox = inbox.open("ada", "", 0);
    mailbox.next(ALL).await.unwrap_err();
    engine.set_up();
    inbox.keep("ada", &letter(1), None).await.unwrap();
    assert_eq!(read(&mailbox).await, ["m1"], "the same mailbox goes on");
}

#[tokio::test]
async fn what_is_acknowledged_in_its_order_takes_no_room() {
    let engine = MemoryCluster::new().node();
    let inbox = inbox(engine.clone(), |_| {});
    for device in ["phone", "laptop"] {
        read(&inbox.open("ada", device, 0)).await;
    }
    let before = engine.get("devices:ada").await.unwrap().unwrap().value.len();
    for number in 0..50 {
        inbox.keep("ada", &letter(number), None).await.unwrap();
    }
    let phone = inbox.open("ada", "phone", 0);
    for id in read(&phone).await {
        ack(&phone, &[&id]).await;
    }
    let after = engine.get("devices:ada").await.unwrap().unwrap().value.len();
    assert!(after <= before + 24, "{before} and then {after} bytes");
}

#[tokio::test]
async fn nobody_without_a_name_leaves_a_record() {
    let engine = MemoryCluster::new().node();
    let inbox = inbox(engine.clone(), |_| {});
    inbox.keep("ada", &letter(0), None).await.unwrap();
    let mailbox = inbox.open("ada", "", 0);
    read(&mailbox).await;
    ack(&mailbox, &["m0"]).await;
    assert_eq!(engine.keys("").await.unwrap(), Vec::<String>::new());
    assert_eq!(read(&inbox.open("ada", "", 0)).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_can_read_is_in_nobodys_way() {
    let engine = MemoryCluster::new().node();
    let inbox = inbox(engine.clone(), |_| {});
    let log = crate::Log { name: "inbox:ada", keep: &inbox.keep };
    engine.append(&log, bytes::Bytes::from_static(b"nonsense"), None).await.unwrap();
    inbox.keep("ada", &letter(0), None).await.unwrap();
    assert_eq!(read(&inbox.open("ada", "", 0)).await, ["m0"]);
    let page = engine.read(&log, 0, ALL).await.unwrap();
    assert_eq!(page.entries.len(), 1);
}
