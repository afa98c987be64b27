//! What viewers do to connections and users. Each order is in the log, with who gave it.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;
use ws_auth::TokenRequest;
use ws_close_manager::{Role, SendableCode};
use ws_handler::{Application, EndReason};

use super::{Inner, ask::Fields, door::Visitor, fault::Fault, looks::connection_id};

/// What a client is told that is sent away for no given reason.
const REASON: &str = "Closed by an operator";
/// As much as a close frame holds.
const REASON_BYTES_MAX: usize = 123;
/// A name of a user that is meant.
const USER_BYTES_MAX: usize = 256;
/// How long a token is good, and how long at most.
const TOKEN_TTL: Duration = Duration::from_secs(3600);
const TOKEN_TTL_MAX: Duration = Duration::from_secs(24 * 3600);

impl<A: Application> Inner<A> {
    pub(super) fn close_connection(
        &self,
        fields: &Fields,
        visitor: &Visitor,
    ) -> Result<Value, Fault> {
        let id = connection_id(fields)?;
        let code = code(fields, SendableCode::NORMAL)?;
        let reason = reason(fields)?;
        let found = self.handler.connection(id);
        if let Some(client) = &found {
            client.close_for(EndReason::Api, code, reason);
        }
        tracing::info!(
            viewer = visitor.number,
            address = %visitor.address,
            connection = %id,
            user = found.as_ref().and_then(|client| client.user_id()).as_deref(),
            code = code.u16(),
            reason,
            found = found.is_some(),
            "console: a connection is closed"
        );
        Ok(json!({ "type": "closed", "connection": id.to_string(), "found": found.is_some() }))
    }

    pub(super) async fn disconnect(
        self: &Arc<Self>,
        fields: &Fields,
        visitor: &Visitor,
    ) -> Result<Value, Fault> {
        let user = fields.needed_text("user", "a user's name is expected")?;
        let code = code(fields, SendableCode::POLICY)?;
        let reason = reason(fields)?;
        let reached = self.handler.disconnect_user_everywhere(user, code, reason).await;
        tracing::info!(
            viewer = visitor.number,
            address = %visitor.address,
            user,
            code = code.u16(),
            reason,
            count = reached.connections,
            "console: a user is disconnected"
        );
        let count = reached.connections;
        let mut answer = json!({ "type": "disconnected", "user": user, "count": count });
        if !reached.is_complete {
            answer["complete"] = false.into();
        }
        Ok(answer)
    }

    pub(super) fn mint(&self, fields: &Fields, visitor: &Visitor) -> Result<Value, Fault> {
        let minter = self.options.minter.as_ref().ok_or(Fault::NO_MINT)?;
        let user = fields.needed_text("user", "a user's name is expected")?;
        if user.len() > USER_BYTES_MAX {
            let why = format!("a name of at most {USER_BYTES_MAX} bytes is expected");
            return Err(Fault::invalid("user", why));
        }
        let ttl_ms = fields.number("ttlMs", TOKEN_TTL_MAX.as_millis() as u64)?;
        let ttl = ttl_ms.map_or(TOKEN_TTL, Duration::from_millis);
        // Tokens know whole seconds.
        let request = TokenRequest::new(user).ttl(ttl.max(Duration::from_secs(1)));
        let now = self.handler.clock().wall(Instant::now().into_std());
        let token = minter.mint(&request, now).map_err(|_| Fault::INTERNAL)?;
        tracing::info!(
            viewer = visitor.number,
            address = %visitor.address,
            user,
            "console: a token is made"
        );
        Ok(json!({ "type": "token", "token": token.expose(), "user": user }))
    }
}

fn code(fields: &Fields, default: SendableCode) -> Result<SendableCode, Fault> {
    let Some(code) = fields.number("code", u64::from(u16::MAX))? else { return Ok(default) };
    let code = u16::try_from(code).unwrap_or_default();
    SendableCode::for_role(code, Role::Server).map_err(|error| Fault::invalid("code", error))
}

fn reason(fields: &Fields) -> Result<&str, Fault> {
    let reason = fields.text("reason")?.unwrap_or(REASON);
    if reason.len() > REASON_BYTES_MAX {
        let why = format!("at most {REASON_BYTES_MAX} bytes are expected");
        return Err(Fault::invalid("reason", why));
    }
    Ok(reason)
}
