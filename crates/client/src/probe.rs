//! How the network is, by asking for /health.
