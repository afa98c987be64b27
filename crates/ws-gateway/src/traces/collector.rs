//! A collector, and how spans are sent to it.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use ws_traces::{Span, otlp};

use crate::{
    config::{TraceSettings, header_list},
    hooks::http_client,
};

/// Where traces are sent, below what is set.
const PATH: &str = "v1/traces";
/// A collector that asks for more is asked again all the same: meanwhile spans are lost, and whoever has brought it
/// back wants to see some.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// A collector of OpenTelemetry, which takes OTLP over HTTP.
#[derive(Debug)]
pub(super) struct Collector {
    client: reqwest::Client,
    url: String,
    resource: Vec<(String, String)>,
}

/// It cannot be asked anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectorError {
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
    /// The headers are none; what they are is nobody's business.
    #[error("the headers are none")]
    Headers,
}

/// It did not take what it was sent.
#[derive(Debug)]
pub(super) struct Refused {
    /// For the log.
    pub(super) reason: String,
    /// It may take the same later.
    pub(super) is_passing: bool,
    /// Not before that, as it says itself.
    pub(super) retry_after: Option<Duration>,
}

impl Collector {
    /// The collector that is set, if one is.
    pub(super) fn new(settings: &TraceSettings) -> Result<Option<Self>, CollectorError> {
        let Some(endpoint) = &settings.endpoint else { return Ok(None) };
        let mut headers = match &settings.headers {
            Some(headers) => header_list(headers.expose()).ok_or(CollectorError::Headers)?,
            None => HeaderMap::new(),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(otlp::CONTENT_TYPE));
        let client = http_client(settings.timeout, 1, headers)?;
        let url = format!("{}/{PATH}", endpoint.to_string().trim_end_matches('/'));
        let own = [
            ("service.name", settings.service_name.as_str()),
            ("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let is_own = |name: &str| own.iter().any(|(other, _)| *other == name);
        let others = settings.resource.iter().filter(|(name, _)| !is_own(name)).cloned();
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let resource = own.into_iter().chain(others).collect();
        Ok(Some(Self { client, url, resource }))
    }

    /// Sends spans, once.
    pub(super) async fn take(&self, spans: &[Span]) -> Result<(), Refused> {
        let body = otlp::encode(&self.resource, spans);
        let response = self.client.post(&self.url).body(body).send().await;
        let response = response.map_err(|error| Refused {
            // Whatever went wrong on the way may go well the next time.
            is_passing: true,
            retry_after: None,
            reason: error.without_url().to_string(),
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let is_passing = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ]
        .contains(&status);
        let retry_after = retry_after(response.headers());
        Err(Refused { reason: format!("the status is {status}"), is_passing, retry_after })
    }
}

/// The seconds that a collector asks to be left alone (RFC 9110 §10.2.3). A date is not understood: clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// How long to wait before the `attempt`th repetition, and no shorter than was asked for.
pub(super) fn pause_before(attempt: u32, asked_for: Option<Duration>) -> Duration {
    let pause = Duration::from_millis(250) * 2_u32.saturating_pow(attempt);
    pause.max(asked_for.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_left_alone_for_as_long_as_it_asks_and_not_for_ever() {
        for (header, attempt, expect) in [
            (None, 0, 250),
            (None, 3, 2000),
            (Some("3"), 0, 3000),
            (Some("1"), 3, 2000),
            (Some("99999999"), 0, 60_000),
            (Some("18446744073709551616"), 0, 250),
            (Some("-1"), 1, 500),
            (Some("Fri, 31 Dec 1999 23:59:59 GMT"), 1, 500),
            (Some(""), 1, 500),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|it| (header::RETRY_AFTER, HeaderValue::from_static(it))));
            let pause = pause_before(attempt, retry_after(&headers));
            assert_eq!(pause, Duration::from_millis(expect), "{header:?}");
        }
    }
}
