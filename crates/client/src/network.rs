//! What is known of the network.
