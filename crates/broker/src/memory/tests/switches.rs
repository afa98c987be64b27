//! What goes wrong on command.

use super::*;

#[test]
fn a_node_that_is_down_misses_what_others_say_and_is_told_when_it_is_back() {
    let cluster = MemoryCluster::new();
    let (near, far) = (cluster.node(), cluster.node());
    let notes = Notes::of(&far);
    now(far.follow(&log("h:a"))).unwrap();
    far.set_down("cut");
    assert_eq!(far.status(), Status::Down("cut".into()));
    append(&near, "h:a", "missed");
    let refused = now(far.read(&log("h:a"), 0, ALL));
    assert_eq!(refused, Err(EngineError::Unavailable { kind: "memory", reason: "cut".into() }));
    far.set_up();
    append(&near, "h:a", "heard");
    let entries = notes.entries.lock();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].1.previous, &entries[0].1.payload[..]), (1, &b"heard"[..]));
    assert_eq!(*notes.statuses.lock(), [Status::Down("cut".into()), Status::Up]);
}

#[test]
fn what_gets_lost_leaves_a_gap_that_shows() {
    let cluster = MemoryCluster::new();
    let (near, far) = (cluster.node(), cluster.node());
    let notes = Notes::of(&far);
    now(far.follow(&log("h:a"))).unwrap();
    append(&near, "h:a", "0");
    far.set_losing(true);
    append(&near, "h:a", "1");
    far.set_losing(false);
    append(&near, "h:a", "2");
    let entries = notes.entries.lock();
    let places: Vec<(u64, u64)> =
        entries.iter().map(|(_, entry)| (entry.previous, entry.position.offset)).collect();
    assert_eq!(places, [(0, 1), (2, 3)]);
    assert_eq!(far.status(), Status::Up);
}

#[test]
fn what_is_held_comes_in_order_when_it_is_released() {
    let cluster = MemoryCluster::new();
    let (near, far) = (cluster.node(), cluster.node());
    let notes = Notes::of(&far);
    now(far.follow(&log("h:a"))).unwrap();
    now(far.subscribe("ch:a")).unwrap();
    far.hold();
    for number in 0..3 {
        append(&near, "h:a", &number.to_string());
        near.publish("ch:a", number.to_string().into()).unwrap();
    }
    assert!(notes.entries.lock().is_empty() && notes.messages.lock().is_empty());
    far.release();
    append(&near, "h:a", "3");
    assert_eq!(notes.payloads(), ["0", "1", "2", "3"]);
    assert_eq!(notes.messages.lock().len(), 3);
}

#[test]
fn a_lost_call_is_not_done_and_a_lost_answer_is() {
    let cluster = MemoryCluster::new();
    let node = cluster.node();
    let unknown = Err(EngineError::Unknown { kind: "memory" });
    node.lose_calls(1);
    assert_eq!(now(node.append(&log("h:a"), "lost".into(), None)), unknown);
    assert!(read(&node, "h:a", 0).entries.is_empty());
    node.lose_answers(1);
    assert_eq!(now(node.append(&log("h:a"), "done".into(), None)), unknown);
    assert_eq!(read(&node, "h:a", 0).entries.len(), 1);
    node.lose_answers(1);
    assert!(now(node.put("user:a", Some("there".into()), None)).is_err());
    assert!(now(node.get("user:a")).unwrap().is_some());
    append(&node, "h:a", "as ever");
}

#[test]
fn a_node_that_is_made_while_the_engine_is_away_comes_back_with_it() {
    let cluster = MemoryCluster::new();
    cluster.set_down("stopped");
    let node = cluster.node();
    assert_eq!(node.status(), Status::Down("stopped".into()));
    let notes = Notes::of(&node);
    cluster.set_up();
    assert_eq!(*notes.statuses.lock(), [Status::Up]);
    append(&node, "h:a", "here");
}

#[test]
fn a_node_that_is_gone_is_told_nothing() {
    let cluster = MemoryCluster::new();
    let (near, far) = (cluster.node(), cluster.node());
    let notes = Notes::of(&far);
    now(far.follow(&log("h:a"))).unwrap();
    now(far.subscribe("ch:a")).unwrap();
    drop(far);
    append(&near, "h:a", "one");
    near.publish("ch:a", "one".into()).unwrap();
    assert!(notes.entries.lock().is_empty() && notes.messages.lock().is_empty());
    let stats = cluster.stats();
    assert_eq!((stats.logs.followed, stats.topics), (0, 0));
}
