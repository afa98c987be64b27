//! What stands in front of gateways.

use std::path::Path;

use super::Found;
use super::programs::Programs;

/// Makes sure of an nginx and returns it.
pub(super) fn provide_nginx(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    Ok(vec![programs.find(&["nginx"], "nginx-core")?.into()])
}

/// Makes sure of a haproxy and returns it.
pub(super) fn provide_haproxy(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    Ok(vec![programs.find(&["haproxy"], "haproxy")?.into()])
}

/// Makes sure of what reads the units of systemd, and returns it.
pub(super) fn provide_systemd(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    Ok(vec![programs.find(&["systemd-analyze"], "systemd")?.into()])
}
