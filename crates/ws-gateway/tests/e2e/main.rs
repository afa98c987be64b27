//! The gateway from outside, in one process: started on port 0 from variables as an operator writes
//! them, spoken to over TCP by three clients: ours, tungstenite's, and bytes.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

mod authentication;
mod back_end;
mod channel_rules;
mod client;
mod collector;
mod connection_types;
mod console;
mod documents;
mod ends;
mod exchange;
mod hooks;
mod house;
mod http;
mod inspector;
mod issuer;
mod limiting;
mod limits;
mod looks;
mod metrics;
mod moving;
mod nodes;
mod oracle;
mod orders;
mod overload;
mod page;
mod paths;
mod proxies;
mod reload;
mod revoking;
mod second;
mod smuggling;
mod stopping;
mod tls;
mod traces;
mod tunnels;
mod upstream;
mod wire;
