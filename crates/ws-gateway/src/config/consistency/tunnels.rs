//! What must fit together among tunnels, their list and who may have one.

use super::Checks;
use crate::config::resolved::{AuthMode, Config};

impl Checks<'_> {
    pub(super) fn check_tunnels(&mut self, config: &Config) {
        let targets: ws_tunnel::Targets = config.tunnels.targets.iter().cloned().collect();
        let types = config.channels.types.iter();
        let tunnels = types.filter_map(|kind| Some((&kind.path, kind.tunnel.as_ref()?)));
        let tunnels: Vec<_> = tunnels.collect();
        if tunnels.is_empty() {
            if !targets.is_empty() && !self.raw.is_incomplete {
                self.warnings.push(
                    "TUNNEL_TARGETS is set, and no [[connection_types]] has `tunnel`: there are no \
                     tunnels"
                        .to_owned(),
                );
            }
            return;
        }
        if self.are_sound(&["TUNNEL_TARGETS"]) {
            for (path, tunnel) in &tunnels {
                let is_open = tunnel.contains('{') && !targets.is_empty();
                if !is_open && targets.find(tunnel).is_none() {
                    let accepted = format!("{tunnel} among others: {path} is a tunnel to it");
                    self.fault("TUNNEL_TARGETS", accepted);
                }
            }
        }
        if config.auth.mode == AuthMode::None && !config.dev {
            self.warnings.push(
                "AUTH_MODE=none with tunnels: anybody who reaches the gateway reaches their \
                 addresses, too"
                    .to_owned(),
            );
        }
    }
}
