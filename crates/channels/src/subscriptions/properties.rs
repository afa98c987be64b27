//! The table against sets of names and numbers, over anything that clients may do.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroUsize},
};

use proptest::prelude::*;

use super::*;

const SUBSCRIBERS: usize = 6;

#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, u8),
    Unsubscribe(usize, u8),
    Reconnect(usize),
    Publish(u8, Option<usize>, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..SUBSCRIBERS;
    // More channels than a list looks through, so that both forms of it are used.
    let channel = || prop_oneof![0..4_u8, 0..40_u8];
    let step = prop_oneof![
        6 => (who(), channel()).prop_map(|(who, channel)| Step::Subscribe(who, channel)),
        3 => (who(), channel()).prop_map(|(who, channel)| Step::Unsubscribe(who, channel)),
        1 => who().prop_map(Step::Reconnect),
        3 => (channel(), proptest::option::of(who()), 1..20_u32)
            .prop_map(|(channel, except, count)| Step::Publish(channel, except, count)),
    ];
    proptest::collection::vec(step, 1..250)
}

const LIMITS: (usize, usize, usize) = (20, 4, 30);

struct Model {
    table: Arc<Subscriptions<usize>>,
    subscribers: Vec<Subscriber<usize>>,
    channels: BTreeMap<u8, (Position, BTreeSet<usize>)>,
    epochs: u64,
}

impl Model {
    fn new() -> Self {
        let table = Arc::new(Subscriptions::new(
            SubscriptionLimits {
                channels_per_subscriber_max: NonZeroU32::new(LIMITS.0 as u32).unwrap(),
                subscribers_per_channel_max: NonZeroU32::new(LIMITS.1 as u32).unwrap(),
                channels_max: NonZeroUsize::new(LIMITS.2).unwrap(),
            },
            0,
        ));
        let subscriber = |who| Subscriber::new(table.clone(), who);
        let subscribers = (0..SUBSCRIBERS).map(subscriber).collect();
        Self { table, subscribers, channels: BTreeMap::new(), epochs: 0 }
    }

    fn subscribe(&mut self, who: usize, channel: u8) -> Result<Arrival, &'static str> {
        let mine = self.channels.values().filter(|(_, members)| members.contains(&who)).count();
        let known = self.channels.len();
        match self.channels.get_mut(&channel) {
            Some((_, members)) if members.contains(&who) => Ok(Arrival::Repeated),
            _ if mine == LIMITS.0 => Err("mine"),
            Some((_, members)) if members.len() == LIMITS.1 => Err("full"),
            Some((_, members)) => {
                members.insert(who);
                Ok(Arrival::Another)
            }
            None if known == LIMITS.2 => Err("all"),
            None => {
                let position = Position { epoch: self.epochs, offset: 0 };
                self.epochs += 1;
                self.channels.insert(channel, (position, BTreeSet::from([who])));
                Ok(Arrival::First)
            }
        }
    }

    fn unsubscribe(&mut self, who: usize, channel: u8) -> Option<Left> {
        let (position, members) = self.channels.get_mut(&channel)?;
        let position = *position;
        if !members.remove(&who) {
            return None;
        }
        let last = members.is_empty();
        if last {
            self.channels.remove(&channel);
        }
        Some(Left { last, position })
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Subscribe(who, channel) => {
                let name = name(channel);
                let told = self.subscribers[who].subscribe(&name);
                let expected = self.subscribe(who, channel);
                let told = match told {
                    Ok(subscribed) => {
                        prop_assert_eq!(subscribed.position, self.channels[&channel].0);
                        Ok(subscribed.arrival)
                    }
                    Err(SubscribeError::TooManyChannels { .. }) => Err("mine"),
                    Err(SubscribeError::ChannelFull { .. }) => Err("full"),
                    Err(SubscribeError::TooManyChannelsInAll { .. }) => Err("all"),
                };
                prop_assert_eq!(told, expected);
            }
            Step::Unsubscribe(who, channel) => {
                let told = self.subscribers[who].unsubscribe(&name(channel));
                prop_assert_eq!(told, self.unsubscribe(who, channel));
            }
            Step::Reconnect(who) => {
                self.subscribers[who] = Subscriber::new(self.table.clone(), who);
                for channel in 0..40 {
                    self.unsubscribe(who, channel);
                }
            }
            Step::Publish(channel, except, count) => self.publish(channel, except, count)?,
        }
        Ok(())
    }

    fn publish(
        &mut self,
        channel: u8,
        except: Option<usize>,
        count: u32,
    ) -> Result<(), TestCaseError> {
        let found = self.table.channel(&name(channel));
        prop_assert_eq!(found.is_some(), self.channels.contains_key(&channel));
        let (Some(found), Some((position, members))) = (found, self.channels.get_mut(&channel))
        else {
            return Ok(());
        };
        position.offset += u64::from(count);
        let mut publication = found.publish();
        prop_assert_eq!(publication.advance(count), *position);
        let reached: Vec<usize> = match except {
            Some(who) => publication.members_except(&self.subscribers[who]).copied().collect(),
            None => publication.members().copied().collect(),
        };
        let expected: BTreeSet<usize> =
            members.iter().copied().filter(|who| Some(*who) != except).collect();
        prop_assert_eq!(reached.len(), expected.len(), "each once");
        prop_assert_eq!(reached.into_iter().collect::<BTreeSet<_>>(), expected);
        Ok(())
    }

    fn agrees(&self) -> Result<(), TestCaseError> {
        let stats = SubscriptionStats {
            channels: self.channels.len(),
            subscriptions: self.channels.values().map(|(_, members)| members.len()).sum(),
        };
        prop_assert_eq!(self.table.stats(), stats);
        for (who, subscriber) in self.subscribers.iter().enumerate() {
            let listed: BTreeSet<&str> =
                subscriber.channels().map(|channel| channel.name().as_str()).collect();
            let expected: Vec<ChannelName> = self
                .channels
                .iter()
                .filter(|(_, (_, members))| members.contains(&who))
                .map(|(channel, _)| name(*channel))
                .collect();
            prop_assert_eq!(listed, expected.iter().map(ChannelName::as_str).collect());
        }
        Ok(())
    }
}

fn name(channel: u8) -> ChannelName {
    ChannelName::new(&format!("channel:{channel}")).unwrap()
}

proptest! {
    #[test]
    fn the_table_agrees_with_sets_of_names(steps in steps()) {
        let mut model = Model::new();
        for (i, step) in steps.iter().enumerate() {
            model.take(step)?;
            // All lists, which takes longer than the step.
            if i % 16 == 0 {
                model.agrees()?;
            }
        }
        model.agrees()?;
        model.subscribers.clear();
        prop_assert_eq!(model.table.stats(), SubscriptionStats::default());
    }
}
