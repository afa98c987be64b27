//! A collector of OpenTelemetry: it decodes what it is sent by the messages that OpenTelemetry publishes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::status::StatusCode as Verdict,
};
use parking_lot::Mutex;
use prost::Message;
use tokio::{net::TcpListener, sync::Notify, time::timeout};

/// What a client says when it begins a trace, and how its names are written.
pub(crate) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const CALLER: &str = "b7ad6b7169203331";

#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    spans: Mutex<Vec<Told>>,
    headers: Mutex<Vec<HeaderMap>>,
    status: Mutex<StatusCode>,
    came: Notify,
}

/// A span that was told of.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) failure: Option<String>,
    pub(crate) said: BTreeMap<String, String>,
}

impl Collector {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let shared = Arc::<Shared>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// The spans of the one trace when so many have come, in the order of their beginning.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Told> {
        let enough = async {
            loop {
                let came = self.shared.came.notified();
                let spans = self.shared.spans.lock().clone();
                let spans: Vec<_> = spans.into_iter().filter(|it| it.trace == TRACE).collect();
                if spans.len() >= count {
                    return spans;
                }
                came.await;
            }
        };
        let spans = timeout(Duration::from_secs(30), enough).await;
        spans.unwrap_or_else(|_| panic!("not {count}: {:#?}", self.shared.spans.lock()))
    }

    /// All that came so far, of whatever trace.
    pub(crate) fn all(&self) -> Vec<Told> {
        self.shared.spans.lock().clone()
    }

    /// The headers of what came.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.shared.headers.lock().clone()
    }

    /// From now on it answers with this, and takes nothing unless it is a success.
    pub(crate) fn answer_with(&self, status: StatusCode) {
        *self.shared.status.lock() = status;
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).expect("protobuf");
    let status = *shared.status.lock();
    if status.is_success() {
        shared.spans.lock().extend(told(request));
    }
    shared.headers.lock().push(headers);
    shared.came.notify_waiters();
    status
}

fn told(request: ExportTraceServiceRequest) -> Vec<Told> {
    let mut all = Vec::new();
    for of_process in request.resource_spans {
        let resource = said(of_process.resource.expect("a resource").attributes);
        for span in of_process.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans) {
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
            let failed = span.status.filter(|status| status.code() == Verdict::Error);
            all.push(Told {
                service: resource["service.name"].clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                failure: failed.map(|status| status.message),
                said: said(span.attributes),
            });
        }
    }
    all
}

fn said(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter().map(|pair| {
        let value = match pair.value.expect("a value").value.expect("of some kind") {
            Value::StringValue(text) => text,
            Value::IntValue(number) => number.to_string(),
            Value::BoolValue(flag) => flag.to_string(),
            other => panic!("nothing of ours: {other:?}"),
        };
        (pair.key, value)
    });
    pairs.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The one of that name, and of that service if it is said.
pub(crate) fn one<'s>(spans: &'s [Told], service: &str, name: &str) -> &'s Told {
    let mut found = spans.iter().filter(|span| span.name == name && span.service == service);
    match (found.next(), found.next()) {
        (Some(span), None) => span,
        _ => panic!("not one {name} of {service}: {spans:#?}"),
    }
}
