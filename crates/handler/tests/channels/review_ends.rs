//! Questions that need no answer any more, or never did.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tokio::time::Instant;
use ws_channels::ChannelName;
use ws_close_manager::SendableCode;
use ws_handler::{Client, Gatekeeper, Judgement, Publish, WebSocketHandler};

use crate::{
    desk::Desk,
    house::{House, PATH, settle},
    talk::{NOTHING, SECOND, join, publish, subscribe},
};

/// Says yes to everything that is named `later`, and a second later.
struct Slow;

fn judge(name: &str) -> Judgement {
    if !name.contains("later") {
        return Judgement::Allow;
    }
    Judgement::Later(Box::pin(async {
        tokio::time::sleep(SECOND).await;
        Ok(())
    }))
}

impl Gatekeeper for Slow {
    fn judge_connect(&self, client: &Arc<Client>) -> Judgement {
        judge(&client.name())
    }

    fn judge_subscribe(&self, _: &Arc<Client>, channel: &ChannelName) -> Judgement {
        judge(channel)
    }

    fn judge_publish(&self, _: &Arc<Client>, publish: &Publish<'_>) -> Judgement {
        judge(publish.channel)
    }
}

fn house_of_the_slow() -> House {
    House::built(
        |config| {
            let two = NonZeroU32::MIN.saturating_add(1);
            config.policy.subscriptions.channels_per_subscriber_max = two;
        },
        |config, clock| {
            let authenticator = House::own_authenticator();
            WebSocketHandler::with_gatekeeper(config, authenticator, clock, Desk::default(), Slow)
        },
    )
}

#[tokio::test(start_paused = true)]
async fn a_question_of_who_is_disconnected_meanwhile_has_no_effect_any_more() {
    for request in [publish("later", 1), join("later")] {
        let house = house_of_the_slow();
        let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
        for request in [join("later"), subscribe("later")] {
            bob.send(request).await;
            assert!(bob.next().await["type"].is_string());
        }
        ada.send(request.clone()).await;
        settle().await;
        assert_eq!(house.handler.disconnect_user("ada", SendableCode::POLICY, "Enough"), 1);
        // It does not answer the close frame, so that the connection is there when the verdict comes.
        tokio::time::sleep(SECOND + Duration::from_millis(1)).await;
        assert_eq!(house.handler.connections_by_user_id("ada").len(), 1);
        assert_eq!(bob.heard().await, NOTHING, "{request}");
        assert_eq!(ada.closed().await, (1008, "Enough".to_owned()));
        drop(ada);
        house.emptied_of("ada").await;
        assert_eq!(house.holds(), [2, 2, 2, 2, 0, 0], "bob's alone: {request}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_disconnected_at_the_door_is_not_let_in() {
    let house = house_of_the_slow();
    let target = format!("{PATH}?token={}", house.token("later"));
    let mut late = house.connect(&target, &[]).await;
    settle().await;
    assert_eq!(house.handler.disconnect_user("later", SendableCode::POLICY, "Enough"), 1);
    tokio::time::sleep(SECOND + Duration::from_millis(1)).await;
    assert_eq!(house.handler.connection_count(), 1);
    assert_eq!(late.closed().await, (1008, "Enough".to_owned()));
    drop(late);
    house.emptied().await;
    let notes = house.handler.application().notes.lock();
    assert!(notes.connected.is_empty() && notes.disconnected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_about_a_subscription_for_which_there_is_no_place() {
    let house = house_of_the_slow();
    let mut ada = house.visit("ada").await;
    ada.enter("a").await;
    ada.enter("b").await;
    let begun = Instant::now();
    assert_eq!(ada.say(subscribe("later")).await[0]["code"], "too_many_subscriptions");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

impl House {
    async fn emptied_of(&self, user: &str) {
        settle().await;
        assert!(self.handler.connections_by_user_id(user).is_empty());
    }
}
