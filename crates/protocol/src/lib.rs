//! The gateway's JSON vocabulary: one enum each way, payloads carried unparsed.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod error;
mod error_code;
mod id;
mod nesting;
mod server;
mod token;
mod vocabulary;

pub use client::{Auth, ClientMessage, Custom, Incoming, Position, Publication};
pub use error::{Expected, ParseError, ParseErrorKind};
pub use error_code::ErrorCode;
pub use id::{Correlation, Id};
pub use nesting::{NESTING_MAX, is_too_deep};
pub use server::{ChannelMessage, MissedRange, ServerMessage, Session};
pub use token::Token;
pub use vocabulary::{ClientType, Field};
