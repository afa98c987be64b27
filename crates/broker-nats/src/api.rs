//! JetStream's interface, as much of it as is used here.

use std::time::Duration;

use async_nats::{HeaderMap, Message};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use ws_broker::EngineError;

use crate::{
    error::{refused, unavailable},
    link::{Call, CallError, Link},
};

/// A question that nobody has answered by then is asked again.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often a stream without a leader is asked who it is.
const NO_LEADER_YET: Duration = Duration::from_millis(20);
/// No such message.
const NO_MESSAGE: u16 = 10037;
/// No such stream.
const NO_STREAM: u16 = 10059;
/// The stream has another configuration.
const STREAM_IN_USE: u16 = 10058;
/// Another revision was expected.
const WRONG_LAST_SEQUENCE: u16 = 10071;
/// The store refuses it: here, the log is full.
const STORE_FAILED: u16 = 10077;
const IN_PROCESS: u16 = 10158;
/// JetStream is off, or off for the account.
const OFF: [u16; 2] = [10039, 10076];

/// What may be wrong with what JetStream was asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{description} ({err_code})")]
pub(crate) struct ApiError {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u16,
    #[serde(default)]
    description: String,
}

/// Why JetStream did not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiFailure {
    /// It was not reached, or did not answer.
    Call(CallError),
    /// It says why.
    Said(ApiError),
    /// Its answer is not understood.
    Odd(String),
}

/// How a stream is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StreamConfig {
    pub(crate) name: String,
    pub(crate) subjects: Vec<String>,
    pub(crate) retention: String,
    pub(crate) max_consumers: i64,
    pub(crate) max_msgs: i64,
    pub(crate) max_bytes: i64,
    pub(crate) max_age: i64,
    pub(crate) max_msgs_per_subject: i64,
    pub(crate) discard: String,
    pub(crate) discard_new_per_subject: bool,
    pub(crate) storage: String,
    pub(crate) num_replicas: usize,
    pub(crate) duplicate_window: i64,
    pub(crate) allow_direct: bool,
    pub(crate) allow_rollup_hdrs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) republish: Option<Republish>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Republish {
    pub(crate) src: String,
    pub(crate) dest: String,
}

/// How a stream is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StreamInfo {
    pub(crate) config: StreamConfig,
    pub(crate) created: String,
    pub(crate) state: StreamState,
    /// Where it is, in a cluster.
    #[serde(default)]
    cluster: Option<StreamCluster>,
}

#[derive(Clone, Debug, Deserialize)]
struct StreamCluster {
    #[serde(default)]
    leader: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct StreamState {
    #[serde(default)]
    pub(crate) first_seq: u64,
    #[serde(default)]
    pub(crate) last_seq: u64,
    /// How many messages there are of the subjects that were asked for.
    #[serde(default)]
    pub(crate) subjects: Option<std::collections::HashMap<String, u64>>,
}

/// A message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    /// µs since 1970.
    pub(crate) at: u64,
    /// As on the wire.
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Bytes,
}

/// What a stream says of a message that was published into it.
#[derive(Debug, Deserialize)]
pub(crate) struct Ack {
    #[serde(default)]
    pub(crate) seq: u64,
    #[serde(default)]
    pub(crate) duplicate: bool,
}

#[derive(Deserialize)]
struct Answer<T> {
    error: Option<ApiError>,
    #[serde(flatten)]
    body: Option<T>,
}

#[derive(Deserialize)]
struct MessageAnswer {
    message: Option<MessageBody>,
}

#[derive(Deserialize)]
struct MessageBody {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    time: String,
}

#[derive(Deserialize)]
struct ConsumerAnswer {
    name: String,
}

impl ApiError {
    pub(crate) fn is_wrong_last_sequence(&self) -> bool {
        self.err_code == WRONG_LAST_SEQUENCE
    }

    pub(crate) fn is_store_full(&self) -> bool {
        self.err_code == STORE_FAILED && self.description.contains("maximum messages per subject")
    }

    /// A message with the same id is on its way to be stored.
    pub(crate) fn is_in_process(&self) -> bool {
        self.err_code == IN_PROCESS
    }

    pub(crate) fn is_off(&self) -> bool {
        OFF.contains(&self.err_code)
    }

    /// JetStream has no leader, or is full, or is starting: later it may do it.
    pub(crate) fn is_temporary(&self) -> bool {
        self.code == 503
    }
}

impl ApiFailure {
    pub(crate) fn is_no_message(&self) -> bool {
        matches!(self, Self::Said(error) if error.err_code == NO_MESSAGE)
    }

    pub(crate) fn is_no_stream(&self) -> bool {
        matches!(self, Self::Said(error) if error.err_code == NO_STREAM)
    }

