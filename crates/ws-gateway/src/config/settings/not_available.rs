//! What is known by name and not built yet, with what it would switch on. A gateway that took it and
//! did nothing would look as if it had it.

/// Variables, which as keys of the file are refused under every section.
pub(in crate::config) const NOT_AVAILABLE: &[(&str, &str)] = &[
    ("BROKER", "an engine between nodes"),
    ("DATA_DIR", "a durable store"),
    ("NATS_URL", "the NATS engine"),
    ("REDIS_HOST", "the Redis engine"),
];

/// Sections and arrays of the file.
pub(in crate::config) const SECTIONS_NOT_AVAILABLE: &[(&str, &str)] = &[
    ("bridges", "bridges between subjects and channels"),
    ("broker", "an engine between nodes"),
    ("nats", "the NATS engine"),
    ("redis", "the Redis engine"),
];
