//! The WebSocket closing handshake as a machine, the code table, and closing many at a pace
