//! The settings as the client library takes them.

use std::{path::Path, sync::Arc, time::Duration};

use async_nats::{ConnectErrorKind, ConnectOptions, rustls::crypto};

use super::events::Events;
use crate::{Login, NatsConfig, StartError};

const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// Commands between us and the library's own task; what waits there is bounded in bytes by us.
const COMMANDS_MAX: usize = 65_536;

/// Reads the files that are named, so that a new attempt takes new ones.
pub(super) fn options(
    config: &NatsConfig,
    events: &Arc<Events>,
) -> Result<ConnectOptions, StartError> {
    install_crypto();
    let mut options = ConnectOptions::new()
        .name("ws-gateway")
        .no_echo()
        .connection_timeout(config.connect_timeout)
        .ping_interval(config.ping_interval)
        .client_capacity(config.pending_max.min(COMMANDS_MAX))
        // Subjects are spelled by us, or checked.
        .skip_subject_validation(true)
        .require_tls(config.tls.is_required);
    let backoff_max = config.backoff_max;
    options = options.reconnect_delay_callback(move |attempts| backoff(attempts, backoff_max));
    let told = Arc::clone(events);
    options = options.event_callback(move |event| {
        told.handle(&event);
        std::future::ready(())
    });
    if let Some(path) = &config.tls.ca_file {
        options = options.add_root_certificates(path.clone());
    }
    if let (Some(certificate), Some(key)) = (&config.tls.cert_file, &config.tls.key_file) {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(match &config.login {
        Login::Addresses => options,
        Login::Password { user, password } => {
            options.user_and_password(user.clone(), password.clone())
        }
        Login::Token(token) => options.token(token.clone()),
        Login::NkeyFile(path) => options.nkey(seed_in(&read(path)?, path)?),
        Login::CredentialsFile(path) => options.credentials(&read(path)?).map_err(|error| {
            StartError::Settings(format!("the credentials file {}: {error}", path.display()))
        })?,
    })
}

/// What an attempt to connect failed by.
pub(super) fn failure(error: &async_nats::ConnectError) -> StartError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            StartError::Denied(error.to_string())
        }
        ConnectErrorKind::ServerParse => StartError::Settings(error.to_string()),
        _ if error.to_string().contains("Authorization Violation") => {
            StartError::Denied(error.to_string())
        }
        _ => StartError::Unreachable(error.to_string()),
    }
}

/// Doubles from attempt to attempt, and half of it is left to chance, so that the nodes of a gateway do not come
/// back all at once.
pub(super) fn backoff(attempts: usize, most: Duration) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let full = BACKOFF_MIN.saturating_mul(1 << doublings).min(most);
    full.mul_f64(0.5 + 0.5 * fastrand::f64())
}

/// A process that has no provider of its own takes the one that the other crates of this workspace use.
fn install_crypto() {
    if crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster.
        let _ = crypto::aws_lc_rs::default_provider().install_default();
    }
}

fn read(path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path)
        .map_err(|error| StartError::Settings(format!("cannot read {}: {error}", path.display())))
}

/// Files of nkeys may have comments and empty lines.
fn seed_in(text: &str, path: &Path) -> Result<String, StartError> {
    let seed = text.lines().map(str::trim).find(|line| line.starts_with('S'));
    seed.map(str::to_owned).ok_or_else(|| {
        StartError::Settings(format!("there is no seed of an nkey (`SU…`) in {}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_differ() {
        let most = Duration::from_secs(3);
        for attempts in 0..100 {
            let pause = backoff(attempts, most);
            assert!(pause >= BACKOFF_MIN / 2 && pause <= most, "{attempts}: {pause:?}");
        }
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| backoff(9, most)).collect();
        assert!(pauses.len() > 1);
    }

    #[test]
    fn a_seed_is_found_among_comments() {
        let path = Path::new("user.nk");
        assert_eq!(seed_in("# ours\n\n SUABC \n", path).unwrap(), "SUABC");
        assert!(seed_in("UABC", path).unwrap_err().to_string().contains("user.nk"));
    }
}
