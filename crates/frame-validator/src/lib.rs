//! Size limits on WebSocket frames and messages, with violations and statistics
