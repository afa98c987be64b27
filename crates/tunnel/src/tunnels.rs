//! All tunnels of a server: the list of targets, and how many there are.

use std::sync::Arc;

use ws_transport::Outbox;

use crate::{
    config::TunnelConfig,
    end::Refused,
    link::Link,
    permits::{Permit, Permits},
    pump::Pump,
    session::Tunnel,
    stats::{Counters, TunnelStats},
    target::{Target, Targets},
};

/// Opens tunnels to the targets of a list, within limits. Cheap to clone; clones share the limits.
#[derive(Clone, Debug)]
pub struct Tunnels {
    targets: Arc<Targets>,
    config: Arc<TunnelConfig>,
    permits: Arc<Permits>,
    counters: Arc<Counters>,
}

impl Tunnels {
    /// Tunnels to these targets and no others.
    pub fn new(targets: Targets, config: TunnelConfig) -> Self {
        Self {
            targets: Arc::new(targets),
            config: Arc::new(config),
            permits: Arc::default(),
            counters: Arc::default(),
        }
    }

    /// The same tunnels with another list and other limits: those that are there stay, and are counted.
    #[must_use]
    pub fn with(&self, targets: Targets, config: TunnelConfig) -> Self {
        Self { targets: Arc::new(targets), config: Arc::new(config), ..self.clone() }
    }

    /// A place for a tunnel of `user` to `address`. Nothing is connected to before it is opened.
    ///
    /// # Errors
    ///
    /// The address is not on the list, or a limit is reached.
    pub fn reserve(&self, address: &str, user: &str) -> Result<Reservation, Refused> {
        let found = self.targets.find(address).ok_or(Refused::NotListed);
        let taken = found.and_then(|target| {
            let permit = self.permits.take(target, user.into(), &self.config)?;
            Ok((target.clone(), permit))
        });
        let (target, permit) = taken.inspect_err(|refused| self.counters.note_refusal(*refused))?;
        let (config, counters) = (self.config.clone(), self.counters.clone());
        Ok(Reservation { target, permit, config, counters })
    }

    /// The targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// What tunnels have done so far.
    pub fn stats(&self) -> TunnelStats {
        self.counters.stats(self.permits.len())
    }
}

/// A place for one tunnel, given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    target: Target,
    permit: Permit,
    config: Arc<TunnelConfig>,
    counters: Arc<Counters>,
}

impl Reservation {
    /// The tunnel, for the driver that `outbox` leads to. With `has_half_close`, when
    /// [`SUBPROTOCOL`](crate::SUBPROTOCOL) was agreed upon, an empty binary message ends one direction.
    ///
    /// The target is connected to in a task of its own, and what the client sends waits for that: must be
    /// called within a tokio runtime.
    pub fn open(self, has_half_close: bool, outbox: Outbox) -> Tunnel {
        let Self { target, permit, config, counters } = self;
        counters.note_opened();
        let link = Arc::new(Link::new(config.buffer_bytes, outbox, permit));
        let tunnel = Tunnel::new(link.clone(), counters.clone(), has_half_close);
        tokio::spawn(Pump { link, target, config, counters, has_half_close }.run());
        tunnel
    }
}
