//! What viewers ask, and how it is answered.

use std::sync::Arc;

use serde_json::{Map, Value};
use ws_handler::Application;

use super::{Inner, door::Visitor, fault::Fault, watching::Watching};
use crate::inspector::Parameters;

/// How long a question may be.
pub(super) const ASK_BYTES_MAX: usize = 8 * 1024;

/// The fields of a question.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    fn read(text: &str) -> Result<Self, Fault> {
        if text.len() > ASK_BYTES_MAX {
            return Err(Fault::too_large(ASK_BYTES_MAX));
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Fault::bad_json("An object is expected")),
            Err(error) => Err(Fault::bad_json(error)),
        }
    }

    pub(super) fn parameters(&self) -> Parameters {
        Parameters::of_fields(&self.0)
    }

    /// A text; one that is empty is none.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(Fault::invalid(name, "a text is expected")),
        }
    }

    pub(super) fn needed_text(&self, name: &str, expected: &str) -> Result<&str, Fault> {
        self.text(name)?.ok_or_else(|| Fault::missing(name, expected))
    }

    /// A number from 1 to `max`.
    pub(super) fn number(&self, name: &str, max: u64) -> Result<Option<u64>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_u64().filter(|number| (1..=max).contains(number));
                let expected =
                    || Fault::invalid(name, format!("a number from 1 to {max} is expected"));
                number.map(Some).ok_or_else(expected)
            }
        }
    }
}

impl<A: Application> Inner<A> {
    /// The answer to a question, with the `id` of the question.
    pub(super) async fn answer(
        self: &Arc<Self>,
        text: &str,
        visitor: &Visitor,
        watching: &mut Watching,
    ) -> Value {
        let fields = Fields::read(text);
        let id = fields.as_ref().ok().and_then(|fields| fields.0.get("id").cloned());
        let answer = match &fields {
            Ok(fields) => self.ask(fields, visitor, watching).await,
            Err(fault) => Err(fault.clone()),
        };
        let mut answer = answer.unwrap_or_else(Fault::into_message);
        if let Some(id) = id {
            answer["id"] = id;
        }
        answer
    }

    async fn ask(
        self: &Arc<Self>,
        fields: &Fields,
        visitor: &Visitor,
        watching: &mut Watching,
    ) -> Result<Value, Fault> {
        match fields.needed_text("type", "what is asked for")? {
            "connections" => self.connections(fields).await,
            "connection" => self.connection(fields).await,
            "channels" => self.channels(fields).await,
            "ends" => self.ends(fields),
            "close" => self.close_connection(fields, visitor),
            "disconnect" => self.disconnect(fields, visitor).await,
            "token" => self.mint(fields, visitor),
            "inspect" => self.inspect(fields, watching).await,
            "trace" => self.trace(fields, visitor, watching),
            "untrace" => Ok(watching.stop()),
            other => Err(Fault::unknown(other)),
        }
    }
}
