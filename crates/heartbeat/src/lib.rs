//! When to ping a WebSocket peer, when it is dead, and how long a round trip took
