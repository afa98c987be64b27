//! The life of a gateway connection: admit, authenticate, register, route, limit, close
