//! What a script may have done to the gateway and to the proxy in front of it, over HTTP: `POST /cut`, and so
//! on. Answers are JSON.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use ws_auth::TokenRequest;

use crate::{
    proxy::Fault,
    site::{API_KEY, Site, mint},
};

pub(crate) struct Control {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Control {
    pub(crate) async fn start(site: Arc<Site>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new().route("/{verb}", axum::routing::post(obey)).with_state(site);
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self { address, serving }
    }

    /// What a script needs to know.
    pub(crate) fn variables(&self, site: &Site) -> Vec<(&'static str, String)> {
        vec![
            ("CONTROL", format!("http://{}", self.address)),
            ("GATEWAY", site.uri()),
            ("GATEWAY_PAGE", site.page_uri_of_clients()),
            ("GATEWAY_DIRECT", site.page_uri("")),
            ("API_KEY", API_KEY.to_owned()),
        ]
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn obey(
    State(site): State<Arc<Site>>,
    Path(verb): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<String, StatusCode> {
    let query = query.unwrap_or_default();
    let options: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    let option = |name: &str| options.get(name).map(AsRef::as_ref).unwrap_or_default();
    let is_on = option("on") == "true";
    let number = |name: &str| option(name).parse::<u64>().unwrap_or(1);
    match &*verb {
        "cut" => site.proxy.befall(Fault::Cut),
        "reset" => site.proxy.befall(Fault::Reset),
        "swallow" => site.proxy.set_swallowing(is_on),
        "away" => site.proxy.set_away(is_on),
        "answer" => site.proxy.answer(option("head"), option("body"), number("times") as usize),
        "stall" => site.proxy.set_stalled(is_on),
        "kill" => site.kill().await,
        "drain" => site.drain().await,
        "start" => site.start().await,
        "came" => return Ok(json!(site.proxy.came()).to_string()),
        "figure" => return Ok(site.figure(option("name")).await.to_string()),
        "ends" => return Ok(ends(&site.log().await, option("user")).to_string()),
        "token" => {
            let ttl = std::time::Duration::from_secs(number("secs"));
            let request = TokenRequest::new(option("user"));
            let request = if option("secs").is_empty() { request } else { request.ttl(ttl) };
            return Ok(json!(mint(&request)).to_string());
        }
        _ => return Err(StatusCode::NOT_FOUND),
    }
    Ok(Value::Null.to_string())
}

/// How the connections of a user have ended, of all that the gateway has logged.
fn ends(log: &str, user: &str) -> Value {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ends = lines.filter(|line| line["message"] == "disconnected" && line["user"] == user);
    ends.map(|line| json!({ "reason": line["reason"], "code": line["code"] })).collect()
}
