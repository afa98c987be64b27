use std::num::{NonZeroU32, NonZeroUsize};

use super::*;

fn name(text: &str) -> ChannelName {
    ChannelName::new(text).unwrap()
}

fn limits(per_subscriber: u32, per_channel: u32, channels: usize) -> SubscriptionLimits {
    SubscriptionLimits {
        channels_per_subscriber_max: NonZeroU32::new(per_subscriber).unwrap(),
        subscribers_per_channel_max: NonZeroU32::new(per_channel).unwrap(),
        channels_max: NonZeroUsize::new(channels).unwrap(),
    }
}

fn table(limits: SubscriptionLimits) -> Arc<Subscriptions<u32>> {
    Arc::new(Subscriptions::new(limits, 1000))
}

fn subscriber(table: &Arc<Subscriptions<u32>>, member: u32) -> Subscriber<u32> {
    Subscriber::new(table.clone(), member)
}

fn arrival(outcome: Result<Subscribed, SubscribeError>) -> Arrival {
    outcome.unwrap().arrival
}

fn sorted<'m>(members: impl Iterator<Item = &'m u32>) -> Vec<u32> {
    let mut members: Vec<u32> = members.copied().collect();
    members.sort_unstable();
    members
}

#[test]
fn the_first_to_come_and_the_last_to_go_are_told_so() {
    let table = table(SubscriptionLimits::default());
    let (mut a, mut b) = (subscriber(&table, 1), subscriber(&table, 2));
    let orders = name("orders");
    let first = a.subscribe(&orders).unwrap();
    assert_eq!(first.arrival, Arrival::First);
    assert_eq!(arrival(b.subscribe(&orders)), Arrival::Another);
    assert_eq!(table.stats(), SubscriptionStats { channels: 1, subscriptions: 2 });
    assert!(!a.unsubscribe("orders").unwrap().last);
    assert_eq!(a.unsubscribe("orders"), None);
    let left = b.unsubscribe("orders").unwrap();
    assert!(left.last);
    assert_eq!(left.position.epoch, first.position.epoch);
    assert_eq!(table.stats(), SubscriptionStats::default());
    assert!(table.channel("orders").is_none());
    // Another channel of that name, and not to be confused with the one that is gone.
    let again = a.subscribe(&orders).unwrap();
    assert_eq!(again.arrival, Arrival::First);
    assert!(again.position.epoch > first.position.epoch);
}

#[test]
fn subscribing_twice_is_the_same_as_once() {
    let table = table(limits(1, 1, 1));
    let mut a = subscriber(&table, 1);
    assert_eq!(arrival(a.subscribe(&name("orders"))), Arrival::First);
    // Even where every limit is reached.
    assert_eq!(arrival(a.subscribe(&name("orders"))), Arrival::Repeated);
    assert_eq!(table.channel("orders").unwrap().len(), 1);
    assert_eq!(a.len(), 1);
    assert!(a.unsubscribe("orders").unwrap().last);
    assert!(a.is_empty());
}

#[test]
fn a_publish_reaches_each_member_once_and_can_leave_one_out() {
    let table = table(SubscriptionLimits::default());
    let mut all: Vec<_> = (0..5).map(|member| subscriber(&table, member)).collect();
    for subscriber in &mut all {
        subscriber.subscribe(&name("chat:1")).unwrap();
    }
    all[1].unsubscribe("chat:1").unwrap();
    let channel = table.channel("chat:1").unwrap();
    let publication = channel.publish();
    assert_eq!(sorted(publication.members()), [0, 2, 3, 4]);
    assert_eq!(sorted(publication.members_except(&all[3])), [0, 2, 4]);
    assert_eq!(sorted(publication.members_except(&all[1])), [0, 2, 3, 4], "who is not there");
}

#[test]
fn messages_of_a_batch_get_consecutive_offsets() {
    let table = table(SubscriptionLimits::default());
    let mut a = subscriber(&table, 1);
    let start = a.subscribe(&name("c")).unwrap().position;
    assert_eq!(start, Position { epoch: 1000, offset: 0 });
    let channel = a.channel("c").unwrap().clone();
    assert_eq!(channel.publish().advance(1).offset, 1);
    assert_eq!(channel.publish().advance(16).offset, 17);
    assert_eq!(channel.position(), Position { epoch: 1000, offset: 17 });
    assert_eq!(a.subscribe(&name("c")).unwrap().position.offset, 17);
}

