//! What waits to be sent, and what waits to be answered.
