//! ssh, for what goes through tunnels.

use std::path::Path;

use super::Found;
use super::programs::Programs;

/// Makes sure of both ends, and of what makes keys.
pub(super) fn provide(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    let server = programs.find(&["sshd"], "openssh-server")?;
    let client = programs.find(&["ssh"], "openssh-client")?;
    let keygen = programs.find(&["ssh-keygen"], "openssh-client")?;
    Ok(vec![server.into(), client.into(), keygen.into()])
}
