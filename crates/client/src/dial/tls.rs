//! TLS to the server.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use rustls::{CertificateError, ClientConfig, crypto::aws_lc_rs, pki_types::ServerName};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::DialError;

/// The one protocol in which a WebSocket can be asked for here.
const ALPN: &[u8] = b"http/1.1";

/// The roots of the platform are read once, not for each client of a pool.
static PLATFORM: OnceLock<Arc<ClientConfig>> = OnceLock::new();

/// How to greet one server.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    pub(super) fn new(host: &str, own: Option<Arc<ClientConfig>>) -> Result<Self, DialError> {
        // Addresses are names as well: a certificate may be for one.
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            DialError::Invalid(format!("{host:?} is no name that a certificate could be for"))
        })?;
        let mut config = match own {
            Some(config) => config,
            None => platform()?,
        };
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols.push(ALPN.to_vec());
        }
        Ok(Self { connector: config.into(), name })
    }

    pub(super) async fn wrap(&self, socket: TcpStream) -> Result<TlsStream<TcpStream>, DialError> {
        self.connector.connect(self.name.clone(), socket).await.map_err(|error| self.told(error))
    }

    fn told(&self, error: io::Error) -> DialError {
        let cause = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
        let name = self.name.to_str();
        DialError::Tls(match cause {
            // The transport's own failure, such as a reset.
            None => return DialError::Io(error),
            Some(rustls::Error::InvalidCertificate(fault)) => match fault {
                CertificateError::UnknownIssuer => {
                    format!("nobody whom we trust has signed the certificate of {name}")
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    format!("the certificate is not for {name}")
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    format!("the certificate of {name} has expired")
                }
                other => format!("the certificate of {name} does not hold: {other}"),
            },
            Some(rustls::Error::InvalidMessage(_)) => format!("{name} speaks no TLS there"),
            Some(other) => other.to_string(),
        })
    }
}

fn platform() -> Result<Arc<ClientConfig>, DialError> {
    if let Some(config) = PLATFORM.get() {
        return Ok(config.clone());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| DialError::Tls(format!("the platform's roots: {error}")))?;
    let mut config = config.with_no_client_auth();
    config.alpn_protocols.push(ALPN.to_vec());
    Ok(PLATFORM.get_or_init(|| Arc::new(config)).clone())
}
