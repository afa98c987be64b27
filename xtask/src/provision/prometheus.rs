//! Who scrapes the gateway, and checks what it is to be woken by.

use std::path::Path;

use super::Found;
use super::programs::Programs;

/// Makes sure of Prometheus and of promtool, which comes with it. Debian's starts one as a service as well, which
/// nobody here talks to.
pub(super) fn provide(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    let prometheus = programs.find(&["prometheus"], "prometheus")?;
    Ok(vec![prometheus.into(), programs.find(&["promtool"], "prometheus")?.into()])
}
