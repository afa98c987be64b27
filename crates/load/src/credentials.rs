//! Tokens: given, read from a file, or minted for each connection.

use std::time::{Duration, SystemTime};

use ws_auth::{Secret, TokenMinter, TokenRequest};

/// Where a connection's token comes from, and how it travels.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) source: Source,
    pub(crate) carried: Carried,
}

#[derive(Debug, Default)]
pub(crate) enum Source {
    #[default]
    None,
    /// Given out in turn.
    Given(Vec<String>),
    /// Signed with HS256, `sub` is the user.
    Minted(Box<TokenMinter>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Carried {
    #[default]
    Header,
    Query,
    Message,
    Subprotocol,
}

/// Longer than any run.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);

impl Credentials {
    /// The token of connection `number`, empty when there is none.
    pub(crate) fn token(&self, number: usize, user: &str) -> Result<String, String> {
        match &self.source {
            Source::None => Ok(String::new()),
            Source::Given(tokens) => Ok(tokens[number % tokens.len().max(1)].clone()),
            Source::Minted(minter) => {
                #[expect(clippy::disallowed_methods, reason = "a token says when it was issued")]
                let now = SystemTime::now();
                let token = minter.mint(&TokenRequest::new(user).ttl(TTL), now);
                token.map(|it| it.expose().to_owned()).map_err(|error| error.to_string())
            }
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self.source, Source::None)
    }
}

impl Source {
    /// One token a line; empty lines do not count.
    pub(crate) fn from_file(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let tokens: Vec<String> = lines.map(str::to_owned).collect();
        if tokens.is_empty() {
            return Err("holds no token; there should be one a line".to_owned());
        }
        Ok(Self::Given(tokens))
    }

    pub(crate) fn minted(secret: &str) -> Result<Self, String> {
        let minter = TokenMinter::new(&Secret::new(secret)).map_err(|fault| fault.to_string())?;
        Ok(Self::Minted(Box::new(minter)))
    }
}
