//! Who says who somebody is.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::SystemTime};

use ws_auth::{AuthError, AuthStats, Authenticator, Identity, VerifyError};

/// Says who somebody is, by the credential that came with the upgrade or with the first message.
///
/// [`Authenticator`] does, for JSON Web Tokens. An application that has sessions of its own looks them up
/// here.
pub trait Authenticate: Send + Sync + 'static {
    /// Judges a credential. Called in the task of the connection, so it must not block: what has to be
    /// looked up elsewhere is answered with [`Identification::Later`]. The credential must reach no log.
    fn identify(&self, credential: &str, now: SystemTime) -> Identification;

    /// What was judged so far, for whoever shows statistics.
    fn stats(&self) -> AuthStats {
        AuthStats::default()
    }
}

/// What [`Authenticate`] answers.
pub enum Identification {
    /// It is this user.
    Known(Arc<Identity>),
    /// The credential does not hold.
    Refused(AuthError),
    /// That has to be found out first; it must come to an end.
    Later(LateIdentification),
}

/// An identification that takes a while.
pub type LateIdentification =
    Pin<Box<dyn Future<Output = Result<Arc<Identity>, AuthError>> + Send>>;

impl Authenticate for Authenticator {
    fn identify(&self, credential: &str, now: SystemTime) -> Identification {
        match self.verify(credential, now) {
            Ok(identity) => {
                self.refresh_when_due(now);
                Identification::Known(identity)
            }
            Err(VerifyError::Rejected(error)) => Identification::Refused(error),
            // Keys have to be fetched first.
            Err(VerifyError::KeyUnknown(_)) => {
                let (authenticator, token) = (self.clone(), Box::<str>::from(credential));
                let verified = async move { authenticator.authenticate(&token, now).await };
                Identification::Later(Box::pin(verified))
            }
        }
    }

    fn stats(&self) -> AuthStats {
        Authenticator::stats(self)
    }
}

/// Knows nobody: for servers where nobody has to say who it is.
impl Authenticate for () {
    fn identify(&self, _: &str, _: SystemTime) -> Identification {
        Identification::Refused(AuthError::Unknown)
    }
}

impl fmt::Debug for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(identity) => f.debug_tuple("Known").field(identity).finish(),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::Later(_) => f.write_str("Later(..)"),
        }
    }
}
