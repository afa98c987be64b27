//! The parameters behind a `?`.

use std::borrow::Cow;

use axum::extract::RawQuery;

use super::fault::Fault;

/// Parameters by their names; the first of a name counts.
pub(super) struct Query(Vec<(String, String)>);

impl From<RawQuery> for Query {
    fn from(RawQuery(query): RawQuery) -> Self {
        let query = query.unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }
}

impl Query {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A number of at most `max`; `default` unless it is given.
    pub(super) fn number(&self, name: &str, default: usize, max: usize) -> Result<usize, Fault> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| *number <= max);
        let why: Cow<'_, str> = format!("a number up to {max} is expected").into();
        number.ok_or_else(|| Fault::invalid(name, why))
    }
}
