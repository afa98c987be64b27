use bytes::Bytes;
use h2::client::SendRequest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use ws_connection::handshake::HeadLimits;

use super::*;
use crate::{http::tests::http, under_way::UnderWay};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that came just now, and the end of its service.
fn dial(under_way: &UnderWay) -> (DuplexStream, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let options = ServerOptions {
        handshake_timeout: HANDSHAKE_TIMEOUT,
        head: HeadLimits::default(),
        proxy_protocol: false,
        tls: None,
        http2_streams_max: 100,
    };
    let peer = SocketAddr::from(([192, 0, 2, 1], 40_000));
    let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
    let begun = under_way.begin();
    (ours, tokio::spawn(http().serve_second(theirs, peer, options, begun, deadline)))
}

/// The client's side of one.
async fn speak(io: DuplexStream) -> SendRequest<Bytes> {
    let (requests, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    requests.ready().await.unwrap()
}

async fn health(requests: &mut SendRequest<Bytes>) -> StatusCode {
    let request = http::Request::get("https://gateway.test/health").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    response.await.unwrap().status()
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_nothing_has_as_long_as_a_handshake_may_take() {
    let under_way = UnderWay::default();
    let began = Instant::now();
    let (_silent, served) = dial(&under_way);
    served.await.unwrap();
    assert!(began.elapsed() <= HANDSHAKE_TIMEOUT + FAREWELL, "{:?}", began.elapsed());

    let began = Instant::now();
    let (greeting, served) = dial(&under_way);
    let _requests = speak(greeting).await;
    served.await.unwrap();
    assert!(began.elapsed() <= HANDSHAKE_TIMEOUT + FAREWELL, "{:?}", began.elapsed());

    let began = Instant::now();
    let (asking, served) = dial(&under_way);
    let mut requests = speak(asking).await;
    assert_eq!(health(&mut requests).await, StatusCode::OK);
    served.await.unwrap();
    assert!(began.elapsed() >= LIFETIME, "it may ask again: {:?}", began.elapsed());
    assert!(began.elapsed() <= LIFETIME + GRACE, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_comes_is_under_way_until_something_was_answered() {
    let under_way = UnderWay::default();
    let is_waited_for = async || timeout(Duration::from_secs(1), under_way.none()).await.is_err();
    let (io, _served) = dial(&under_way);
    assert!(is_waited_for().await, "nothing was said");
    let mut requests = speak(io).await;
    sleep(Duration::from_secs(1)).await;
    assert!(is_waited_for().await, "nothing was asked");
    assert_eq!(health(&mut requests).await, StatusCode::OK);
    assert!(!is_waited_for().await, "it is in");

    // One that leaves again is not waited for either.
    let (io, served) = dial(&under_way);
    drop(io);
    served.await.unwrap();
    assert!(!is_waited_for().await);
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// RFC 9113 §4.1.
fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0, length[0], length[1], kind, 0, 0, 0, 0, stream][..], payload].concat()
}

/// How many bytes are taken of one who says first the one, then the other over and over, and reads nothing.
async fn taken_of(first: Vec<u8>, over_and_over: Vec<u8>) -> usize {
    const ENOUGH: usize = 4 * 1024 * 1024;
    let (mut io, _served) = dial(&UnderWay::default());
    let greeting = [PREFACE, &frame(SETTINGS, 0, &[]), &first].concat();
    io.write_all(&greeting).await.unwrap();
    let mut taken = 0;
    while taken < ENOUGH {
        match timeout(Duration::from_secs(1), io.write_all(&over_and_over)).await {
            Ok(Ok(())) => taken += over_and_over.len(),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    taken
}

/// What has to be answered is answered before more is read: the client's own socket is what fills up. A head
/// without an end is given up.
#[tokio::test(start_paused = true)]
async fn a_flood_of_what_costs_its_sender_nothing_is_not_taken_for_long() {
    // `a: b`, as a literal without an index (RFC 7541 §6.2.2).
    let fields = [0, 1, b'a', 1, b'b'].repeat(200);
    for (name, first, over_and_over) in [
        ("pings", Vec::new(), frame(PING, 0, &[7; 8])),
        ("settings", Vec::new(), frame(SETTINGS, 0, &[0, 4, 0, 1, 0, 0])),
        ("continuations", frame(HEADERS, 1, &fields), frame(CONTINUATION, 1, &fields)),
        ("empty continuations", frame(HEADERS, 1, &fields), frame(CONTINUATION, 1, &[])),
    ] {
        let taken = taken_of(first, over_and_over).await;
        assert!(taken < 512 * 1024, "{name}: {taken} bytes");
    }
}

/// What comes before we have seen the request cannot be counted here. h2 does: twenty at a time.
#[tokio::test(start_paused = true)]
async fn what_is_taken_back_in_the_same_breath_is_bounded_by_h2() {
    const ENHANCE_YOUR_CALM: u8 = 0xb;
    let (mut io, served) = dial(&UnderWay::default());
    let mut wire = [PREFACE, &frame(SETTINGS, 0, &[])].concat();
    for number in 0..100 {
        let stream = 2 * number + 1;
        // GET, /, https, and an authority: RFC 7541, appendix A.
        let mut asked = frame(HEADERS, stream, &[0x82, 0x84, 0x87, 0x41, 1, b'a']);
        // END_HEADERS and END_STREAM.
        asked[4] = 0x5;
        wire.extend(asked);
        wire.extend(frame(RST_STREAM, stream, &[0, 0, 0, 8]));
    }
    io.write_all(&wire).await.unwrap();
    served.await.unwrap();
    let mut said = Vec::new();
    io.read_to_end(&mut said).await.unwrap();
    let mut rest = &said[..];
    let mut codes = Vec::new();
    while let [_, high, low, kind, ..] = *rest {
        let (this, behind) = rest.split_at(9 + usize::from(u16::from_be_bytes([high, low])));
        if kind == GOAWAY {
            codes.push(this[9 + 7]);
        }
        rest = behind;
    }
    assert_eq!(codes.last(), Some(&ENHANCE_YOUR_CALM), "{codes:?}");
}
