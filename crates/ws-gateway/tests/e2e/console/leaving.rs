//! The gateway goes while somebody looks.

use std::time::Duration;

use tokio::time::timeout;
use tungstenite::Message;

use super::{KEY_ENCODED, PROTOCOLS};
use crate::{
    client::PATIENCE,
    exchange::{Exchange, upgrade},
    house::House,
};

#[tokio::test]
async fn a_drain_tells_viewers_1012_and_waits_for_none_of_them() {
    let mut house = House::with_console(&[("CLOSE_TIMEOUT", "10s")]);
    let (mut polite, _) = house.look_in().await;
    // One that never answers.
    let (mut mute, response) = house.knock(&format!("{PROTOCOLS}{KEY_ENCODED}\r\n")).await;
    assert_eq!(response.status, 101);
    assert_eq!(mute.frame().await.0, 0x81);
    let began = tokio::time::Instant::now();
    house.start_closing();
    let mut close = polite.next_message().await;
    // A sample or two may be on their way.
    for _ in 0..2 {
        if matches!(close, Some(Message::Text(_))) {
            close = polite.next_message().await;
        }
    }
    let Some(Message::Close(Some(frame))) = close else { panic!("a close frame but {close:?}") };
    assert_eq!((u16::from(frame.code), &*frame.reason), (1012, "Server restart"));
    let report = timeout(PATIENCE, house.running()).await.expect("it ends");
    assert_eq!(report.total, 0, "viewers are in no report");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn nobody_is_let_in_to_look_while_the_gateway_goes() {
    let mut house = House::with_console(&[("CLOSE_TIMEOUT", "2s")]);
    let mut slow = Exchange::open(house.address).await;
    slow.send(upgrade(&format!("/ws?token={}", house.token("ada")), "")).await;
    assert_eq!(slow.response().await.status, 101);
    house.start_closing();
    house.until("it drains", |house| house.handler.is_draining()).await;
    let (_, refused) = house.knock(&format!("{PROTOCOLS}{KEY_ENCODED}\r\n")).await;
    let told = (refused.status, refused.header("retry-after"));
    assert_eq!(told, (503, Some("1")));
    assert_eq!(refused.json()["code"], "shutting_down");
    drop(slow);
    house.running().await;
}
