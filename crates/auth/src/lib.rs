//! From a credential to an identity: JWT with pinned algorithms, JWKS with rotation
