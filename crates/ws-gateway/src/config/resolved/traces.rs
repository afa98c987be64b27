//! The settings of traces.

use std::time::Duration;

use http::Uri;

use crate::config::Secret;

/// What is told of whose request led to what, and whom.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The collector. Default `None`: nothing is told, and what clients say of traces is not looked at.
    pub endpoint: Option<Uri>,
    /// Headers for it, as `name=value` with commas between them. Default `None`.
    pub headers: Option<Secret>,
    /// How long it may take to answer. Default 10 s, never zero.
    pub timeout: Duration,
    /// What the gateway is called there. Default `ws-gateway`.
    pub service_name: String,
    /// What else is said of it. Default nothing.
    pub resource: Vec<(String, String)>,
    /// The name of the sampler. Default `parentbased_always_on`.
    pub sampler: &'static str,
    /// The share that is recorded by those samplers that ask for one. Default 1, from 0 to 1.
    pub ratio: f64,
    /// How many spans may wait. Default 2,048, never zero.
    pub queue_max: usize,
    /// How long spans are collected to be sent together. Default 5 s, never zero.
    pub delay: Duration,
    /// How many records of a trace may begin here within a second, whoever asks. Default 100, never zero.
    pub per_second_max: u32,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: None,
            timeout: Duration::from_secs(10),
            service_name: "ws-gateway".to_owned(),
            resource: Vec::new(),
            sampler: "parentbased_always_on",
            ratio: 1.0,
            queue_max: 2048,
            delay: Duration::from_secs(5),
            per_second_max: 100,
        }
    }
}
