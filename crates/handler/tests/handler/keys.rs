//! DESIGN §4.5: a token whose keys have to be fetched first. On the real clock, for the issuer is
//! reached through real sockets.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::SinkExt;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};
use tungstenite::Message;
use ws_auth::{Authenticator, Issuer};
use ws_handler::{AuthMode, HandlerConfig};

use crate::house::{House, OPENING, PATH};

/// An issuer's key pair.
pub(crate) struct Signer {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key pair");
        Self { id, pair }
    }

    fn jwks(&self) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": self.id, "x": x, "y": y }] })
            .to_string()
    }

    /// A token that is good for an hour by the clock of a house.
    pub(crate) fn token(&self, user: &str) -> String {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.id });
        let claims = json!({ "sub": user, "iat": OPENING, "exp": OPENING + 3600 });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// An issuer that answers each fetch of its keys when it is allowed to.
struct SlowIssuer {
    signer: Signer,
    url: String,
    /// One permit for each answer.
    answers: Arc<Semaphore>,
    /// Resolves when the first fetch has arrived.
    asked: oneshot::Receiver<()>,
}

impl SlowIssuer {
    async fn open(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("bound"));
        let signer = Signer::new("key-1");
        let body = signer.jwks();
        let answers = Arc::new(Semaphore::new(0));
        let (first, asked) = oneshot::channel();
        let gate = answers.clone();
        tokio::spawn(async move {
            let mut first = Some(first);
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = first.take().map(|first| first.send(()));
                gate.acquire().await.expect("never closed").forget();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
                     connection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { signer, url, answers, asked }
    }

    fn house(&self, change: impl FnOnce(&mut HandlerConfig)) -> House {
        let issuer = Issuer::new("remote").jwks_url(self.url.as_str());
        let authenticator = Authenticator::builder().issuer(issuer).build().expect("sound");
        House::with_authenticator(authenticator, change)
    }
}

/// No test of this file takes longer.
async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), work).await.expect("within 20 s")
}

#[tokio::test]
async fn section_4_5_nothing_is_read_while_keys_are_fetched_and_what_came_meanwhile_keeps_its_order()
 {
    within(async {
        let mut issuer = SlowIssuer::open("200 OK").await;
        let house = issuer.house(|_| {});
        let mut peer = house.stand_in_line().await;
        // All of it in one write, and so in one read.
        peer.stream
            .feed(Message::text(json!({ "token": issuer.signer.token("ada") }).to_string()))
            .await
            .expect("queued");
        for n in 0..3 {
            let request = json!({ "type": "request", "requestId": n, "payload": n });
            peer.stream.feed(Message::text(request.to_string())).await.expect("queued");
        }
        peer.stream.flush().await.expect("sent");
        (&mut issuer.asked).await.expect("the issuer is asked");
        // More of it while nothing is read: the transport fills up and holds it.
        let mut sent = 3;
        let large = "x".repeat(4000);
        loop {
            let request = json!({ "type": "request", "requestId": sent, "payload": large });
            let message = Message::text(request.to_string());
            let sending = timeout(Duration::from_millis(200), peer.stream.send(message));
            sent += 1;
            if sending.await.is_err() {
                break;
            }
            assert!(sent < 200, "everything that is sent is read");
        }
        assert!(house.handler.application().notes.lock().requests.is_empty());

        issuer.answers.add_permits(1);
        let answer = peer.next().await;
        assert_eq!((&answer["type"], &answer["userId"]), (&json!("authenticated"), &json!("ada")));
        // The last one is still on its way out of the client.
        for n in 0..sent - 1 {
            assert_eq!(peer.next().await["requestId"], n);
        }
        peer.stream.flush().await.expect("sent");
        assert_eq!(peer.next().await["requestId"], sent - 1);
    })
    .await;
}

