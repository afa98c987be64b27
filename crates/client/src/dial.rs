//! From an address to an open WebSocket.
