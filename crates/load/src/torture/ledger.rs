//! What was accepted, and what each subscriber saw of it.

/// What all publishers were told that it was accepted: for each channel, for each publisher, the offsets
/// of its messages 1, 2, 3, … in their order; 0 where none was told.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) channels: Vec<Vec<Vec<u64>>>,
}

/// What one subscriber saw: for each channel, step by step.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) channels: Vec<Vec<Step>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Message(Sighting),
    /// It was told that it missed something that cannot be had any more.
    Gap,
}

/// A message as a subscriber was sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) publisher: u32,
    pub(crate) number: u32,
    pub(crate) offset: u64,
}

impl Accepted {
    pub(crate) fn new(channels: usize, publishers: usize) -> Self {
        Self { channels: vec![vec![Vec::new(); publishers]; channels] }
    }

    /// How many there are in all.
    pub(crate) fn count(&self) -> u64 {
        self.channels.iter().flatten().map(|numbers| numbers.len() as u64).sum()
    }
}

impl Seen {
    pub(crate) fn new(channels: usize) -> Self {
        Self { channels: vec![Vec::new(); channels] }
    }
}
