//! The adapter that fetches keys over HTTP(S), on tokio. Feature `fetch`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use http::header::{ACCEPT, AGE, CACHE_CONTROL};
use reqwest::{Client, Response, Url, redirect};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::authenticator::{Authenticator, KeyDocument, KeyFetch};
use crate::error::{AuthError, FetchError, VerifyError};
use crate::freshness::max_age;
use crate::identity::Identity;
use crate::keyring::Want;
use crate::url::is_read_alike;

/// How often a token may be verified anew because keys arrived. With several issuers the keys that
/// arrive may be another's; with a cool-down of zero they may go on arriving.
const ROUNDS_MAX: usize = 4;
/// [`Authenticator::keep_keys_fresh`] looks at the clock at least this often, in case it was set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// And at most this often.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(crate) struct Fetcher {
    client: OnceLock<Result<Client, FetchError>>,
    /// How many fetches have ended: what everyone who needs keys waits for.
    ended: watch::Sender<u64>,
    /// When the next fetch may be due, in ms since 1970: what keeps verified tokens from taking the
    /// lock of every issuer to find out.
    due: AtomicU64,
}

impl Authenticator {
    /// Starts to fetch keys that are due for it, without waiting; for those who call
    /// [`verify`](Self::verify) themselves. Costs one load when none is due.
    pub fn refresh_when_due(&self, now: SystemTime) {
        if self.shared.fetcher.due.load(Ordering::Relaxed) <= millis(now) {
            self.start_fetches(now);
        }
    }

    /// Verifies a token, and fetches keys when those at hand do not do. Callers that need the same
    /// issuer's keys share one fetch, which goes on even if they leave.
    ///
    /// It waits only for a key that is not known, at most for the issuer's `fetch_timeout`; refreshes
    /// that are due happen behind the caller's back.
    ///
    /// # Errors
    ///
    /// Why the token is refused. [`AuthError::KeysUnavailable`] is not the token's fault.
    pub async fn authenticate(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<Arc<Identity>, AuthError> {
        let fetcher = &self.shared.fetcher;
        let started = Instant::now();
        let mut now_here = now;
        let mut ended = None;
        for _ in 0..ROUNDS_MAX {
            let wanted = match self.verify(token, now_here) {
                Ok(identity) => {
                    self.refresh_when_due(now_here);
                    return Ok(identity);
                }
                Err(VerifyError::Rejected(error)) => return Err(error),
                Err(VerifyError::KeyUnknown(wanted)) => wanted,
            };
            // Subscribed before the keys are asked for, so that no end of a fetch is missed.
            let ended = ended.get_or_insert_with(|| fetcher.ended.subscribe());
            ended.mark_unchanged();
            match self.want_keys(wanted, now_here) {
                Want::Retry => {}
                Want::Wait => {
                    self.start_fetches(now_here);
                    // A fetch always ends in time, unless its runtime does before. Boxed, so that
                    // those who need not wait are not as large as those who do.
                    drop(Box::pin(timeout(self.wait_max(), ended.changed())).await);
                }
                Want::Unknown => return Err(AuthError::UnknownKey),
                Want::Unavailable => return Err(AuthError::KeysUnavailable),
            }
            now_here = now + started.elapsed();
        }
        self.shared.counters.count_refused(&AuthError::UnknownKey);
        Err(AuthError::UnknownKey)
    }

    /// Fetches the keys of all remote issuers now, and again before they age; failures are logged
    /// and tried again. Runs until it is dropped, or returns at once if there is nothing to fetch.
    ///
    /// Without it everything works too: the first token of an issuer then waits for its keys, and
    /// refreshes depend on tokens coming in.
    pub async fn keep_keys_fresh(&self, clock: impl Fn() -> SystemTime + Send) {
        let mut ended = self.shared.fetcher.ended.subscribe();
        while self.poll_timeout().is_some() {
            ended.mark_unchanged();
            let now = clock();
            self.start_fetches(now);
            let next = self.poll_timeout().unwrap_or(now);
            let wait = next.duration_since(now).unwrap_or_default();
            drop(timeout(wait.clamp(LOOK_AGAIN_MIN, LOOK_AGAIN), ended.changed()).await);
        }
    }

    fn start_fetches(&self, now: SystemTime) {
        while let Some(fetch) = self.poll_fetch(now) {
            let authenticator = self.clone();
            tokio::spawn(async move { authenticator.run_fetch(fetch, now).await });
        }
        self.note_due();
    }

    async fn run_fetch(&self, fetch: KeyFetch, now: SystemTime) {
        let started = Instant::now();
        let fetcher = &self.shared.fetcher;
        let answer = match fetcher.client() {
            Ok(client) => timeout(fetch.timeout, get(client, &fetch))
                .await
                .unwrap_or(Err(FetchError::Timeout)),
            Err(error) => Err(error.clone()),
        };
        match self.handle_keys(&fetch, answer, now + started.elapsed()) {
            Ok(()) => tracing::debug!(issuer = &*fetch.issuer, "keys fetched"),
            Err(error) => tracing::warn!(issuer = &*fetch.issuer, %error, "keys not fetched"),
        }
        self.note_due();
        fetcher.ended.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn note_due(&self) {
        let due = self.poll_timeout().map_or(u64::MAX, millis);
        self.shared.fetcher.due.store(due, Ordering::Relaxed);
    }

    fn wait_max(&self) -> Duration {
        self.fetch_timeout_max().saturating_mul(2)
    }
}

impl Fetcher {
    /// Made on first use: finding the system's CA certificates takes time and can fail, and who has
    /// no remote issuer needs neither.
    fn client(&self) -> &Result<Client, FetchError> {
        self.client.get_or_init(|| {
            Client::builder()
                .redirect(redirect::Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(0)
                .user_agent(concat!("ws-auth/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| FetchError::Client(root_cause(&error).into()))
        })
    }
}

async fn get(client: &Client, fetch: &KeyFetch) -> Result<KeyDocument, FetchError> {
    let unreachable = |error: reqwest::Error| {
        if error.is_timeout() {
            FetchError::Timeout
        } else {
            FetchError::Unreachable(root_cause(&error).into())
        }
    };
    let url = Url::parse(&fetch.url)
        .ok()
        .filter(|url| is_read_alike(&fetch.url, url.scheme(), url.host_str().unwrap_or_default()))
        .ok_or_else(|| FetchError::Unreachable("its address is ambiguous".into()))?;
    let request = client.get(url).header(ACCEPT, "application/jwk-set+json, application/json");
    let mut response = request.send().await.map_err(unreachable)?;
    match response.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => return Err(FetchError::Redirected),
        status => return Err(FetchError::Status(status.as_u16())),
    }
    let too_large = |length: usize| length > fetch.document_bytes_max;
    let announced = response.content_length().map(usize::try_from);
    if announced.is_some_and(|length| length.map_or(true, too_large)) {
        return Err(FetchError::TooLarge);
    }
    let header = |name| header_text(&response, name);
    let max_age = max_age(header(CACHE_CONTROL), header(AGE));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if too_large(body.len() + chunk.len()) {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(KeyDocument { body, max_age })
}

fn header_text(response: &Response, name: http::HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

/// The innermost message. The outer ones repeat the address, which is in the log beside it.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
