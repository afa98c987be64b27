//! Logs, on streams.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    link::{Following, Link},
    streams::Streams,
};

mod append;
mod follow;
mod marks;
mod page;
mod read;
mod reader;
mod remove;
mod whole;

#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) link: Arc<Link>,
    pub(crate) streams: Streams,
    /// What is followed, by the subject under which it is told.
    following: Mutex<HashMap<String, Following>>,
    readers: reader::Readers,
}

/// When an entry was appended, by who appended it: servers before 2.11 do not say it to those who follow.
const APPENDED_AT: &str = "Ws-At";

impl Logs {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            streams: Streams::default(),
            following: Mutex::default(),
            readers: reader::Readers::default(),
        }
    }

    /// The connection broke.
    pub(crate) fn handle_break(&self) {
        self.streams.handle_break();
        self.readers.forget_all();
    }
}
