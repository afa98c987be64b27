//! Defaults that follow from something else that was written.

/// What `--dev` changes where nothing is written.
pub(in crate::config) const DEV_DEFAULTS: &[(&str, &str)] =
    &[("WEBSOCKET_HOST", "127.0.0.1"), ("UPSTREAM", "echo")];

/// What each profile of compression changes where nothing is written.
pub(in crate::config) const COMPRESSION_PROFILES: &[(&str, &[(&str, &str)])] = &[
    ("default", &[]),
    ("high", &[("COMPRESSION_LEVEL", "9"), ("COMPRESSION_THRESHOLD", "512")]),
    ("fast", &[("COMPRESSION_LEVEL", "1"), ("COMPRESSION_THRESHOLD", "2048")]),
    ("disabled", &[("COMPRESSION_ENABLED", "false")]),
];
