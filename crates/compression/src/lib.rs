//! permessage-deflate (RFC 7692): negotiation, deflate, and inflate within a bound
