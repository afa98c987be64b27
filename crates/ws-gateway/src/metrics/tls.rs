//! TLS and HTTP/2.

use std::{fmt, sync::Arc};

use ws_transport::tls::TlsFault;

use super::page::Page;
use crate::{http::SecondVersion, tls::Certificates};

pub(crate) fn encode(
    certificates: Option<&Certificates>,
    second: &Arc<SecondVersion>,
    page: &mut Page<'_>,
) -> fmt::Result {
    let handshakes = certificates.map(|it| it.acceptor().handshakes()).unwrap_or_default();
    let mut outcomes =
        vec![("done", handshakes.done - handshakes.resumed), ("resumed", handshakes.resumed)];
    let failed = TlsFault::ALL.iter().map(|fault| fault.label()).zip(handshakes.failed);
    outcomes.extend(failed);
    page.counters(
        "ws_tls_handshakes_total",
        "TLS handshakes by what became of them",
        "outcome",
        &outcomes,
    )?;
    let under_way = handshakes.under_way;
    page.gauge("ws_tls_handshakes_under_way", "TLS handshakes that are not done yet", under_way)?;
    let ends = certificates.map(Certificates::ends).unwrap_or_default();
    page.named_gauges(
        "ws_tls_certificate_not_after_timestamp_seconds",
        "When each certificate ends, in seconds since 1970",
        "file",
        &ends,
    )?;
    let bad = certificates.is_some_and(Certificates::are_files_bad);
    page.gauge(
        "ws_tls_certificates_refused",
        "1 where files hold certificates that cannot be used, and those from before stay",
        usize::from(bad),
    )?;
    page.gauge(
        "ws_http2_connections",
        "Connections of HTTP/2 that are open",
        second.connections(),
    )?;
    page.counter(
        "ws_http2_websockets_total",
        "WebSockets granted by extended CONNECT",
        second.websockets(),
    )?;
    page.counter(
        "ws_http2_abuses_total",
        "Connections of HTTP/2 ended because the client took back too many requests",
        second.abuses(),
    )
}
