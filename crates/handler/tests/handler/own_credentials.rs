//! An application with credentials of its own in the place of tokens.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::json;
use tokio::time::{Instant, sleep};
use ws_auth::{AuthError, Identity};
use ws_handler::{Authenticate, Identification};

use crate::house::{House, PATH};

/// Knows who a session belongs to; some it has to look up, and at one it has a bug.
struct Sessions;

impl Authenticate for Sessions {
    fn identify(&self, credential: &str, _: SystemTime) -> Identification {
        match credential {
            "session-of-ada" => Identification::Known(Arc::new(Identity::of_user("ada", "own"))),
            "session-of-bob" => Identification::Later(Box::pin(async {
                sleep(Duration::from_secs(2)).await;
                Ok(Arc::new(Identity::of_user("bob", "own")))
            })),
            "bug" => Identification::Later(Box::pin(async { panic!("a bug of the application") })),
            _ => Identification::Refused(AuthError::Unknown),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_of_its_own_are_judged_by_the_application() {
    let house = House::with_authenticator(Sessions, |_| {});
    let mut ada = house.connect(&format!("{PATH}?token=session-of-ada"), &[]).await;
    assert_eq!(ada.next().await["userId"], "ada");
    let began = Instant::now();
    let mut bob = house.connect(&format!("{PATH}?token=session-of-bob"), &[]).await;
    assert_eq!((bob.next().await["userId"].clone(), began.elapsed().as_secs()), (json!("bob"), 2));
    let refusal = house.refuse(&format!("{PATH}?token=session-of-eve"), &[]).await;
    assert_eq!((refusal.status, &refusal.body["error"]), (401, &json!("Invalid token")));
}

#[tokio::test(start_paused = true)]
async fn credentials_of_its_own_come_by_message_as_well_and_what_follows_waits() {
    let house = House::with_authenticator(Sessions, |_| {});
    let mut bob = house.stand_in_line().await;
    bob.send(json!({ "type": "auth", "token": "session-of-bob" })).await;
    bob.send(json!({ "type": "request", "requestId": 1, "payload": "hello" })).await;
    assert_eq!(bob.next().await["userId"], "bob");
    assert_eq!(bob.next().await["payload"], "hello");
}

#[tokio::test(start_paused = true)]
async fn an_application_that_panics_over_a_credential_sends_away_and_holds_nobody() {
    let house = House::with_authenticator(Sessions, |_| {});
    let mut peer = house.stand_in_line().await;
    peer.send(json!({ "type": "auth", "token": "bug" })).await;
    assert_eq!(peer.next().await["code"], "internal");
    assert_eq!(peer.closed().await.0, 1013);
    house.emptied().await;
}