#[tokio::test]
async fn section_4_5_the_deadline_of_the_first_message_holds_while_keys_are_fetched() {
    within(async {
        let mut issuer = SlowIssuer::open("200 OK").await;
        let house = issuer.house(|config| {
            let timeout = Duration::from_millis(300);
            config.policy.auth_mode = AuthMode::Message { timeout, pending_max: 10 };
        });
        let mut peer = house.stand_in_line().await;
        peer.send(json!({ "token": issuer.signer.token("ada") })).await;
        (&mut issuer.asked).await.expect("the issuer is asked");
        assert_eq!(peer.next().await["code"], "auth_timeout");
        assert_eq!(peer.closed().await, (1008, "Authentication timeout".to_owned()));
        assert_eq!(house.handler.stats().pending_authentications, 0);
        // The verdict comes to a connection that is gone.
        issuer.answers.add_permits(1);
        while house.handler.authenticator().stats().verified == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        house.emptied().await;
    })
    .await;
}

#[tokio::test]
async fn section_4_5_a_client_that_leaves_while_keys_are_fetched_leaves_nothing_behind() {
    within(async {
        let mut issuer = SlowIssuer::open("200 OK").await;
        let house = issuer.house(|_| {});
        let mut peer = house.stand_in_line().await;
        peer.send(json!({ "token": issuer.signer.token("ada") })).await;
        (&mut issuer.asked).await.expect("the issuer is asked");
        let task = peer.task;
        drop(peer.stream);
        issuer.answers.add_permits(1);
        task.await.expect("the connection's task ends");
        house.emptied().await;
    })
    .await;
}

#[tokio::test]
async fn section_4_4_keys_that_cannot_be_fetched_end_a_first_message_with_1013_for_the_client_to_come_back()
 {
    within(async {
        let issuer = SlowIssuer::open("500 Internal Server Error").await;
        issuer.answers.add_permits(10);
        let house = issuer.house(|_| {});
        let mut peer = house.stand_in_line().await;
        peer.send(json!({ "token": issuer.signer.token("ada"), "id": 1 })).await;
        let error = peer.next().await;
        assert_eq!((&error["code"], &error["id"]), (&json!("internal"), &json!(1)));
        assert_eq!(error["message"], "The token cannot be verified now");
        let closed = peer.closed().await;
        assert_eq!(closed, (1013, "The token cannot be verified now".to_owned()));
        drop(peer);
        while house.ended_by("keys_unavailable") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn section_4_5_a_refresh_whose_keys_are_fetched_keeps_the_connection_and_its_order() {
    within(async {
        let mut issuer = SlowIssuer::open("200 OK").await;
        // Two issuers: ours lets the client in, the slow one is asked for the refresh.
        let own =
            Issuer::new("house").secret("the secret of these tests, of more than thirty-two bytes");
        let slow = Issuer::new("remote").jwks_url(issuer.url.as_str());
        let authenticator =
            Authenticator::builder().issuer(own).issuer(slow).build().expect("sound");
        let house = House::with_authenticator(authenticator, |_| {});
        let mut peer = house.visit("ada").await;
        peer.send(json!({ "type": "auth", "token": issuer.signer.token("ada"), "id": 1 })).await;
        (&mut issuer.asked).await.expect("the issuer is asked");
        peer.send(json!({ "type": "request", "requestId": 1, "payload": "behind it" })).await;
        issuer.answers.add_permits(1);
        // The same name from another issuer is another person.
        assert_eq!(peer.next().await["code"], "user_mismatch");
        assert_eq!(peer.closed().await.0, 1008);
        assert!(house.handler.application().notes.lock().requests.is_empty());
    })
    .await;
}

#[tokio::test]
async fn section_4_5_an_upgrade_waits_for_the_keys_of_its_token() {
    within(async {
        let issuer = SlowIssuer::open("200 OK").await;
        let house = issuer.house(|_| {});
        let target = format!("{PATH}?token={}", issuer.signer.token("ada"));
        let connecting = house.connect(&target, &[]);
        let release = async {
            sleep(Duration::from_millis(50)).await;
            assert_eq!(house.handler.connection_count(), 0, "nobody is in before it is known who");
            issuer.answers.add_permits(1);
        };
        let (mut peer, ()) = tokio::join!(connecting, release);
        assert_eq!(peer.next().await["userId"], "ada");
    })
    .await;
}
