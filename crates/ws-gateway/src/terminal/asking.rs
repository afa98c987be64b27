//! The way to a gateway that runs.

use std::{
    io::{self, Write},
    net::IpAddr,
    time::Duration,
};

use http::{HeaderValue, header};
use reqwest::{Client, Response, Url};
use serde_json::Value;

use super::{Failure, cells::text};
use crate::config::{InspectArgs, Reach};

const PORT: u16 = 3001;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A gateway looks for ten seconds at most before it says anything, and tells at least that often that a trace goes on.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// A thousand connections take less than one of them.
const BODY_BYTES_MAX: usize = 8 << 20;
/// As much of what a gateway says of a refusal is shown.
const WHY_MAX: usize = 500;

pub(super) struct Asking {
    client: Client,
    base: Url,
    key: HeaderValue,
}

impl Asking {
    pub(super) fn new(arguments: &InspectArgs, reach: &Reach) -> Result<Self, Failure> {
        let refused = |why: String| Failure::Refused(why);
        let url = arguments.url.clone().unwrap_or_else(|| {
            // Port 0 is not where anybody is.
            let port = reach.port.filter(|port| *port != 0).unwrap_or(PORT);
            // A certificate may be for that name; it is for no address of loopback.
            if reach.tls {
                format!("https://localhost:{port}")
            } else {
                format!("http://127.0.0.1:{port}")
            }
        });
        let base = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = base.ok_or_else(|| {
            refused(format!("--url {url}: an address is expected such as https://gateway.example"))
        })?;
        let key = reach.key.as_ref().ok_or_else(|| {
            refused(
                "ADMIN_KEY is not set: the gateway shows its connections to whoever has it"
                    .to_owned(),
            )
        })?;
        let key = HeaderValue::from_bytes(format!("Bearer {}", key.expose()).as_bytes());
        let mut key =
            key.map_err(|_| refused("ADMIN_KEY cannot be sent in a header".to_owned()))?;
        key.set_sensitive(true);
        if base.scheme() == "http" && !is_on_this_machine(&base) {
            let _ = writeln!(
                io::stderr(),
                "warning: the key travels to {} in the clear; https:// keeps it secret",
                base.authority()
            );
        }
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_MAX)
            .user_agent(concat!("ws-gateway/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &arguments.ca {
            let unreadable = |why: &dyn std::fmt::Display| {
                refused(format!(
                    "--ca {}: certificates in PEM are expected ({why})",
                    path.display()
                ))
            };
            let pem = std::fs::read(path).map_err(|error| unreadable(&error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem);
            client = client.tls_certs_merge(certificates.map_err(|error| unreadable(&error))?);
        }
        let client = client.build().map_err(|error| refused(causes(&error)))?;
        Ok(Self { client, base, key })
    }

    /// Where the gateway is.
    pub(super) fn place(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The answer to a question, its body not read yet.
    pub(super) async fn ask(
        &self,
        what: &str,
        query: impl IntoIterator<Item = (&str, &str)>,
    ) -> Result<Response, Failure> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/api/inspect/{what}", url.path().trim_end_matches('/')));
        url.query_pairs_mut().extend_pairs(query);
        let request = self.client.get(url).header(header::AUTHORIZATION, self.key.clone());
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = self.body(response).await.unwrap_or_default();
        let why = match (status.as_u16(), body["error"].as_str()) {
            (404, _) => {
                let place = self.place();
                format!("{place} has no inspector: its gateway needs ADMIN_KEY, or is an older one")
            }
            (401, _) => format!("{} does not take this ADMIN_KEY", self.place()),
            (_, Some(why)) => text(why, WHY_MAX),
            (status, None) => format!("{} answers {status}", self.place()),
        };
        Err(if status.is_server_error() {
            Failure::Unreachable(why)
        } else {
            Failure::Refused(why)
        })
    }

    /// The whole body, as JSON: nothing, if it is none.
    pub(super) async fn body(&self, mut response: Response) -> Result<Value, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_BYTES_MAX {
                let place = self.place();
                return Err(Failure::Unreachable(format!("{place} answers more than a gateway")));
            }
        }
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::Unreachable(format!("{} cannot be reached: {}", self.place(), causes(error)))
    }
}

fn is_on_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The error and what is behind it, without the address: that is told already.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(behind) = cause.source() {
        cause = behind;
    }
    cause.to_string()
}
