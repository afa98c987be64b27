//! The inspector: who is connected and what they do, and what passes between the gateway and some of them.
//!
//! Behind the admin key, over HTTP and in the console. Who looks at what is a line of the audit log.

mod connections;
mod parameters;
mod rates;
mod routes;
mod sighting;
mod trace;

pub(crate) use connections::Selection;
pub(crate) use parameters::{Misread, Parameters};
pub(crate) use rates::Gauge;
pub(crate) use routes::routes;
pub(crate) use sighting::shown;
pub(crate) use trace::{NoTrace, Trace};