    pub(crate) fn is_stream_in_use(&self) -> bool {
        matches!(self, Self::Said(error) if error.err_code == STREAM_IN_USE)
    }

    /// The same for who asked an engine.
    pub(crate) fn into_engine_error(self) -> EngineError {
        match self {
            Self::Call(error) => error.into_engine_error("JetStream does not answer"),
            Self::Said(error) if error.is_temporary() => unavailable(error.to_string()),
            Self::Said(error) => refused(error.to_string()),
            Self::Odd(text) => refused(format!("its answer is not understood: {text}")),
        }
    }

    /// The same, said as a reason.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Said(error) => error.to_string(),
            other => other.into_engine_error().to_string(),
        }
    }
}

impl Link {
    /// Asks JetStream.
    async fn api<T: for<'a> Deserialize<'a>>(
        &self,
        operation: &str,
        body: impl Into<Bytes>,
    ) -> Result<T, ApiFailure> {
        self.api_within(operation, body, self.config.timeout).await
    }

    /// Asks what may be asked twice. While a stream has no leader nobody answers, also not when it has one: it is
    /// asked again rather than waited for.
    async fn api_again<T: for<'a> Deserialize<'a>>(
        &self,
        operation: &str,
        body: impl Into<Bytes>,
    ) -> Result<T, ApiFailure> {
        let (body, until) = (body.into(), Instant::now() + self.config.timeout);
        loop {
            let patience = until.saturating_duration_since(Instant::now()).min(ASKED_AGAIN_AFTER);
            match self.api_within(operation, body.clone(), patience).await {
                Err(ApiFailure::Call(CallError::TimedOut)) if Instant::now() < until => {}
                answer => return answer,
            }
        }
    }

    async fn api_within<T: for<'a> Deserialize<'a>>(
        &self,
        operation: &str,
        body: impl Into<Bytes>,
        patience: Duration,
    ) -> Result<T, ApiFailure> {
        let subject = format!("$JS.API.{operation}");
        let call = Call::new(subject, body, patience);
        let message = self.answer_to(call).await.map_err(ApiFailure::Call)?;
        let odd = || {
            let start = &message.payload[..message.payload.len().min(200)];
            ApiFailure::Odd(String::from_utf8_lossy(start).into_owned())
        };
        let answer: Answer<T> = serde_json::from_slice(&message.payload).map_err(|_| odd())?;
        match (answer.error, answer.body) {
            (Some(error), _) => Err(ApiFailure::Said(error)),
            (None, Some(body)) => Ok(body),
            (None, None) => Err(odd()),
        }
    }

    pub(crate) async fn account_info(&self) -> Result<serde_json::Value, ApiFailure> {
        self.api("INFO", "").await
    }

    pub(crate) async fn stream_info(&self, stream: &str) -> Result<StreamInfo, ApiFailure> {
        self.api_again(&format!("STREAM.INFO.{stream}"), "").await
    }

    /// The same, as the stream's leader says it. While there is none, servers that have a copy may answer, and
    /// say of it when they began to make theirs.
    pub(crate) async fn led_stream_info(&self, stream: &str) -> Result<StreamInfo, ApiFailure> {
        let until = Instant::now() + self.config.timeout;
        loop {
            let info = self.stream_info(stream).await?;
            if info.cluster.as_ref().is_none_or(|cluster| !cluster.leader.is_empty()) {
                return Ok(info);
            }
            if Instant::now() >= until {
                return Err(ApiFailure::Call(CallError::NoResponders));
            }
            sleep(NO_LEADER_YET).await;
        }
    }

    /// Also how many messages there are of subjects, of as many of them as fit from `offset` on.
    pub(crate) async fn stream_subjects(
        &self,
        stream: &str,
        filter: &str,
        offset: usize,
    ) -> Result<StreamInfo, ApiFailure> {
        let body = serde_json::json!({ "subjects_filter": filter, "offset": offset });
        self.api_again(&format!("STREAM.INFO.{stream}"), body.to_string()).await
    }

    pub(crate) async fn create_stream(
        &self,
        config: &StreamConfig,
    ) -> Result<StreamInfo, ApiFailure> {
        self.api(&format!("STREAM.CREATE.{}", config.name), json(config)).await
    }

    pub(crate) async fn update_stream(
        &self,
        config: &StreamConfig,
    ) -> Result<StreamInfo, ApiFailure> {
        self.api(&format!("STREAM.UPDATE.{}", config.name), json(config)).await
    }

