//! A WebSocket gateway composed of focused crates
