//! What an acceptor is told.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, pem::PemObject},
    server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};

use super::{
    pair::{KeyPair, provider},
    resolver::ByName,
};

/// Certificates, and whose are asked for. Nothing of it is in use before it is installed.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    pub(super) pairs: Vec<KeyPair>,
    pub(super) clients: Option<ClientAuthority>,
    protocols: Vec<Vec<u8>>,
    oldest: TlsVersion,
}

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246, with forward secrecy and authenticated encryption alone.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Who signs the certificates of clients.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    roots: Vec<CertificateDer<'static>>,
    is_required: bool,
}

/// There is no TLS with this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsConfigError {
    /// Nothing to show.
    #[error("at least one certificate is needed")]
    NoPair,
    /// No certificate of an authority.
    #[error("the file of the clients' authority has no block -----BEGIN CERTIFICATE-----")]
    NoAuthority,
    /// One that cannot be used.
    #[error("the clients' authority cannot be used: {0}")]
    Authority(String),
    /// rustls has none of what is needed, which does not happen with the provider that is built in.
    #[error("TLS cannot be set up: {0}")]
    Provider(String),
}

impl TlsConfig {
    /// Shows these, the first to whoever asks for none of their names; asks clients for none, speaks
    /// TLS 1.2 and 1.3 and negotiates no protocol.
    pub fn new(pairs: Vec<KeyPair>) -> Self {
        Self { pairs, clients: None, protocols: Vec::new(), oldest: TlsVersion::default() }
    }

    /// Asks each client for a certificate that this authority signed.
    #[must_use]
    pub fn with_clients(mut self, clients: Option<ClientAuthority>) -> Self {
        self.clients = clients;
        self
    }

    /// The protocols to negotiate (ALPN), the preferred one first.
    #[must_use]
    pub fn with_protocols(mut self, protocols: impl IntoIterator<Item = &'static str>) -> Self {
        self.protocols = protocols.into_iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// The oldest version to speak.
    #[must_use]
    pub fn with_oldest(mut self, oldest: TlsVersion) -> Self {
        self.oldest = oldest;
        self
    }

    /// The pairs.
    pub fn pairs(&self) -> &[KeyPair] {
        &self.pairs
    }

    pub(super) fn build(
        &self,
        tickets: Arc<dyn ProducesTickets>,
    ) -> Result<ServerConfig, TlsConfigError> {
        if self.pairs.is_empty() {
            return Err(TlsConfigError::NoPair);
        }
        let versions: &[&'static SupportedProtocolVersion] = match self.oldest {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(versions)
            .map_err(|error| TlsConfigError::Provider(error.to_string()))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients.verifier()?),
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName::new(&self.pairs)));
        config.alpn_protocols.clone_from(&self.protocols);
        // What a client needs to come back quickly, it keeps itself: nothing is stored here.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if self.clients.is_none() {
            config.ticketer = tickets;
        } else {
            // A ticket stands for a certificate that was good once. Whose has ended since, or is of an
            // authority that is no longer trusted, must not come in by it.
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

impl ClientAuthority {
    /// Reads its certificates, PEM. If none is required, who shows none is let in all the same; who shows a
    /// bad one never is.
    pub fn from_pem(pem: &[u8], is_required: bool) -> Result<Self, TlsConfigError> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| TlsConfigError::Authority(error.to_string()))?;
        if roots.is_empty() {
            return Err(TlsConfigError::NoAuthority);
        }
        let authority = Self { roots, is_required };
        authority.verifier()?;
        Ok(authority)
    }

    fn verifier(
        &self,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsConfigError> {
        let mut store = RootCertStore::empty();
        for root in &self.roots {
            store
                .add(root.clone())
                .map_err(|error| TlsConfigError::Authority(error.to_string()))?;
        }
        let provider = Arc::new(provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
        let builder = if self.is_required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| TlsConfigError::Authority(error.to_string()))
    }
}

impl fmt::Debug for ClientAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthority")
            .field("roots", &self.roots.len())
            .field("is_required", &self.is_required)
            .finish()
    }
}
