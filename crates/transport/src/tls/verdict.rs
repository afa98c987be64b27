//! Why a handshake did not come to an end.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why there is no TLS with a client: a closed set, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// It does not begin as TLS does.
    #[error("the client does not speak TLS")]
    NotTls,
    /// It was not done in time.
    #[error("the handshake was not done in time")]
    TimedOut,
    /// It took long while others waited for their turn.
    #[error("the handshake took long while others waited")]
    Crowded,
    /// The client went away within it.
    #[error("the client went away within the handshake")]
    EndOfStream,
    /// The transport failed.
    #[error("the transport failed within the handshake")]
    Io,
    /// A certificate was demanded, and none came.
    #[error("the client showed no certificate")]
    NoClientCertificate,
    /// The one that came is not good here.
    #[error("the client's certificate is not accepted here")]
    ClientCertificate,
    /// The client does not like ours, or what we say of ourselves.
    #[error("the client refused the server")]
    RefusedByClient,
    /// No version, cipher, kind of key or protocol that both know.
    #[error("the client and the server have no version, cipher or protocol in common")]
    NothingInCommon,
    /// It is not TLS, after a beginning as if it were.
    #[error("the client broke the rules of TLS")]
    Malformed,
}

impl TlsFault {
    /// All of them, in the order of [`TlsFault::index`].
    pub const ALL: [Self; 10] = [
        Self::NotTls,
        Self::TimedOut,
        Self::Crowded,
        Self::EndOfStream,
        Self::Io,
        Self::NoClientCertificate,
        Self::ClientCertificate,
        Self::RefusedByClient,
        Self::NothingInCommon,
        Self::Malformed,
    ];

    /// Its place in [`TlsFault::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// A stable word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::TimedOut => "timed_out",
            Self::Crowded => "crowded",
            Self::EndOfStream => "end_of_stream",
            Self::Io => "io",
            Self::NoClientCertificate => "no_client_certificate",
            Self::ClientCertificate => "client_certificate",
            Self::RefusedByClient => "refused_by_client",
            Self::NothingInCommon => "nothing_in_common",
            Self::Malformed => "malformed",
        }
    }

    /// What an error of a handshake means; rustls puts its own into the transport's.
    pub(super) fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(error) => Self::of_tls(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::EndOfStream,
            None => Self::Io,
        }
    }

    fn of_tls(error: &Error) -> Self {
        match error {
            Error::NoCertificatesPresented => Self::NoClientCertificate,
            Error::InvalidCertificate(CertificateError::BadEncoding) => Self::Malformed,
            Error::InvalidCertificate(_) => Self::ClientCertificate,
            Error::AlertReceived(
                AlertDescription::CloseNotify | AlertDescription::UserCanceled,
            ) => Self::EndOfStream,
            Error::AlertReceived(_) => Self::RefusedByClient,
            // No key that it can verify is told in this way.
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol | Error::General(_) => {
                Self::NothingInCommon
            }
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_word_and_a_place_of_its_own() {
        for (index, fault) in TlsFault::ALL.into_iter().enumerate() {
            assert_eq!(fault.index(), index);
            assert_eq!(TlsFault::ALL.iter().filter(|it| it.label() == fault.label()).count(), 1);
        }
    }
}
