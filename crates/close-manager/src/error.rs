//! Why a close code must not be sent.

/// A close code that must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// 1004, 1005, 1006 or 1015: reserved, or there only to be reported to an application.
    #[error("close code {code} must not be sent: it is reserved or only reported")]
    NeverTravels {
        /// What was asked for.
        code: u16,
    },
    /// 1010, which says that the *server* did not negotiate an extension.
    #[error("close code {code} must not be sent: only a client may")]
    ClientOnly {
        /// What was asked for.
        code: u16,
    },
    /// A code that no one has given a meaning.
    #[error("close code {code} must not be sent: it means nothing")]
    Unassigned {
        /// What was asked for.
        code: u16,
    },
}
