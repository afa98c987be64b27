//! A back-end that is asked by hooks, and says what a test has it say.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
    time::timeout,
};

use crate::house::House;

/// What it says: a status and a body. [`WAIT`] says nothing before the gate lets it.
type Saying = (u16, &'static str);

pub(crate) const WAIT: Saying = (0, "");

#[derive(Clone, Default)]
pub(crate) struct Oracle {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    heard: Mutex<Vec<Value>>,
    sayings: Mutex<HashMap<String, Saying>>,
    /// Each permit lets one that waits go on.
    gate: Semaphore,
    arrived: Notify,
    at_once: AtomicUsize,
    at_once_most: AtomicUsize,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            heard: Mutex::default(),
            sayings: Mutex::default(),
            gate: Semaphore::new(0),
            arrived: Notify::new(),
            at_once: AtomicUsize::new(0),
            at_once_most: AtomicUsize::new(0),
        }
    }
}

impl Oracle {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let oracle = Self { address, shared: Arc::default() };
        let asked = oracle.clone();
        let answer = move |Path(hook): Path<String>, headers: HeaderMap, body: Bytes| async move {
            asked.answer(&hook, &headers, &body).await
        };
        let router = Router::new().route("/{hook}", post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        oracle
    }

    async fn answer(&self, hook: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let shared = &self.shared;
        let question: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(question["hook"], hook);
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert!(!headers.contains_key(header::AUTHORIZATION), "a client's token is not passed on");
        let now = shared.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        shared.at_once_most.fetch_max(now, Ordering::SeqCst);
        shared.heard.lock().push(question);
        shared.arrived.notify_waiters();
        let mut saying = shared.sayings.lock().get(hook).copied().unwrap_or((204, ""));
        if saying == WAIT {
            shared.gate.acquire().await.expect("never closed").forget();
            saying = (204, "");
        }
        shared.at_once.fetch_sub(1, Ordering::SeqCst);
        let (status, body) = saying;
        let status = StatusCode::from_u16(status).expect("a status");
        let away = [(header::LOCATION, "/elsewhere")];
        if status.is_redirection() {
            return (status, away, body).into_response();
        }
        (status, body).into_response()
    }

    /// A gateway that asks it about these hooks.
    pub(crate) fn house(&self, hooks: &[&str], further: &[(&str, &str)]) -> House {
        let address = |hook: &str| format!("{}/{hook}", self.address);
        let named: Vec<_> = hooks
            .iter()
            .map(|hook| (format!("HOOK_{}", hook.to_uppercase()), address(hook)))
            .collect();
        let named: Vec<_> = named.iter().map(|(name, url)| (name.as_str(), url.as_str())).collect();
        House::with_api(&[&named, further].concat())
    }

    /// Where it is asked as this hook.
    pub(crate) fn url(&self, hook: &str) -> String {
        format!("{}/{hook}", self.address)
    }

    /// From now on it says this to questions of that kind.
    pub(crate) fn say(&self, hook: &str, saying: Saying) {
        self.shared.sayings.lock().insert(hook.to_owned(), saying);
    }

    pub(crate) fn let_go(&self, how_many: usize) {
        self.shared.gate.add_permits(how_many);
    }

    pub(crate) fn at_once_most(&self) -> usize {
        self.shared.at_once_most.load(Ordering::SeqCst)
    }

    /// What it has heard so far.
    pub(crate) fn heard(&self) -> Vec<Value> {
        self.shared.heard.lock().clone()
    }

    pub(crate) fn heard_of(&self, hook: &str) -> Vec<Value> {
        self.heard().into_iter().filter(|question| question["hook"] == hook).collect()
    }

    /// Waits until it has heard so many of a kind.
    pub(crate) async fn has_heard(&self, hook: &str, times: usize) -> Vec<Value> {
        let reached = async {
            loop {
                let arrived = self.shared.arrived.notified();
                let heard = self.heard_of(hook);
                if heard.len() >= times {
                    return heard;
                }
                arrived.await;
            }
        };
        timeout(Duration::from_secs(10), reached).await.expect("asked in time")
    }
}
