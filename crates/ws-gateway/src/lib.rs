//! A WebSocket gateway composed of focused crates

pub mod config;
