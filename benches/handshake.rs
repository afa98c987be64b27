//! The opening handshake of a server: a browser's request in, the 101 response out.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::hint::black_box;

use criterion::BenchmarkId;
use tungstenite::handshake::{
    machine::TryParse,
    server::{Request, create_response, write_response},
};
use ws_compression::CompressionManager;
use ws_connection::handshake::{HeadLimits, Upgrade, encode_response, parse_request};

mod measured;

use measured::Criterion;

/// What a browser sends, with a cookie of an ordinary length.
const REQUEST: &str = "GET /ws?room=lobby HTTP/1.1\r\n\
    Host: gateway.example\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://app.example\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

fn accept(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    let mut out = Vec::with_capacity(512);

    let mut ours = |request: &[u8], compression: Option<&CompressionManager>| {
        out.clear();
        let (request, len) = parse_request(request, HeadLimits::default()).unwrap().unwrap();
        let upgrade = Upgrade::from_request(&request).unwrap();
        let offered = Upgrade::extensions(request.headers());
        let accepted = compression.and_then(|manager| manager.accept_offer(offered));
        let extensions = accepted.as_ref().map(|accepted| &*accepted.response);
        encode_response(&upgrade.response(None, extensions).map(|()| ""), &mut out);
        assert_eq!(black_box(len), REQUEST.len());
        black_box(&out).len()
    };
    let plain = BenchmarkId::new("ours", "accept");
    group.bench_function(plain, |bencher| {
        bencher.iter(|| ours(black_box(REQUEST.as_bytes()), None));
    });
    let manager = CompressionManager::create_default();
    let negotiating = BenchmarkId::new("ours, negotiating deflate", "accept");
    group.bench_function(negotiating, |bencher| {
        bencher.iter(|| ours(black_box(REQUEST.as_bytes()), Some(&manager)));
    });

    group.bench_function(BenchmarkId::new("tungstenite", "accept"), |bencher| {
        let mut out = Vec::with_capacity(512);
        bencher.iter(|| {
            out.clear();
            let (len, request) =
                Request::try_parse(black_box(REQUEST.as_bytes())).unwrap().unwrap();
            write_response(&mut out, &create_response(&request).unwrap()).unwrap();
            assert_eq!(black_box(len), REQUEST.len());
            black_box(&out).len()
        });
    });
}

fn main() {
    measured::run(&[accept]);
}
