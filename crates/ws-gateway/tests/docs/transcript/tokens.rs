//! The tokens that transcripts name.

use std::time::{Duration, SystemTime};

use serde_json::json;
use ws_auth::{Secret, TokenMinter, TokenRequest};

pub(super) const SECRET: &str = "a secret for the transcripts of the docs";

/// The text with the tokens in their places.
pub(super) fn with_tokens(text: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "tokens are of today")]
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let minter = TokenMinter::new(&Secret::from(SECRET)).unwrap();
    let mint = |request: TokenRequest, at: SystemTime| {
        minter.mint(&request, at).unwrap().expose().to_owned()
    };
    let of = |user: &str| TokenRequest::new(user).ttl(hour);
    let mut text = text.to_owned();
    // Signed only where they are needed: each line would have all of them otherwise.
    let mut put = |name: &str, request: TokenRequest, at: SystemTime| {
        if text.contains(name) {
            text = text.replace(name, &mint(request, at));
        }
    };
    put("$TOKEN", of("user-123"), now);
    put("$OTHER", of("user-456"), now);
    put("$ALICE", of("alice"), now);
    put("$BOB", of("bob"), now);
    put("$CAROL", of("carol"), now);
    put("$READER", of("alice").claim("permissions", json!(["read"])), now);
    put("$NARROW", of("alice").claim("channels", json!(["chat:*"])), now);
    put("$BRIEF", of("user-123").ttl(Duration::from_secs(2)), now);
    put("$EXPIRED", of("user-123"), now - 2 * hour);
    text
}
