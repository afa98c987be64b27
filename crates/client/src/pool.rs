//! Connections that are shared.
