//! The servers behind which several gateways are one.

use std::path::Path;

use super::Found;
use super::programs::Programs;

/// Makes sure of a redis-server and returns it. Debian's starts one as a service as well, which nobody here
/// talks to.
pub(super) fn provide_redis(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    Ok(vec![programs.find(&["redis-server"], "redis-server")?.into()])
}

/// Makes sure of a nats-server and returns it.
pub(super) fn provide_nats(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    Ok(vec![programs.find(&["nats-server"], "nats-server")?.into()])
}
