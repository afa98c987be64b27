//! What a back-end is sent.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::value::RawValue;

/// What is asked, or told, as the JSON that it is sent as.
#[derive(Serialize)]
#[serde(tag = "hook", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(super) enum Question<'q> {
    Connect {
        connection_id: String,
        user_id: Option<&'q str>,
        address: IpAddr,
    },
    Subscribe {
        connection_id: String,
        user_id: Option<&'q str>,
        channel: &'q str,
    },
    Publish {
        connection_id: String,
        user_id: Option<&'q str>,
        channel: &'q str,
        event: Option<&'q str>,
        data: &'q RawValue,
        event_id: Option<&'q str>,
    },
    Disconnected {
        connection_id: Option<String>,
        user_id: Option<&'q str>,
        code: Option<u16>,
        reason: &'q str,
        lived_ms: Option<u64>,
        online: Option<bool>,
    },
}

impl Question<'_> {
    pub(super) fn body(&self) -> Vec<u8> {
        // Text, numbers and JSON that was read before: there is nothing in it that JSON cannot say.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_the_json_that_the_docs_show() {
        let data: Box<RawValue> = serde_json::from_str(r#"{ "a":[1.50,null] }"#).unwrap();
        let id = || "c".to_owned();
        let address = IpAddr::from([127, 0, 0, 1]);
        for (question, expect) in [
            (
                Question::Connect { connection_id: id(), user_id: Some("ada"), address },
                r#"{"hook":"connect","connectionId":"c","userId":"ada","address":"127.0.0.1"}"#,
            ),
            (
                Question::Subscribe { connection_id: id(), user_id: None, channel: "orders" },
                r#"{"hook":"subscribe","connectionId":"c","userId":null,"channel":"orders"}"#,
            ),
            (
                Question::Publish {
                    connection_id: id(),
                    user_id: Some("a\"b"),
                    channel: "orders",
                    event: Some("filled"),
                    data: &data,
                    event_id: None,
                },
                concat!(
                    r#"{"hook":"publish","connectionId":"c","userId":"a\"b","channel":"orders","#,
                    r#""event":"filled","data":{ "a":[1.50,null] },"eventId":null}"#
                ),
            ),
            (
                Question::Disconnected {
                    connection_id: Some(id()),
                    user_id: Some("ada"),
                    code: Some(1000),
                    reason: "peer_closed",
                    lived_ms: Some(7),
                    online: Some(false),
                },
                concat!(
                    r#"{"hook":"disconnected","connectionId":"c","userId":"ada","code":1000,"#,
                    r#""reason":"peer_closed","livedMs":7,"online":false}"#
                ),
            ),
        ] {
            assert_eq!(String::from_utf8(question.body()).unwrap(), expect);
        }
    }
}