#[test]
fn a_position_from_elsewhere_tells_what_is_missing() {
    let table = table(SubscriptionLimits::default());
    let mut a = subscriber(&table, 1);
    a.subscribe(&name("c")).unwrap();
    let channel = table.channel("c").unwrap();
    let mut publication = channel.publish();
    for (epoch, offset, expected) in [
        (1000, 1, Continuity::Next),
        (1000, 1, Continuity::Stale),
        (1000, 5, Continuity::Gap { missed: 3 }),
        (1000, 2, Continuity::Stale),
        (999, 6, Continuity::Stale),
        (1001, 9, Continuity::NewEpoch),
        (1000, 6, Continuity::Stale),
        (1001, 10, Continuity::Next),
    ] {
        let told = publication.advance_to(Position { epoch, offset });
        assert_eq!(told, expected, "{epoch} {offset}");
    }
    assert_eq!(publication.position(), Position { epoch: 1001, offset: 10 });
}

#[test]
fn who_ends_leaves_every_channel_however_it_ends() {
    let table = table(SubscriptionLimits::default());
    for many in [1, 5, 16, 17, 100] {
        let mut stays = subscriber(&table, 1);
        stays.subscribe(&name("c0")).unwrap();
        for told in [true, false] {
            let mut goes = subscriber(&table, 2);
            for i in 0..many {
                goes.subscribe(&name(&format!("c{i}"))).unwrap();
            }
            assert_eq!(goes.channels().count(), many);
            assert_eq!(table.stats().subscriptions, many + 1);
            let mut last = Vec::new();
            if told {
                goes.leave_all(|channel, left| {
                    if left.last {
                        last.push(channel.to_string());
                    }
                });
                assert_eq!(last.len(), many - 1, "all but the one in which somebody stays");
            }
            drop(goes);
            assert_eq!(table.stats(), SubscriptionStats { channels: 1, subscriptions: 1 });
        }
    }
}

#[test]
fn a_connection_has_no_more_channels_than_it_may() {
    let table = table(limits(100, 10, 1_000_000));
    let mut greedy = subscriber(&table, 1);
    let max = NonZeroU32::new(100).unwrap();
    for i in 0..100_000 {
        let outcome = greedy.subscribe(&name(&format!("c{i}")));
        match i {
            0..100 => assert_eq!(arrival(outcome), Arrival::First),
            _ => assert_eq!(outcome, Err(SubscribeError::TooManyChannels { max })),
        }
    }
    assert_eq!(table.stats(), SubscriptionStats { channels: 100, subscriptions: 100 });
    greedy.unsubscribe("c7").unwrap();
    assert!(greedy.subscribe(&name("c100")).is_ok(), "who leaves one may enter another");
}

#[test]
fn a_channel_has_no_more_members_than_it_may() {
    let table = table(limits(10, 2, 10));
    let mut all: Vec<_> = (0..3).map(|member| subscriber(&table, member)).collect();
    let max = NonZeroU32::new(2).unwrap();
    let full = Err(SubscribeError::ChannelFull { max });
    let c = name("c");
    assert!(all[0].subscribe(&c).is_ok() && all[1].subscribe(&c).is_ok());
    assert_eq!(all[2].subscribe(&c), full);
    assert_eq!((all[2].len(), table.channel("c").unwrap().len()), (0, 2));
    all[0].unsubscribe("c").unwrap();
    assert!(all[2].subscribe(&c).is_ok());
}

#[test]
fn there_are_no_more_channels_than_there_may_be() {
    let table = table(limits(10, 10, 3));
    let mut all: Vec<_> = (0..4).map(|member| subscriber(&table, member)).collect();
    let max = NonZeroUsize::new(3).unwrap();
    for (i, subscriber) in all.iter_mut().take(3).enumerate() {
        subscriber.subscribe(&name(&format!("c{i}"))).unwrap();
    }
    let refused = all[3].subscribe(&name("c3"));
    assert_eq!(refused, Err(SubscribeError::TooManyChannelsInAll { max }));
    assert_eq!(table.stats(), SubscriptionStats { channels: 3, subscriptions: 3 });
    assert!(all[3].subscribe(&name("c0")).is_ok(), "one that is there is no other one");
    all[1].unsubscribe("c1").unwrap();
    assert!(all[3].subscribe(&name("c3")).is_ok());
}

#[test]
fn all_channels_are_listed_with_their_sizes() {
    let table = table(SubscriptionLimits::default());
    let mut all: Vec<_> = (0..3).map(|member| subscriber(&table, member)).collect();
    for (i, subscriber) in all.iter_mut().enumerate() {
        for channel in 0..=i {
            subscriber.subscribe(&name(&format!("c{channel}"))).unwrap();
        }
    }
    let mut listed = Vec::new();
    table.for_each_channel(|channel| listed.push((channel.name().to_string(), channel.len())));
    listed.sort();
    assert_eq!(listed, [("c0".into(), 3), ("c1".into(), 2), ("c2".into(), 1)]);
    let mut channels: Vec<&str> =
        all[1].channels().map(|channel| channel.name().as_str()).collect();
    channels.sort_unstable();
    assert_eq!(channels, ["c0", "c1"]);
}
