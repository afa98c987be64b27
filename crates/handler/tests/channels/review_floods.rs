//! What is never limited is no way around the limits.

use std::num::{NonZeroU32, NonZeroUsize};

use serde_json::{Value, json};
use ws_rate_limiter::{TieredLimiter, TokenBucket};

use crate::{house::House, talk::unsubscribe};

fn padded(mut message: Value, bytes: usize) -> Value {
    message["padding"] = "".into();
    let missing = bytes - message.to_string().len();
    message["padding"] = "x".repeat(missing).into();
    message
}

#[tokio::test(start_paused = true)]
async fn what_is_never_limited_is_short_and_counts_if_it_is_not() {
    let house = House::open(|config| {
        let limit = TokenBucket::per_hour(NonZeroU32::MIN);
        config.policy.limits.messages = Some(
            TieredLimiter::new("free", limit.into(), NonZeroUsize::MIN.saturating_add(99)).into(),
        );
    });
    for message in [
        unsubscribe("a"),
        json!({ "type": "leave_room", "payload": { "room_id": "a" } }),
        json!({ "type": "ack", "messageId": "m" }),
        json!({ "type": "pong" }),
    ] {
        let mut ada = house.visit(&message["type"].to_string()).await;
        for _ in 0..100 {
            ada.send(padded(message.clone(), 1024)).await;
        }
        // The first long one takes the whole allowance.
        for _ in 0..2 {
            ada.send(padded(message.clone(), 1025)).await;
        }
        let mut answers = 0;
        let denial = loop {
            match ada.next().await {
                denial if denial["type"] == "error" => break denial,
                _ => answers += 1,
            }
        };
        assert_eq!(denial["code"], "rate_limited");
        let is_answered = matches!(message["type"].as_str(), Some("unsubscribe" | "leave_room"));
        assert_eq!(answers, if is_answered { 101 } else { 0 });
    }
}
