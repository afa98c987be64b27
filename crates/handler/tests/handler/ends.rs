//! Every end of a connection has one reason of the closed set, whoever began it.

use std::{
    io,
    num::{NonZeroU32, NonZeroUsize},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use ws_close_manager::{CloseOptions, SendableCode};
use ws_connection::{ConnectionConfig, handshake::HeadLimits};
use ws_frame_validator::SizeLimits;
use ws_handler::{EndReason, HandlerConfig};
use ws_rate_limiter::{Ladder, TieredLimiter, TokenBucket};
use ws_transport::read_request;

use crate::{
    house::{House, PATH, settle, upgrade},
    raw::{CLOSE, PING, PONG, TEXT, frame},
};

const SECOND: Duration = Duration::from_secs(1);

/// Opens a house, lets something happen in it, and wants that it ended one connection for that reason
/// and none for another.
async fn check(
    expect: EndReason,
    change: impl FnOnce(&mut HandlerConfig),
    happen: impl AsyncFnOnce(&House),
) {
    let house = House::open(change);
    happen(&house).await;
    settle().await;
    let ends = house.handler.stats().ends;
    let counted: Vec<_> = ends.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(expect.label(), 1)]);
}

fn same(_: &mut HandlerConfig) {}

#[tokio::test(start_paused = true)]
async fn what_the_peer_does_is_its_reason() {
    check(EndReason::PeerClosed, same, async |house| house.visit("ada").await.leave().await).await;
    check(EndReason::EndOfStream, same, async |house| house.visit("ada").await.vanish().await)
        .await;
    check(EndReason::Protocol, same, async |house| {
        let mut raw = house.visit_raw("ada").await;
        raw.send_bytes(b"\x81\x02hi").await;
        raw.next().await;
    })
    .await;
    let small = |config: &mut HandlerConfig| {
        let sizes = SizeLimits::with_max(100).expect("sound");
        config.policy.connection = ConnectionConfig::server().with_sizes(sizes).into();
    };
    check(EndReason::TooLarge, small, async |house| {
        let mut raw = house.visit_raw("ada").await;
        raw.send(TEXT, &[b'x'; 101]).await;
        raw.next().await;
    })
    .await;
    let few = |config: &mut HandlerConfig| {
        let rate = TokenBucket::per_minute(NonZeroU32::MIN);
        config.policy.connection = ConnectionConfig::server().with_ping_rate(Some(rate)).into();
    };
    check(EndReason::RateLimited, few, async |house| {
        let mut raw = house.visit_raw("ada").await;
        raw.send(PING, b"").await;
        raw.send(PING, b"").await;
        while raw.next().await.is_some_and(|frame| frame.first != CLOSE) {}
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_leaves_undone_is_its_reason() {
    check(EndReason::PongTimeout, same, async |house| {
        house.visit_raw("ada").await.rest().await;
    })
    .await;
    check(EndReason::Idle, same, async |house| {
        assert_eq!(house.visit("ada").await.closed().await.0, 1001);
    })
    .await;
    check(EndReason::AuthTimeout, same, async |house| {
        let mut peer = house.stand_in_line().await;
        assert_eq!(peer.next().await["code"], "auth_timeout");
        peer.closed().await;
    })
    .await;
    check(EndReason::TokenExpired, same, async |house| {
        let target = format!("{PATH}?token={}", house.token_for("ada", 40));
        let mut peer = house.connect(&target, &[]).await;
        while peer.next().await["code"] != "token_expired" {}
        assert_eq!(peer.closed().await.0, 3000);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_talks_and_takes_nothing_ends_for_the_write_timeout() {
    let patient = |config: &mut HandlerConfig| {
        let connection = ConnectionConfig::server().with_write_timeout(Some(20 * SECOND));
        config.policy.connection = connection.into();
    };
    check(EndReason::WriteTimeout, patient, async |house| {
        let (mut raw, task) = house.visit_raw_from("192.0.2.1", "ada").await;
        let client = house.handler.connections().remove(0);
        // More than the transport holds.
        for _ in 0..200 {
            client.send_text(&"x".repeat(1000)).expect("room");
        }
        while !task.is_finished() {
            tokio::time::sleep(SECOND).await;
            // Its last word finds nobody.
            let _ = raw.io.write_all(&frame(PONG, b"")).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_is_told_and_counted_with_why() {
    check(EndReason::TokenInvalid, same, async |house| {
        let mut peer = house.stand_in_line().await;
        peer.send(json!({ "type": "auth", "token": house.forged("eve") })).await;
        assert_eq!(peer.next().await["code"], "invalid_token");
        peer.closed().await;
    })
    .await;
    check(EndReason::Unauthorized, same, async |house| {
        let mut peer = house.stand_in_line().await;
        peer.send(json!({ "type": "subscribe", "channel": "news" })).await;
        assert_eq!(peer.next().await["code"], "unauthorized");
        peer.closed().await;
    })
    .await;
    let one = |config: &mut HandlerConfig| {
        config.policy.limits.connections_per_user_max = Some(NonZeroUsize::MIN);
    };
    check(EndReason::TooManyConnections, one, async |house| {
        // It stays, and is not to be counted before the count is looked at.
        std::mem::forget(house.visit("ada").await);
        let target = format!("{PATH}?token={}", house.token("ada"));
        assert_eq!(house.connect(&target, &[]).await.closed().await.0, 1008);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_our_side_does_is_noted_by_whoever_does_it() {
    let strict = |config: &mut HandlerConfig| {
        let limit = TokenBucket::per_second(NonZeroU32::MIN);
        let keys = NonZeroUsize::new(10).expect("not zero");
        config.policy.limits.messages = Some(TieredLimiter::new("free", limit.into(), keys).into());
        config.policy.limits.ladder = Ladder::new(NonZeroU32::MIN, 3600 * SECOND).expect("sound");
    };
    check(EndReason::RateLimited, strict, async |house| {
        let mut peer = house.visit("ada").await;
        for _ in 0..3 {
            peer.send(json!({ "type": "ping" })).await;
        }
        while peer.next_message().await.is_some() {}
    })
    .await;
    check(EndReason::Api, same, async |house| {
        let mut peer = house.visit("ada").await;
        let (code, reason) = (SendableCode::NORMAL, "enough");
        house.handler.disconnect_user_everywhere("ada", code, reason).await;
        assert_eq!(peer.closed().await.0, 1000);
    })
    .await;
    check(EndReason::Application, same, async |house| {
        let mut peer = house.visit("ada").await;
        house.handler.connections()[0].close(SendableCode::NORMAL, "");
        assert_eq!(peer.closed().await.0, 1000);
    })
    .await;
    check(EndReason::Killed, same, async |house| {
        let _raw = house.visit_raw("ada").await;
        house.handler.connections()[0].outbox().kill();
        settle().await;
    })
    .await;
    check(EndReason::Drain, same, async |house| {
        let mut peer = house.visit("ada").await;
        let options = CloseOptions::new(SendableCode::RESTART);
        let (_, closed) = tokio::join!(house.handler.drain(&options), peer.closed());
        assert_eq!(closed.0, 1012);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_note_wins_and_the_application_hears_the_reason() {
    check(EndReason::Lifetime, same, async |house| {
        let mut peer = house.visit("ada").await;
        let client = house.handler.connections().remove(0);
        assert_eq!(client.end_reason(), None);
        client.close_for(EndReason::Lifetime, SendableCode::RESTART, "");
        client.close_for(EndReason::Api, SendableCode::NORMAL, "");
        assert!(client.is_closing());
        assert_eq!(client.end_reason(), Some(EndReason::Lifetime));
        assert_eq!(peer.closed().await.0, 1012);
    })
    .await;
    check(EndReason::PeerClosed, same, async |house| {
        let mut raw = house.visit_raw("ada").await;
        let client = house.handler.connections().remove(0);
        // Its close frame is there before the server looks at the order.
        raw.send(CLOSE, &1000u16.to_be_bytes()).await;
        settle().await;
        client.close_for(EndReason::Api, SendableCode::NORMAL, "");
        assert_eq!(client.end_reason(), Some(EndReason::PeerClosed));
    })
    .await;
}

/// A transport that takes everything, and of which nothing can be read.
struct Broken(io::ErrorKind);

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(self.0.into()))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_fails_says_whether_the_peer_reset_it() {
    for (kind, reason) in [
        (io::ErrorKind::ConnectionReset, EndReason::PeerReset),
        (io::ErrorKind::BrokenPipe, EndReason::PeerReset),
        (io::ErrorKind::TimedOut, EndReason::Io),
    ] {
        check(reason, same, async |house| {
            let (target, peer) = (format!("{PATH}?token={}", house.token("ada")), "192.0.2.1:1");
            let head = upgrade(&target, &[]);
            let head = read_request(&mut head.as_bytes(), HeadLimits::default(), Vec::new()).await;
            let request = head.expect("a sound request").request;
            let peer = peer.parse().expect("an address");
            house.handler.handle_upgrade(Broken(kind), &request, peer, Bytes::new()).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_reason_that_is_noted_is_counted_and_kept_as_that() {
    for reason in EndReason::ALL {
        check(reason, same, async |house| {
            let mut peer = house.visit("ada").await;
            house.handler.connections()[0].close_for(reason, SendableCode::RESTART, "");
            assert_eq!(peer.closed().await.0, 1012);
            settle().await;
            let told: Vec<_> =
                house.handler.ends_by_user_id("ada").iter().map(|end| end.reason).collect();
            assert_eq!(told, [reason]);
        })
        .await;
    }
}
