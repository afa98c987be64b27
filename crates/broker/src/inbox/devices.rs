//! What each device of a user has acknowledged.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Names of devices are longer than this only if somebody makes them so.
const NAME_BYTES_MAX: usize = 64;

/// The record of a user's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Devices {
    /// Of which life of the log the offsets are.
    epoch: u64,
    devices: BTreeMap<Box<str>, Device>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    /// When it was last there, in ms since 1970.
    seen: u64,
    #[serde(flatten)]
    acked: Acked,
}

/// What a device has acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acked {
    /// Everything up to here.
    upto: u64,
    /// And beyond, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beyond: Vec<u64>,
}

/// How long a device is waited for, and how many are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) ttl_ms: u64,
    pub(super) devices_max: usize,
}

impl Devices {
    /// What cannot be read is taken for nothing: letters are delivered again.
    pub(super) fn decode(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap_or_default()
    }

    pub(super) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// A device is there. Whether that is worth to be written down.
    pub(super) fn see(&mut self, name: &str, now_ms: u64, bounds: Bounds) -> bool {
        if self.devices.is_empty() && name.is_empty() {
            return false;
        }
        let known = self.devices.contains_key(name);
        let device = self.devices.entry(name.into()).or_default();
        // Not at each connect, but often enough to tell who is away.
        let is_due = !known || now_ms.saturating_sub(device.seen) >= bounds.ttl_ms / 16;
        if is_due {
            device.seen = device.seen.max(now_ms);
        }
        let before = self.devices.len();
        let newest = self.devices.values().map(|device| device.seen).max().unwrap_or(now_ms);
        self.devices.retain(|_, device| newest.saturating_sub(device.seen) <= bounds.ttl_ms);
        while self.devices.len() > bounds.devices_max.max(1) {
            let others = self.devices.iter().filter(|(other, _)| &***other != name);
            let Some(oldest) = others.min_by_key(|(_, device)| device.seen) else { break };
            let oldest = oldest.0.clone();
            self.devices.remove(&oldest);
        }
        is_due || self.devices.len() != before
    }

    /// What a device has acknowledged in this life of the log.
    pub(super) fn acked_by(&self, name: &str, epoch: u64) -> Acked {
        let device = self.devices.get(name).filter(|_| self.epoch == epoch);
        device.map(|device| device.acked.clone()).unwrap_or_default()
    }

    /// Whether no other device than this is waited for.
    pub(super) fn is_alone(&self, name: &str) -> bool {
        self.devices.keys().all(|other| &**other == name)
    }

    /// Whether all have acknowledged this one.
    pub(super) fn is_acked_by_all(&self, offset: u64, epoch: u64) -> bool {
        self.epoch == epoch && self.devices.values().all(|device| device.acked.contains(offset))
    }

    /// A device has acknowledged these, and everything up to `upto`.
    pub(super) fn ack(&mut self, name: &str, epoch: u64, upto: u64, offsets: &[u64]) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.devices.values_mut().for_each(|device| device.acked = Acked::default());
        }
        // What all had acknowledged before this is not there any more, and need not be named.
        let gone: Vec<u64> = match self.devices.values().next() {
            Some(any) => any.acked.beyond.clone(),
            None => Vec::new(),
        };
        let gone = gone.into_iter().filter(|offset| self.is_acked_by_all(*offset, epoch));
        for offset in gone.collect::<Vec<_>>() {
            for device in self.devices.values_mut() {
                device.acked.beyond.retain(|it| *it != offset);
            }
        }
        self.devices.entry(name.into()).or_default().acked.add(upto, offsets);
    }
}

impl Acked {
    pub(super) fn contains(&self, offset: u64) -> bool {
        offset <= self.upto || self.beyond.binary_search(&offset).is_ok()
    }

    /// Everything up to here is acknowledged.
    pub(super) fn upto(&self) -> u64 {
        self.upto
    }

    fn add(&mut self, upto: u64, offsets: &[u64]) {
        self.upto = self.upto.max(upto);
        self.beyond.extend(offsets);
        self.beyond.retain(|offset| *offset > self.upto);
        self.beyond.sort_unstable();
        self.beyond.dedup();
    }
}

/// A name for a device that is never long: two long names share one only by an unlikely accident.
pub(super) fn bounded_name(name: &str) -> Box<str> {
    if name.len() <= NAME_BYTES_MAX {
        return name.into();
    }
    // FNV-1a, which every node computes alike, now and after an upgrade.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let cut = (0..=NAME_BYTES_MAX - 17).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    format!("{}~{hash:016x}", &name[..cut]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { ttl_ms: 1600, devices_max: 3 };

    #[test]
    fn a_device_without_a_name_is_written_down_only_beside_others() {
        let mut devices = Devices::default();
        assert!(!devices.see("", 0, BOUNDS));
        assert!(devices.is_alone(""));
        assert!(devices.see("phone", 0, BOUNDS));
        assert!(devices.see("", 0, BOUNDS));
        assert!(!devices.is_alone("phone"));
        assert!(!devices.see("", 99, BOUNDS), "seen a moment ago");
        assert!(devices.see("", 100, BOUNDS));
    }

    #[test]
    fn those_who_stay_away_are_not_waited_for() {
        let mut devices = Devices::default();
        devices.see("a", 0, BOUNDS);
        devices.see("b", 1000, BOUNDS);
        assert!(devices.see("b", 1601, BOUNDS));
        assert!(devices.is_alone("b"));
        for name in ["c", "d", "e"] {
            devices.see(name, 1700, BOUNDS);
        }
        let names: Vec<&str> = devices.devices.keys().map(|name| &**name).collect();
        assert_eq!(names, ["c", "d", "e"], "the one that was away the longest gave way");
    }

    #[test]
    fn what_all_have_acknowledged_is_not_named_for_ever() {
        let mut devices = Devices::default();
        devices.see("a", 0, BOUNDS);
        devices.see("b", 0, BOUNDS);
        for offset in 2..100 {
            devices.ack("a", 1, 0, &[offset]);
            assert!(!devices.is_acked_by_all(offset, 1));
            devices.ack("b", 1, 0, &[offset]);
            assert!(devices.is_acked_by_all(offset, 1));
            let named: usize = devices.devices.values().map(|it| it.acked.beyond.len()).sum();
            assert!(named <= 4, "{named} at {offset}");
        }
        assert_eq!(Devices::decode(&devices.encode()), devices);
        assert_eq!(devices.acked_by("a", 2), Acked::default(), "another life of the log");
        devices.ack("a", 2, 5, &[7]);
        assert!(devices.acked_by("a", 2).contains(7) && !devices.acked_by("a", 2).contains(6));
        assert_eq!(devices.acked_by("b", 2), Acked::default());
    }

    #[test]
    fn two_connections_of_a_device_acknowledge_in_any_order() {
        let mut devices = Devices::default();
        devices.see("a", 0, BOUNDS);
        devices.see("b", 0, BOUNDS);
        devices.ack("a", 1, 5, &[4, 5]);
        devices.ack("a", 1, 2, &[2, 8]);
        let acked = devices.acked_by("a", 1);
        assert!([1, 3, 5, 8].into_iter().all(|offset| acked.contains(offset)));
        assert!(!acked.contains(6));
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = "ü".repeat(200);
        assert_eq!(&*bounded_name("phone"), "phone");
        assert!(bounded_name(&long).len() <= NAME_BYTES_MAX);
        assert_eq!(bounded_name(&long), bounded_name(&long));
        assert_ne!(bounded_name(&long), bounded_name(&format!("{long}x")));
    }
}
