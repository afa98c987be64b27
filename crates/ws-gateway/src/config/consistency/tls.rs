//! What must fit together about TLS, and the files that it names.

use std::io;
use std::path::Path;

use super::Checks;
use crate::config::resolved::{ClientCertificates, Config};
use crate::tls::{self, CertificatesError};

impl Checks<'_> {
    pub(super) fn check_tls(&mut self, config: &Config) {
        let tls = &config.tls;
        let (certificates, keys) = (tls.certificates.len(), tls.keys.len());
        if certificates != keys && self.are_sound(&["TLS_CERT", "TLS_KEY"]) {
            let accepted = format!(
                "as many files as TLS_CERT has, in the same order: there are {keys} keys and \
                 {certificates} certificates"
            );
            return self.fault("TLS_KEY", accepted);
        }
        let asks = tls.clients != ClientCertificates::Off;
        if asks && tls.client_ca.is_none() && self.are_sound(&["TLS_CLIENT_AUTH", "TLS_CLIENT_CA"])
        {
            self.fault("TLS_CLIENT_AUTH", "only with TLS_CLIENT_CA, which says whose are good");
        }
        if certificates == 0 && self.may_miss("TLS_CERT") {
            for (env, is_set) in
                [("TLS_CLIENT_AUTH", asks), ("TLS_CLIENT_CA", tls.client_ca.is_some())]
            {
                if is_set {
                    self.fault(env, "only with TLS_CERT: without it no TLS is spoken");
                }
            }
        } else if tls.client_ca.is_some() && !asks && self.are_sound(&["TLS_CLIENT_AUTH"]) {
            let accepted = "only with TLS_CLIENT_AUTH=optional or required: no client is asked \
                            for a certificate otherwise";
            self.fault("TLS_CLIENT_CA", accepted);
        }
    }

    /// Reads the certificates and keys, so that what is wrong with one is found out before the port is opened.
    pub(in crate::config) fn read_certificates(
        &mut self,
        config: &Config,
        read_file: impl Fn(&Path) -> io::Result<String>,
    ) {
        if config.tls.certificates.len() != config.tls.keys.len() {
            return;
        }
        if let Err(CertificatesError::File { setting, file, reason }) =
            tls::read(&config.tls, read_file)
        {
            self.fault(setting, format!("{}: {reason}", file.display()));
        }
    }
}
