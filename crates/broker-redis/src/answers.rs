//! What servers answer, as engines do.

use bytes::Bytes;
use redis::Value;
use tokio::sync::oneshot;
use ws_broker::{Answer, Appended, Conflict, EngineError, Entry, Page, Position, Record, Revision};

use crate::error::{UNKNOWN, refused};

/// The answer that comes when the server has answered.
pub(crate) fn later<V: Send + 'static, T: Send + 'static>(
    asked: Result<oneshot::Receiver<Result<V, EngineError>>, EngineError>,
    read: impl FnOnce(V) -> Result<T, EngineError> + Send + 'static,
) -> Answer<T> {
    match asked {
        Err(error) => Box::pin(std::future::ready(Err(error))),
        Ok(replied) => Box::pin(async move {
            match replied.await {
                Ok(Ok(value)) => read(value),
                Ok(Err(error)) => Err(error),
                // Nobody answers any more.
                Err(_) => Err(UNKNOWN),
            }
        }),
    }
}

pub(crate) fn appended(value: Value) -> Result<Appended, EngineError> {
    let Value::Array(parts) = value else { return Err(strange()) };
    match parts.as_slice() {
        [_] => Err(EngineError::Full),
        [epoch, offset, is_repeated] => Ok(Appended {
            position: Position { epoch: number(epoch)?, offset: number(offset)? },
            is_repeated: number(is_repeated)? == 1,
        }),
        _ => Err(strange()),
    }
}

pub(crate) fn page(value: Value, after: u64) -> Result<Page, EngineError> {
    let Value::Array(parts) = value else { return Err(strange()) };
    let mut parts = parts.into_iter();
    let mut next = || parts.next().ok_or_else(strange);
    let (epoch, offset) = (number(&next()?)?, number(&next()?)?);
    let is_complete = number(&next()?)? == 1;
    let mut entries = Vec::with_capacity(parts.len() / 2);
    let mut previous = after;
    while let (Some(id), Some(payload)) = (parts.next(), parts.next()) {
        let (offset, appended_ms) = place(&id)?;
        let position = Position { epoch, offset };
        entries.push(Entry { position, previous, appended_ms, payload: bytes(payload)? });
        previous = offset;
    }
    Ok(Page { head: Position { epoch, offset }, is_complete, entries })
}

/// An entry as it is published: where it stands in 24 bytes, and its payload.
pub(crate) fn entry(mut published: Bytes) -> Option<Entry> {
    use bytes::Buf;
    let epoch = published.try_get_u64().ok()?;
    let offset = published.try_get_u64().ok()?;
    let appended_ms = published.try_get_u64().ok()?;
    let (position, previous) = (Position { epoch, offset }, offset.checked_sub(1)?);
    Some(Entry { position, previous, appended_ms, payload: published })
}

/// A record is its revision and its value.
pub(crate) fn record(value: Value) -> Result<Option<Record>, EngineError> {
    match value {
        Value::Nil => Ok(None),
        value => {
            let mut value = bytes(value)?;
            let revision = value.split_off(8.min(value.len()));
            let (revision, value) = (value, revision);
            let revision = <[u8; 8]>::try_from(&*revision).map_err(|_| strange())?;
            Ok(Some(Record { value, revision: Revision(u64::from_be_bytes(revision)) }))
        }
    }
}

pub(crate) fn put(
    value: Value,
    revision: Revision,
) -> Result<Result<Revision, Conflict>, EngineError> {
    let Value::Array(parts) = value else { return Err(strange()) };
    let mut parts = parts.into_iter();
    match parts.next() {
        Some(Value::Int(1)) => Ok(Ok(revision)),
        Some(Value::Int(0)) => {
            let current = record(parts.next().unwrap_or(Value::Nil))?;
            Ok(Err(Conflict { current }))
        }
        _ => Err(strange()),
    }
}

/// The cursor of a scan, and the keys that it found.
pub(crate) fn scanned(value: Value) -> Result<(u64, Vec<Value>), EngineError> {
    let Value::Array(parts) = value else { return Err(strange()) };
    match <[Value; 2]>::try_from(parts) {
        Ok([cursor, Value::Array(keys)]) => Ok((number(&cursor)?, keys)),
        _ => Err(strange()),
    }
}

/// `offset-ms`: the id of an entry.
fn place(id: &Value) -> Result<(u64, u64), EngineError> {
    let Value::BulkString(id) = id else { return Err(strange()) };
    let parts = str::from_utf8(id).ok().and_then(|id| id.split_once('-'));
    let place = parts.and_then(|(offset, ms)| Some((offset.parse().ok()?, ms.parse().ok()?)));
    place.ok_or_else(strange)
}

fn number(value: &Value) -> Result<u64, EngineError> {
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(text) => str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.ok_or_else(strange)
}

fn bytes(value: Value) -> Result<Bytes, EngineError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.into()),
        _ => Err(strange()),
    }
}

/// Somebody else writes to our keys.
fn strange() -> EngineError {
    refused("it answered what our scripts do not say; does somebody else use the prefix?")
}
