//! Tokens that are taken back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::{Value, json};
use ws_auth::{Revocation, Revoked};
use ws_handler::Application;

use super::{Shared, answer, body, fault::Fault};
use crate::config::show_duration;

/// Names of tokens and users are no longer; what is, no issuer writes.
const NAME_BYTES_MAX: usize = 512;
/// The list says so many at most.
const LISTED_MAX: usize = 1000;
/// In milliseconds this is a day of 1973; a smaller number was meant as seconds.
const MILLISECONDS_MIN: u64 = 100_000_000_000;

/// `{jti?}`, `{sub?, issuedBefore?}` or `{issuedBefore}`, each with `expiresAt?`.
pub(super) async fn revoke<A: Application>(
    State(api): Shared<A>,
    request: Request,
) -> Result<Response, Fault> {
    let body = body::read(request, false).await?;
    let fields = body::Fields::of(&body)?;
    // Whoever misspells whose tokens are meant would take back everybody's.
    fields.expect_only(&["jti", "sub", "issuedBefore", "expiresAt"])?;
    let wall = api.handler.clock().wall(tokio::time::Instant::now().into_std());
    let name = |field: &'static str| {
        let name = fields.optional_string(field)?;
        match &name {
            Some(text) if text.is_empty() || text.len() > NAME_BYTES_MAX => {
                Err(Fault::invalid(field, format_args!("1 to {NAME_BYTES_MAX} bytes are expected")))
            }
            _ => Ok(name),
        }
    };
    let (token, user) = (name("jti")?, name("sub")?);
    if user.as_deref().is_some_and(|user| user.contains(char::is_control)) {
        return Err(Fault::invalid("sub", "no user's name has a control character in it"));
    }
    let before = time(&fields, "issuedBefore")?;
    if before.is_some_and(|before| before > next_second(wall)) {
        let why = "what is not issued yet cannot be taken back: a time that is over is expected";
        return Err(Fault::invalid("issuedBefore", why));
    }
    let revoked = match (token, user, before) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            return Err(Fault::invalid(
                "jti",
                "it means one token: neither sub nor issuedBefore go with it",
            ));
        }
        (Some(id), None, None) => Revoked::Token(id.into()),
        // Tokens say in whole seconds when they were issued: this one has to be over.
        (None, Some(user), before) => {
            Revoked::User(user.into(), before.unwrap_or_else(|| next_second(wall)))
        }
        (None, None, Some(before)) => Revoked::Everybody(before),
        (None, None, None) => {
            return Err(Fault::missing("jti", "the token's id; or sub, the user; or issuedBefore"));
        }
    };
    let lifetime = api.handler.config().revocation.unwrap_or_default().lifetime;
    let latest = wall + lifetime;
    let until = match time(&fields, "expiresAt")? {
        Some(until) if until > latest => {
            let span = match lifetime.as_secs() {
                seconds if seconds % 86_400 == 0 => format!("{} days", seconds / 86_400),
                seconds => show_duration(seconds * 1000),
            };
            let why = format!(
                "a revocation is remembered for {span} at most, as long as TOKEN_LIFETIME_MAX lets a token live"
            );
            return Err(Fault::invalid("expiresAt", why));
        }
        Some(until) if until <= wall => {
            return Err(Fault::invalid("expiresAt", "the token is over: a time ahead is expected"));
        }
        Some(until) => until,
        None => latest,
    };
    let revocation = Revocation { revoked, until };
    let mut said = shown(&revocation);
    let connections =
        api.handler.revoke(revocation).await.map_err(|error| Fault::of_engine(&error))?;
    tracing::info!(target: "audit", revoked = %said, connections, "tokens are taken back");
    said["disconnected"] = connections.into();
    Ok(answer(&said))
}

/// What is revoked and not over: `{count, revocations}`.
pub(super) async fn revocations<A: Application>(State(api): Shared<A>) -> Result<Response, Fault> {
    let known = api.look(|handler| handler.revocations().list(LISTED_MAX)).await?;
    let count = api.handler.revocations().len();
    let listed: Vec<Value> = known.iter().map(shown).collect();
    Ok(answer(&json!({ "count": count, "revocations": listed })))
}

fn shown(revocation: &Revocation) -> Value {
    let mut shown = json!({ "expiresAt": millis(revocation.until) });
    match &revocation.revoked {
        Revoked::Token(id) => shown["jti"] = (**id).into(),
        Revoked::User(user, before) => {
            shown["sub"] = (**user).into();
            shown["issuedBefore"] = millis(*before).into();
        }
        Revoked::Everybody(before) => shown["issuedBefore"] = millis(*before).into(),
    }
    shown
}

fn time(fields: &body::Fields<'_>, field: &'static str) -> Result<Option<SystemTime>, Fault> {
    let Some(ms) = fields.optional_time(field)? else { return Ok(None) };
    if ms < MILLISECONDS_MIN {
        let why = "milliseconds since 1970 are expected, and this looks like seconds";
        return Err(Fault::invalid(field, why));
    }
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    time.map(Some).ok_or_else(|| Fault::invalid(field, "that is further than a clock goes"))
}

fn next_second(wall: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(millis(wall).div_ceil(1000))
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
