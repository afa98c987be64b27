//! What is asked of the inspector, whichever way it came.

use std::{collections::HashMap, fmt, time::Duration};

use ws_channels::ChannelName;

use crate::config::parse_duration;

/// Parameters by their names. An empty one is none.
#[derive(Debug, Default)]
pub(crate) struct Parameters(HashMap<String, String>);

/// A parameter that says nothing of what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misread {
    pub(crate) name: String,
    pub(crate) expected: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.expected)
    }
}

impl Misread {
    pub(super) fn new(name: &str, expected: impl Into<String>) -> Self {
        Self { name: name.chars().take(40).collect(), expected: expected.into() }
    }
}

impl Parameters {
    /// Those behind a `?`.
    pub(super) fn of_query(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The texts, numbers and truths of an object of JSON.
    pub(crate) fn of_fields(fields: &serde_json::Map<String, serde_json::Value>) -> Self {
        use serde_json::Value;
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let pairs = fields.iter().filter(|(name, _)| !matches!(name.as_str(), "type" | "id"));
        Self(pairs.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect())
    }

    /// Refuses what nobody asks for: whoever misspells a filter would see everybody.
    pub(super) fn expect_only(&self, known: &[&str]) -> Result<(), Misread> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Misread::new(
                name,
                format!("not known here: it is one of {}", known.join(", ")),
            )),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn parsed<T: std::str::FromStr>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Misread> {
        let parse = |text: &str| text.parse().map_err(|_| Misread::new(name, expected));
        self.text(name).map(parse).transpose()
    }

    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, Misread> {
        self.text(name)
            .map(|text| match text {
                "true" | "1" | "on" => Ok(true),
                "false" | "0" | "off" => Ok(false),
                _ => Err(Misread::new(name, "true or false is expected")),
            })
            .transpose()
    }

    /// A number from `min` to `max`.
    pub(super) fn number(&self, name: &str, min: u32, max: u32) -> Result<Option<u32>, Misread> {
        let expected = || format!("a number from {min} to {max} is expected");
        let parse = |text: &str| {
            let number = text.parse().ok().filter(|number| (min..=max).contains(number));
            number.ok_or_else(|| Misread::new(name, expected()))
        };
        self.text(name).map(parse).transpose()
    }

    /// A time up to `max`, with a unit or in milliseconds.
    pub(super) fn time(
        &self,
        name: &str,
        min: Duration,
        max: Duration,
    ) -> Result<Option<Duration>, Misread> {
        let expected = || {
            let (min, max) = (min.as_secs_f64(), max.as_secs_f64());
            format!("a time from {min} s to {max} s is expected, such as 30s, or in milliseconds")
        };
        let parse = |text: &str| {
            let time = parse_duration(text).filter(|time| (min..=max).contains(time));
            time.ok_or_else(|| Misread::new(name, expected()))
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn channel(&self) -> Result<Option<ChannelName>, Misread> {
        let parse = |name| {
            ChannelName::new(name).map_err(|error| Misread::new("channel", error.to_string()))
        };
        self.text("channel").map(parse).transpose()
    }
}
