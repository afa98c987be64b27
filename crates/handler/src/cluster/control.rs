//! What nodes say to each other that is no client's matter as such.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ends::ToldEnd;

/// In JSON, because it is rare beside what is published, and read by people when something is wrong.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Control<'c> {
    /// For every connection of a user. Answered by how many took it.
    Direct {
        question: u64,
        #[serde(borrow)]
        user: Cow<'c, str>,
        /// As clients are to get it.
        #[serde(borrow)]
        text: &'c RawValue,
        /// The hop that brings it, where somebody wants to know. Nodes of before leave it unread.
        #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
        traceparent: Option<Cow<'c, str>>,
    },
    /// For every connection. Answered by how many took it.
    Broadcast {
        question: u64,
        #[serde(borrow)]
        text: &'c RawValue,
    },
    /// Every connection of a user is to be closed. Answered by how many there are.
    Disconnect {
        question: u64,
        #[serde(borrow)]
        user: Cow<'c, str>,
        code: u16,
        #[serde(borrow)]
        reason: Cow<'c, str>,
    },
    /// Who is in a channel? Answered by whoever knows of anybody, and by all others that they do not.
    Who {
        question: u64,
        #[serde(borrow)]
        channel: Cow<'c, str>,
        users_max: usize,
    },
    /// How did connections of a user end? Answered by each node with what it keeps.
    Ends {
        question: u64,
        #[serde(borrow)]
        user: Cow<'c, str>,
    },
    /// Something was kept for a user who has come meanwhile.
    Letters {
        #[serde(borrow)]
        user: Cow<'c, str>,
    },
    /// How many connections the node has, of which it may give some away; none: it goes.
    Load { connections: Option<usize> },
    /// What came of a question.
    Answer {
        question: u64,
        count: usize,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        users: Vec<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ends: Vec<ToldEnd>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let text: Box<RawValue> =
            serde_json::from_str("{\"type\":\"chat\",\"message\":\"a\\\"b\"}").unwrap();
        let said =
            Control::Direct { question: 7, user: "a\"da".into(), text: &text, traceparent: None };
        let said = serde_json::to_vec(&said).unwrap();
        assert!(!String::from_utf8_lossy(&said).contains("traceparent"));
        let heard = serde_json::from_slice(&said);
        let Ok(Control::Direct { question: 7, user, text: heard, traceparent: None }) = heard
        else {
            panic!("{said:?}");
        };
        assert_eq!((&*user, heard.get()), ("a\"da", text.get()));
        let answer = br#"{"answer":{"question":7,"count":2}}"#;
        let answer = serde_json::from_slice(answer).unwrap();
        let Control::Answer { question: 7, count: 2, users, ends } = answer else { panic!() };
        assert!(users.is_empty() && ends.is_empty());
    }
}
