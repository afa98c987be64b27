//! The tables of the docs have the rows of the tables in the code, no more and no less.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use ws_auth::AuthError;
use ws_close_manager::{CODES, ComeBack};
use ws_connection::handshake::{HeadError, Refusal};
use ws_gateway::{Gateway, config};
use ws_handler::Rejection;
use ws_protocol::{ClientType, ErrorCode, ServerMessage};

use crate::page::{
    ARCHITECTURE, BACK_ENDS, CONFIGURATION, GUARANTEES, PROTOCOL, README, TROUBLESHOOTING,
    code_spans, table,
};

#[test]
fn each_error_code_has_its_row_with_its_sentence() {
    let rows = table(PROTOCOL, "## Errors");
    let rows: Vec<_> = rows.iter().map(|row| (row[0], row[1])).collect();
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.name(), code.sentence())).collect();
    assert_eq!(rows, codes);
}

#[test]
fn each_close_code_has_its_row_and_says_whether_clients_come_back() {
    let rows = table(PROTOCOL, "## Close codes");
    let rows: Vec<_> = rows.iter().map(|row| (row[0].to_owned(), row[1], row[3])).collect();
    let codes = CODES.iter().map(|info| {
        let codes = info.codes();
        let code = match (codes.start(), codes.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}–{last}"),
        };
        let comes_back = match info.comes_back {
            ComeBack::Never => "no",
            ComeBack::AtOnce => "at once",
            ComeBack::Later => "later",
            ComeBack::WithFreshToken => "with a fresh token",
        };
        (code, info.name, comes_back)
    });
    assert_eq!(rows, codes.collect::<Vec<_>>());
}

#[test]
fn each_refusal_of_an_upgrade_has_its_row() {
    let max = 16_384;
    let refusals = [
        Rejection::Handshake(Refusal::Key),
        Rejection::Handshake(Refusal::NotGet),
        Rejection::Handshake(Refusal::Version),
        Rejection::Handshake(Refusal::OldHttp),
        Rejection::Head(HeadError::Malformed("the method")),
        Rejection::Head(HeadError::TooLong { max }),
        Rejection::TimedOut,
        Rejection::Origin,
        Rejection::RateLimited { retry_after_secs: 1 },
        Rejection::NoCredential,
        Rejection::Credential(AuthError::BadSignature),
        Rejection::Credential(AuthError::Expired),
        Rejection::Credential(AuthError::KeysUnavailable),
        Rejection::Credential(AuthError::RevocationsUnknown),
        Rejection::Full,
        Rejection::Draining,
        Rejection::OutOfMemory,
    ];
    let rows = table(PROTOCOL, "### Refusals");
    // The last rows are answers of HTTP and of TLS, not of the handler.
    let (rows, http) = rows.split_at(refusals.len());
    assert_eq!(
        http.iter().map(|row| row[1]).collect::<Vec<_>>(),
        ["not_found", "upgrade_required", "tls_required", "no_proxy", "unknown_protocol"]
    );
    for (row, refusal) in rows.iter().zip(&refusals) {
        assert_eq!((row[0], row[1]), (refusal.status().as_str(), refusal.label()));
        let sentence = refusal.to_string();
        let known = row[2].split('…').all(|piece| sentence.contains(piece));
        assert!(known || *refusal == refusals[0], "{row:?} is {sentence:?}");
    }
    for label in Rejection::LABELS {
        assert!(rows.iter().any(|row| row[1] == label), "{label} has no row");
    }
}

#[test]
fn every_message_of_the_vocabulary_is_spoken_of() {
    let spoken: Vec<&str> = code_spans(PROTOCOL).flat_map(|span| span.split(' ')).collect();
    for client_type in ClientType::spelled() {
        assert!(spoken.contains(&client_type.name()), "{client_type} is not spoken of");
    }
    let server_only = [
        ServerMessage::Connected { client_id: "", user_id: None, heartbeat_ms: 0 },
        ServerMessage::error(ErrorCode::Internal),
        ServerMessage::Unsubscribed { channel: "" },
        ServerMessage::UserJoined { user_id: "", room_id: "" },
        ServerMessage::UserLeft { user_id: "", room_id: "" },
        ServerMessage::Gap { channel: "", dropped: 0, range: None },
        ServerMessage::TokenExpiring { expires_at: 0 },
        ServerMessage::Goodbye { reconnect_after_ms: 0 },
    ];
    for message in server_only {
        let name = message.type_name();
        assert!(spoken.contains(&name), "{name} is not spoken of");
    }
}

/// Metrics of what a gateway with `--dev` does not do: certificates of its own, limits over several
/// nodes, traces.
const ELSEWHERE: [&str; 4] =
    ["ws_tls_certificate_", "ws_limiter_alone_", "ws_limiter_settlements_", "ws_trace_"];

#[tokio::test]
async fn every_metric_that_a_page_names_is_there() {
    let arguments =
        ["ws-gateway", "--dev", "--websocket-port", "0", "--connection-rate-limit", "9"];
    let no_files = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let command = config::load(arguments.map(Into::into), [], no_files);
    let Ok(config::Command::Serve(loaded)) = command else { panic!("no command means to serve") };
    let gateway = Gateway::start(loaded.config).unwrap();
    let address = gateway.address();
    let running = tokio::spawn(gateway.run_until(std::future::pending()));
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut metrics = String::new();
    socket.read_to_string(&mut metrics).await.unwrap();
    running.abort();
    let mut unknown = Vec::new();
    for (page, text) in [
        ("README.md", README),
        ("docs/architecture.md", ARCHITECTURE),
        ("docs/back-ends.md", BACK_ENDS),
        ("docs/configuration.md", CONFIGURATION),
        ("docs/guarantees.md", GUARANTEES),
        ("docs/protocol.md", PROTOCOL),
        ("docs/troubleshooting.md", TROUBLESHOOTING),
    ] {
        let named = code_spans(text).filter(|span| span.starts_with("ws_") && !span.contains(':'));
        for name in named {
            let known = ELSEWHERE.iter().any(|start| name.starts_with(start))
                || metrics.lines().any(|line| line.starts_with(name));
            if !known {
                unknown.push(format!("{page}: no line of /metrics begins with {name}"));
            }
        }
    }
    assert_eq!(unknown, Vec::<String>::new());
}