    /// The last message of a subject, as the stream's leader knows it.
    pub(crate) async fn last_of(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<Option<Stored>, ApiFailure> {
        self.message(stream, serde_json::json!({ "last_by_subj": subject })).await
    }

    /// The first message of a subject.
    pub(crate) async fn first_of(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<Option<Stored>, ApiFailure> {
        self.next_of(stream, subject, 1).await
    }

    /// The first message of a subject from a sequence on.
    pub(crate) async fn next_of(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
    ) -> Result<Option<Stored>, ApiFailure> {
        self.message(stream, serde_json::json!({ "seq": from, "next_by_subj": subject })).await
    }

    /// The message with this sequence.
    pub(crate) async fn message_at(
        &self,
        stream: &str,
        sequence: u64,
    ) -> Result<Option<Stored>, ApiFailure> {
        self.message(stream, serde_json::json!({ "seq": sequence })).await
    }

    async fn message(
        &self,
        stream: &str,
        which: serde_json::Value,
    ) -> Result<Option<Stored>, ApiFailure> {
        let operation = format!("STREAM.MSG.GET.{stream}");
        match self.api_again::<MessageAnswer>(&operation, which.to_string()).await {
            Ok(MessageAnswer { message: Some(body) }) => Stored::from_body(body).map(Some),
            Ok(MessageAnswer { message: None }) => Ok(None),
            Err(failure) if failure.is_no_message() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Deletes one message. Whether it was there is not said in a way that could be relied on.
    pub(crate) async fn delete_message(
        &self,
        stream: &str,
        sequence: u64,
    ) -> Result<(), ApiFailure> {
        let body = serde_json::json!({ "seq": sequence, "no_erase": true });
        let operation = format!("STREAM.MSG.DELETE.{stream}");
        match self.api::<serde_json::Value>(&operation, body.to_string()).await {
            Ok(_) => Ok(()),
            Err(ApiFailure::Said(error)) if !error.is_temporary() => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Deletes the messages of a subject before a sequence.
    pub(crate) async fn purge_before(
        &self,
        stream: &str,
        subject: &str,
        sequence: u64,
    ) -> Result<(), ApiFailure> {
        let body = serde_json::json!({ "filter": subject, "seq": sequence });
        let operation = format!("STREAM.PURGE.{stream}");
        self.api::<serde_json::Value>(&operation, body.to_string()).await.map(drop)
    }

    /// A consumer that hands out messages of a subject from a sequence on, and is forgotten when it
    /// is not used for a while.
    pub(crate) async fn create_consumer(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        forgotten_after: i64,
    ) -> Result<String, ApiFailure> {
        let body = serde_json::json!({
            "stream_name": stream,
            "config": {
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": from,
                "ack_policy": "none",
                "filter_subject": subject,
                "replay_policy": "instant",
                "inactive_threshold": forgotten_after,
                "mem_storage": true,
                "num_replicas": 1,
            },
        });
        let operation = format!("CONSUMER.CREATE.{stream}");
        self.api::<ConsumerAnswer>(&operation, body.to_string()).await.map(|made| made.name)
    }
}

impl Stored {
    fn from_body(body: MessageBody) -> Result<Self, ApiFailure> {
        let odd = |what: &str| ApiFailure::Odd(format!("the {what} of message {}", body.seq));
        let decoded = |text: &str| BASE64_STANDARD.decode(text);
        Ok(Self {
            sequence: body.seq,
            at: crate::clock::micros_of(&body.time).ok_or_else(|| odd("time"))?,
            headers: decoded(&body.hdrs).map_err(|_| odd("headers"))?,
            payload: decoded(&body.data).map_err(|_| odd("payload"))?.into(),
            subject: body.subject,
        })
    }

    /// Whether it has this header line.
    pub(crate) fn has_header(&self, name: &str, value: &str) -> bool {
        let Ok(text) = str::from_utf8(&self.headers) else { return false };
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().any(|(key, said)| key.eq_ignore_ascii_case(name) && said.trim() == value)
    }
}

/// What a stream answers to a message that was published into it.
pub(crate) fn ack_in(message: &Message) -> Result<Ack, ApiFailure> {
    let odd = |_| ApiFailure::Odd(String::from_utf8_lossy(&message.payload).into_owned());
    #[derive(Deserialize)]
    struct Said {
        error: Option<ApiError>,
        #[serde(default)]
        seq: u64,
        #[serde(default)]
        duplicate: bool,
    }
    let said: Said = serde_json::from_slice(&message.payload).map_err(odd)?;
    match said.error {
        Some(error) => Err(ApiFailure::Said(error)),
        None => Ok(Ack { seq: said.seq, duplicate: said.duplicate }),
    }
}

/// One header.
pub(crate) fn one_header(name: &'static str, value: String) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(async_nats::HeaderName::from_static(name), value);
    headers
}

fn json(config: &StreamConfig) -> String {
    serde_json::to_string(config).unwrap_or_default()
}
